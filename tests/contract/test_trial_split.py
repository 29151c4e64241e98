"""Two gateways on one PostgreSQL split the conversations of a trial alike, and count them right."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.simulated import SimulatedProviders
from bot.access import SERVICE
from bot.card import Card
from bot.commands.trial_watch import watch_trial
from bot.models import FailureReason
from bot.ports.trials import TrialEnd
from tests.support.fakes_core import OWNER
from tests.support.fakes_gateway import FLASH, LLAMA, OPUS, Answer, Gate, config_of, gateway
from tests.support.fakes_outbox import FakeOutbox

REQUESTS = 80


@pytest.fixture
async def providers() -> AsyncIterator[SimulatedProviders]:
    """The providers on loopback, without delay."""
    async with SimulatedProviders(latency_s=0) as simulated:
        yield simulated


@pytest.fixture
async def gates(
    tmp_path: Path, providers: SimulatedProviders, new_postgresql: Callable[[], str]
) -> AsyncIterator[tuple[Gate, Gate]]:
    """Two gateways of one installation, each with its own connections to PostgreSQL."""
    env = {**providers.env(), "DATABASE_URL": new_postgresql()}
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(gateway(tmp_path, env, config_of(OPUS, LLAMA)))
            for _ in range(2)
        ]
        yield one, other


async def test_both_gateways_agree_and_the_card_counts_what_the_upstreams_saw(
    gates: tuple[Gate, Gate], providers: SimulatedProviders
) -> None:
    one, other = gates
    begun = await _say(one, f"model trial {FLASH} 25% for 1h")
    assert begun.ok, begun
    await _until_followed(gates, 25)
    before = {name: providers.counts(name).served for name in ("anthropic", "deepseek")}
    arms = Counter[str]()
    for number in range(REQUESTS):
        mine = {"x-session-id": f"conversation {number // 2}"}
        first = await one.ask(headers=mine)
        second = await other.ask(headers=mine)
        assert first.headers["x-changeover-trial"] == second.headers["x-changeover-trial"]
        _, _, arm = first.headers["x-changeover-trial"].partition(" ")
        served = FLASH if arm == "candidate" else OPUS
        assert first.headers["x-changeover-model"] == served
        arms[arm] += 2
    named = await one.ask(model=OPUS)
    assert "x-changeover-trial" not in named.headers
    await one.attempts()
    await other.attempts()
    card = await _say(other, "model trial")
    counted = {arm: card.data["arms"][arm]["requests"] for arm in ("primary", "candidate")}
    assert counted == dict(arms)
    seen = {name: providers.counts(name).served - n for name, n in before.items()}
    assert seen == {"anthropic": arms["primary"] + 1, "deepseek": arms["candidate"]}
    assert 10 <= arms["candidate"] <= 80


async def test_a_candidate_that_cools_down_ends_the_trial_in_both(
    gates: tuple[Gate, Gate], providers: SimulatedProviders
) -> None:
    one, other = gates
    await _say(one, f"model trial {FLASH} 99% for 1h")
    await _until_followed(gates, 99)
    providers.break_provider("deepseek", FailureReason.RATE_LIMIT)
    answer = await _in_candidates_arm(one)
    # The primary is the candidate's first fallback, so that its caller sees no error.
    assert answer.status == 200
    assert answer.headers["x-changeover-model"] == OPUS
    assert answer.headers["x-changeover-fallback-from"] == FLASH
    outbox = FakeOutbox()
    async with asyncio.timeout(20):
        while await one.wired.app.ports.trials.running(one.wired.app.ports.store.location):
            await asyncio.sleep(0.05)
            await one.wired.app.ports.journal.beat("bot", one.wired.clock.now())
            await watch_trial(one.wired.app.context(SERVICE), outbox)
    latest = await other.wired.app.ports.trials.latest(other.wired.app.ports.store.location)
    assert latest is not None
    assert latest.end is TrialEnd.COOLING
    await _until_followed(gates, None)
    after = await other.ask(headers={"x-session-id": "later"})
    assert "x-changeover-trial" not in after.headers
    assert after.headers["x-changeover-model"] == OPUS


async def test_a_switch_ends_the_split_before_anybody_has_looked(
    gates: tuple[Gate, Gate],
) -> None:
    one, _ = gates
    await _say(one, f"model trial {FLASH} 99% for 1h")
    await _until_followed(gates, 99)
    await _say(one, f"model use {LLAMA}")
    async with asyncio.timeout(20):
        store = one.wired.app.ports.store
        while one.service.revision != (await store.read()).revision:  # noqa: ASYNC110 - what is waited for is not ours
            await asyncio.sleep(0.02)
    answer = await one.ask(headers={"x-session-id": "mine"})
    assert "x-changeover-trial" not in answer.headers
    assert answer.headers["x-changeover-model"] == LLAMA


async def _in_candidates_arm(gate: Gate) -> Answer:
    for number in range(20):
        answer = await gate.ask(headers={"x-session-id": f"s{number}"})
        if answer.headers["x-changeover-trial"].endswith("candidate"):
            return answer
    raise AssertionError("no conversation is in the candidate's arm")


async def _say(gate: Gate, words: str) -> Card:
    wired: Any = gate.wired
    await wired.app.ports.journal.beat("bot", wired.clock.now())
    card: Card = await wired.app.handle(OWNER, words)
    return card


async def _until_followed(gates: tuple[Gate, Gate], share: int | None) -> None:
    """Wait until both gateways have heard of the trial as it is now."""
    async with asyncio.timeout(20):
        for gate in gates:
            while True:
                trial = gate.service.split.trial
                if (trial.share if trial else None) == share:
                    break
                await asyncio.sleep(0.02)
