"""The one place that touches what discord.py does not document; hence its narrow version range."""

from __future__ import annotations

import logging

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route


def point_at(api_url: str | None, gateway_url: str | None) -> None:
    """Let discord.py talk to these addresses, in the whole process; None keeps Discord's own.

    Call it before login. `api_url` ends in `/api/v10`, `gateway_url` begins with `ws`.
    """
    if api_url:
        Route.BASE = api_url.rstrip("/")
    if gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


def address() -> str:
    """Return where Discord's web API is at present, without a slash at the end."""
    return Route.BASE


def user_agent() -> str:
    """Name the client as Discord demands: what names itself otherwise may be blocked."""
    return f"DiscordBot (https://github.com/Rapptz/discord.py {discord.__version__})"


def role_ids(user: discord.User | discord.Member) -> frozenset[int]:
    """Return the ids of somebody's roles as Discord sent them with the interaction.

    `Member.roles` leaves out those of a guild that is not in the cache, which would take an
    operator's rights away just after a reconnect.
    """
    if not isinstance(user, discord.Member):
        return frozenset()
    return frozenset(user._roles)


def keep_log_short() -> None:
    """Take out of discord.py's log what helps nobody here.

    That is: its notices that voice is not supported, and a traceback for each reconnect.
    """
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    logger = logging.getLogger("discord.client")
    if _reconnects_without_traceback not in logger.filters:
        logger.addFilter(_reconnects_without_traceback)


def _reconnects_without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and str(record.msg).startswith("Attempting a reconnect"):
        record.msg = f"{record.getMessage()} ({type(record.exc_info[1]).__name__})"
        record.args = ()
        record.exc_info = record.exc_text = None
    return True
