"""The connection: a discord.Client with the command tree, told to Discord only when it changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord

from adapters.discord.answers import Answers
from adapters.discord.endpoints import address
from adapters.discord.home import Home
from adapters.discord.outgoing import patiently
from adapters.discord.settings import DiscordSetup, Pace
from adapters.discord.tree import SyncMemory, Tree, fill, fingerprint
from adapters.shared.proxy import proxy_for
from bot.errors import RefusedError, StorageError

if TYPE_CHECKING:
    from bot.app import App

EVERYWHERE = "global"
_log = logging.getLogger("changeover.discord")


class Names:
    """The config's model names: answered at once, read afresh behind the back when they are old."""

    def __init__(self, app: App, fresh_s: float) -> None:
        self._app = app
        self._fresh_s = fresh_s
        self._names: Sequence[str] = list(app.catalog.presets)
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def __call__(self) -> Sequence[str]:
        """Return the names as they were last read; never waits."""
        if time.monotonic() - self._read_at > self._fresh_s and self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return self._names

    async def _read(self) -> None:
        try:
            self._names = await self._app.refresh_names() or self._names
        except Exception:  # noqa: BLE001
            # Completion goes on with the names it has.
            _log.exception("the model names could not be read")
        finally:
            self._read_at = time.monotonic()
            self._reading = None

    async def close(self) -> None:
        """Give a reading up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})


class DiscordClient(discord.Client):
    """One login: commands and clicks go to `answers`, nothing else is listened to."""

    def __init__(
        self,
        app: App,
        answers: Answers,
        names: Names,
        memory: SyncMemory,
        home: Home,
        setup: DiscordSetup,
        pace: Pace,
        told: Callable[[bool], None],
    ) -> None:
        super().__init__(
            # Interactions need none; without this one discord.py knows no channel or guild.
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            proxy=proxy_for(address()),
        )
        self.came_up = False
        self._told = told
        self._guild_id = setup.guild_id
        self._answers = answers
        self._names = names
        self._memory = memory
        self._home = home
        self._identify_s = pace.identify_s
        self.tree = Tree(self, answers.failed)
        prefix = app.settings.prefix
        fill(self.tree, app.registry, prefix, answers.command, names, home.admits)

    async def setup_hook(self) -> None:
        self._names()
        with suppress(RefusedError):
            # Else it is asked for with the first command.
            await self._home.find(self)
        await sync(self.tree, self._memory, self.application_id, self._guild_id)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait before a new session: Discord takes one in five seconds."""
        if not initial:
            await asyncio.sleep(self._identify_s)

    async def on_connect(self) -> None:
        self.came_up = True
        self._told(True)
        _log.info("Discord: connected as %s", self.user)

    async def on_resumed(self) -> None:
        self._told(True)

    async def on_disconnect(self) -> None:
        self._told(False)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Answer a click; commands come through the tree."""
        if interaction.type is not discord.InteractionType.component:
            return
        try:
            await self._answers.click(interaction)
        except Exception as error:  # noqa: BLE001
            # Whatever it was, the person who clicked gets an answer; the log has the details.
            await self._answers.failed(interaction, error)


async def sync(
    tree: Tree, memory: SyncMemory, application_id: int | None, guild_id: int | None
) -> bool:
    """Tell Discord the commands, unless it knows them; False when there was nothing to tell.

    A copy that was told for another place (everywhere, or another guild) is taken away: both
    would show.
    """
    key = f"discord.commands.{application_id}"
    place = str(guild_id or EVERYWHERE)
    mark = f"{place} {fingerprint(tree)}"
    if guild_id:
        tree.copy_global_to(guild=discord.Object(guild_id))
    known = await _recall(memory, key)
    if known == mark:
        return False
    await _tell(tree, place)
    before = known.partition(" ")[0] if known else EVERYWHERE
    if before != place:
        await _withdraw(tree, before)
    await _remember(memory, key, mark)
    _log.info("registered the commands with Discord (%s)", place)
    return True


async def _tell(tree: Tree, place: str) -> None:
    guild = None if place == EVERYWHERE else discord.Object(int(place))
    await patiently(lambda: tree.sync(guild=guild))


async def _withdraw(tree: Tree, place: str) -> None:
    """Empty a place; the tree itself keeps the commands, to know them when they come."""
    kept = tree.get_commands() if place == EVERYWHERE else []
    if kept:
        tree.clear_commands(guild=None)
    try:
        await _tell(tree, place)
    except (discord.Forbidden, discord.NotFound):
        _log.info("cannot access the commands of guild %s", place)
    finally:
        for command in kept:
            tree.add_command(command)


async def _recall(memory: SyncMemory, key: str) -> str | None:
    try:
        return await memory.get(key)
    except StorageError as error:
        _log.warning("registering the commands with Discord again: %s", error.message)
        return None


async def _remember(memory: SyncMemory, key: str, mark: str) -> None:
    try:
        await memory.put(key, mark)
    except StorageError as error:
        _log.warning(
            "the commands will be registered with Discord at the next start: %s", error.message
        )
