"""Simulated providers, and gateways in front of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.simulated import SimulatedProviders
from adapters.storage.database import Database
from tests.support.fakes_gateway import CHAIN, Gate, config_of, gateway

Start = Callable[..., Awaitable[Gate]]


@pytest.fixture
async def providers() -> AsyncIterator[SimulatedProviders]:
    """The seven providers on loopback, without delay."""
    async with SimulatedProviders(latency_s=0) as simulated:
        yield simulated


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with its tables made, so that not every test makes them anew."""

    async def make(path: Path) -> None:
        database = Database(f"sqlite:///{path}")
        await database.open()
        await database.close()

    path = tmp_path_factory.mktemp("database") / "empty.db"
    asyncio.run(make(path))
    return path.read_bytes()


@pytest.fixture
async def start(
    tmp_path: Path, providers: SimulatedProviders, empty_database: bytes
) -> AsyncIterator[Start]:
    """Start gateways on the simulated providers; keywords override the environment."""
    async with AsyncExitStack() as stack:

        async def go(config: str | None = None, *, more: Any = None, **env: str) -> Gate:
            settings = {**providers.env(), **env}
            running = gateway(
                tmp_path,
                {name: value for name, value in settings.items() if value},
                config or config_of(*CHAIN),
                database=empty_database,
                **(more or {}),
            )
            return await stack.enter_async_context(running)

        yield go


@pytest.fixture
async def gate(start: Start) -> Gate:
    """A gateway with the guide's chain."""
    return await start()
