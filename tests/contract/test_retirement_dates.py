"""The daily look over real HTTP: each provider's list with its dates, kept in a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from adapters.main.jobs import Jobs
from adapters.main.wiring import wire
from adapters.providers.lazy import LazyModelLists
from adapters.simulated import SimulatedProviders
from bot.catalog import shipped
from bot.models import ModelRef, Secret
from tests.support.fakes_outbox import FakeOutbox

DATED = {
    "anthropic": ("claude-opus-4-5-20251101", date(2027, 1, 22), True),
    "openai": ("gpt-5", date(2026, 12, 11), True),
    "openrouter": ("anthropic/claude-haiku-4.5", None, True),
    "deepseek": ("deepseek-flash", None, False),
    "gemini": ("gemini-2.5-flash", None, False),
    "groq": ("llama-3.1-8b-instant", None, False),
    "ollama": ("llama3.3:latest", None, False),
}


@pytest.mark.parametrize("provider", sorted(DATED))
async def test_every_providers_list_with_the_dates_it_gives(provider: str) -> None:
    name, day, dated = DATED[provider]
    async with SimulatedProviders(latency_s=0) as demo:
        found = await LazyModelLists().listing(
            shipped().providers[provider], demo.base_url(provider), Secret(demo.key(provider))
        )
    assert found.complete
    (row,) = [one for one in found.models if one.id == name]
    assert (row.retires_on, row.dated) == (day, dated)


async def test_the_days_work_of_a_service(
    tmp_path: Path, new_database: Callable[[str], str]
) -> None:
    model = {"primary": "openai/gpt-5", "fallbacks": ["anthropic/claude-opus-4-5"]}
    config = tmp_path / "moltbot.json"
    config.write_text(json.dumps({"agents": {"defaults": {"model": model}}}))
    async with SimulatedProviders(latency_s=0) as demo:
        env = {"DATABASE_URL": new_database("sqlite"), "CHANGEOVER_CONFIG": str(config)}
        env |= demo.env()
        wired, outbox = wire(env), FakeOutbox()
        try:
            await Jobs(wired, outbox).retirements()
            await Jobs(wired, outbox).retirements()
            rows = {str(row.ref): row.retires_on for row in await wired.app.ports.lifecycles.rows()}
            facts = wired.app.catalog.facts(ModelRef("openai", "gpt-5"))
        finally:
            await wired.close()
    assert rows["openai/gpt-5"] == date(2026, 12, 11)
    assert rows["anthropic/claude-opus-4-5"] == date(2027, 1, 22)
    assert facts.date_source == "list"
    # The machine's own clock decides which stages have come; each is put once.
    assert len(outbox.fresh) == len(set(outbox.fresh))
