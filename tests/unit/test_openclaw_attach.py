"""Where a Moltbot or OpenClaw is, how it is pointed at our gateway, and what doctor says of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

import pytest

from adapters.openclaw.find import gather
from adapters.openclaw.health import Health, checks, look, summary_of
from adapters.openclaw.pricing import OpenClawPricer
from adapters.openclaw.reload import FileLines, ReloadWatch
from bot.access import Actor, Surface
from bot.catalog import shipped
from bot.config.commit import ConfigChange, Plan, apply_change
from bot.config.edit import apply_edits, load
from bot.config.history import undo
from bot.config.present import Present
from bot.config.schema import view, view_of
from bot.messages import cautions
from bot.models import FailureReason, Usage
from bot.openclaw.place import Facts, Place, Release, Why, decide, release_of
from bot.openclaw.serve import GatewayAddress, is_served, plan_serve, serve_card
from bot.ports import Document
from bot.ports.reloads import Confirmation, ReloadOutcome
from tests.support.fakes_core import FakePrices
from tests.support.fakes_ledger import attempt
from tests.support.fakes_openclaw import Desk, Named, entry
from tests.support.fakes_storage import FakeConfigStore, FakeJournal

HOME = PurePath("/home/ana")
STATE = HOME / ".openclaw"
NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
OLD = b"""{
  // ours
  agents: {
    defaults: {
      model: { primary: "alpha/a", fallbacks: ["beta/b"] }, // chain
      models: { "alpha/a": { alias: "best" } },
    },
  },
}
"""


# ---------------------------------------------------------------- where it is


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        (Facts(), Place(None, Why.ABSENT, (), Why.ABSENT)),
        (
            Facts(named_state=STATE, log_folders=(PurePath("/tmp/openclaw"),)),
            Place(STATE, Why.NAMED, (PurePath("/tmp/openclaw"),), Why.DEFAULT),
        ),
        (
            Facts(config_folder=STATE, home_states=(STATE,)),
            Place(STATE, Why.CONFIG, (), Why.ABSENT),
        ),
        (
            Facts(config_folder=PurePath("/srv/data"), agents_beside=True, log_setting=HOME),
            Place(PurePath("/srv/data"), Why.CONFIG, (HOME,), Why.SETTING),
        ),
        (
            Facts(named_log=HOME / "l", log_setting=HOME),
            Place(None, Why.ABSENT, (HOME / "l",), Why.NAMED),
        ),
        (
            # Somebody else's OpenClaw in the home folder is none of ours.
            Facts(config_folder=PurePath("/srv"), home_states=(STATE,), log_folders=(HOME,)),
            Place(None, Why.ABSENT, (), Why.ABSENT),
        ),
    ],
)
def test_the_place_is_decided_by_what_was_found(facts: Facts, place: Place) -> None:
    assert decide(facts) == place
    assert place.attached == (place.state is not None or bool(place.logs))


@pytest.mark.parametrize(
    ("version", "state", "sqlite", "jsonl", "release"),
    [
        ("2026.1.29", STATE, True, False, Release.OLD),
        ("2026.9.6", None, False, True, Release.NEW),
        ("v2026.3.0-beta.1", None, False, False, Release.NEW),
        (None, STATE, True, True, Release.NEW),
        ("dev", STATE, False, True, Release.OLD),
        (None, HOME / ".clawdbot", False, False, Release.OLD),
        (None, STATE, False, False, Release.UNKNOWN),
        (None, None, False, False, Release.UNKNOWN),
    ],
)
def test_the_release_is_told_by_what_there_is(
    version: str | None, state: PurePath | None, sqlite: bool, jsonl: bool, release: Release
) -> None:
    assert release_of(version, state, sqlite=sqlite, jsonl=jsonl) is release


def test_the_disk_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".moltbot" / "agents").mkdir(parents=True)
    (tmp_path / "tmp" / "openclaw").mkdir(parents=True)
    config = {"logging": {"file": "~/molt.log"}, "meta": {"lastTouchedVersion": "2026.1.24"}}
    location = str(tmp_path / ".moltbot" / "moltbot.json")
    facts = gather(Named(), location, config, home=tmp_path, temporary=[tmp_path / "tmp"])
    assert facts.agents_beside
    assert facts.home_states == (tmp_path / ".moltbot",)
    assert facts.log_setting == tmp_path / "molt.log"
    assert facts.log_folders == (tmp_path / "tmp" / "openclaw",)
    assert facts.version == "2026.1.24"


@pytest.mark.parametrize("named", ["${LOG}", "logs/x.log", "", 7, None])
def test_a_log_that_cannot_be_known_is_not_guessed(named: object, tmp_path: Path) -> None:
    facts = gather(Named(), "db:", {"logging": {"file": named}}, home=tmp_path, temporary=())
    assert facts.log_setting is None
    assert facts.config_folder is None


# ---------------------------------------------------------------- serve it


def served(raw: bytes, **more: Any) -> dict[str, Any]:
    edited = apply_edits(raw, plan_serve(view_of(Document.of(raw)), GatewayAddress(8787, **more)))
    parsed = load(edited)
    assert isinstance(parsed, dict)
    return parsed


def test_the_gateway_comes_first_and_what_was_there_stays_behind_it() -> None:
    config = served(OLD)
    defaults = config["agents"]["defaults"]
    assert defaults["model"] == {"primary": "changeover/auto", "fallbacks": ["alpha/a", "beta/b"]}
    # A map that is not empty is an allowlist to 1.x.
    assert set(defaults["models"]) == {"alpha/a", "beta/b", "changeover/auto"}
    provider = config["models"]["providers"]["changeover"]
    assert provider["baseUrl"] == "http://127.0.0.1:8787/v1"
    assert provider["apiKey"] == "${GATEWAY_TOKEN}"
    assert provider["api"] == "openai-completions"
    assert [model["id"] for model in provider["models"]] == ["auto"]


def test_without_a_token_no_variable_is_written_that_could_be_missing() -> None:
    assert "$" not in json.dumps(served(OLD, token=False)["models"])


@pytest.mark.parametrize(
    ("model", "fallbacks"),
    [("alpha/a", ["alpha/a"]), (None, []), ({"fallbacks": ["b/b"]}, ["b/b"])],
)
def test_every_shape_of_a_model_becomes_one_that_holds_a_chain(
    model: object, fallbacks: list[str]
) -> None:
    defaults = {} if model is None else {"model": model}
    config = served(json.dumps({"agents": {"defaults": defaults}}).encode())
    assert config["agents"]["defaults"]["model"] == {
        "primary": "changeover/auto", "fallbacks": fallbacks,
    }  # fmt: skip
    assert "models" not in config["agents"]["defaults"]


def test_serving_twice_changes_nothing_and_a_new_port_only_itself() -> None:
    once = apply_edits(OLD, plan_serve(view_of(Document.of(OLD)), GatewayAddress(8787)))
    seen = view_of(Document.of(once))
    assert is_served(seen)
    assert apply_edits(once, plan_serve(seen, GatewayAddress(8787))) == once
    moved = apply_edits(once, plan_serve(seen, GatewayAddress(9999)))
    assert moved == once.replace(b":8787/", b":9999/")


async def test_undo_takes_it_back() -> None:
    store, journal = FakeConfigStore(OLD), FakeJournal()

    def plan(present: Present) -> Plan:
        old = present.view.default.primary
        return Plan(
            plan_serve(present.view, GatewayAddress(8787, token=False)), old, "changeover/auto"
        )

    applied = await apply_change(store, journal, ConfigChange(OWNER, "serve", "", plan), NOW)
    assert applied.changed
    (change,) = await journal.changes(store.location, 5)
    await apply_change(store, journal, ConfigChange(OWNER, "undo", "", undo(change)), NOW)
    assert load((await store.read()).raw) == load(OLD)


def test_the_card_shows_the_edit_and_what_it_needs() -> None:
    before = view_of(Document.of(OLD))
    card = serve_card(before, GatewayAddress(8787), "+ a line\n", place="/x.json", made=False)
    assert not card.data["changed"]
    assert [caution.code for caution in card.warnings] == ["token_in_openclaw"]
    made = serve_card(
        before, GatewayAddress(8787, token=False), "+ a line\n", place="/x.json", made=True
    )
    assert made.data["changed"]
    assert not made.warnings
    again = serve_card(before, GatewayAddress(8787), "", place="/x.json", made=True)
    assert not again.data["changed"]
    assert not again.facts


# ---------------------------------------------------------------- was it taken


async def test_a_reload_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "openclaw.log"
    log.write_bytes(b"[reload] config reload skipped (invalid config): old news\n")
    watch = ReloadWatch(FileLines([log]), 60.0)
    log.touch()
    await watch.mark()
    asked = asyncio.create_task(watch.confirm())
    await asyncio.sleep(0)
    with log.open("ab") as file:
        file.write(b"hi\n[reload] config change applied (dynamic reads: agents.defaults)\n")
    confirmation = await asked
    assert confirmation.taken is ReloadOutcome.IN_FORCE
    assert "agents.defaults" in confirmation.detail
    assert cautions.reload(confirmation) == []


@pytest.mark.parametrize(
    ("line", "taken", "code"),
    [
        (b"", ReloadOutcome.NOT_SEEN, "reload_not_seen"),
        (
            b"[reload] config reload skipped (invalid config): x\n",
            ReloadOutcome.REJECTED,
            None,
        ),
        (
            b"[reload] config change requires gateway restart (gateway.port)\n",
            ReloadOutcome.NEEDS_RESTART,
            "reload_needs_restart",
        ),
    ],
)
async def test_what_is_not_in_force_is_said(
    tmp_path: Path, line: bytes, taken: ReloadOutcome, code: str | None
) -> None:
    log = tmp_path / "openclaw.log"
    watch = ReloadWatch(FileLines([log]), 0.0)
    await watch.mark()
    log.write_bytes(line)
    confirmation = await watch.confirm()
    assert confirmation.taken is taken
    # What is refused is taken back, and told as an error.
    assert [c.code for c in cautions.reload(confirmation)] == ([code] if code else [])


async def test_a_log_that_is_not_there_is_not_waited_for_in_vain(tmp_path: Path) -> None:
    watch = ReloadWatch(FileLines([tmp_path / "none.log"]))
    await watch.mark()
    assert await watch.confirm() == Confirmation(ReloadOutcome.NOT_SEEN)


# ---------------------------------------------------------------- doctor, prices


def test_doctor_says_what_was_found_and_what_was_skipped(tmp_path: Path) -> None:
    (tmp_path / "agents" / "main" / "sessions").mkdir(parents=True)
    (tmp_path / "agents" / "main" / "sessions" / "s.jsonl").write_bytes(entry(1, "user"))
    log = tmp_path / "x.log"
    named = Named(tmp_path, log)
    place, release = look(named, "db:", {})
    assert release is Release.OLD
    bad = {check.name for check in checks(place, release, None) if not check.ok}
    assert bad == {"openclaw_log"}
    log.touch()
    health = Health(lines_skipped=3, troubles={"agents/x": "Permission denied"})
    found = checks(place, release, summary_of(health, NOW))
    said = {check.name: check.detail for check in found}
    assert "3 unreadable lines" in said["openclaw_watch"]
    assert "Permission denied" in said["openclaw_read"]
    assert all(check.ok for check in checks(place, release, "rubbish"))


def test_doctor_says_what_is_missing() -> None:
    nothing = Place(None, Why.ABSENT, (), Why.ABSENT)
    (check,) = checks(nothing, Release.UNKNOWN, None)
    assert check.ok
    assert "OPENCLAW_STATE_DIR" in check.resolution
    logs = (PurePath("/nowhere/x.log"),)
    only_log = Place(None, Why.ABSENT, logs, Why.NAMED)
    assert [check.ok for check in checks(only_log, Release.UNKNOWN, None)] == [False, False, True]
    gone = Place(PurePath("/nowhere"), Why.NAMED, (), Why.ABSENT)
    assert [check.ok for check in checks(gone, Release.UNKNOWN, None)] == [False, False, True]


def test_an_attempt_costs_what_openclaw_says_else_what_we_know() -> None:
    config = {"models": {"providers": {"alpha": {"models": [
        {"id": "a", "cost": {"input": 3, "output": 15}},
    ]}}}}  # fmt: skip
    price = OpenClawPricer(FakePrices(), shipped(), lambda: view(config), {})
    own = price(attempt(model="alpha/a", tokens=(1_000_000, 0), cost=None))
    assert own.cost_nano_usd == 3_000_000_000
    usage = Usage(100, 10, reported_cost_usd=Decimal("0.5"))
    reported = price(replace(attempt(model="gamma/g", cost=None), usage=usage))
    assert reported.cost_nano_usd == 500_000_000
    assert price(attempt(model="gamma/g", cost=None)).cost_nano_usd is None
    # Far off the list is not what was billed; where the provider tells each bill, it is.
    opus = attempt(model="anthropic/claude-opus-4-5", cost=None)
    for told, expected in (("4", "4"), ("9.9", "9.9"), ("10.1", "5"), ("0.001", "5"), ("0", "5")):
        usage = Usage(1_000_000, 0, reported_cost_usd=Decimal(told))
        assert price(replace(opus, usage=usage)).cost_nano_usd == Decimal(expected) * 10**9
    routed = attempt(model="openrouter/anthropic/claude-sonnet-4.5", cost=None)
    usage = Usage(1_000_000, 0, reported_cost_usd=Decimal("0.001"))
    assert price(replace(routed, usage=usage)).cost_nano_usd == 1_000_000
    failed = attempt(reason=FailureReason.AUTH, cost=None, tokens=(0, 0))
    assert price(failed) is failed


def test_a_private_server_of_the_config_costs_nothing_and_a_new_price_counts_at_once() -> None:
    table = {"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "a"}]}
    seen = [view({"models": {"providers": {"alpha": table}}})]
    one = attempt(model="alpha/a", tokens=(1_000_000, 0), cost=None)
    vouched = {"CHANGEOVER_PRIVATE": "alpha"}
    price = OpenClawPricer(FakePrices(), shipped(), lambda: seen[-1], vouched)
    assert price(one).cost_nano_usd == 0
    assert OpenClawPricer(FakePrices(), shipped(), lambda: seen[-1], {})(one).cost_nano_usd is None
    dear = table | {"models": [{"id": "a", "cost": {"input": 3, "output": 15}}]}
    seen.append(view({"models": {"providers": {"alpha": dear}}}))
    assert price(one).cost_nano_usd == 3_000_000_000


async def test_a_watcher_with_nothing_to_follow_is_idle(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    watcher = desk.watcher()
    watcher._settings = Named()
    assert not await watcher.step()
    place = watcher.health().place
    assert place is not None
    assert not place.attached
