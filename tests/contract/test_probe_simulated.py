"""Every provider's every failure, as the simulated providers word it, gets its own reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace

import pytest

from adapters.gateway.upstream import AiohttpUpstream
from adapters.providers.model_lists import HttpxModelLists
from adapters.simulated import SimulatedProviders
from bot.catalog import shipped
from bot.models import Dialect, Endpoint, FailureReason, ModelRef, Provider, Secret
from bot.routing.probe import HopVerdict, ProbeTarget, probe

PROVIDERS = shipped().providers
NATIVE = frozenset({Dialect.GEMINI, Dialect.OLLAMA})
MODELS = {
    "anthropic": "claude-haiku-4-5",
    "openrouter": "anthropic/claude-sonnet-4.5",
    "deepseek": "deepseek-flash",
    "ollama": "llama3.3",
    "gemini": "gemini-2.5-flash",
    "openai": "gpt-5-mini",
    "groq": "llama-3.1-8b-instant",
}


@pytest.fixture
async def demo() -> AsyncIterator[SimulatedProviders]:
    async with SimulatedProviders(latency_s=0) as providers:
        yield providers


def in_every_dialect() -> Iterator[Provider]:
    """Yield each provider once a dialect, which comes first."""
    for id_ in MODELS:
        provider = PROVIDERS[id_]
        for dialect in provider.endpoints:
            rest = {d: e for d, e in provider.endpoints.items() if d is not dialect}
            # No other native format to turn to: this dialect is what is tested.
            first: dict[Dialect, Endpoint] = {dialect: provider.endpoints[dialect]}
            kept = {d: e for d, e in rest.items() if d not in NATIVE}
            yield replace(provider, endpoints={**first, **kept})


async def ask(
    demo: SimulatedProviders,
    providers: Iterable[Provider],
    *,
    timeout_s: float = 10,
    models: dict[str, str] = MODELS,
) -> list[HopVerdict]:
    upstream = AiohttpUpstream()
    targets = [
        ProbeTarget(
            i,
            ModelRef(provider.id, models[provider.id]),
            provider,
            demo.base_url(provider.id),
            Secret(demo.key(provider.id)),
        )
        for i, provider in enumerate(providers)
    ]
    try:
        return await probe(targets, upstream, HttpxModelLists(), timeout_s=timeout_s)
    finally:
        await upstream.aclose()


async def test_healthy(demo: SimulatedProviders) -> None:
    for hop in await ask(demo, in_every_dialect()):
        assert (hop.verdict, hop.detail) == ("ok", ""), hop
        assert hop.usage is not None
        assert hop.usage.input_tokens > 0
        assert hop.served_model is not None


@pytest.mark.parametrize("reason", list(FailureReason))
async def test_broken(demo: SimulatedProviders, reason: FailureReason) -> None:
    for provider in MODELS:
        demo.break_provider(provider, reason)
    timeout_s = 0.3 if reason is FailureReason.TIMEOUT else 10
    found = await ask(demo, in_every_dialect(), timeout_s=timeout_s)
    assert {f"{hop.ref.provider} {hop.position}": hop.verdict for hop in found} == {
        f"{hop.ref.provider} {hop.position}": reason for hop in found
    }
    assert all(hop.detail for hop in found)


async def test_misspelt(demo: SimulatedProviders) -> None:
    typos = {id_: f"{model}x" for id_, model in MODELS.items()}
    for hop in await ask(demo, (PROVIDERS[id_] for id_ in MODELS), models=typos):
        assert hop.verdict is FailureReason.MODEL_NOT_FOUND, hop
        assert (hop.near or "").removesuffix(":latest") == MODELS[hop.ref.provider]
