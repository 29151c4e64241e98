"""The Discord surface on a simulated Discord, with the core on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.endpoints import point_at
from adapters.discord.outgoing import Draw
from adapters.discord.service import DiscordSurface
from adapters.discord.settings import Pace
from bot.errors import StorageError
from bot.models import Secret
from tests.servers.discord import CHANNEL, GUILD, TOKEN
from tests.support.fakes_core import Bench

QUICK = Pace(first_retry_s=0.02, longest_retry_s=0.05, identify_s=0.0, names_s=0.0)


@contextmanager
def pointed_at(api_url: str | None, gateway_url: str | None) -> Iterator[None]:
    """Let discord.py talk to these addresses for a while."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    point_at(api_url, gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@dataclass(frozen=True)
class Setup:
    """What the environment would say."""

    bot_token: Secret
    channel_id: int | None = CHANNEL
    guild_id: int | None = GUILD
    api_url: str | None = None
    gateway_url: str | None = None


@dataclass
class FakeMemory:
    """Keeps what was told to Discord; `away` as a database can be."""

    kept: dict[str, str] = field(default_factory=dict)
    away: bool = False

    async def get(self, key: str) -> str | None:
        self._here()
        return self.kept.get(key)

    async def put(self, key: str, value: str) -> None:
        self._here()
        self.kept[key] = value

    def _here(self) -> None:
        if self.away:
            raise StorageError("The database is away.")


class Place(Protocol):
    """Where a Discord is, which may be another process's."""

    @property
    def api_url(self) -> str: ...

    @property
    def gateway_url(self) -> str: ...

    async def connected(self) -> object: ...


@asynccontextmanager
async def running(
    server: Place,
    bench: Bench,
    *,
    memory: FakeMemory | None = None,
    token: str = TOKEN,
    channel_id: int | None = CHANNEL,
    guild_id: int | None = GUILD,
    draw: Draw | None = None,
    pace: Pace = QUICK,
    drain_s: float = 2.0,
    wait: bool = True,
) -> AsyncIterator[DiscordSurface]:
    """Run the surface until the block ends."""
    setup = Setup(Secret(token), channel_id, guild_id, server.api_url, server.gateway_url)
    surface = DiscordSurface(bench.app, setup, memory or FakeMemory(), draw, pace=pace)
    with pointed_at(None, None):
        await surface.start()
        try:
            if wait:
                await server.connected()
            yield surface
        finally:
            await surface.stop(drain_s)
