"""A simulated Discord for each test, which must have had nothing to complain of."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.discord import DiscordServer


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    """A Discord on loopback."""
    discord = DiscordServer()
    await discord.start()
    yield discord
    await discord.stop()
    assert discord.faults == []
