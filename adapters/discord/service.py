"""Discord as a service: logs in, stays, comes back by itself, and goes in good order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from adapters.discord.answers import Answers
from adapters.discord.chat import DiscordChat
from adapters.discord.client import DiscordClient, Names
from adapters.discord.endpoints import one_line_each, point_at
from adapters.discord.outgoing import Draw, Press
from adapters.discord.settings import DiscordSetup, Pace
from adapters.discord.tree import SyncMemory
from adapters.discord.trouble import Trouble, explain
from bot.app import App

_log = logging.getLogger("changeover.discord")
_PATIENCE = Pace()


@dataclass(frozen=True, slots=True)
class Health:
    """How it stands with Discord now; `detail` is one line for people."""

    connected: bool
    detail: str


class DiscordSurface:
    """Runs until it is stopped; what goes wrong is one line in the log and another attempt."""

    def __init__(
        self,
        app: App,
        setup: DiscordSetup,
        memory: SyncMemory,
        *,
        draw: Draw | None = None,
        pace: Pace = _PATIENCE,
    ) -> None:
        self._app = app
        self._setup = setup
        self._memory = memory
        self._pace = pace
        self._client: DiscordClient | None = None
        self._trouble: Trouble | None = None
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._stopped.set()
        press = Press(app, draw)
        self.chat = DiscordChat(lambda: self._client, press, setup.channel_id)
        self._answers = Answers(app, press, self.chat)
        self._names = Names(app, pace.names_s)

    async def run(self) -> None:
        """Be connected until `stop`; whatever Discord or the network does, it tries again.

        Raises:
            SettingsError: the command prefix makes a name that Discord does not take.
        """
        point_at(self._setup.api_url, self._setup.gateway_url)
        one_line_each()
        self._stopped.clear()
        wait_s = self._pace.first_retry_s
        try:
            while not self._stopping.is_set():
                came_up = await self._once()
                if self._stopping.is_set():
                    break
                wait_s = self._pace.first_retry_s if came_up else wait_s
                why = f"{self._trouble}" if self._trouble else "The connection ended."
                _log.error("Discord: %s Trying again in %.0f s.", why, wait_s)
                await self._wait(wait_s)
                wait_s = min(wait_s * 2, self._pace.longest_retry_s)
        finally:
            await self._names.close()
            self._stopped.set()

    async def stop(self) -> None:
        """Let what is being answered come to its end, then leave; returns when it is over."""
        self._stopping.set()
        await self._stopped.wait()

    def health(self) -> Health:
        """Say how it stands."""
        client = self._client
        if client is not None and client.connected:
            return Health(True, f"Connected to Discord as {client.user}.")
        return Health(False, str(self._trouble) if self._trouble else "Not connected to Discord.")

    async def _once(self) -> bool:
        """Log in and stay until the connection ends; True when it had come up."""
        client = DiscordClient(
            self._app, self._answers, self._names, self._memory, self._setup.guild_id
        )
        self._client = client
        life = asyncio.create_task(client.start(self._setup.bot_token.reveal()))
        end = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({life, end}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._answers.drain(self._pace.drain_s)
        finally:
            self._client = None
            end.cancel()
            await client.close()
            life.cancel()
            await asyncio.wait({life, end})
        error = None if life.cancelled() else life.exception()
        self._trouble = explain(error, self._setup.guild_id, client.application_id)
        if self._trouble is not None and self._trouble.strange:
            _log.error("the connection to Discord failed unexpectedly", exc_info=error)
        return client.came_up

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
