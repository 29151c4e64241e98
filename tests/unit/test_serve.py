"""A config that another program runs on: serving it, switching behind it, hearing its verdict."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.openclaw.lazy import LazyReloads
from adapters.openclaw.pinned import pinned_in, signed_in
from bot.card import Action, Card, plain
from bot.commands.serve import serve
from bot.config.schema import view
from bot.errors import ChangeoverError, ConfigRefusedError, ExitCode, StorageError
from bot.openclaw.serve import GatewayAddress, is_served
from bot.ports.reloads import (
    Confirmation,
    Neighbour,
    Pin,
    PinChange,
    PinKind,
    PinOutcome,
    PinResult,
    Pins,
    ReloadOutcome,
)
from bot.routing.chain import SkipReason
from tests.support.fakes_core import GUIDE, OWNER, Bench
from tests.support.fakes_openclaw import Named
from tests.support.fakes_storage import FakeConfigStore

DOOR = GatewayAddress(8787)
TWO = [Pin(PinKind.SESSION, f"agent:main:{n}", f"main:{n}", "openai/gpt-5", "main") for n in "ab"]


class FakeOwner:
    """A program that runs on the config and says what it makes of each change."""

    def __init__(
        self,
        *verdicts: ReloadOutcome,
        detail: str = "",
        pinned: Sequence[Pin] = (),
        trouble: ChangeoverError | None = None,
    ) -> None:
        self.verdicts = list(verdicts)
        self.detail = detail
        self.asked = 0
        self.pins = {(pin.kind, pin.key): pin for pin in pinned}
        self.models: dict[tuple[PinKind, str], str | None] = {
            key: pin.model for key, pin in self.pins.items()
        }
        self.trouble = trouble

    async def begin(self) -> FakeOwner:
        return self

    async def confirm(self, models: Collection[str] = ()) -> Confirmation:
        self.asked += 1
        taken = self.verdicts.pop(0) if self.verdicts else ReloadOutcome.IN_FORCE
        return Confirmation(taken, self.detail)

    async def pinned(self) -> Pins:
        kept = [(key, model) for key, model in self.models.items() if model is not None]
        found = [replace(self.pins[key], model=model) for key, model in kept]
        return Pins(tuple(found), self.trouble.info if self.trouble else None)

    async def repin(self, changes: Sequence[PinChange]) -> Sequence[PinResult]:
        return [self._repin(one) for one in changes]

    def _repin(self, one: PinChange) -> PinResult:
        key = (one.kind, one.key)
        if self.trouble is not None:
            return PinResult(one, PinOutcome.FAILED, self.trouble.info)
        if key not in self.models:
            return PinResult(one, PinOutcome.GONE)
        if self.models[key] not in (one.before, one.after):
            return PinResult(one, PinOutcome.MOVED_ON)
        self.models[key] = one.after
        return PinResult(one, PinOutcome.DONE)

    async def neighbour(self) -> Neighbour:
        return Neighbour(attached=True)


async def served(bench: Bench, *, yes: bool = True, door: GatewayAddress = DOOR) -> Card:
    action = Action("init --openclaw", confirmed=yes)
    return await serve(bench.app.context(OWNER, action), door)


def words(card: Card) -> str:
    lines = [plain(card.title), *map(plain, card.body), plain(card.footer)]
    return "\n".join([*lines, *(f"{w.text} {w.hint}" for w in card.warnings)])


# ---------------------------------------------------------------- serving


async def test_serving_is_shown_first_then_made_then_taken_back():
    bench = Bench()
    before = bench.store.raw
    shown = await served(bench, yes=False)
    assert bench.store.raw == before
    assert "changeover init --openclaw --yes" in words(shown)
    made = await served(bench)
    assert made.data["changed"]
    assert bench.primary == "changeover/auto"
    assert bench.chain[0] == "anthropic/claude-opus-4-5"
    entry = bench.config["models"]["providers"]["changeover"]
    assert entry["baseUrl"] == "http://127.0.0.1:8787/v1"
    assert entry["apiKey"] == "${GATEWAY_TOKEN}"
    again = await served(bench)
    assert not again.data["changed"]
    undone = await bench.say("/model undo")
    assert undone.ok, undone
    assert bench.store.raw == before


async def test_behind_our_gateway_a_switch_moves_what_it_asks_first():
    bench = Bench()
    await served(bench)
    card = await bench.say("/model cheap")
    assert card.ok
    assert (card.data["old"], card.data["new"]) == (
        "anthropic/claude-opus-4-5",
        "deepseek/deepseek-chat",
    )
    assert bench.primary == "changeover/auto"
    assert bench.chain[0] == "deepseek/deepseek-chat"
    status = await bench.say("/model status")
    assert status.data["primary"] == "deepseek/deepseek-chat"
    assert "changeover/auto" in words(status)
    assert "ourselves" not in {w["code"] for w in status.data["warnings"]}
    assert (await bench.say("/model undo")).ok
    assert bench.chain[0] == "anthropic/claude-opus-4-5"


async def test_behind_our_gateway_a_timed_switch_comes_back():
    bench = Bench()
    await served(bench)
    assert (await bench.say("/model cheap for 1h")).data["revert_at"] is not None
    assert (await bench.say("/model status")).data["pending_revert"] is not None
    bench.wait(hours=2)
    [told] = await bench.outbox.run_due(bench.app)
    assert "anthropic/claude-opus-4-5" in words(told)
    assert bench.primary == "changeover/auto"
    assert bench.chain[0] == "anthropic/claude-opus-4-5"


@pytest.mark.parametrize(
    ("command", "chain"),
    [
        ("/fallback set cheap local", ["anthropic/claude-opus-4-5", "deepseek/deepseek-chat",
                                       "ollama/llama3.3"]),
        ("/fallback off", ["anthropic/claude-opus-4-5"]),
    ],
)  # fmt: skip
async def test_behind_our_gateway_the_chain_is_edited_after_its_first(
    command: str, chain: list[str]
):
    bench = Bench()
    await served(bench)
    assert (await bench.say(command)).ok
    assert bench.primary == "changeover/auto"
    assert bench.chain == chain


async def test_behind_our_gateway_a_strategy_sets_the_whole_list():
    bench = Bench()
    await served(bench)
    assert (await bench.say("/model strategy local-first")).ok
    assert bench.primary == "changeover/auto"
    assert bench.chain[0].startswith("ollama/")


@pytest.mark.parametrize("model", ["changeover/auto", {"primary": "changeover/auto"}])
async def test_behind_our_gateway_with_nothing_to_ask_a_switch_gives_it_something(model: Any):
    bench = Bench({"agents": {"defaults": {"model": model}}})
    status = await bench.say("/model status")
    assert status.data["primary"] is None
    assert (await bench.say("/model cheap")).ok
    assert bench.primary == "changeover/auto"
    assert bench.chain == ["deepseek/deepseek-flash"]


async def test_our_gateway_never_asks_itself():
    defaults = {"model": {"primary": "anthropic/claude-opus-4-5", "fallbacks": ["changeover/auto"]}}
    bench = Bench({"agents": {"defaults": defaults}})
    hop = (await bench.say("/model status")).data["chain"][1]
    assert (hop["walked"], hop["skip_reason"]) == (False, SkipReason.OURSELVES)


async def test_agents_with_a_model_of_their_own_are_named():
    agents = GUIDE["agents"] | {"list": [{"id": "ops", "model": "deepseek/deepseek-chat"}]}
    card = await served(Bench({"agents": agents}), door=GatewayAddress(8787, token=False))
    assert "ops" in words(card)


def test_an_alias_of_our_gateway_is_known_as_it():
    defaults = {
        "model": {"primary": "front", "fallbacks": ["a/b"]},
        "models": {"changeover/auto": {"alias": "front"}},
    }
    assert is_served(view({"agents": {"defaults": defaults}}))


# ---------------------------------------------------------------- the owner's verdict


async def test_a_change_in_force_is_said_to_be():
    owner = FakeOwner(ReloadOutcome.IN_FORCE, pinned=TWO)
    card = await Bench(reloads=owner).say("/model cheap")
    assert card.data["reload"] == "in_force"
    assert "Applied" in words(card)
    assert "2 sessions of main (openai/gpt-5) keep their own model." in words(card)


@pytest.mark.parametrize("taken", [ReloadOutcome.NOT_SEEN, ReloadOutcome.NEEDS_RESTART])
async def test_a_change_that_is_not_in_force_stays_and_is_told(taken: ReloadOutcome):
    bench = Bench(reloads=FakeOwner(taken))
    card = await bench.say("/model cheap")
    assert card.ok
    assert f"reload_{taken}" in {w["code"] for w in card.data["warnings"]}
    assert bench.primary == "deepseek/deepseek-chat"


async def test_a_change_that_is_refused_is_taken_back():
    bench = Bench(reloads=FakeOwner(ReloadOutcome.REJECTED, detail="models: unknown key"))
    before = bench.store.raw
    card = await bench.say("/model cheap")
    assert card.exit_code is ExitCode.CONFIG_UNUSABLE
    assert card.error is not None
    assert "models: unknown key. The change was reverted." in card.error.message
    assert bench.store.raw == before
    history = (await bench.say("/model history")).data["changes"]
    assert [row["action"] for row in history] == ["undo", "use"]


async def test_a_refused_change_that_cannot_be_taken_back_says_so():
    bench = Bench(reloads=FakeOwner(ReloadOutcome.REJECTED))
    bench.journal.fail = StorageError("The database is away.", "Wait.")
    card = await bench.say("/model cheap")
    assert card.error is not None
    assert card.error.code == ConfigRefusedError.code
    assert "could not be reverted" in card.error.message


async def test_nobody_is_asked_about_a_change_that_changes_nothing():
    owner = FakeOwner()
    card = await Bench(reloads=owner).say("/model best")
    assert card.data["changed"] is False
    assert owner.asked == 0


async def test_serving_hears_the_verdict_too():
    card = await served(Bench(reloads=FakeOwner(ReloadOutcome.NEEDS_RESTART)))
    assert card.data["reload"] == "needs_restart"
    with pytest.raises(ConfigRefusedError):
        await served(Bench(reloads=FakeOwner(ReloadOutcome.REJECTED)))


# ---------------------------------------------------------------- pinned sessions


def test_pinned_sessions_of_both_generations_are_counted(tmp_path: Path):
    old = tmp_path / "agents" / "main" / "sessions"
    old.mkdir(parents=True)
    rows = {
        "one": {"modelOverride": "gpt-5", "providerOverride": "openai"},
        "two": {"modelOverride": "gpt-5", "modelOverrideSource": "auto"},
        "three": {"model": "gpt-5"},
        "four": "rubbish",
    }
    (old / "sessions.json").write_text(json.dumps(rows))
    new = tmp_path / "agents" / "ops" / "agent"
    new.mkdir(parents=True)
    with closing(sqlite3.connect(new / "openclaw-agent.sqlite")) as connection, connection:
        connection.execute(
            "CREATE TABLE session_nodes (session_key TEXT, entry_json TEXT, archived_at INTEGER)"
        )
        kept = json.dumps({"modelOverride": "b", "spawnedBy": "agent:ops:main", "sessionId": "s"})
        rows_of = (("agent:ops:x", kept, None), ("agent:ops:y", kept, 1))
        connection.executemany("INSERT INTO session_nodes VALUES (?, ?, ?)", rows_of)
    # A release that keeps them in the database leaves the file of the one before it.
    stale = tmp_path / "agents" / "ops" / "sessions"
    stale.mkdir()
    (stale / "sessions.json").write_text(json.dumps({"agent:ops:x": {"modelOverride": "old"}}))
    broken = tmp_path / "agents" / "zed" / "sessions"
    broken.mkdir(parents=True)
    (broken / "sessions.json").write_text("{")
    assert pinned_in(tmp_path) == [
        Pin(PinKind.SESSION, "agent:main:one", "main:one", "openai/gpt-5", "main"),
        Pin(PinKind.SESSION, "agent:ops:x", "ops:x", "b", "ops", by_tool=True, sessions=("s",)),
    ]
    assert pinned_in(tmp_path / "nowhere") == []


async def test_cron_jobs_with_a_model_of_their_own_are_named(tmp_path: Path):
    (tmp_path / "cron").mkdir()
    nightly = {"name": "nightly", "payload": {"kind": "agentTurn", "model": "openai/gpt-5"}}
    off = {"name": "off", "enabled": False, "payload": {"model": "openai/gpt-5"}}
    jobs = [nightly, off, {"id": "7", "payload": {"kind": "systemEvent"}}]
    (tmp_path / "cron" / "jobs.json").write_text(json.dumps({"version": 1, "jobs": jobs}))
    found = pinned_in(tmp_path)
    assert found == [Pin(PinKind.JOB, "nightly", "nightly", "openai/gpt-5")]
    said = words(await Bench(reloads=FakeOwner(pinned=found)).say("/model status"))
    assert "Cron job nightly (openai/gpt-5) keeps its own model" in said
    for broken in ("[]", "{", '{"jobs": [3]}', '{"jobs": {"a": 1}}'):
        (tmp_path / "cron" / "jobs.json").write_text(broken)
        assert pinned_in(tmp_path) == []


def test_the_providers_it_is_signed_in_to_are_read_without_their_keys(tmp_path: Path):
    profile = tmp_path / "agents" / "main" / "agent"
    profile.mkdir(parents=True)
    rows = {"x:default": {"provider": "OpenAI-Codex", "key": "sk-secret"}, "y": 3}
    (profile / "auth-profiles.json").write_text(json.dumps({"profiles": rows}))
    assert signed_in(tmp_path) == frozenset({"openai-codex"})
    (profile / "auth-profiles.json").write_text("[]")
    assert signed_in(tmp_path) == frozenset()


async def test_a_config_that_nobody_runs_on_is_not_waited_for(tmp_path: Path):
    store = FakeConfigStore(b"{}", location=str(tmp_path / "moltbot.json"))
    reloads = LazyReloads(Named(), store)
    assert await reloads.begin() is None
    assert await reloads.pinned() == Pins()
    assert await reloads.neighbour() == Neighbour()
