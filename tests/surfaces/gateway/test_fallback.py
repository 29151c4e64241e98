"""Every reason to fall back, in both dialects, whole and streamed, and what is written of it."""

from __future__ import annotations

import logging

import pytest

from adapters.simulated import SimulatedProviders
from bot.models import FailureReason
from tests.support.fakes_gateway import (
    CHAT,
    FLASH,
    GPT,
    LLAMA,
    MESSAGES,
    OPUS,
    ROUTER,
    Gate,
    config_of,
)
from tests.surfaces.gateway.conftest import Start

R = FailureReason
QUICK = {"CHANGEOVER_TIMEOUT_S": "1", "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "1"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("reason", list(FailureReason))
async def test_every_reason(
    start: Start,
    providers: SimulatedProviders,
    caplog: pytest.LogCaptureFixture,
    reason: FailureReason,
    path: str,
    stream: bool,
):
    gate = await start(**QUICK)
    providers.break_provider("anthropic", reason)
    with caplog.at_level(logging.WARNING):
        answer = await gate.ask(path, stream=stream)
    assert answer.status == 200
    assert answer.headers["x-changeover-model"] == ROUTER
    assert answer.headers["x-changeover-attempts"] == "2"
    assert answer.headers["x-changeover-fallback-from"] == OPUS
    assert answer.headers["x-changeover-reason"] == reason
    assert "anthropic/claude-sonnet-4.5" in answer.text
    lines = [r.getMessage() for r in caplog.records if "Fallback triggered" in r.getMessage()]
    assert lines == [f"[gateway] Fallback triggered: {OPUS} → {ROUTER} ({reason})"]
    (event,) = await gate.events()
    assert (event.from_model, event.to_model, event.reason) == (OPUS, ROUTER, reason)
    assert event.request_id == answer.headers["x-request-id"]
    assert event.detail
    failed, served = await gate.attempts()
    assert (failed.number, failed.reason, failed.answered, failed.last) == (1, reason, False, False)
    assert (served.number, served.reason, served.answered, served.last) == (2, None, True, True)
    assert (str(failed.model), str(served.model)) == (OPUS, ROUTER)
    assert failed.fallback
    assert served.fallback
    assert served.stream is stream
    assert served.usage.input_tokens > 0
    assert await gate.figure(
        "changeover_fallbacks_total", from_model=OPUS, to_model=ROUTER, reason=reason
    ) == 1  # fmt: skip
    assert await gate.figure("changeover_attempts_total", provider="anthropic", reason=reason) == 1


async def test_a_row_says_all_there_is_to_say(start: Start):
    gate = await start(GATEWAY_TOKENS="ana:secret-a,bo:secret-b")
    answer = await gate.ask(
        headers={"authorization": "Bearer secret-b"}, model="cheap", max_tokens=20
    )
    (row,) = await gate.attempts()
    usage = answer.json["usage"]
    assert (row.caller, row.asked, row.dialect, row.source) == ("bo", "cheap", "openai", "gateway")
    assert (str(row.model), row.provider, row.served) == (FLASH, "deepseek", answer.json["model"])
    assert (row.status, row.answered, row.last, row.fallback) == (200, True, True, False)
    assert row.usage.input_tokens == usage["prompt_tokens"]
    assert row.usage.output_tokens == usage["completion_tokens"]
    assert row.price is not None
    assert row.price.source in ("genai-prices", "catalog")
    per_token = 1000
    plain = row.usage.input_tokens - row.usage.cached_input_tokens
    assert row.cost_nano_usd == round(
        plain * row.price.input_usd_per_1m * per_token
        + row.usage.cached_input_tokens
        * (row.price.cached_input_usd_per_1m or row.price.input_usd_per_1m)
        * per_token
        + row.usage.output_tokens * row.price.output_usd_per_1m * per_token
    )
    assert row.cost_nano_usd > 0
    assert row.latency_ms is not None
    assert row.first_token_ms is None
    assert not row.estimated


async def test_a_streamed_row_has_its_first_token(gate: Gate):
    answer = await gate.ask(MESSAGES, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    (row,) = await gate.attempts()
    assert (row.dialect, row.stream, row.estimated) == ("anthropic", True, False)
    assert row.first_token_ms is not None
    assert row.latency_ms is not None
    assert row.first_token_ms <= row.latency_ms
    assert row.served == "claude-opus-4-5-20251101"
    assert row.usage.output_tokens > 0


async def test_what_a_provider_reports_is_what_it_cost(start: Start):
    gate = await start(config_of(ROUTER))
    answer = await gate.ask()
    (row,) = await gate.attempts()
    assert row.cost_nano_usd == round(answer.json["usage"]["cost"] * 1e9)
    assert row.usage.reported_cost_usd is not None


async def test_a_local_model_costs_nothing(start: Start):
    gate = await start(config_of(LLAMA))
    await gate.ask()
    (row,) = await gate.attempts()
    assert row.cost_nano_usd == 0
    assert row.price.source == "local"


async def test_down_to_the_last_hop(
    gate: Gate, providers: SimulatedProviders, caplog: pytest.LogCaptureFixture
):
    providers.break_provider("anthropic", "rate_limit")
    providers.break_provider("openrouter", "billing")
    providers.break_provider("deepseek", "server_error")
    with caplog.at_level(logging.WARNING):
        answer = await gate.ask()
    assert answer.headers["x-changeover-model"] == LLAMA
    assert answer.headers["x-changeover-attempts"] == "4"
    assert answer.headers["x-changeover-reason"] == "rate_limit"
    assert f"Fallback triggered: {OPUS} → {LLAMA} (rate_limit)" in caplog.text
    rows = await gate.attempts()
    assert [row.reason for row in rows] == [R.RATE_LIMIT, R.BILLING, R.SERVER_ERROR, None]
    assert [row.last for row in rows] == [False, False, False, True]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
async def test_all_dead(
    gate: Gate,
    providers: SimulatedProviders,
    caplog: pytest.LogCaptureFixture,
    path: str,
    stream: bool,
):
    for provider, reason in zip(
        ("anthropic", "openrouter", "deepseek", "ollama"),
        ("auth", "rate_limit", "network", "server_error"),
        strict=True,
    ):
        providers.break_provider(provider, reason)
    with caplog.at_level(logging.WARNING):
        answer = await gate.ask(path, stream=stream)
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/json"
    error = answer.json["error"]
    if path == MESSAGES:
        assert answer.json["type"] == "error"
        assert error["type"] == "overloaded_error"
        assert answer.json["request_id"] == answer.headers["request-id"]
    else:
        assert error["code"] == "chain_exhausted"
        assert set(error) == {"message", "type", "param", "code"}
    for words in (
        f"{OPUS}: auth",
        f"{ROUTER}: rate_limit",
        f"{FLASH}: network",
        f"{LLAMA}: server_error",
    ):
        assert error["message"].count(words) == 1
    assert "demo-" not in answer.text
    assert answer.headers["x-changeover-attempts"] == "5"
    assert answer.headers["x-changeover-fallback-from"] == OPUS
    assert answer.headers["x-changeover-reason"] == "auth"
    assert f"Fallback triggered: {OPUS} → none (auth)" in caplog.text
    (event,) = await gate.events()
    assert (event.from_model, event.to_model, event.reason) == (OPUS, None, R.AUTH)
    rows = await gate.attempts()
    # The last hop's trouble may pass, so it was asked once more.
    assert [str(row.model) for row in rows] == [OPUS, ROUTER, FLASH, LLAMA, LLAMA]
    assert not any(row.answered or row.fallback for row in rows)


async def test_the_hops_are_named_in_the_chains_order(start: Start, providers: SimulatedProviders):
    gate = await start(config_of(GPT, OPUS, LLAMA, FLASH), DEEPSEEK_API_KEY="")
    providers.break_provider("anthropic", "auth")
    providers.break_provider("ollama", "server_error")
    answer = await gate.ask(MESSAGES)
    assert answer.status == 503
    message = answer.json["error"]["message"]
    assert f"{GPT}: does not accept this request format" in message
    places = [message.index(model) for model in (GPT, OPUS, LLAMA, FLASH)]
    assert places == sorted(places)
    assert answer.headers["x-changeover-fallback-from"] == GPT
    assert answer.headers["x-changeover-reason"] == "model_not_found"


async def test_no_key_for_the_first_hop(start: Start, caplog: pytest.LogCaptureFixture):
    gate = await start(ANTHROPIC_API_KEY="")
    with caplog.at_level(logging.WARNING):
        answer = await gate.ask()
    assert answer.headers["x-changeover-model"] == ROUTER
    assert answer.headers["x-changeover-fallback-from"] == OPUS
    assert answer.headers["x-changeover-reason"] == "auth"
    (event,) = await gate.events()
    assert (event.from_model, event.to_model, event.reason) == (OPUS, ROUTER, R.AUTH)
    # Nothing really failed: an event, and no line.
    assert "Fallback triggered" not in caplog.text


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_no_key_for_any_hop(start: Start, path: str):
    gate = await start(config_of(OPUS, FLASH), ANTHROPIC_API_KEY="", DEEPSEEK_API_KEY="")
    answer = await gate.ask(path)
    assert answer.status == 503
    assert "no API key (ANTHROPIC_API_KEY)" in answer.json["error"]["message"]
    assert "no API key (DEEPSEEK_API_KEY)" in answer.json["error"]["message"]
    (event,) = await gate.events()
    assert (event.to_model, event.reason) == (None, R.AUTH)


async def test_fallback_none(gate: Gate, providers: SimulatedProviders):
    providers.break_provider("anthropic", "rate_limit")
    answer = await gate.ask(headers={"x-changeover-fallback": "none"})
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    assert providers.counts("openrouter").served == 0
    # Its provider has named a time: until then it is not asked, and named once.
    again = await gate.ask(headers={"x-changeover-fallback": "none"})
    assert again.json["error"]["message"].count(OPUS) == 1
    assert "cooling down (rate_limit)" in again.json["error"]["message"]
    assert again.headers["x-changeover-attempts"] == "0"
    assert (await gate.ask()).status == 200


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_one_local_retry_and_only_where_it_helps(
    gate: Gate, providers: SimulatedProviders, path: str
):
    providers.break_provider("anthropic", "server_error")
    answer = await gate.ask(path, headers={"x-changeover-fallback": "none"})
    assert answer.status == 503
    assert providers.counts("anthropic").failed == 2
