"""The retirement calendar: daily looks at lists, what they prove, and each notice once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from adapters.gateway.live import LiveConfig
from adapters.terminal.layout import Reader
from adapters.terminal.render import plain_text
from bot.access import SERVICE
from bot.commands.retirement_watch import look_at_lists, put_retirement_notices
from bot.dialects.retirement import retirement_of
from bot.models import Dialect, ModelRef, Usage
from bot.ports.lifecycles import ListedModel, ModelListing
from tests.support.fakes_core import KEYS, Bench, FakePrices
from tests.support.fakes_ledger import attempt

OPUS, SONNET = "anthropic/claude-opus-4-5", "anthropic/claude-sonnet-4-5"
GPT = "openai/gpt-5"
DECEMBER = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
OTHERS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5")


def config(primary: str, *fallbacks: str, models: Any = None) -> dict[str, Any]:
    model = {"primary": primary, "fallbacks": list(fallbacks)}
    return {"agents": {"defaults": {"model": model, "models": models or {}}}}


def listing(*models: Any, complete: bool = True) -> ModelListing:
    rows = [m if isinstance(m, ListedModel) else ListedModel(m) for m in (*models, *OTHERS)]
    return ModelListing(tuple(rows), complete)


def dated(name: str, day: date | None) -> ListedModel:
    return ListedModel(name, day, dated=True)


class Calendar(Bench):
    """A bench whose daily job can be run, a day after the other."""

    def __init__(self, primary: str, *fallbacks: str, env: Any = None, models: Any = None) -> None:
        keys = KEYS | {"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"}
        super().__init__(config(primary, *fallbacks, models=models), env=keys | (env or {}))
        self.clock.at = DECEMBER

    async def run(self, days: int = 0) -> str:
        """Let days go by, do the day's work, and return what is said."""
        self.clock.at += days * DAY
        await self.app.learn(afresh=True)
        await look_at_lists(self.app.context(SERVICE))
        await self.app.learn(afresh=True)
        await put_retirement_notices(self.app.context(SERVICE), self.outbox)
        return "\n".join(
            plain_text(card, Reader(now=self.clock.now())) for card in self.outbox.cards()
        )

    def refuse(self, host: str) -> None:
        """Let a host know no model."""
        error = {"type": "not_found_error", "message": "model: claude-opus-4-5"}
        self.upstream.fail(host, 404, {"type": "error", "error": error})

    def facts(self, model: str) -> Any:
        ref = ModelRef.parse(model)
        assert ref
        return self.app.catalog.facts(ref)


async def test_each_stage_is_said_once_with_users_and_a_successor_that_answered():
    bench = Calendar(OPUS)
    row = attempt(1, at=DECEMBER - DAY, model=OPUS, cost=9_000_000_000)
    row = replace(row, usage=Usage(1_000_000, 200_000), caller="batch", agent="writer")
    await bench.ledger.add([row])
    said = await bench.run()
    assert f"{OPUS} retires on 2027-01-22, in 52 days. (catalog, 2026-11-30)" in said
    assert "Last 7 days: 1 request, $9.00; keys: batch; agents: writer." in said
    assert "Successor: anthropic/claude-opus-5-5, answered a test in 20 ms." in said
    assert "This traffic there: about $" in said
    assert "/model use anthropic/claude-opus-5-5" in said
    # Another bot, a restart, the next hour: nothing more.
    assert await bench.run() == ""
    assert await bench.run(10) == ""
    for days, left in ((12, 30), (23, 7), (6, 1)):
        assert f"in {left} day" in await bench.run(days)
        assert await bench.run() == ""
    bench.refuse("anthropic")
    last = await bench.run(1)
    assert f"Retired: {OPUS}" in last
    assert "did not answer" in last
    assert await bench.run(1) == ""


async def test_two_bots_at_once_say_it_once_and_look_once():
    bench = Calendar(OPUS)
    bench.lists.listings["anthropic"] = listing("claude-opus-4-5")
    said = await asyncio.gather(*(bench.run() for _ in range(3)))
    assert "".join(said).count("Retirement: ") == 1
    # Killed after the look and before the notices: the next run puts them.
    bench.clock.at += 22 * DAY
    await look_at_lists(bench.app.context(SERVICE))
    assert (await bench.run()).count("Retirement: ") == 1


async def test_the_providers_own_list_comes_before_the_catalog_and_may_withdraw_a_date():
    bench = Calendar(OPUS)
    bench.lists.listings["anthropic"] = listing(dated("claude-opus-4-5", date(2026, 12, 20)))
    assert "retires on 2026-12-20, in 19 days. (Anthropic's model list, 2026-12-01)" in (
        await bench.run()
    )
    assert bench.facts(OPUS).date_source == "list"
    bench.lists.listings["anthropic"] = listing(dated("claude-opus-4-5", None))
    said = await bench.run(1)
    assert f"Retirement withdrawn: {OPUS}" in said
    assert "retirement on 2026-12-20 withdrawn" in said
    assert await bench.run(1) == ""


async def test_a_withdrawal_is_no_news_where_the_date_was_none():
    bench = Calendar(OPUS)
    bench.lists.listings["anthropic"] = listing(dated("claude-opus-4-5", None))
    assert await bench.run() == ""
    assert bench.facts(OPUS).withdrawn_on == date(2027, 1, 22)


async def test_a_living_model_is_never_called_retired():
    bench = Calendar(SONNET)
    # Its date was yesterday; it is listed and answers.
    bench.lists.listings["anthropic"] = listing("claude-sonnet-4-5-20250929")
    said = await bench.run()
    assert "due to retire 2026-11-30, still available" in said
    assert "was retired" not in said
    assert bench.facts(SONNET).retired_on is None
    # No list, no answer but a refused key: unknown, so as it was.
    bench.lists.listings.clear()
    bench.upstream.fail("anthropic", 401, {"error": {"message": "invalid x-api-key"}})
    assert await bench.run(1) == ""
    bench.refuse("anthropic")
    assert f"{SONNET} was retired on 2026-11-30" in await bench.run(1)


@pytest.mark.parametrize(
    "bad",
    [
        ModelListing(),
        ModelListing((ListedModel("claude-haiku-4-5"),), complete=False),
        ModelListing((ListedModel("claude-haiku-4-5"),), complete=True),
    ],
    ids=["empty", "a page missing", "a third of it"],
)
async def test_a_bad_list_raises_no_alarm(bad: ModelListing):
    model = "anthropic/claude-haiku-4-5-1"
    bench = Calendar(model)
    bench.lists.listings["anthropic"] = listing("claude-haiku-4-5-1", *(f"m{n}" for n in range(9)))
    assert await bench.run() == ""
    bench.lists.listings["anthropic"] = bad
    assert await bench.run(1) == ""
    bench.lists.listings["anthropic"] = listing("claude-haiku-4-5-1")
    for _ in range(3):
        assert await bench.run(1) == ""
    assert bench.facts(model).delisted_on is None


async def test_a_model_that_two_daily_looks_did_not_find_is_asked_before_it_is_called_gone():
    model = "anthropic/claude-haiku-4-5-1"
    bench = Calendar(model)
    bench.lists.listings["anthropic"] = listing("claude-haiku-4-5-1")
    assert await bench.run() == ""
    bench.lists.listings["anthropic"] = listing()
    assert await bench.run(1) == ""
    assert await bench.run() == ""
    said = await bench.run(1)
    assert f"No longer listed: {model}" in said
    assert "is not listed since 2026-12-02" in said
    bench.refuse("anthropic")
    assert f"Retired: {model}" in await bench.run(1)
    assert await bench.run(1) == ""


async def test_a_proxy_proves_nothing_by_what_it_does_not_list():
    bench = Calendar(OPUS, env={"ANTHROPIC_BASE_URL": "https://proxy.example"})
    bench.lists.listings["anthropic"] = listing(dated("claude-opus-4-5", None))
    await bench.run()
    bench.lists.listings["anthropic"] = listing()
    for _ in range(3):
        await bench.run(1)
    assert bench.facts(OPUS).retires_on == date(2027, 1, 22)
    assert bench.facts(OPUS).delisted_on is None


async def test_geminis_rerouted_models_are_told_apart_and_its_answers_date_the_rest():
    bench = Calendar("gemini/gemini-2.5-pro")
    said = await bench.run()
    assert "rerouted to gemini-3.8-flash since 2026-12-01" in said
    assert "was retired" not in said
    other = Calendar("gemini/gemini-3.8-flash")
    status = {"modelStage": "DEPRECATED", "retirementTime": "2026-12-24T00:00:00Z"}
    other.upstream.fail("generativelanguage", 200, {**_ANSWER, "modelStatus": status})
    assert "retires on 2026-12-24, in 23 days" in await other.run()


_ANSWER = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    ],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}


async def test_a_successor_that_was_not_tested_is_offered_by_no_button():
    bench = Calendar(GPT)
    bench.upstream.fail("openai", 500, {"error": {"message": "down"}})
    said = await bench.run()
    assert "The suggested successor did not answer (server error)" in said
    (notice,) = bench.outbox.kept.values()
    assert notice.data["successor"]["ok"] is False


async def test_a_preset_of_the_catalog_moves_in_the_last_week_and_can_be_kept():
    bench = Calendar("ollama/llama3.3")
    bench.clock.at = datetime(2027, 1, 14, 9, tzinfo=UTC)
    assert str((await bench.say("model best")).data["new"]) == OPUS
    bench.clock.at += DAY
    said = await bench.run()
    assert "Preset best now means anthropic/claude-opus-5-5" in said
    card = await bench.say("model best")
    assert card.data["new"] == "anthropic/claude-opus-5-5"
    await bench.say("model undo")
    await bench.say(f"model preset best {OPUS}")
    assert (await bench.say("model best")).data["new"] == OPUS


async def test_a_gateway_that_runs_on_follows_what_presets_mean():
    bench = Calendar("ollama/llama3.3")
    live = LiveConfig(bench.app.catalog, KEYS, "/m.json", FakePrices())
    live.take(await bench.store.read())

    def serves_best() -> str:
        found = live.candidates("best", Dialect.ANTHROPIC, bench.clock.at, fallbacks=False)
        return str(found.in_order[0].ref)

    assert serves_best() == OPUS
    bench.lists.listings["anthropic"] = listing(dated("claude-opus-4-5", date(2026, 12, 5)))
    await bench.run()
    live.follow(bench.app.catalog)
    assert serves_best() == "anthropic/claude-opus-5-5"


async def test_remind_in_a_week_holds_the_calm_notices_back():
    bench = Calendar(OPUS)
    await bench.run(18)
    assert "Reminder set" in plain_text(
        await bench.say(f"model remind {OPUS}"), Reader(now=bench.clock.now())
    )
    assert await bench.run(5) == ""
    assert "in 27 days" in await bench.run(2)
    assert await bench.run(1) == ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"shutdown_date": "2026-12-11"}, (date(2026, 12, 11), True)),
        (
            {"lifecycle": "deprecated", "retires_at": "2027-01-22T23:00:00-08:00"},
            (date(2027, 1, 23), True),
        ),
        ({"expiration_date": None}, (None, True)),
        ({"expiration_date": 1797206400}, (date(2026, 12, 14), True)),
        ({"modelStatus": {"retirementTime": "2026-12-24T00:00:00Z"}}, (date(2026, 12, 24), True)),
        ({"shutdown_date": 0}, (None, False)),
        ({"shutdown_date": "1970-01-01"}, (None, False)),
        ({"shutdown_date": "9999-12-31"}, (None, False)),
        ({"shutdown_date": "soon"}, (None, False)),
        ({"shutdown_date": True}, (None, False)),
        ({"shutdown_date": 1e99}, (None, False)),
        ("<html>", (None, False)),
        ({}, (None, False)),
    ],
)
def test_what_a_row_of_a_list_says(row: Any, said: Any):
    assert retirement_of(row) == said
