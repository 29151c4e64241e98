"""What this surface has to be told."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from bot.models import Secret

SLACK_API = "https://slack.com/api/"


class Mode(StrEnum):
    """How events reach us: over a socket that we open, or as requests that Slack sends."""

    SOCKET = "socket"
    HTTP = "http"


class SlackSetup(Protocol):
    """One app: its tokens, another address, the alert channel by id or name."""

    @property
    def bot_token(self) -> Secret: ...

    @property
    def app_token(self) -> Secret | None: ...

    @property
    def signing_secret(self) -> Secret | None: ...

    @property
    def api_url(self) -> str | None: ...

    @property
    def channel(self) -> str | None: ...


def mode_of(setup: SlackSetup) -> Mode:
    """The socket where there is an app token: it needs no public address."""
    return Mode.SOCKET if setup.app_token else Mode.HTTP
