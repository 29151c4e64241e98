"""Why Discord cannot be used, in one line, with how to fix it."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import discord
from discord import app_commands

DEVELOPERS = "https://discord.com/developers/applications"
_UNAUTHORIZED, _BAD_TOKEN, _INTENTS = 401, 4004, (4013, 4014)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened, and the next step; `strange` where it was not expected."""

    what: str
    mend: str = ""
    strange: bool = False

    def __str__(self) -> str:
        return f"{self.what} {self.mend}".strip()


def invite(application_id: int | str) -> str:
    """Return the link that adds the bot to a guild, with the least it needs."""
    permissions = discord.Permissions(
        view_channel=True,
        send_messages=True,
        embed_links=True,
        attach_files=True,
        read_message_history=True,
    )
    scopes = ("bot", "applications.commands")
    return discord.utils.oauth_url(application_id, permissions=permissions, scopes=scopes)


def explain(error: BaseException, guild_id: int | None, application_id: int | None) -> Trouble:
    """Put what ended a login or a connection in words."""
    if isinstance(error, discord.DiscordException):
        outside = isinstance(error, discord.Forbidden | discord.NotFound)
        if outside and guild_id and application_id:
            return Trouble(
                f"The bot is not in guild {guild_id} (DISCORD_GUILD_ID).",
                f"Add it: {invite(application_id)}",
            )
        return _refusal(error)
    if isinstance(error, aiohttp.ClientError | OSError):
        return Trouble(
            f"Discord is unreachable ({type(error).__name__}).",
            "Check the network, and DISCORD_API_URL if it is set.",
        )
    if isinstance(error, AttributeError) and error.__context__ is not None:
        # discord.py stumbles over its own missing socket when the first connection fails.
        return explain(error.__context__, guild_id, application_id)
    return Trouble(f"The connection was lost ({type(error).__name__}).", strange=True)


def _refusal(error: discord.DiscordException) -> Trouble:
    code = error.code if isinstance(error, discord.ConnectionClosed) else None
    status = error.status if isinstance(error, discord.HTTPException) else None
    if isinstance(error, discord.LoginFailure) or code == _BAD_TOKEN or status == _UNAUTHORIZED:
        return Trouble(
            "Discord rejected the token in DISCORD_BOT_TOKEN.",
            f"Reset it at {DEVELOPERS} (Bot, Reset Token), put it in .env and restart.",
        )
    if isinstance(error, discord.PrivilegedIntentsRequired) or code in _INTENTS:
        return Trouble("Discord rejected the bot's intents.", f"Check {DEVELOPERS} (Bot, Intents).")
    if isinstance(error, app_commands.CommandSyncFailure):
        return Trouble("Discord rejected the commands.", " ".join(str(error).split()))
    if code is not None:
        return Trouble(f"Discord closed the connection (code {code}).")
    return Trouble(f"Discord returned HTTP {status}." if status else f"{type(error).__name__}.")
