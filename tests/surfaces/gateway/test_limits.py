"""The limit of fallbacks at a real gateway: counted at the upstreams, soon in every process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.simulated import SimulatedProviders
from bot.access import Actor, Surface
from bot.ports import Ceiling
from tests.support.fakes_gateway import FLASH, LLAMA, OPUS, Gate, config_of
from tests.surfaces.gateway.conftest import Start

OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
HAIKU = "anthropic/claude-haiku-4-5"


async def _says(gate: Gate, line: str) -> None:
    card = await gate.wired.app.handle(OWNER, f"{line} --yes")
    assert card.error is None, card.error


async def _follows(gate: Gate, *, limited: bool) -> None:
    """Wait until a gateway has heard of it, as it does each second."""
    live = gate.service._live
    for _ in range(200):
        if bool(live._limits.limit) is limited:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway has not heard of the limit")


@pytest.mark.parametrize(
    ("limit", "served"), [("2x", LLAMA), ("free", LLAMA), ("private", LLAMA), ("20x", OPUS)]
)
async def test_a_fallback_over_the_limit_is_never_asked(
    start: Start, providers: SimulatedProviders, limit: str, served: str
):
    gate = await start(config_of(FLASH, OPUS, LLAMA), CHANGEOVER_STICKY="off")
    providers.break_provider("deepseek", "server_error")
    before = await gate.ask()
    assert before.headers["x-changeover-model"] == OPUS
    asked = len(providers.requests("anthropic"))
    await gate.wired.app.ports.log.set_limit(
        gate.wired.app.ports.store.location, _limit(limit)
    )
    await _follows(gate, limited=True)
    answer = await gate.ask()
    assert answer.headers["x-changeover-model"] == served
    assert (len(providers.requests("anthropic")) > asked) is (served == OPUS)
