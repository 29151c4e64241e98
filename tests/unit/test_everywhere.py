"""The other places that name a model: named by status and by each switch, set by `everywhere`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.alerts.rendering import draft_of
from bot.card import plain
from bot.errors import ChangeoverError
from bot.ports.reloads import Pin, PinKind, ReloadOutcome
from tests.support.fakes_core import OWNER, Bench
from tests.support.fakes_ledger import attempt
from tests.unit.test_serve import TWO, FakeOwner

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
    bench = Bench(config(), reloads=FakeOwner(pinned=TWO))
    said = words(await bench.say("/model status"))
    for name in ("subagents.model", "imageModel", "hooks.gmail.model", "modelByChannel.slack.C1"):
        assert name in said, name
    assert f"/model use {OPUS} everywhere" in said
    assert "2 sessions of main (openai/gpt-5) keep their own model" in said
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


# ---------------------------------------------------------------- sessions and cron jobs

JOB = Pin(PinKind.JOB, "j1", "nightly", OPUS, sessions=("run-1", "run-2"))
TOOL = Pin(PinKind.SESSION, "agent:ops:subagent:1", "ops:subagent:1", OPUS, "ops", by_tool=True)
PINS = [*TWO, TOOL, JOB]
AWAY = ChangeoverError("OpenClaw's gateway is unreachable: no answer.", "Start it.")


def models(owner: FakeOwner) -> dict[str, str | None]:
    return {key: model for (_, key), model in owner.models.items()}


BEFORE = models(FakeOwner(pinned=PINS))
CLEARED = {**dict.fromkeys(BEFORE), "j1": CHEAP}


async def test_everywhere_shows_sessions_and_cron_jobs_then_sets_them_and_undo_restores_them():
    owner = FakeOwner(pinned=PINS)
    bench = Bench(config(), reloads=owner)
    raw = bench.store.raw
    at = bench.clock.now() - timedelta(days=1)
    runs = [("run-1", 2), ("run-2", 3), ("other", 9)]
    await bench.ledger.add(
        [
            replace(attempt(name, at=at, model=OPUS, cost=usd * 10**9), session=name)
            for name, usd in runs
        ]
    )
    asked = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    said = words(asked)
    assert f"cron job nightly ({OPUS}, $5.00 in 7 days)" in said
    assert "follow the config again: 2 sessions of main (openai/gpt-5): main:a and main:b" in said
    assert f"1 session of ops ({OPUS}, set by a tool): ops:subagent:1" in said
    assert "12 other places would change" in asked.error.message
    assert {row["key"] for row in asked.data["pins"]} == set(BEFORE)
    assert models(owner) == BEFORE
    button = asked.buttons[0].action
    card = await bench.app.handle(OWNER, button.words, action=button)
    assert card.ok, card.error
    assert models(owner) == CLEARED
    assert "Cleared in 3 sessions" in words(card)
    assert f"Set in OpenClaw: cron job nightly ({CHEAP})." in words(card)
    assert {row["outcome"] for row in card.data["pins"]} == {"done"}
    undone = await bench.say("/model undo")
    assert undone.ok
    assert models(owner) == BEFORE
    assert bench.store.raw == raw
    assert "session main:a (openai/gpt-5)" in words(undone)


async def test_what_was_pinned_after_the_list_was_shown_is_left_and_named():
    owner = FakeOwner(pinned=PINS)
    bench = Bench(config(), reloads=owner)
    asked = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    late = Pin(PinKind.SESSION, "agent:main:late", "main:late", "openai/gpt-5", "main")
    owner.pins[PinKind.SESSION, late.key] = late
    owner.models[PinKind.SESSION, late.key] = late.model
    owner.models[PinKind.SESSION, "agent:main:a"] = "openai/o3"
    button = asked.buttons[0].action
    card = await bench.app.handle(OWNER, button.words, action=button)
    assert models(owner) == {**CLEARED, "agent:main:a": "openai/o3", late.key: late.model}
    assert "1 session of main (openai/gpt-5) and 1 session of main (openai/o3) keep" in words(card)


async def test_undo_leaves_what_has_moved_on_and_names_it():
    owner = FakeOwner(pinned=PINS)
    bench = Bench(config(), reloads=owner)
    assert (await bench.say(f"/model use {CHEAP} everywhere")).ok
    owner.models[PinKind.SESSION, "agent:main:a"] = "openai/o3"
    del owner.models[PinKind.SESSION, "agent:main:b"]
    undone = await bench.say("/model undo")
    left = {**BEFORE, "agent:main:a": "openai/o3"}
    del left["agent:main:b"]
    assert models(owner) == left
    assert "Not changed: session main:a: its model was changed meanwhile." in words(undone)
    assert "Not changed: session main:b: OpenClaw no longer has it." in words(undone)


async def test_when_openclaw_cannot_be_asked_the_file_is_set_and_the_rest_is_named():
    owner = FakeOwner(pinned=PINS, trouble=AWAY)
    bench = Bench(config(), reloads=owner)
    asked = await bench.say(f"/model use {CHEAP} everywhere", yes=False)
    assert f"Not changed: cron job nightly ({OPUS})" in words(asked)
    assert "OpenClaw's gateway is unreachable: no answer." in words(asked)
    card = await bench.say(f"/model use {CHEAP} everywhere")
    assert card.ok
    assert bench.config["hooks"]["gmail"]["model"] == CHEAP
    assert models(owner) == BEFORE
    assert "openclaw cron edit ID --model MODEL" in words(card)
    assert "/model default" in words(card)


async def test_openclaw_going_away_between_question_and_click_is_said():
    owner = FakeOwner(pinned=PINS)
    bench = Bench(config(), reloads=owner)
    assert (await bench.say(f"/model use {CHEAP} everywhere")).ok
    owner.trouble = AWAY
    undone = await bench.say("/model undo")
    assert undone.ok
    assert models(owner) == CLEARED
    assert "Not changed: cron job nightly: OpenClaw's gateway is unreachable" in words(undone)


async def test_pins_alone_are_a_change_of_their_own():
    owner = FakeOwner(pinned=PINS)
    bench = Bench({"agents": {"defaults": {"model": {"primary": OPUS}}}}, reloads=owner)
    assert (await bench.say(f"/model use {CHEAP}")).ok
    raw, asked = bench.store.raw, owner.asked
    assert (await bench.say(f"/model use {CHEAP} everywhere", yes=False)).error is not None
    assert (await bench.say(f"/model use {CHEAP} everywhere")).data["changed"]
    assert models(owner) == CLEARED
    assert bench.store.raw == raw
    assert owner.asked == asked
    assert (await bench.say("/model undo")).ok
    assert models(owner) == BEFORE


async def test_the_end_of_a_timed_switch_gives_them_back_too():
    owner = FakeOwner(pinned=PINS)
    bench = Bench(config(), reloads=owner)
    assert (await bench.say(f"/model use {CHEAP} everywhere for 2h")).ok
    assert models(owner) == CLEARED
    owner.models[PinKind.SESSION, "agent:main:a"] = "openai/o3"
    bench.wait(hours=3)
    await bench.app.run_due(bench.outbox)
    assert models(owner) == {**BEFORE, "agent:main:a": "openai/o3"}
    [notice] = bench.outbox.kept.values()
    said = words(draft_of(notice).card)
    assert "Not changed: session main:a: its model was changed meanwhile." in said


async def test_a_change_that_openclaw_rejects_touches_no_session():
    owner = FakeOwner(ReloadOutcome.REJECTED, pinned=PINS)
    bench = Bench(config(), reloads=owner)
    raw = bench.store.raw
    assert not (await bench.say(f"/model use {CHEAP} everywhere")).ok
    assert models(owner) == BEFORE
    assert bench.store.raw == raw


async def test_a_switch_without_everywhere_touches_no_session_and_names_them():
    owner = FakeOwner(pinned=PINS)
    card = await Bench(config(), reloads=owner).say(f"/model use {CHEAP}")
    assert models(owner) == BEFORE
    assert f"Cron job nightly ({OPUS}) keeps its own model." in words(card)


async def test_an_agents_own_model_has_that_agents_cost():
    bench = Bench(config())
    at = bench.clock.now() - timedelta(days=1)
    mine = replace(attempt("1", at=at, model="openai/gpt-5", cost=4 * 10**9), agent="ops")
    await bench.ledger.add([mine])
    card = await bench.say(f"/model use {CHEAP}")
    assert f"agents.list[0].model ({OPUS}, $4.00 by this agent in 7 days)" in words(card)


async def test_a_place_that_another_file_holds_is_named_and_not_set():
    raw = (
        b'{agents: {defaults: {model: "groq/a", heartbeat: {model: "groq/b"},'
        b' subagents: {$include: "./s.json5"}}}}\n'
    )
    bench = Bench(raw)
    bench.store.included = {"s.json5": b'{model: "groq/c"}\n'}
    asked = await bench.say("/model use groq/new everywhere", yes=False)
    assert "Not set: subagents.model: groq/c, in another file that needs an edit" in words(asked)
    assert "1 other place would change" in asked.error.message
    card = await bench.say("/model use groq/new everywhere")
    assert card.ok, card.error
    assert "subagents.model (groq/c, in another file that needs an edit of its own)" in words(card)
    assert bench.store.raw == raw.replace(b"groq/a", b"groq/new").replace(b"groq/b", b"groq/new")
    assert bench.store.included == {"s.json5": b'{model: "groq/c"}\n'}
