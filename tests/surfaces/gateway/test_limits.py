"""The limit of fallbacks at a real gateway: counted at the upstreams, soon in every process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from adapters.simulated import SimulatedProviders
from bot.access import Actor, Surface
from bot.card import Action
from bot.ports import Ceiling
from tests.support.fakes_gateway import FLASH, LLAMA, MESSAGES, OPUS, Gate, HandClock, config_of
from tests.surfaces.gateway.conftest import Start

OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
HAIKU = "anthropic/claude-haiku-4-5"


async def _say(gate: Gate, line: str) -> None:
    card = await gate.wired.app.handle(OWNER, line, action=Action(line, confirmed=True))
    assert card.error is None, card.error


async def _served(gate: Gate, **more: Any) -> str | None:
    answer = await gate.ask(**more)
    return answer.headers.get("x-changeover-model")


async def _until(gate: Gate, served: str | None, **more: Any) -> None:
    """Ask until another model serves: a gateway hears of a change within a second or so."""
    for _ in range(100):
        if await _served(gate, **more) == served:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{served} does not serve")


def _reached(providers: SimulatedProviders, provider: str) -> int:
    counts = providers.counts(provider)
    return counts.served + counts.failed


@pytest.mark.parametrize("limit", ["2x", "free", "private"])
async def test_a_fallback_over_the_limit_is_not_asked_by_any_gateway(
    start: Start, providers: SimulatedProviders, limit: str
):
    one = await start(config_of(FLASH, OPUS, LLAMA))
    two = await start()
    providers.break_provider("deepseek", "rate_limit")
    assert [await _served(gate) for gate in (one, two)] == [OPUS, OPUS]
    await _say(one, f"/fallback limit {limit}")
    # Conversations that stayed with it leave it as well.
    await _until(one, LLAMA)
    await _until(two, LLAMA)
    reached = _reached(providers, "anthropic")
    for gate in (one, two):
        for path in ("/v1/chat/completions", MESSAGES):
            assert (await gate.ask(path)).headers["x-changeover-model"] == LLAMA
        for stream in (True, False):
            assert await _served(gate, stream=stream) == LLAMA
    providers.break_provider("ollama", "server_error")
    for gate in (one, two):
        refused = await gate.ask()
        assert refused.status == 503
        assert f"{OPUS}: " in refused.text
        assert "limit" in refused.json["error"]["message"]
    assert _reached(providers, "anthropic") == reached
    # The caller's own choice is its choice; what follows it is compared with that.
    assert await _served(one, model=OPUS) == OPUS
    await _say(two, "/fallback limit off")
    await _until(one, OPUS)


async def test_a_gateway_that_starts_knows_the_limit(start: Start, providers: SimulatedProviders):
    one = await start(config_of(FLASH, OPUS, LLAMA))
    await _say(one, "/fallback limit 2x")
    providers.break_provider("deepseek", "server_error")
    two = await start()
    assert await _served(two) == LLAMA
    assert _reached(providers, "anthropic") == 0


async def test_a_model_asked_by_name_is_what_its_fallbacks_are_compared_with(
    start: Start, providers: SimulatedProviders
):
    gate = await start(config_of(FLASH, HAIKU, LLAMA), CHANGEOVER_STICKY="off")
    await _say(gate, "/fallback limit 2x")
    providers.break_provider("openai", "server_error")
    providers.break_provider("deepseek", "server_error")
    await _until(gate, LLAMA)
    # Haiku is within twice the price of GPT-5, though not of the primary.
    assert await _served(gate, model="openai/gpt-5") == HAIKU


async def test_a_spent_budgets_ceiling_binds_until_the_period_ends(
    start: Start, providers: SimulatedProviders
):
    clock = HandClock()
    gate = await start(
        config_of(FLASH, OPUS, LLAMA), more={"clock": clock}, CHANGEOVER_STICKY="off"
    )
    log, place = gate.wired.app.ports.log, gate.wired.app.ports.store.location
    providers.break_provider("deepseek", "rate_limit")
    assert await _served(gate) == OPUS
    await log.set_ceiling(place, Ceiling(FLASH, clock.now() + timedelta(hours=1)))
    await _until(gate, LLAMA)
    reached = _reached(providers, "anthropic")
    assert await _served(gate) == LLAMA
    assert _reached(providers, "anthropic") == reached
    clock.jump(hours=2)
    assert await _served(gate) == OPUS


async def test_own_prices_and_the_time_of_day_count(start: Start, providers: SimulatedProviders):
    own = {
        "mine": {
            "baseUrl": f"{providers.base_url('openai')}/v1",
            "apiKey": providers.key("openai"),
            "api": "openai-completions",
            "models": [{"id": "gpt-5", "cost": {"input": 0.6, "output": 0.6}}],
        }
    }
    clock, pro = HandClock(), "deepseek/deepseek-v4-pro"
    config = config_of("mine/gpt-5", pro, LLAMA, providers=own)
    gate = await start(config, more={"clock": clock}, CHANGEOVER_STICKY="off")
    await _say(gate, "/fallback limit 2x")
    providers.break_provider("openai", "server_error")
    # On a Monday at noon in UTC it costs half of what it costs on Tuesday at two.
    assert await _served(gate) == pro
    clock.jump(hours=14)
    await _until(gate, LLAMA)
    reached = _reached(providers, "deepseek")
    assert await _served(gate) == LLAMA
    assert _reached(providers, "deepseek") == reached
    clock.jump(hours=3)
    assert await _served(gate) == pro
