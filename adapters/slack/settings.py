"""What the environment says about Slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import SettingsError
from bot.models import Secret

SLACK_API = "https://slack.com/api/"


class Mode(StrEnum):
    """How events reach us: over a socket that we open, or as requests that Slack sends."""

    SOCKET = "socket"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Tokens, address and channel; `mode` follows from which of the two secrets is there."""

    bot_token: Secret
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    api_url: str = SLACK_API
    channel: str = ""

    @property
    def mode(self) -> Mode:
        """The socket where there is an app token: it needs no public address."""
        return Mode.SOCKET if self.app_token else Mode.HTTP

    @classmethod
    def read(cls, env: Mapping[str, str]) -> SlackSettings | None:
        """Read the SLACK_ variables; None where Slack is not set up.

        Raises:
            SettingsError: there is a bot token and nothing to receive events with.
        """
        token = env.get("SLACK_BOT_TOKEN", "").strip()
        if not token:
            return None
        app_token = env.get("SLACK_APP_TOKEN", "").strip()
        signing = env.get("SLACK_SIGNING_SECRET", "").strip()
        if not (app_token or signing):
            raise SettingsError(
                "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET.",
                "Set SLACK_APP_TOKEN (xapp-…) for Socket Mode; docs/slack.md says where it is.",
            )
        return cls(
            bot_token=Secret(token),
            app_token=Secret(app_token) if app_token else None,
            signing_secret=Secret(signing) if signing else None,
            api_url=env.get("SLACK_API_URL", "").strip().rstrip("/") + "/"
            if env.get("SLACK_API_URL", "").strip()
            else SLACK_API,
            channel=env.get("SLACK_CHANNEL", "").strip(),
        )
