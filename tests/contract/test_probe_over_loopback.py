"""The chain test end to end over HTTP: one small server a provider, each in its own format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from adapters.gateway.upstream import AiohttpUpstream
from adapters.providers.model_lists import HttpxModelLists
from bot.catalog import shipped
from bot.dialects.custom import custom_provider
from bot.models import FailureReason, ModelRef, Provider, Secret, Usage
from bot.routing.probe import HopVerdict, ProbeTarget, probe
from tests.support.fakes_wire import Wire, free_port, served, seven

PROVIDERS = shipped().providers
GOOD, WRONG = Secret(Wire.key), Secret("wrong-key-123456")
Town = dict[str, tuple[Wire, str]]


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        yield {
            name: (wire, await stack.enter_async_context(served(wire.app())))
            for name, wire in seven().items()
        }


@pytest.fixture
async def upstream() -> AsyncIterator[AiohttpUpstream]:
    made = AiohttpUpstream()
    yield made
    await made.aclose()


def target(
    provider: str, base: str, *, model: str = "known", key: Secret = GOOD, position: int = 0
) -> ProbeTarget:
    return ProbeTarget(position, ModelRef(provider, model), PROVIDERS[provider], base, key)


async def ask(
    upstream: AiohttpUpstream, *targets: ProbeTarget, timeout_s: float = 10
) -> list[HopVerdict]:
    return await probe(targets, upstream, HttpxModelLists(), timeout_s=timeout_s)


async def test_seven_formats_at_once(town: Town, upstream: AiohttpUpstream) -> None:
    hops = [target(name, base, position=i) for i, (name, (_, base)) in enumerate(town.items())]
    found = await ask(upstream, *hops)
    verdicts = {hop.ref.provider: (hop.verdict, hop.detail) for hop in found}
    assert verdicts == dict.fromkeys(town, ("ok", ""))
    assert {hop.served_model for hop in found} == {"known-served"}
    usage = {hop.ref.provider: hop.usage for hop in found}
    assert usage.pop("anthropic") == Usage(8, 1, cached_input_tokens=3)
    assert usage.pop("gemini") == Usage(5, 1, reasoning_tokens=1)
    assert set(usage.values()) == {Usage(5, 1)}
    assert all(len(wire.asked) == 1 for wire, _ in town.values())
    assert all(hop.status == 200 and hop.latency_ms for hop in found)


async def test_seven_refused_keys(town: Town, upstream: AiohttpUpstream) -> None:
    hops = [target(name, base, key=WRONG) for name, (_, base) in town.items() if name != "ollama"]
    found = await ask(upstream, *hops)
    assert {hop.verdict for hop in found} == {FailureReason.AUTH}
    assert {hop.status for hop in found} == {400, 401}
    assert not any(WRONG.reveal() in hop.detail for hop in found)


async def test_seven_unknown_models_and_the_names_that_were_meant(
    town: Town, upstream: AiohttpUpstream
) -> None:
    found = await ask(
        upstream, *(target(name, base, model="knwon") for name, (_, base) in town.items())
    )
    assert {hop.ref.provider: hop.verdict for hop in found} == dict.fromkeys(
        town, FailureReason.MODEL_NOT_FOUND
    )
    near = {hop.ref.provider: hop.near for hop in found}
    assert near.pop("ollama") == "known:latest"
    assert set(near.values()) == {"known"}


async def test_a_servers_answer_in_its_own_words(town: Town, upstream: AiohttpUpstream) -> None:
    wire, base = town["openai"]
    cases = [
        ((429, {"error": {"message": "quota", "code": "insufficient_quota"}}), "billing"),
        ((429, {"error": {"message": "slow down"}}), "rate_limit"),
        ((503, b"<html><title>Unavailable</title>"), "server_error"),
        ((200, b"<html>"), "bad_response"),
        ((200, b""), "bad_response"),
        ((200, {}), "bad_response"),
        ((200, {"error": {"code": 402, "message": "no credits"}}), "billing"),
        ((302, b""), "bad_response"),
        ((400, {"error": {"message": "what is this"}}), "bad_response"),
    ]
    for answer, expected in cases:
        wire.answers = [answer]
        (hop,) = await ask(upstream, target("openai", base))
        assert (hop.verdict, hop.reason, hop.status) == (expected, expected, answer[0])
        assert hop.detail


async def test_the_limits_other_name(town: Town, upstream: AiohttpUpstream) -> None:
    wire, base = town["groq"]
    complaint = {"error": {"message": "Unsupported parameter: 'max_tokens'."}}
    wire.answers = [(400, complaint)]
    (hop,) = await ask(upstream, target("groq", base))
    assert hop.verdict == "ok"
    assert [sorted(body) for body in wire.asked] == [
        ["max_tokens", "messages", "model"],
        ["max_completion_tokens", "messages", "model"],
    ]


async def test_dead_and_slow_hops_do_not_hold_up_the_others(
    town: Town, upstream: AiohttpUpstream
) -> None:
    begun = asyncio.Event()

    async def silent(request: web.Request) -> web.Response:
        begun.set()
        await asyncio.sleep(60)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{any:.*}", silent)
    async with served(app) as slow:
        hops = [
            target("openai", slow),
            target("openrouter", f"http://127.0.0.1:{free_port()}"),
            target("deepseek", town["deepseek"][1]),
            target("groq", "http://nowhere.invalid:1"),
        ]
        found = await ask(upstream, *hops, timeout_s=0.5)
    assert begun.is_set()
    assert [hop.verdict for hop in found] == ["timeout", "network", "ok", "network"]
    assert found[0].detail == "no response within 0.5 s"
    assert "connection refused" in found[1].detail
    assert all(hop.latency_ms is not None and hop.latency_ms >= 0 for hop in found)


@pytest.mark.parametrize(
    ("api", "like", "suffix"),
    [
        ("openai-completions", "openrouter", "/api/v1"),
        ("anthropic-messages", "anthropic", ""),
        ("anthropic-messages", "anthropic", "/v1"),
        ("google-generative-ai", "gemini", "/v1beta"),
        ("ollama", "ollama", ""),
        ("ollama", "ollama", "/v1"),
    ],
)
async def test_custom_providers_by_their_api(
    town: Town, upstream: AiohttpUpstream, api: str, like: str, suffix: str
) -> None:
    entry = {"baseUrl": town[like][1] + suffix, "api": api}
    mine: Provider = custom_provider("mine", entry)
    key = None if like == "ollama" else GOOD
    (hop,) = await ask(upstream, ProbeTarget(0, ModelRef("mine", "known"), mine, None, key))
    assert (hop.verdict, hop.served_model) == ("ok", "known-served")


async def test_a_chain_of_a_hundred_hops_keeps_its_order(
    town: Town, upstream: AiohttpUpstream
) -> None:
    base = town["groq"][1]
    hops = [
        target("groq", base, model="known" if i % 2 else "other", position=i) for i in range(100)
    ]
    found = await ask(upstream, *hops)
    assert [hop.position for hop in found] == list(range(100))
    assert [hop.verdict == "ok" for hop in found] == [bool(i % 2) for i in range(100)]
