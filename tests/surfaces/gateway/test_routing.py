"""Who is asked: names, the config as it changes, cool-downs, and what two gateways share."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from adapters.simulated import SimulatedProviders
from bot.access import Actor, Surface
from bot.models import FailureReason
from tests.support.fakes_gateway import (
    CHAIN,
    FLASH,
    GPT,
    LLAMA,
    MESSAGES,
    OPUS,
    ROUTER,
    Gate,
    HandClock,
    config_of,
    gateway,
)
from tests.surfaces.gateway.conftest import Start

R = FailureReason
OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("auto", OPUS),
        ("", OPUS),
        ("changeover", OPUS),
        ("best", OPUS),
        ("cheap", FLASH),
        ("CHEAP", FLASH),
        ("local", LLAMA),
        ("nightly", GPT),
        (FLASH, FLASH),
        (GPT, GPT),
        ("groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
        ("gemini/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    ],
)
async def test_names(start: Start, asked: str, served: str):
    gate = await start(config_of(*CHAIN, **{GPT: {"alias": "nightly"}, OPUS: {}}))
    answer = await gate.ask(model=asked)
    assert answer.headers["x-changeover-model"] == served
    assert answer.headers["x-changeover-attempts"] == "1"
    assert "x-changeover-fallback-from" not in answer.headers
    assert await gate.events() == []


async def test_what_is_asked_for_falls_back_to_the_chain(gate: Gate, providers: SimulatedProviders):
    providers.break_provider("groq", "rate_limit")
    answer = await gate.ask(model="groq/llama-3.1-8b-instant")
    assert answer.headers["x-changeover-model"] == ROUTER
    assert answer.headers["x-changeover-fallback-from"] == "groq/llama-3.1-8b-instant"


async def test_custom_providers_by_their_api(start: Start, providers: SimulatedProviders):
    mine = {
        "gpt": {
            "baseUrl": f"{providers.base_url('openai')}/v1",
            "apiKey": "${TEAM_KEY}",
            "api": "openai-completions",
            "models": [{"id": "gpt-5", "cost": {"input": 100, "output": 200}}],
        },
        "claude": {
            "baseUrl": providers.base_url("anthropic"),
            "apiKey": providers.key("anthropic"),
            "api": "anthropic-messages",
            "models": [{"id": "claude-haiku-4-5"}],
        },
    }
    config = config_of("gpt/gpt-5", "claude/claude-haiku-4-5", providers=mine)
    gate = await start(config, TEAM_KEY=providers.key("openai"))
    answer = await gate.ask()
    assert answer.headers["x-changeover-model"] == "gpt/gpt-5"
    message = await gate.ask(MESSAGES)
    # The chain's first hop does not speak the dialect: that another answers is said.
    assert message.headers["x-changeover-model"] == "claude/claude-haiku-4-5"
    assert message.headers["x-changeover-fallback-from"] == "gpt/gpt-5"
    assert message.headers["x-changeover-reason"] == "model_not_found"
    (event,) = await gate.events()
    assert (event.from_model, event.to_model) == ("gpt/gpt-5", "claude/claude-haiku-4-5")
    assert (event.detail, event.asked) == ("does not accept this request format", False)
    first, _ = await gate.attempts()
    assert first.price.source == "config"
    tokens = first.usage.input_tokens * 100 + first.usage.output_tokens * 200
    assert first.cost_nano_usd == tokens * 1000


async def until_served(gate: Gate, model: str, asked: str = "auto") -> None:
    """Ask until a model answers, for the second that it may take at most, and some."""
    for _ in range(6000):
        if (await gate.ask(model=asked)).headers.get("x-changeover-model") == model:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{model} is not asked")


async def test_a_switch_is_in_force_for_the_next_request(gate: Gate):
    assert (await gate.ask()).headers["x-changeover-model"] == OPUS
    card = await gate.wired.app.handle(OWNER, "model cheap")
    assert card.error is None
    await until_served(gate, FLASH)
    # And what is asked for by name is what the name means now.
    await gate.wired.app.handle(OWNER, f"model preset best {LLAMA}")
    await until_served(gate, LLAMA, "best")


KEPT = "Keeping the last valid config."


async def test_a_broken_edit_leaves_the_last_good_config(
    gate: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "moltbot.json"
    for broken in ("{ oops", '{"agents": {"defaults": {"model": 5}}}', ""):
        # At once: half-way through a write the file is empty, which is one of the cases here.
        fresh = tmp_path / "fresh"
        fresh.write_text(broken)
        fresh.replace(file)
        for _ in range(6000):
            if KEPT in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert KEPT in caplog.text
        caplog.clear()
        assert (await gate.ask()).headers["x-changeover-model"] == OPUS
    file.unlink()
    await asyncio.sleep(0.05)
    assert (await gate.ask()).headers["x-changeover-model"] == OPUS
    assert (await gate.ask("/readyz", method="GET")).status == 200
    file.write_text(config_of(LLAMA))
    await until_served(gate, LLAMA)


# --- cool-downs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "reach"),
    [
        (R.RATE_LIMIT, 1),
        (R.BILLING, 1),
        (R.AUTH, 1),
        (R.MODEL_NOT_FOUND, 1),
        (R.SERVER_ERROR, 2),
        (R.NETWORK, 2),
        (R.BAD_RESPONSE, 2),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_how_many_of_25_reach_a_dead_primary(
    gate: Gate, providers: SimulatedProviders, reason: FailureReason, reach: int, stream: bool
):
    # Connections that were used before must not make it more.
    for _ in range(3):
        await gate.ask(stream=stream)
    providers.break_provider("anthropic", reason)
    answers = [await gate.ask(stream=stream) for _ in range(25)]
    assert {answer.headers["x-changeover-model"] for answer in answers} == {ROUTER}
    assert {answer.headers["x-changeover-reason"] for answer in answers} == {reason}
    reached = providers.counts("anthropic").failed
    # Our own probe is one more.
    assert reach <= reached <= 3
    attempts = [answer.headers["x-changeover-attempts"] for answer in answers]
    assert attempts == ["2"] * reach + ["1"] * (25 - reach)
    assert len(await gate.events()) == 25
    cooled = await gate.figure("changeover_cooldown_until_seconds", reason=str(reason))
    assert cooled > 0


async def test_half_open_after_a_cooldown(start: Start, providers: SimulatedProviders):
    clock = HandClock()
    gate = await start(more={"clock": clock})
    providers.break_provider("anthropic", "rate_limit", retry_after_s=30)
    await gate.ask()
    clock.jump(seconds=29)
    assert (await gate.ask()).headers["x-changeover-attempts"] == "1"
    clock.jump(seconds=2)
    tries = await asyncio.gather(*(gate.ask() for _ in range(8)))
    assert sorted(a.headers["x-changeover-attempts"] for a in tries) == ["1"] * 7 + ["2"]
    assert providers.counts("anthropic").failed == 2
    providers.heal("anthropic")
    clock.jump(minutes=10)
    assert (await gate.ask()).headers["x-changeover-model"] == OPUS
    assert (await gate.ask()).headers["x-changeover-model"] == OPUS
    for _ in range(6000):
        if not await gate.wired.app.ports.log.cooldowns(clock.now()):
            break
        await asyncio.sleep(0.01)
    assert await gate.wired.app.ports.log.cooldowns(clock.now()) == []


async def test_when_all_are_rate_limited_it_is_a_429_until_the_first_is_due(
    gate: Gate, providers: SimulatedProviders
):
    for wait_s, provider in enumerate(("anthropic", "openrouter", "deepseek", "ollama"), 50):
        providers.break_provider(provider, "rate_limit", retry_after_s=wait_s)
    assert (await gate.ask()).status == 429
    for path in ("/v1/chat/completions", "/v1/messages"):
        dead = await gate.ask(path)
        assert dead.status == 429
        assert 40 < int(dead.headers["retry-after"]) <= 50
        assert dead.headers["x-changeover-attempts"] == "0"
        assert dead.json["error"]["type"] == "rate_limit_error"
        assert "cooling down (rate_limit)" in dead.json["error"]["message"]


async def test_what_was_passed_over_is_asked_before_a_503(
    gate: Gate, providers: SimulatedProviders
):
    chain = ("anthropic", "openrouter", "deepseek", "ollama")
    for provider in chain:
        providers.break_provider(provider, "server_error")
    for _ in range(2):
        assert (await gate.ask()).status == 503
    dead = await gate.ask()
    assert dead.status == 503
    # All are cooling down, so the caller learns when the first is due; yet all were asked.
    assert int(dead.headers["retry-after"]) > 0
    assert dead.headers["x-changeover-attempts"] == "4"
    for provider in chain[1:]:
        providers.heal(provider)
    # The last one was asked twice, so its cool-down began first and ends first.
    assert (await gate.ask()).headers["x-changeover-model"] == LLAMA


async def test_where_only_owners_can_help_a_client_is_told_not_to_retry(
    gate: Gate, providers: SimulatedProviders
):
    for provider, reason in zip(
        ("anthropic", "openrouter", "deepseek", "ollama"), ("auth", "billing") * 2, strict=True
    ):
        providers.break_provider(provider, reason)
    # Once more, while all are cooling down: no time to wait that an agent would hang for.
    for _ in range(2):
        dead = await gate.ask()
        assert dead.status == 503
        assert dead.headers["x-should-retry"] == "false"
        assert "retry-after" not in dead.headers
        assert dead.json["error"]["code"] == "no_usable_key"


async def test_a_missing_model_is_asked_again_when_the_config_changes(
    gate: Gate, providers: SimulatedProviders, tmp_path: Path
):
    providers.break_provider("anthropic", "model_not_found")
    await gate.ask()
    providers.heal("anthropic")
    assert (await gate.ask()).headers["x-changeover-model"] == ROUTER
    file = tmp_path / "moltbot.json"
    file.write_text(file.read_text() + "\n")
    await until_served(gate, OPUS)


async def test_two_gateways_know_each_others_cooldowns(
    gate: Gate, start: Start, providers: SimulatedProviders
):
    other = await start()
    providers.break_provider("anthropic", "auth")
    assert (await gate.ask()).headers["x-changeover-attempts"] == "2"
    for _ in range(6000):
        if await other.figure("changeover_cooldown_until_seconds", scope="anthropic"):
            break
        await asyncio.sleep(0.01)
    answer = await other.ask()
    assert answer.headers["x-changeover-attempts"] == "1"
    assert answer.headers["x-changeover-reason"] == "auth"
    # Once by the caller's request, once by our own probe.
    assert providers.counts("anthropic").failed == 2


async def test_a_cooldown_outlives_the_process(
    tmp_path: Path, providers: SimulatedProviders, empty_database: bytes
):
    providers.break_provider("anthropic", "billing")
    config = config_of(*CHAIN)
    async with gateway(tmp_path, providers.env(), config, database=empty_database) as first:
        await first.ask()
    async with gateway(tmp_path, providers.env(), config) as second:
        assert (await second.ask()).headers["x-changeover-attempts"] == "1"
    # Another key is another matter.
    env = {**providers.env(), "ANTHROPIC_API_KEY": "a-new-key"}
    async with gateway(tmp_path, env, config) as third:
        assert (await third.ask()).headers["x-changeover-attempts"] == "2"


async def test_while_the_database_is_away_it_answers_and_remembers(
    tmp_path: Path, providers: SimulatedProviders, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "away"
    nowhere = {**providers.env(), "DATABASE_URL": f"sqlite:///{folder}/x.db"}
    providers.break_provider("anthropic", "rate_limit", retry_after_s=99)
    async with gateway(tmp_path, nowhere, config_of(*CHAIN)) as gate:
        answers = [await gate.ask() for _ in range(3)]
        assert [a.headers["x-changeover-attempts"] for a in answers] == ["2", "1", "1"]
        assert await gate.figure("changeover_ledger_queue") == 7
        assert "stay in memory" in caplog.text
        folder.mkdir()
        for _ in range(6000):
            if "database is back" in caplog.text:
                break
            await asyncio.sleep(0.01)
        assert len(await gate.attempts()) == 4
        assert len(await gate.events()) == 3
        log = gate.wired.app.ports.log
        for _ in range(6000):
            if await log.cooldowns(gate.wired.clock.now()):
                break
            await asyncio.sleep(0.01)
        assert await log.cooldowns(gate.wired.clock.now())
        assert (await gate.ask()).headers["x-changeover-attempts"] == "1"


async def test_the_models_list_follows_the_config(gate: Gate, tmp_path: Path):
    listed = (await gate.ask("/v1/models", method="GET")).json
    ids = [row["id"] for row in listed["data"]]
    assert ids[0] == "auto"
    assert listed["object"] == "list"
    assert set(CHAIN) <= set(ids)
    theirs = {"anthropic-version": "2023-06-01"}
    for name in ("auto", "cheap"):
        path = f"/v1/models/claude-changeover-{name}"
        row = (await gate.ask(path, method="GET", headers=theirs)).json
        assert (row["type"], row["display_name"]) == ("model", f"Changeover: {name}")
    assert (await gate.ask("/v1/models/claude-changeover-x", method="GET")).status == 404
    (tmp_path / "moltbot.json").write_text(json.dumps({"agents": {"defaults": {"model": GPT}}}))
    await until_served(gate, GPT)
    ids = [row["id"] for row in (await gate.ask("/v1/models", method="GET")).json["data"]]
    assert GPT in ids
    assert ROUTER not in ids
