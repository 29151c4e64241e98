"""The digest's part for a calm hour: at most five lines, each with a command that can be typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.commands.grammar import parse
from bot.models import ModelRef, Price, Usage
from bot.ports import ChainTest
from tests.support.fakes_core import KEYS, Bench
from tests.support.fakes_ledger import attempt

OPUS = "anthropic/claude-opus-4-5"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def bench_of(primary: str, *fallbacks: str, models: Any = None) -> Bench:
    model = {"primary": primary, "fallbacks": list(fallbacks)}
    bench = Bench({"agents": {"defaults": {"model": model, "models": models or {}}}}, env=KEYS)
    bench.clock.at = NOW
    return bench


async def ahead(bench: Bench) -> dict[str, str]:
    """Return the lines of a digest by what they say, and check that each command exists."""
    card = await bench.say("cost digest")
    found = {one["text"]: one["command"] for one in card.data["ahead"]}
    for command in found.values():
        parse(command.removeprefix("/"), bench.app.registry)
    return found


async def test_what_retires_later_than_in_30_days_is_a_line_and_no_warning():
    bench = bench_of(OPUS)
    lines = await ahead(bench)
    said = f"{OPUS} retires on 2027-01-22, in 52 days. Successor: anthropic/claude-opus-5-5."
    assert lines == {
        said: "/model use anthropic/claude-opus-5-5",
        "Chain never tested.": "/fallback test",
    }
    assert not [c for c in (await bench.say("cost digest")).warnings if c.code == "retires"]
    bench.clock.at += 25 * DAY
    assert said not in await ahead(bench)
    assert [c for c in (await bench.say("cost digest")).warnings if c.code == "retires"]


async def test_a_chain_tested_lately_is_no_line():
    bench = bench_of("ollama/llama3.3")
    await bench.chain_tests.record(ChainTest(NOW - 20 * DAY, True, 1, 1, "ollama/llama3.3", "Ana"))
    assert await ahead(bench) == {}
    bench.clock.at += 20 * DAY
    assert await ahead(bench) == {"Chain last tested 40 d ago.": "/fallback test"}


async def test_a_preset_without_requests_is_a_line_once_the_ledger_is_old_enough():
    models = {
        "ollama/llama3.3": {"alias": "local"},
        "deepseek/deepseek-flash": {"alias": "cheap"},
        "groq/openai/gpt-oss-120b": {},
        "anthropic/*": {},
    }
    bench = bench_of("ollama/llama3.3", models=models)
    await bench.chain_tests.record(ChainTest(NOW, True, 1, 1, None, "Ana"))
    await bench.ledger.add([attempt(1, at=NOW - 10 * DAY, model="ollama/llama3.3", cost=0)])
    assert await ahead(bench) == {}
    await bench.ledger.add([attempt(2, at=NOW - 40 * DAY, model="deepseek/deepseek-flash")])
    assert await ahead(bench) == {
        "Preset cheap (deepseek/deepseek-flash): no requests in 30 days.": (
            "/model preset cheap remove"
        ),
        "groq/openai/gpt-oss-120b: in the config, no requests in 30 days.": "/model list",
    }


async def test_a_list_price_that_changed_since_the_week_before():
    bench = bench_of("ollama/llama3.3")
    await bench.chain_tests.record(ChainTest(NOW, True, 1, 1, None, "Ana"))
    ref = ModelRef.parse("deepseek/deepseek-flash")
    assert ref
    listed = bench.app.ports.prices.listed(ref, NOW)
    assert listed
    row = replace(attempt(1, at=NOW - 9 * DAY, model=str(ref)), usage=Usage(10, 10), price=listed)
    await bench.ledger.add([row])
    assert await ahead(bench) == {}
    old = Price(Decimal(1), Decimal(2), source=listed.source)
    await bench.ledger.add([replace(row, request_id="other", price=old)])
    assert await ahead(bench) == {
        "deepseek/deepseek-flash: $1 / $2 → $0.15 / $0.60 per 1M tokens in / out.": "/cost compare"
    }


async def test_there_are_five_lines_at_most():
    idle = {f"groq/model-{n}": {"alias": f"n{n}"} for n in range(9)}
    named = ("openai/gpt-5.1", "gemini/gemini-3.1-flash-lite", OPUS)
    bench = bench_of(*named, models=idle)
    await bench.ledger.add([attempt(2, at=NOW - 40 * DAY, model=OPUS)])
    lines = await ahead(bench)
    assert len(lines) == 5
    assert next(iter(lines)).startswith(OPUS)
