"""Environment → the settings of Slack, Discord and Telegram."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from adapters.environment.values import address, secret, value_of, wrong
from bot.errors import SettingsError
from bot.models import Secret

_SNOWFLAKE = 2**64 - 1
_TELEGRAM_TOKEN = re.compile(r"\d+:[\w-]+", re.ASCII)
_TELEGRAM_ID = re.compile(r"-?[1-9]\d{0,15}", re.ASCII)


class SlackMode(StrEnum):
    """How Slack's events reach us."""

    SOCKET = "socket"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """One Slack app; `app_token` in socket mode, `signing_secret` in HTTP mode."""

    bot_token: Secret
    app_token: Secret | None
    signing_secret: Secret | None
    api_url: str | None
    channel: str | None

    @property
    def mode(self) -> SlackMode:
        """Socket mode wherever there is an app token."""
        return SlackMode.SOCKET if self.app_token else SlackMode.HTTP


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """One Discord bot."""

    bot_token: Secret
    channel_id: int | None
    guild_id: int | None
    api_url: str | None
    gateway_url: str | None


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One Telegram bot; with `webhook_url` Telegram calls us, else it is polled."""

    bot_token: Secret
    chat_id: int | None
    topic_id: int | None
    api_url: str | None
    webhook_url: str | None


def read_slack(env: Mapping[str, str]) -> SlackSettings | None:
    """Read the SLACK_ variables; None where there is no Slack."""
    bot, app, signing = (
        secret(env, name) for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")
    )
    if bot is None:
        if app or signing:
            raise SettingsError(
                f"{'SLACK_APP_TOKEN' if app else 'SLACK_SIGNING_SECRET'} is set, but not "
                "SLACK_BOT_TOKEN.",
                "Set SLACK_BOT_TOKEN from the app's OAuth & Permissions page.",
            )
        return None
    if app is None and signing is None:
        raise SettingsError(
            "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET.",
            "Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP mode.",
        )
    api = address(env, "SLACK_API_URL", ("http", "https"), "https://slack.com/api/")
    if api is not None and not api.endswith("/api"):
        raise wrong(
            "SLACK_API_URL", api, "must end in /api/", "For example: https://slack.com/api/"
        )
    return SlackSettings(
        bot, app, signing, f"{api}/" if api else None, value_of(env, "SLACK_CHANNEL") or None
    )


def read_discord(env: Mapping[str, str]) -> DiscordSettings | None:
    """Read the DISCORD_ variables; None where there is no Discord."""
    bot = secret(env, "DISCORD_BOT_TOKEN")
    if bot is None:
        return None
    return DiscordSettings(
        bot,
        _snowflake(env, "DISCORD_CHANNEL_ID"),
        _snowflake(env, "DISCORD_GUILD_ID"),
        address(env, "DISCORD_API_URL", ("http", "https"), "https://discord.com/api/v10"),
        address(env, "DISCORD_GATEWAY_URL", ("ws", "wss"), "wss://gateway.discord.gg"),
    )


def read_telegram(env: Mapping[str, str]) -> TelegramSettings | None:
    """Read the TELEGRAM_ variables; None where there is no Telegram."""
    bot = secret(env, "TELEGRAM_BOT_TOKEN")
    if bot is None:
        return None
    if not _TELEGRAM_TOKEN.fullmatch(bot.reveal()):
        raise SettingsError(
            "TELEGRAM_BOT_TOKEN is not a Telegram token.",
            "Copy it from @BotFather: digits, a colon, letters.",
        )
    return TelegramSettings(
        bot,
        _telegram_id(env, "TELEGRAM_CHAT_ID"),
        _telegram_id(env, "TELEGRAM_TOPIC_ID"),
        address(env, "TELEGRAM_API_URL", ("http", "https"), "https://api.telegram.org"),
        address(env, "TELEGRAM_WEBHOOK_URL", ("https", "http"), "https://bot.example.com"),
    )


def _telegram_id(env: Mapping[str, str], name: str) -> int | None:
    value = value_of(env, name)
    if not value:
        return None
    if not _TELEGRAM_ID.fullmatch(value):
        raise wrong(
            name,
            value,
            "must be a Telegram ID",
            "Leave it empty and send /help to the bot in the group: it answers with the ID.",
        )
    return int(value)


def _snowflake(env: Mapping[str, str], name: str) -> int | None:
    value = value_of(env, name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 20 and int(value) <= _SNOWFLAKE):
        raise wrong(
            name,
            value,
            "must be a Discord ID",
            "Turn on developer mode in Discord and copy the ID.",
        )
    return int(value)
