"""What the doctor asks Discord itself: token, guild, channel, rights, and the invite link."""

from __future__ import annotations

import discord

from adapters.discord.endpoints import address, keep_log_short, point_at
from adapters.discord.outgoing import TROUBLE, patiently
from adapters.discord.send_errors import explain, invite
from adapters.discord.settings import DiscordSetup
from adapters.shared.proxy import proxy_for
from bot.commands.doctor import Check, Level

_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}


async def examine_discord(setup: DiscordSetup) -> list[Check]:
    """Look at everything over the web API; no connection to the gateway is made."""
    point_at(setup.api_url, setup.gateway_url)
    keep_log_short()
    proxy = proxy_for(address())
    async with discord.Client(intents=discord.Intents(guilds=True), proxy=proxy) as client:
        try:
            await client.login(setup.bot_token.reveal())
        except TROUBLE as error:
            trouble = explain(error, None, None)
            return [_bad("discord token", trouble.what, trouble.mend)]
        link = invite(client.application_id or 0)
        return [
            _good("discord token", f"Logs in as {client.user}."),
            *await _guild(client, setup, link),
            *await _channel(client, setup.channel_id, link),
            _good("discord invite", f"Invite with the minimum permissions: {link}"),
        ]


async def _guild(client: discord.Client, setup: DiscordSetup, link: str) -> list[Check]:
    guild_id = setup.guild_id
    if guild_id is None and setup.channel_id is None:
        what = "No server is set, so the bot answers no commands in Discord."
        return [_bad("discord guild", what, "Set DISCORD_GUILD_ID to your server's id.")]
    if guild_id is None:
        what = "DISCORD_GUILD_ID is not set: using the server of DISCORD_CHANNEL_ID."
        return [_good("discord guild", what)]
    try:
        guild = await patiently(lambda: client.fetch_guild(guild_id, with_counts=False))
    except TROUBLE as error:
        return [_bad("discord guild", _unseen(f"guild {guild_id}", error), f"Add the bot: {link}")]
    return [_good("discord guild", f"The bot is in {guild.name}.")]


async def _channel(client: discord.Client, channel_id: int | None, link: str) -> list[Check]:
    if channel_id is None:
        return [
            Check(
                "discord channel",
                False,
                Level.WARNING,
                "DISCORD_CHANNEL_ID is not set: alerts and digests do not reach Discord.",
                "Set DISCORD_CHANNEL_ID to the channel's ID.",
            )
        ]
    try:
        channel = await patiently(lambda: client.fetch_channel(channel_id))
        if not isinstance(channel, discord.abc.Messageable):
            what = f"#{channel} does not accept plain messages (a forum or category)."
            return [_bad("discord channel", what, "Set DISCORD_CHANNEL_ID to a text channel.")]
        missing = await _missing(client, channel)
    except TROUBLE as error:
        what = _unseen(f"channel {channel_id}", error)
        return [_bad("discord channel", what, f"Check DISCORD_CHANNEL_ID, or add the bot: {link}")]
    if missing:
        what = f"Missing permissions in #{channel}: {', '.join(missing)}."
        return [
            _bad("discord channel", what, "Grant them in the channel's settings (Permissions).")
        ]
    return [_good("discord channel", f"The bot may post in #{channel}.")]


async def _missing(client: discord.Client, channel: object) -> list[str]:
    """Return the rights the bot lacks in a channel; a thread has its parent's."""
    assert client.user is not None
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return []
    guild = await client.fetch_guild(channel.guild.id, with_counts=False)
    me = await guild.fetch_member(client.user.id)
    parent = channel.parent_id if isinstance(channel, discord.Thread) else channel.id
    place = await guild.fetch_channel(parent)
    assert isinstance(place, discord.abc.GuildChannel)
    have = place.permissions_for(me)
    return [name for right, name in _NEEDED.items() if not getattr(have, right)]


def _unseen(what: str, error: BaseException) -> str:
    if isinstance(error, discord.Forbidden | discord.NotFound):
        return f"The bot cannot see the {what}."
    return explain(error, None, None).what


def _good(name: str, detail: str) -> Check:
    return Check(name, True, Level.INFO, detail)


def _bad(name: str, detail: str, resolution: str) -> Check:
    return Check(name, False, Level.ERROR, detail, resolution)
