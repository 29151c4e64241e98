"""Models in use that end soon, and which of the compared ones are to be had."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.access import SERVICE
from bot.catalog import shipped
from bot.commands.cost_compare import Chosen, alternatives, usable
from bot.commands.retirements import retirements
from bot.config.schema import view
from bot.models import ModelRef
from tests.support.fakes_core import KEYS, Bench

NOVEMBER = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def found(config, *used, now=NOVEMBER):
    ctx = replace(Bench().app.context(SERVICE), now=now)
    rows = retirements(ctx, view(config), used)
    return [(str(one.ref), str(one.retires_on), one.step) for one in rows]


def config_of(primary, *fallbacks, models=None, agents=None):
    model = {"primary": primary, "fallbacks": list(fallbacks)}
    return {"agents": {"defaults": {"model": model, "models": models or {}}, "list": agents or []}}


def test_each_place_of_the_config_has_the_command_that_mends_it():
    config = config_of(
        "anthropic/claude-opus-4-5",
        "openai/gpt-5",
        "ollama/llama3.3",
        models={"openai/gpt-5-mini": {"alias": "quick"}},
        agents=[{"id": "writer", "model": "openai/gpt-5-nano"}],
    )
    steps = {model: step for model, _, step in found(config)}
    successor = {
        name: shipped().facts(ref).successor
        for ref in shipped().models
        if (name := str(ref)) in steps
    }
    assert steps == {
        "openai/gpt-5": f"fallback set {successor['openai/gpt-5']} ollama/llama3.3",
        "openai/gpt-5-mini": f"model preset quick {successor['openai/gpt-5-mini']}",
        "openai/gpt-5-nano": f"model use {successor['openai/gpt-5-nano']} agent writer",
        "anthropic/claude-opus-4-5": f"model use {successor['anthropic/claude-opus-4-5']}",
    }


def test_traffic_counts_too_and_only_what_ends_within_60_days():
    plain = config_of("ollama/llama3.3")
    # 2027-04-01 is 122 days away; Sonnet 4.5 ended today, and nothing names it any more.
    used = ("anthropic/claude-opus-4-5", "openai/gpt-5.1", "anthropic/claude-sonnet-4-5", "odd")
    assert found(plain, *used) == [("anthropic/claude-opus-4-5", "2027-01-22", "")]
    named = config_of("anthropic/claude-sonnet-4-5")
    assert [row[0] for row in found(named)] == ["anthropic/claude-sonnet-4-5"]


async def missing(lists, *refs, env=None):
    bench = Bench(env=KEYS if env is None else env)
    bench.lists.lists.update(lists)
    ctx = bench.app.context(SERVICE)
    chosen: Chosen = [(ref, None) for name in refs if (ref := ModelRef.parse(name))]
    rows = alternatives(ctx, view({}), chosen, [], [])
    return {str(one.ref): one.missing for one in await usable(ctx, view({}), rows)}


async def test_a_model_without_a_key_or_outside_its_providers_list_is_not_there():
    names = ("anthropic/claude-opus-4-5", "deepseek/deepseek-flash", "ollama/llama3.3", "odd/x")
    lists = {"anthropic": ["claude-opus-4-5-20251101"], "ollama": ["llama3.3:latest"]}
    assert await missing(lists, *names) == {
        "anthropic/claude-opus-4-5": "",
        # It would not say.
        "deepseek/deepseek-flash": "",
        "ollama/llama3.3": "",
        "odd/x": "unknown provider",
    }
    lists = {"anthropic": ["claude-opus-5-5"], "ollama": []}
    assert await missing(lists, *names, env={"ANTHROPIC_API_KEY": "k", "OLLAMA_API_KEY": "k"}) == {
        "anthropic/claude-opus-4-5": "not listed by Anthropic",
        "deepseek/deepseek-flash": "no API key (DEEPSEEK_API_KEY)",
        "ollama/llama3.3": "Ollama lists no models",
        "odd/x": "unknown provider",
    }
