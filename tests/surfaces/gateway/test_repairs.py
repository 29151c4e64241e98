"""What the chain says is what happens: siblings, repairs, and one caller's mistakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.main.gateway import COOLDOWNS_EVERY_S
from adapters.simulated import SimulatedProviders
from bot.access import Actor, Surface
from bot.alerts.counting import signals_of
from bot.ports import Cooldown
from tests.servers.chaos import Call, Chaos, good, http
from tests.support.fakes_gateway import (
    CHAIN,
    FLASH,
    GPT,
    MESSAGES,
    OPUS,
    ROUTER,
    Gate,
    HandClock,
    config_of,
    gateway,
)
from tests.surfaces.gateway.conftest import Start

OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
MINI = "openai/gpt-5-mini"
NOT_A_KEY = {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
NO_MODEL = {"error": {"message": "The model `gpt-5` does not exist", "code": "model_not_found"}}
NO_FILE = {"error": {"message": "No such File object: file-1", "code": None}}
TOO_LONG = {"error": {"message": "This model's maximum context length is 9 tokens."}}
NO_IMAGES = {"error": {"message": "image_url is only supported by certain models."}}
Put = Callable[..., Awaitable[tuple[Gate, Chaos]]]


def refusal(status: int, document: Any, *headers: str) -> bytes:
    return http(json.dumps(document).encode(), f"{status} No", "application/json", *headers)


def is_probe(call: Call) -> bool:
    return "max_completion_tokens" in call.json


@pytest.fixture
async def put(start: Start) -> AsyncIterator[Put]:
    """Put a scripted server in the place of OpenAI."""
    running: list[Chaos] = []

    async def go(
        script: Callable[[Call], bytes], *chain: str, more: Any = None, **env: str
    ) -> tuple[Gate, Chaos]:
        async def play(call: Call) -> None:
            await call.send(script(call))

        chaos = await Chaos(play).__aenter__()
        running.append(chaos)
        env = {"OPENAI_BASE_URL": chaos.url, **env}
        return await start(config_of(*(chain or (GPT, FLASH))), more=more, **env), chaos

    yield go
    for chaos in running:
        await chaos.__aexit__()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(400):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def rows(gate: Gate) -> list[Cooldown]:
    now = gate.wired.clock.now()
    return [row for row in await gate.wired.app.ports.log.cooldowns(now) if row.holds(now)]


async def served_by(gate: Gate, model: str, **more: Any) -> None:
    async def served() -> bool:
        return (await gate.ask(**more)).headers.get("x-changeover-model") == model

    await until(served)


async def long_out(gate: Gate) -> None:
    """Wait until our own probe has made a cool-down last hours."""

    async def confirmed() -> bool:
        now = gate.wired.clock.now()
        return any(row.until - now > timedelta(hours=4) for row in await rows(gate))

    await until(confirmed)


# --- siblings ------------------------------------------------------------------------------------


async def test_a_429_on_one_model_leaves_its_sibling(put: Put):
    limit = refusal(429, {"error": {"message": "slow down"}}, "retry-after: 60")
    gate, chaos = await put(
        lambda call: limit if call.json["model"] == "gpt-5" else good(), GPT, MINI
    )
    for attempts in ("2", "1", "1"):
        answer = await gate.ask()
        assert answer.headers["x-changeover-model"] == MINI
        assert answer.headers["x-changeover-attempts"] == attempts
    assert len(chaos.calls) == 4


async def test_a_dead_model_beside_a_healthy_sibling_is_not_waited_for(put: Put):
    dead = refusal(500, {"error": {"message": "boom"}})
    gate, chaos = await put(
        lambda call: dead if call.json["model"] == "gpt-5" else good(), GPT, MINI
    )
    for _ in range(12):
        assert (await gate.ask()).headers["x-changeover-model"] == MINI
        assert (await gate.ask(model=MINI)).headers["x-changeover-model"] == MINI
    assert sum(call.json["model"] == "gpt-5" for call in chaos.calls) == 2


async def test_a_limit_that_names_the_organization_takes_the_key(put: Put):
    limit = refusal(429, {"error": {"message": "Your organization has no more for now."}})
    gate, chaos = await put(lambda call: limit, GPT, MINI, FLASH)
    await gate.ask()
    assert [call.json["model"] for call in chaos.calls] == ["gpt-5"]
    assert (await gate.ask()).headers["x-changeover-attempts"] == "1"


# --- repairs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["auth", "billing", "model_not_found"])
async def test_a_repair_that_a_test_has_proven_is_in_force_for_the_next_request(
    gate: Gate, providers: SimulatedProviders, start: Start, reason: str
):
    other = await start()
    providers.break_provider("anthropic", reason)
    await gate.ask()
    await long_out(gate)
    await served_by(other, ROUTER)
    providers.heal("anthropic")
    card = await gate.wired.app.handle(OWNER, "fallback test")
    assert card.data["would_serve"] == OPUS
    assert await rows(gate) == []
    await served_by(gate, OPUS)
    await served_by(other, OPUS)


async def test_retry_ends_what_only_time_would_end(gate: Gate, providers: SimulatedProviders):
    providers.break_provider("anthropic", "rate_limit", retry_after_s=3600)
    assert (await gate.ask()).headers["x-changeover-model"] == ROUTER
    providers.heal("anthropic")
    assert (await gate.ask()).headers["x-changeover-attempts"] == "1"
    await until(lambda: _some(gate))
    card = await gate.wired.app.handle(OWNER, f"fallback retry {OPUS}")
    assert card.data["ended"]
    await served_by(gate, OPUS)


@pytest.mark.parametrize("retried", ["", OPUS])
async def test_retry_ends_the_stays_of_every_gateway_and_a_recovery_ends_none(
    start: Start, providers: SimulatedProviders, retried: str
):
    gates = [await start(), await start()]
    mine, control = {"x-session-id": "mine"}, {"x-session-id": "control"}
    providers.break_provider("anthropic", "rate_limit", retry_after_s=1)
    for gate in gates:
        for headers in (mine, control):
            assert (await gate.ask(headers=headers)).headers["x-changeover-model"] == ROUTER
    providers.heal("anthropic")
    for gate in gates:
        await served_by(gate, OPUS)
        event, *_ = await gate.events()
        assert not event.unfit
        assert (await gate.ask(headers=control)).headers["x-changeover-sticky"] == "cache"
    # Another model's retry ends none of them; that of the model itself does, as one of all would.
    await gates[0].wired.app.handle(OWNER, f"fallback retry {FLASH}")
    await asyncio.sleep(2 * COOLDOWNS_EVERY_S)
    for gate in gates:
        assert (await gate.ask(headers=mine)).headers["x-changeover-sticky"] == "cache"
    await gates[0].wired.app.handle(OWNER, f"fallback retry {retried}".strip())
    for gate in gates:
        await served_by(gate, OPUS, headers=mine)
        assert (await gate.ask(headers=control)).headers["x-changeover-model"] == OPUS


class _Busy:
    """The log, with a turn under way each time that cool-downs have just been read."""

    def __init__(self, inner: Any, turn: Callable[[], Awaitable[Any]]) -> None:
        self._inner = inner
        self._turn = turn
        self.turns: list[asyncio.Task[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def cooldowns(self, at: datetime) -> Any:
        found = await self._inner.cooldowns(at)
        self.turns.append(asyncio.ensure_future(self._turn()))
        await asyncio.sleep(0.02)
        return found


async def test_a_turn_under_way_while_stays_end_begins_none_anew(start: Start):
    async with SimulatedProviders() as providers:
        gate, mine = await start(**providers.env()), {"x-session-id": "mine"}
        providers.break_provider("anthropic", "rate_limit", retry_after_s=1)
        assert (await gate.ask(headers=mine)).headers["x-changeover-model"] == ROUTER
        providers.heal("anthropic")
        await served_by(gate, OPUS)
        assert (await gate.ask(headers=mine)).headers["x-changeover-sticky"] == "cache"
        app = gate.wired.app
        log = app.ports.log
        await app.handle(OWNER, "fallback retry")
        busy = _Busy(log, lambda: gate.ask(headers=mine))
        app.ports = replace(app.ports, log=busy)
        await until(lambda: _any(busy.turns))
        app.ports = replace(app.ports, log=log)
        await asyncio.gather(*busy.turns)
        await asyncio.sleep(2 * COOLDOWNS_EVERY_S)
        assert (await gate.ask(headers=mine)).headers["x-changeover-model"] == OPUS


async def _any(found: list[Any]) -> bool:
    return bool(found)


async def _some(gate: Gate) -> bool:
    return bool(await rows(gate))


async def test_a_mended_key_is_found_by_itself_within_ten_minutes(
    start: Start, providers: SimulatedProviders
):
    clock = HandClock()
    gate = await start(more={"clock": clock})
    providers.break_provider("anthropic", "auth")
    await gate.ask()
    await long_out(gate)
    asked = providers.counts("anthropic").failed
    await gate.service.probes.probe_the_cooling()
    await until(lambda: _failed(providers, asked + 1))
    # Not again before ten minutes are over.
    await gate.service.probes.probe_the_cooling()
    assert providers.counts("anthropic").failed == asked + 1
    providers.heal("anthropic")
    clock.jump(minutes=11)
    await gate.service.probes.probe_the_cooling()
    await served_by(gate, OPUS)
    assert providers.counts("anthropic").failed == asked + 1


async def _failed(providers: SimulatedProviders, count: int) -> bool:
    return providers.counts("anthropic").failed >= count


async def test_a_config_that_changed_while_nothing_ran(
    tmp_path: Path, providers: SimulatedProviders, empty_database: bytes
):
    config = config_of(*CHAIN)
    providers.break_provider("anthropic", "model_not_found")
    async with gateway(tmp_path, providers.env(), config, database=empty_database) as first:
        await first.ask()
        await until(lambda: _some(first))
    providers.heal("anthropic")
    async with gateway(tmp_path, providers.env(), config) as same:
        assert (await same.ask()).headers["x-changeover-model"] == ROUTER
    file = tmp_path / "moltbot.json"
    file.write_text(file.read_text() + "\n")
    async with gateway(tmp_path, providers.env(), config) as changed:
        assert (await changed.ask()).headers["x-changeover-model"] == OPUS


# --- one caller's mistake ------------------------------------------------------------------------


@pytest.mark.parametrize("document", [NOT_A_KEY, NO_MODEL], ids=["auth", "model"])
async def test_what_one_request_was_told_is_not_true_of_all(put: Put, document: Any):
    def script(call: Call) -> bytes:
        return refusal(400, document) if "poison" in str(call.json) else good()

    gate, chaos = await put(script)
    poisoned = [{"role": "user", "content": "poison"}]
    assert (await gate.ask(messages=poisoned)).headers["x-changeover-model"] == FLASH
    await served_by(gate, GPT)
    assert sum(is_probe(call) for call in chaos.calls) == 1
    # Said again at once it is not believed: no other request is sent elsewhere.
    for _ in range(3):
        assert (await gate.ask(messages=poisoned)).headers["x-changeover-model"] == FLASH
        assert (await gate.ask()).headers["x-changeover-model"] == GPT
    assert sum(is_probe(call) for call in chaos.calls) == 1


@pytest.mark.parametrize(
    ("status", "document"), [(401, NOT_A_KEY), (404, NO_MODEL)], ids=["auth", "model"]
)
async def test_a_key_or_model_that_is_really_refused_is_left_alone_for_hours(
    put: Put, status: int, document: Any
):
    gate, chaos = await put(lambda call: refusal(status, document))
    assert (await gate.ask()).headers["x-changeover-model"] == FLASH
    await long_out(gate)
    asked = len(chaos.calls)
    for _ in range(5):
        assert (await gate.ask()).headers["x-changeover-attempts"] == "1"
    assert len(chaos.calls) == asked == 2


async def test_a_key_that_is_refused_right_after_a_false_alarm_is_left_alone_and_told(put: Put):
    clock, refused = HandClock(), False

    def script(call: Call) -> bytes:
        return refusal(401, NOT_A_KEY) if refused or "poison" in str(call.json) else good()

    gate, chaos = await put(script, more={"clock": clock})
    poisoned = [{"role": "user", "content": "poison"}]
    assert (await gate.ask(messages=poisoned)).headers["x-changeover-model"] == FLASH
    await served_by(gate, GPT)
    refused = True
    clock.jump(seconds=15)
    assert (await gate.ask()).headers["x-changeover-model"] == FLASH
    await long_out(gate)
    assert sum(is_probe(call) for call in chaos.calls) == 2
    assert [len(signals_of(event)) for event in await gate.events()] == [0, 1]


async def test_a_wrong_file_id_stays_its_callers(put: Put):
    def script(call: Call) -> bytes:
        return refusal(404, NO_FILE) if "file-1" in str(call.json) else good()

    gate, chaos = await put(script, GPT)
    wrong = await gate.ask(messages=[{"role": "user", "content": "read file-1"}])
    assert (wrong.status, wrong.json["error"]["message"]) == (404, NO_FILE["error"]["message"])
    assert (await gate.ask()).headers["x-changeover-model"] == GPT
    assert await rows(gate) == []
    assert len(chaos.calls) == 2


async def test_a_plain_400_is_given_back_and_nothing_else_is_asked(put: Put):
    gate, chaos = await put(lambda call: refusal(400, {"error": {"message": "Unexpected role"}}))
    assert (await gate.ask()).status == 400
    assert len(chaos.calls) == 1
    assert await rows(gate) == []


async def test_a_probe_that_hangs_holds_nobody_up(start: Start):
    async def script(call: Call) -> None:
        if is_probe(call):
            await call.hang()
        await call.send(refusal(401, NOT_A_KEY))

    async with Chaos(script) as chaos:
        gate = await start(config_of(GPT, FLASH), OPENAI_BASE_URL=chaos.url)
        for _ in range(5):
            assert (await gate.ask()).headers["x-changeover-model"] == FLASH
        await until(lambda: _some(gate))
        (row,) = await rows(gate)
        assert row.until - gate.wired.clock.now() <= timedelta(minutes=1)


# --- what a hop has too little of ----------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("document", [TOO_LONG, NO_IMAGES], ids=["context", "images"])
async def test_what_one_hop_lacks_another_has(put: Put, document: Any, stream: bool):
    gate, chaos = await put(lambda call: refusal(400, document), GPT, FLASH)
    for _ in range(2):
        answer = await gate.ask(stream=stream)
        assert answer.headers["x-changeover-model"] == FLASH
    assert len(chaos.calls) == 2
    assert await rows(gate) == []
    assert [event.unfit for event in await gate.events()] == [True, True]


async def test_what_the_first_hop_lacks_while_all_others_fail_is_a_dead_chain(
    put: Put, providers: SimulatedProviders
):
    gate, _ = await put(lambda call: refusal(400, NO_IMAGES), GPT, FLASH)
    providers.break_provider("deepseek", "server_error")
    answer = await gate.ask()
    assert (answer.status, answer.json["error"]["message"]) == (400, NO_IMAGES["error"]["message"])
    (event,) = await gate.events()
    assert [signal.reason for signal in signals_of(event)] == ["chain_exhausted"]
    assert [(hop.model, hop.reason) for hop in event.hops] == [(GPT, None), (FLASH, "server_error")]
    assert event.hops[0].detail.startswith("cannot take this request (HTTP 400: ")


async def test_what_no_other_hop_has_comes_back_as_the_callers(put: Put):
    gate, chaos = await put(lambda call: refusal(400, TOO_LONG), GPT, "ollama/llama3.3")
    answer = await gate.ask()
    assert (answer.status, answer.json) == (400, TOO_LONG)
    assert answer.headers["x-changeover-attempts"] == "1"
    assert len(chaos.calls) == 1
    assert await gate.events() == []


# --- names and formats ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "asked", "served"),
    [
        (CHAIN, "claude-opus-4-5", OPUS),
        ((ROUTER, OPUS), "claude-sonnet-4-5", ROUTER),
        (CHAIN, "claude-haiku-4-5", "anthropic/claude-haiku-4-5"),
        (CHAIN, "claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5-20251001"),
    ],
)
async def test_a_bare_model_id(start: Start, chain: tuple[str, ...], asked: str, served: str):
    gate = await start(config_of(*chain))
    answer = await gate.ask(MESSAGES, model=asked)
    tried = answer.headers.get("x-changeover-fallback-from", answer.headers["x-changeover-model"])
    assert tried == served


async def test_a_chain_that_no_caller_of_this_format_can_use(start: Start):
    gate = await start(config_of(GPT, "groq/openai/gpt-oss-120b"))
    answer = await gate.ask(MESSAGES)
    assert answer.status == 400
    assert "accepts Anthropic-format requests" in answer.json["error"]["message"]
    assert answer.json["error"]["type"] == "invalid_request_error"
    for command in ("fallback status", "fallback test", f"model use {GPT}"):
        card = await gate.wired.app.handle(OWNER, command)
        assert "format" in [warning.code for warning in card.warnings], command
