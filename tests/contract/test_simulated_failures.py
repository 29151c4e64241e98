"""The simulated providers fail in the providers' own ways, as the official clients see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from adapters.simulated import SimulatedProviders
from bot.models import FailureReason
from tests.support.fakes_demo import (
    ANTHROPIC_PATHS,
    ASKED,
    MODELS,
    ask_anthropic,
    ask_openai,
    bearer,
    http_client,
)

R = FailureReason
STATUSES = {
    R.RATE_LIMIT: dict.fromkeys(MODELS, 429),
    R.SERVER_ERROR: {
        "anthropic": 529,
        "openrouter": 502,
        "deepseek": 503,
        "ollama": 500,
        "gemini": 503,
        "openai": 500,
        "groq": 503,
    },
    R.AUTH: {**dict.fromkeys(MODELS, 401), "gemini": 400},
    R.BILLING: {**dict.fromkeys(MODELS, 402), "anthropic": 400, "openai": 429, "gemini": 429},
    R.MODEL_NOT_FOUND: {**dict.fromkeys(MODELS, 404), "deepseek": 400},
}
SAID = [(provider, reason) for reason in STATUSES for provider in MODELS]


@pytest.fixture
async def demo() -> AsyncIterator[SimulatedProviders]:
    async with SimulatedProviders(latency_s=0) as providers:
        yield providers


async def arrived(demo: SimulatedProviders, asking: list[asyncio.Task[list[Any]]]) -> None:
    """Wait until every request has reached its provider; none may be answered."""
    while sum(demo.counts(provider).failed for provider in MODELS) < len(asking):
        done, _ = await asyncio.wait(asking, timeout=0.02)
        assert not done


@pytest.mark.parametrize(("provider", "reason"), SAID)
async def test_openai_client_sees_each_failure(
    demo: SimulatedProviders, provider: str, reason: FailureReason
) -> None:
    demo.break_provider(provider, reason)
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as caught:
            await ask_openai(demo, provider, stream=stream)
        assert caught.value.status_code == STATUSES[reason][provider]
    assert demo.counts(provider).failed == 2
    demo.heal(provider)
    assert await ask_openai(demo, provider)
    assert demo.counts(provider).served == 1


@pytest.mark.parametrize(
    ("provider", "reason"), [pair for pair in SAID if pair[0] in ANTHROPIC_PATHS]
)
async def test_anthropic_client_sees_each_failure(
    demo: SimulatedProviders, provider: str, reason: FailureReason
) -> None:
    demo.break_provider(provider, reason)
    with pytest.raises(anthropic.APIStatusError) as caught:
        await ask_anthropic(demo, provider)
    assert caught.value.status_code == STATUSES[reason][provider]


@pytest.mark.parametrize(
    ("provider", "reason", "kind"),
    [
        ("openai", R.RATE_LIMIT, openai.RateLimitError),
        ("openai", R.BILLING, openai.RateLimitError),
        ("openai", R.AUTH, openai.AuthenticationError),
        ("openai", R.MODEL_NOT_FOUND, openai.NotFoundError),
        ("openai", R.SERVER_ERROR, openai.InternalServerError),
        ("deepseek", R.MODEL_NOT_FOUND, openai.BadRequestError),
        ("gemini", R.AUTH, openai.BadRequestError),
        ("groq", R.AUTH, openai.AuthenticationError),
        ("openrouter", R.SERVER_ERROR, openai.InternalServerError),
    ],
)
async def test_openai_clients_exceptions(
    demo: SimulatedProviders, provider: str, reason: FailureReason, kind: type[Exception]
) -> None:
    demo.break_provider(provider, reason)
    with pytest.raises(kind):
        await ask_openai(demo, provider)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", MODELS)
async def test_openai_client_sees_a_bad_response(
    demo: SimulatedProviders, provider: str, stream: bool
) -> None:
    demo.break_provider(provider, R.BAD_RESPONSE)
    if provider == "openrouter" and not stream:
        (answer,) = await ask_openai(demo, provider)
        assert answer.choices is None
        assert answer.error["code"] == 502
    else:
        with pytest.raises((openai.APIError, json.JSONDecodeError)) as caught:
            await ask_openai(demo, provider, stream=stream)
        assert not isinstance(caught.value, openai.APIStatusError)
    assert demo.counts(provider).served == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ANTHROPIC_PATHS)
async def test_anthropic_client_sees_a_bad_response(
    demo: SimulatedProviders, provider: str, stream: bool
) -> None:
    demo.break_provider(provider, R.BAD_RESPONSE)
    with pytest.raises((anthropic.APIError, json.JSONDecodeError)) as caught:
        await ask_anthropic(demo, provider, stream=stream)
    if isinstance(caught.value, anthropic.APIStatusError):
        assert caught.value.status_code == 200


async def test_bad_responses_of_the_other_dialects(demo: SimulatedProviders) -> None:
    demo.break_provider("gemini", R.BAD_RESPONSE)
    demo.break_provider("ollama", R.BAD_RESPONSE)
    gemini = demo.base_url("gemini") + "/v1beta/models/gemini-2.5-flash:"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    headers = {"x-goog-api-key": demo.key("gemini")}
    async with http_client() as http:
        whole = await http.post(gemini + "generateContent", json=body, headers=headers)
        stream = await http.post(
            gemini + "streamGenerateContent?alt=sse", json=body, headers=headers
        )
        line = await http.post(
            demo.base_url("ollama") + "/api/chat", json={"model": "llama3.3", "messages": ASKED}
        )
    assert {whole.status_code, stream.status_code, line.status_code} == {200}
    with pytest.raises(json.JSONDecodeError):
        whole.json()
    assert json.loads(stream.text.removeprefix("data: "))["error"]["code"] == 503
    assert list(json.loads(line.text)) == ["error"]


@pytest.mark.parametrize("provider", MODELS)
async def test_a_broken_network_is_a_reset_connection(
    demo: SimulatedProviders, provider: str
) -> None:
    demo.break_provider(provider, R.NETWORK)
    for stream in (False, True):
        with pytest.raises(openai.APIConnectionError) as caught:
            await ask_openai(demo, provider, stream=stream)
        assert not isinstance(caught.value, openai.APITimeoutError)
    assert demo.counts(provider).failed == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_timeout_hangs_until_the_client_goes(
    demo: SimulatedProviders, stream: bool
) -> None:
    for provider in MODELS:
        demo.break_provider(provider, R.TIMEOUT)
    asking = [asyncio.create_task(ask_openai(demo, p, stream=stream)) for p in MODELS]
    await arrived(demo, asking)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for provider in MODELS:
        assert demo.counts(provider).failed == 1
        demo.heal(provider)
        assert await ask_openai(demo, provider, stream=stream)


async def test_while_it_hangs_deepseek_pads_and_openrouter_comments(
    demo: SimulatedProviders,
) -> None:
    async def first_bytes(provider: str, path: str, *, stream: bool) -> bytes:
        demo.break_provider(provider, R.TIMEOUT)
        body = {"model": MODELS[provider], "messages": ASKED, "stream": stream}
        headers = bearer(demo, provider)
        async with (
            http_client() as http,
            http.stream(
                "POST", demo.base_url(provider) + path, json=body, headers=headers
            ) as answer,
        ):
            return await anext(answer.aiter_raw())

    assert await first_bytes("deepseek", "/chat/completions", stream=False) == b"\n"
    comment = await first_bytes("openrouter", "/api/v1/chat/completions", stream=True)
    assert comment == b": OPENROUTER PROCESSING\n\n"


async def test_a_client_that_leaves_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async with SimulatedProviders(latency_s=0.5) as demo, http_client() as http:
        body = {"model": MODELS["groq"], "messages": ASKED, "stream": True}
        url = demo.base_url("groq") + "/openai/v1/chat/completions"
        headers = bearer(demo, "groq")
        async with http.stream("POST", url, json=body, headers=headers) as answer:
            assert answer.status_code == 200
        demo.break_provider("deepseek", R.TIMEOUT)
        url = demo.base_url("deepseek") + "/chat/completions"
        async with http.stream("POST", url, json=body, headers=bearer(demo, "deepseek")):
            assert list(demo.broken) == ["deepseek"]
    assert not caplog.records


async def test_closing_drops_what_hangs() -> None:
    async with SimulatedProviders(latency_s=0) as demo:
        for provider in ("anthropic", "deepseek"):
            demo.break_provider(provider, R.TIMEOUT)
        waiting = [
            asyncio.create_task(ask_openai(demo, "anthropic")),
            asyncio.create_task(ask_openai(demo, "deepseek", stream=True)),
        ]
        await arrived(demo, waiting)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    # A stream that had begun breaks off below the client's own exceptions.
    assert isinstance(results[0], openai.APIConnectionError)
    assert isinstance(results[1], Exception)


@pytest.mark.parametrize(
    ("provider", "where"),
    [("anthropic", "retry-after"), ("openrouter", "retry-after"), ("deepseek", "retry-after"),
     ("ollama", "retry-after"), ("openai", "retry-after"), ("groq", "retry-after")],
)  # fmt: skip
async def test_a_rate_limit_says_when_to_come_back(
    demo: SimulatedProviders, provider: str, where: str
) -> None:
    demo.break_provider(provider, "rate_limit", retry_after_s=7)
    with pytest.raises(openai.RateLimitError) as caught:
        await ask_openai(demo, provider)
    assert caught.value.response.headers[where] == "7"


async def test_geminis_quota_speaks_in_details(demo: SimulatedProviders) -> None:
    details = {}
    for reason in (R.RATE_LIMIT, R.BILLING):
        demo.break_provider("gemini", reason, retry_after_s=7)
        with pytest.raises(openai.RateLimitError) as caught:
            await ask_openai(demo, "gemini")
        assert "retry-after" not in caught.value.response.headers
        details[reason] = json.dumps(caught.value.response.json()[0]["error"]["details"])
    assert '"retryDelay": "7s"' in details[R.RATE_LIMIT]
    assert "PerMinute" in details[R.RATE_LIMIT]
    assert "PerDay" in details[R.BILLING]


@pytest.mark.parametrize(
    ("reason", "status"),
    [(R.SERVER_ERROR, 529), (R.AUTH, 401), (R.RATE_LIMIT, 200), (R.BILLING, 200)],
)
async def test_what_stops_the_free_endpoints(
    demo: SimulatedProviders, reason: FailureReason, status: int
) -> None:
    demo.break_provider("anthropic", reason)
    demo.break_provider("ollama", "network")
    headers = {"x-api-key": demo.key("anthropic")}
    async with http_client() as http:
        answer = await http.get(demo.base_url("anthropic") + "/v1/models", headers=headers)
        with pytest.raises(httpx.TransportError):
            await http.get(demo.base_url("ollama") + "/api/tags")
    assert answer.status_code == status


async def test_a_timeout_holds_up_the_free_endpoints_too(demo: SimulatedProviders) -> None:
    demo.break_provider("ollama", "timeout")
    async with http_client(timeout_s=0.1) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(demo.base_url("ollama") + "/api/tags")


async def test_money_runs_out_at_deepseek(demo: SimulatedProviders) -> None:
    demo.break_provider("deepseek", "billing")
    headers = bearer(demo, "deepseek")
    async with http_client() as http:
        balance = await http.get(demo.base_url("deepseek") + "/user/balance", headers=headers)
    assert balance.json()["is_available"] is False
