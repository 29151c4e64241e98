"""The other places that name a model: named by status and by each switch, set by `everywhere`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.card import plain
from bot.ports.reloads import Pinned
from tests.fakes_core import OWNER, Bench
from tests.fakes_ledger import attempt
from tests.unit.test_serve import FakeOwner

OPUS = "anthropic/claude-opus-4-5"
CHEAP = "deepseek/deepseek-flash"


def config() -> dict[str, Any]:
    defaults = {
        "model": {"primary": OPUS, "fallbacks": ["openai/gpt-5"]},
        "imageModel": {"primary": "openai/gpt-4o"},
        "heartbeat": {"every": "30m", "model": OPUS},
        "subagents": {"model": {"primary": "openai/gpt-5"}},
        "compaction": {"model": "${COMPACTION_MODEL}"},
    }
    ops = {"id": "ops", "model": {"primary": OPUS, "fallbacks": []}, "heartbeat": {"model": OPUS}}
    return {
        "agents": {"defaults": defaults, "list": [ops, {"id": "docs"}]},
        "channels": {"modelByChannel": {"slack": {"C1": "openai/gpt-5"}}},
        "hooks": {"mappings": [{"model": OPUS}, {}], "gmail": {"model": "openai/gpt-5"}},
    }


def words(card: Any) -> str:
    lines = [*map(plain, card.body), *(f"{w.text} {w.hint}" for w in card.warnings)]
    return "\n".join(lines)


PLACES = [
    "heartbeat.model",
    "subagents.model",
    "imageModel",
    "agents.list[0].model",
    "agents.list[0].heartbeat.model",
    "channels.modelByChannel.slack.C1",
    "hooks.mappings[0].model",
    "hooks.gmail.model",
]


async def test_status_names_the_places_that_do_not_follow():
    pinned = [Pinned("main", 2, ("openai/gpt-5",))]
    bench = Bench(config(), reloads=FakeOwner(pinned=pinned))
    said = words(await bench.say("/model status"))
    for name in ("subagents.model", "imageModel", "hooks.gmail.model", "modelByChannel.slack.C1"):
        assert name in said, name
    assert f"/model use {OPUS} everywhere" in said
    assert "2 sessions of main keep another model" in said
    assert "compaction" not in said


async def test_a_switch_names_them_with_what_they_cost():
    bench = Bench(config())
    at = bench.clock.now() - timedelta(days=1)
    await bench.ledger.add([attempt(at=at, model=OPUS, cost=12_300_000_000)])
    card = await bench.say(f"/model use {CHEAP}")
    said = words(card)
    assert f"heartbeat.model ({OPUS}, $12.30 on it in 7 days)" in said
    assert f"/model use {CHEAP} everywhere" in said


async def test_everywhere_shows_the_list_first_and_sets_it_as_one():
    bench = Bench(config())
    before = bench.store.raw
    shown = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    assert bench.store.raw == before
    assert [one["place"] for one in shown.data["elsewhere"]] == PLACES
    assert "heartbeat.model" in words(shown)
    button = shown.buttons[0].action
    card = await bench.app.handle(OWNER, button.words, action=button)
    assert card.ok, card.error
    assert "Also set: heartbeat.model" in words(card)
    made = bench.config
    defaults = made["agents"]["defaults"]
    assert defaults["heartbeat"] == {"every": "30m", "model": CHEAP}
    assert defaults["subagents"]["model"]["primary"] == CHEAP
    assert defaults["compaction"]["model"] == "${COMPACTION_MODEL}"
    assert made["agents"]["list"][0]["model"]["primary"] == CHEAP
    assert made["agents"]["list"][1] == {"id": "docs"}
    assert made["channels"]["modelByChannel"]["slack"]["C1"] == CHEAP
    assert made["hooks"]["mappings"] == [{"model": CHEAP}, {}]
    assert not [w for w in card.warnings if w.code == "elsewhere"]
    assert (await bench.say("/model undo")).ok
    assert bench.store.raw == before


async def test_only_what_was_shown_is_touched():
    bench = Bench(config())
    shown = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    raw = bench.store.raw
    assert raw is not None
    bench.store.raw = raw.replace(b'"gmail"', b'"other"')
    button = shown.buttons[0].action
    card = await bench.app.handle(OWNER, button.words, action=button)
    assert card.error is not None
    assert card.error.code == "moved_on"
    assert CHEAP.encode() not in (bench.store.raw or b"")


async def test_a_model_without_eyes_is_not_set_for_images():
    bench = Bench(config())
    assert (await bench.say("/model use ollama/llama3.3 everywhere")).ok
    assert bench.config["agents"]["defaults"]["imageModel"]["primary"] == "openai/gpt-4o"


async def test_a_timed_switch_everywhere_goes_back_everywhere():
    bench = Bench(config())
    before = bench.store.raw
    assert (await bench.say(f"/model use {CHEAP} everywhere for 2h")).ok
    assert bench.store.raw != before
    bench.wait(hours=3)
    await bench.app.run_due(bench.outbox)
    assert bench.store.raw == before


async def test_nothing_to_set_elsewhere_asks_nothing():
    bench = Bench({"agents": {"defaults": {"model": {"primary": OPUS}}}})
    card = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    assert card.ok
    assert card.data["changed"] is True


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/model cheap sideways", "Unexpected 'sideways'"),
        ("/model use x/y everywhere agent ops", "everywhere sets all agents"),
    ],
)
async def test_what_does_not_go_together_is_said(line, message):
    card = await Bench(config()).say(line)
    assert card.error is not None
    assert message in card.error.message


async def test_an_agents_chain_is_edited_by_its_name():
    bench = Bench(config())
    assert (await bench.say(f"/fallback set {CHEAP} agent ops")).ok
    assert bench.config["agents"]["list"][0]["model"] == {"primary": OPUS, "fallbacks": [CHEAP]}
    assert (await bench.say(f"/fallback add {CHEAP} agent docs")).ok
    assert bench.config["agents"]["list"][1]["model"] == {"fallbacks": ["openai/gpt-5", CHEAP]}
    assert (await bench.say("/fallback off agent ops")).ok
    assert bench.config["agents"]["list"][0]["model"]["fallbacks"] == []
    card = await bench.say(f"/fallback set {CHEAP} agent opps")
    assert card.error is not None
    assert "ops" in plain(card.error.step)
