"""Both chats on loopback around one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.surfaces.alerts.world import World, discord_time


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world with a process in it, once a test starts one."""
    world = World(tmp_path)
    with discord_time(world.clock):
        await world.open()
        yield world
        await world.close()
