"""Discord, whole: logs in, stays, comes back by itself, and goes in good order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.discord.answers import Answers
from adapters.discord.chat import DiscordChat
from adapters.discord.client import DiscordClient, Names
from adapters.discord.endpoints import keep_log_short, point_at
from adapters.discord.home import Home
from adapters.discord.outgoing import CardSender, Draw
from adapters.discord.send_errors import explain
from adapters.discord.settings import DiscordSetup, Pace
from adapters.discord.tree import SyncMemory

if TYPE_CHECKING:
    from bot.app import App

DRAIN_S = 6.0
CANCEL_AGAIN_S = 0.5
_CLOSE_WITHIN_S = 5.0
_log = logging.getLogger("changeover.discord")
_PATIENCE = Pace()


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness and metrics want to know; `trouble` is empty when all is well."""

    ok: bool
    user: str = ""
    trouble: str = ""


class DiscordSurface:
    """The Discord surface; `chat` is its port to the team's channel.

    `memory` keeps which commands Discord was told of. `draw` turns a chart into a PNG; without
    it charts are told in words.
    """

    def __init__(
        self,
        app: App,
        setup: DiscordSetup,
        memory: SyncMemory,
        draw: Draw | None = None,
        *,
        pace: Pace = _PATIENCE,
    ) -> None:
        self._app = app
        self._setup = setup
        self._memory = memory
        self._pace = pace
        self._client: DiscordClient | None = None
        self._trouble = ""
        self._stopping = False
        self._connected = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        press = CardSender(app, draw)
        self.chat = DiscordChat(lambda: self.client, press, setup.channel_id)
        self._home = Home(setup, memory)
        self._answers = Answers(app, press, self.chat, self._home)
        self._names = Names(app, pace.names_s)

    async def start(self) -> None:
        """Begin to connect, and go on trying; returns at once.

        Raises:
            SettingsError: the command prefix makes a name that Discord does not take.
        """
        point_at(self._setup.api_url, self._setup.gateway_url)
        keep_log_short()
        self._client = self._new_client()
        self._life = asyncio.create_task(self._stay_alive(self._client))

    async def ready(self) -> None:
        """Wait until events come in."""
        await self._connected.wait()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take nothing new, bring what has begun to its end, and close."""
        await self._answers.drain(drain_s)
        self._stopping = True
        while self._life is not None and not self._life.done():
            # Again and again: discord.py loses a cancellation that meets a connection which breaks.
            self._life.cancel()
            await asyncio.wait({self._life}, timeout=CANCEL_AGAIN_S)
        await self._names.close()

    @property
    def client(self) -> DiscordClient | None:
        """The present login, if there is one."""
        return self._client

    def health(self) -> Health:
        """Describe the state of the connection, without asking Discord."""
        client, ok = self._client, self._connected.is_set()
        return Health(ok, str(client.user) if ok and client else "", "" if ok else self._trouble)

    def _new_client(self) -> DiscordClient:
        return DiscordClient(
            self._app,
            self._answers,
            self._names,
            self._memory,
            self._home,
            self._setup,
            self._pace,
            self._told,
        )

    def _told(self, connected: bool) -> None:
        if connected:
            self._connected.set()
        else:
            self._connected.clear()

    async def _stay_alive(self, client: DiscordClient) -> None:
        wait_s = self._pace.first_retry_s
        while True:
            self._client = client
            await self._live(client)
            if self._stopping:
                return
            wait_s = self._pace.first_retry_s if client.came_up else wait_s
            _log.error("Discord: %s Next try in %.1f s.", self._trouble, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._pace.longest_retry_s)
            client = self._new_client()

    async def _live(self, client: DiscordClient) -> None:
        """Log in and stay until the connection ends, which is never meant."""
        try:
            await client.start(self._setup.bot_token.reveal())
            self._trouble = "The connection ended."
        except Exception as error:  # noqa: BLE001
            # Nothing that Discord does may end the process; what it was is told in words.
            trouble = explain(error, self._setup.guild_id, client.application_id)
            self._trouble = str(trouble)
            if trouble.strange:
                _log.exception("Discord: the connection failed unexpectedly")
        finally:
            self._client = None
            self._connected.clear()
            await _close(client)


async def _close(client: DiscordClient) -> None:
    """Close a client's connections, also when the surface is stopped in the middle of that."""
    closing = asyncio.ensure_future(client.close())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing}, timeout=_CLOSE_WITHIN_S)
        raise
