"""The guild that the bot belongs to, and who is of it: nobody else is answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import discord

from adapters.discord.endpoints import role_ids
from adapters.discord.outgoing import TROUBLE, patiently
from adapters.discord.settings import DiscordSetup
from adapters.discord.tree import SyncMemory
from bot.access import Actor, Surface
from bot.errors import ChangeoverError, RefusedError, StorageError

MEMBER_TTL_S = 30.0
"""For so long somebody who has left may still ask in a direct message."""
MOST_MEMBERS = 5000
_log = logging.getLogger("changeover.discord")
Interaction = discord.Interaction[Any]


class Home:
    """DISCORD_GUILD_ID, else the guild of DISCORD_CHANNEL_ID, which is looked up once."""

    def __init__(
        self, setup: DiscordSetup, memory: SyncMemory, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._guild_id = setup.guild_id
        self._channel_id = setup.channel_id
        self._memory = memory
        self._now_s = now_s
        self._members: dict[int, tuple[float, bool]] = {}

    async def find(self, client: discord.Client) -> int | None:
        """Return the guild's id; None where nothing is configured that names it.

        Raises:
            RefusedError: Discord does not say at the moment.
        """
        if self._guild_id is None and self._channel_id is not None:
            key = f"discord.home.{self._channel_id}"
            self._guild_id = await self._recall(key) or await self._ask(client, self._channel_id)
            await self._remember(key, self._guild_id)
        return self._guild_id

    def outside(self, interaction: Interaction) -> bool:
        """Return whether a guild is surely another one, without asking anybody."""
        return interaction.guild_id is not None and interaction.guild_id != self._guild_id

    async def actor(self, interaction: Interaction) -> Actor:
        """Return who asks, with the roles that Discord vouches for.

        Raises:
            RefusedError: whether they belong here cannot be told.
        """
        user, client = interaction.user, interaction.client
        home = await self.find(client)
        if home is None:
            raise RefusedError(
                "No server is set yet, so this bot answers no commands in Discord.",
                "In .env, set DISCORD_GUILD_ID to your Discord server's id, then restart.",
            )
        if interaction.guild_id is None:
            stranger = not await self._is_member(client, home, user.id)
        else:
            stranger = interaction.guild_id != home
        groups = frozenset[str]() if stranger else role_rules(user)
        where = str(interaction.guild_id or ("" if stranger else home))
        return Actor(
            Surface.DISCORD,
            str(user.id),
            user.display_name,
            groups,
            home=where,
            stranger=stranger,
        )

    async def admits(self, interaction: Interaction) -> bool:
        """Return whether names may be completed for somebody."""
        try:
            return not (await self.actor(interaction)).stranger
        except ChangeoverError:
            return False

    async def _is_member(self, client: discord.Client, home: int, user: int) -> bool:
        at, member = self._members.get(user, (float("-inf"), False))
        if self._now_s() - at < MEMBER_TTL_S:
            return member
        try:
            guild = client.get_guild(home)
            if guild is None:
                guild = await patiently(lambda: client.fetch_guild(home, with_counts=False))
            await patiently(partial(guild.fetch_member, user))
            member = True
        except discord.NotFound:
            member = False
        except TROUBLE as error:
            raise _unsure(error) from error
        if len(self._members) >= MOST_MEMBERS:
            self._members.clear()
        self._members[user] = (self._now_s(), member)
        return member

    async def _ask(self, client: discord.Client, channel_id: int) -> int:
        try:
            channel = await patiently(lambda: client.fetch_channel(channel_id))
        except TROUBLE as error:
            raise _unsure(error) from error
        guild = getattr(channel, "guild", None)
        if guild is None:
            raise RefusedError(
                "DISCORD_CHANNEL_ID is not a channel of a Discord server.",
                "Set it to a channel of your server, or set DISCORD_GUILD_ID, then restart.",
            )
        return int(guild.id)

    async def _recall(self, key: str) -> int | None:
        try:
            known = await self._memory.get(key)
        except StorageError:
            return None
        return int(known) if known else None

    async def _remember(self, key: str, guild_id: int) -> None:
        try:
            await self._memory.put(key, str(guild_id))
        except StorageError as error:
            _log.warning("Discord's guild is looked up again at the next start: %s", error.message)


def role_rules(user: discord.User | discord.Member) -> frozenset[str]:
    """Return somebody's roles as the rules name them."""
    return frozenset(f"discord-role:{role}" for role in role_ids(user))


def _unsure(error: BaseException) -> RefusedError:
    _log.warning("Discord did not report the members of the guild: %s", type(error).__name__)
    return RefusedError(
        "Discord did not confirm that you are on the bot's server; nothing was done.",
        "Try again in a minute.",
    )
