"""A process that dies between any two writes of a switch makes nothing permanent and loses no word.

Each test runs once for every write there is: the process dies just before it, or just after.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bot.access import SERVICE
from bot.alerts.rendering import draft_of
from bot.card import plain
from bot.commands.cost_budget import check_budget
from bot.commands.trial_watch import watch_trial
from bot.config.notes import BELIEVED
from bot.errors import StorageError
from bot.ports.trials import Trial, TrialEnd
from tests.support.bench_costs import bench_of, spent
from tests.support.fakes_core import GUIDE, OWNER, Bench

WRITES = {"begin", "confirm", "abandon", "recover", "observe", "close_revert", "move_revert"}
SAID = {"put", "amend"}
TRIAL_WRITES = {"start", "set_share", "finish", "set_told"}
OPUS = "anthropic/claude-opus-4-5"
LLAMA = "ollama/llama3.3"
HOUR = timedelta(hours=1)
DOLLAR = 1_000_000_000


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Counts writes, and kills before or after the one of that number."""

    at: int = 0
    after: bool = False
    count: int = 0

    async def befalls(self, write: Callable[[], Awaitable[Any]]) -> Any:
        self.count += 1
        strikes = self.count == self.at
        if strikes and not self.after:
            raise Killed
        result = await write()
        if strikes:
            raise Killed
        return result


class Mortal:
    """A port whose writes may be the last ones."""

    def __init__(self, port: Any, fate: Fate, writes: set[str]) -> None:
        self._port, self._fate, self._writes = port, fate, writes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in self._writes:
            return method
        return lambda *args, **more: self._fate.befalls(lambda: method(*args, **more))

    @asynccontextmanager
    async def exclusive(self, *ready: Any) -> AsyncIterator[Any]:
        async with self._port.exclusive(*ready) as session:
            yield Mortal(session, self._fate, {"write"})


async def lives(bench: Bench, fate: Fate, work: Callable[[Any], Awaitable[object]]) -> bool:
    """Work until the process dies; return whether it came to its end."""
    ports = bench.app.ports
    bench.app.ports = replace(
        ports,
        journal=Mortal(ports.journal, fate, WRITES),
        store=Mortal(ports.store, fate, set()),
        trials=Mortal(ports.trials, fate, TRIAL_WRITES),
    )
    try:
        await work(Mortal(bench.outbox, fate, SAID))
    except Killed:
        return False
    finally:
        bench.app.ports = ports
    return True


async def every_death(run: Callable[[Fate], Awaitable[bool]]) -> int:
    """Run until there is no write left to die at; return how many deaths there were."""
    deaths = 0
    for after in (False, True):
        at = 1
        while not await run(Fate(at, after)):
            at += 1
        deaths += at - 1
    return deaths


async def test_a_switch_for_a_while_is_never_permanent():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        alive = await lives(bench, fate, lambda _: bench.say("/model local for 2h"))
        bench.wait(hours=2, seconds=1)
        await bench.outbox.run_due(bench.app)
        assert bench.primary == OPUS, fate
        assert list(await bench.journal.reverts(bench.store.location)) == []
        return alive

    # The note, the file and the confirmation, before and after each.
    assert await every_death(run) >= 6


async def test_a_read_settles_what_a_dead_writer_left_and_shows_its_return():
    bench = Bench(GUIDE)
    # After the file, before its confirmation.
    fate = Fate(4, after=True)
    assert not await lives(bench, fate, lambda _: bench.say("/model local for 2h"))
    card = await bench.say("/model status")
    assert card.data["pending_revert"]["to"] == OPUS
    assert card.data["last_change"]["actor"] == OWNER.name


@pytest.mark.parametrize("stands", [True, False])
@pytest.mark.parametrize("after", [timedelta(seconds=2), timedelta(days=2)])
async def test_an_edit_before_anybody_looked_loses_no_return_without_a_word(stands, after):
    bench = Bench(GUIDE)
    await bench.app.begin()
    # After the file, before its confirmation.
    fate = Fate(3, after=True)
    assert not await lives(bench, fate, lambda _: bench.say("/model local for 2h"))
    config = bench.config
    config["gateway"] = {"port": 1}
    if not stands:
        config["agents"]["defaults"]["model"]["primary"] = "openai/gpt-6-luna"
    bench.store.raw = json.dumps(config).encode()
    bench.clock.advance(after)
    await bench.outbox.run_due(bench.app)
    changes = await bench.journal.changes(bench.store.location, 9)
    if stands and after < BELIEVED:
        assert [one.action for one in changes] == ["use"]
        assert len(await bench.journal.reverts(bench.store.location)) == 1
        bench.wait(hours=2)
        [card] = await bench.outbox.run_due(bench.app)
        assert card.data["changed"] is True
        assert bench.primary == OPUS
    else:
        assert [one.action for one in changes] == ["edit"]
        assert changes[0].reason == f"may overwrite an interrupted change by {OWNER.name}"
        assert "interrupted" in str((await bench.say("/model history")).data)


async def test_a_return_that_history_did_not_take_is_told():
    bench = Bench(GUIDE)
    await bench.say("/model local for 2h")
    bench.wait(hours=2, seconds=1)

    async def refused(_):
        raise StorageError("The database is full.")

    bench.journal.begin = refused  # type: ignore[method-assign]
    [card] = await bench.outbox.run_due(bench.app)
    assert card.data["changed"] is True
    assert not card.buttons
    assert bench.primary == OPUS


async def test_an_undo_right_after_a_death_takes_back_what_was_written():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        await bench.say("/model fast")
        before = bench.primary
        alive = await lives(bench, fate, lambda _: bench.say("/model local"))
        wanted = OPUS if bench.primary == before else before
        assert (await bench.say("/model undo")).error is None, fate
        assert bench.primary == wanted, fate
        return alive

    assert await every_death(run) >= 6


async def test_a_switch_back_is_made_and_told_once():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        await bench.say("/model local for 2h")
        bench.wait(hours=2, seconds=1)
        alive = await lives(bench, fate, bench.app.run_due)
        for _ in range(3):
            await bench.app.run_due(bench.outbox)
        assert bench.primary == OPUS, fate
        [card] = bench.outbox.cards()
        assert card.data["changed"] is True, fate
        return alive

    assert await every_death(run) >= 10


async def test_a_budget_is_told_and_switched_once():
    async def run(fate: Fate) -> bool:
        bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
        await bench.say("/cost budget 5 per day then local")
        ctx = bench.app.context(SERVICE)
        alive = await lives(
            bench,
            fate,
            lambda outbox: check_budget(bench.app.context(SERVICE), outbox),
        )
        for _ in range(3):
            await check_budget(ctx, bench.outbox)
        assert bench.primary == LLAMA, fate
        notice, switched = bench.outbox.cards()
        assert notice.data["percent"] == 100
        assert switched.data["switch"]["new"] == LLAMA, fate
        [revert] = await bench.journal.reverts(bench.store.location)
        assert revert.due_at == switched.data["switch"]["revert_at"]
        return alive

    assert await every_death(run) >= 10


async def test_without_a_database_a_switch_for_a_while_is_refused_and_one_for_good_is_made():
    bench = Bench(GUIDE)
    bench.journal.fail = StorageError("The database is away.")
    card = await bench.say("/model local for 2h")
    assert card.error is not None
    assert "could not revert on time" in card.error.message
    assert bench.primary == OPUS
    await bench.say("/model local")
    assert bench.primary == LLAMA


async def test_what_cannot_go_back_says_so():
    bench = Bench(GUIDE)
    card = await bench.say("/model best for 2h")
    assert any("No revert is scheduled" in plain(line) for line in card.body)


async def test_a_return_is_not_lost_behind_a_thousand_changes():
    bench = Bench(GUIDE)
    await bench.say("/model local for 2h")
    for number in range(600):
        await bench.say(f"/model preset p{number % 3} a/model-{number}")
    bench.wait(hours=2, seconds=1)
    [card] = await bench.outbox.run_due(bench.app)
    assert card.data["changed"] is True
    assert bench.primary == OPUS


async def _trial(bench: Bench) -> None:
    for service in ("gateway", "bot"):
        await bench.journal.beat(service, bench.clock.now())
    assert (await bench.say(f"model trial {LLAMA} 10% for 2h")).ok


async def _settled(bench: Bench) -> Trial | None:
    """Let a service look until all is told; return the trial."""
    for _ in range(2):
        bench.wait(seconds=20)
        await watch_trial(bench.app.context(SERVICE), bench.outbox)
    latest = await bench.trials.latest(bench.store.location)
    card = bench.outbox.kept.get("trial:1")
    assert (latest is None) == (card is None)
    if latest is not None and card is not None:
        # What the channel reads is what is so.
        shown = draft_of(card).card.data["trial"]
        assert shown["state"] == (latest.end or "running")
        assert shown["share_percent"] == latest.share
    return latest


async def test_a_trial_begins_whole_or_not_at_all_and_its_card_follows():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        before = bench.store.raw
        alive = await lives(bench, fate, lambda _: _trial(bench))
        trial = await _settled(bench)
        steps = await bench.trials.steps(bench.store.location, 9)
        assert len(steps) == (trial is not None), fate
        assert bench.store.raw == before
        return alive

    assert await every_death(run) >= 2


async def test_a_promotion_cut_short_is_either_no_switch_or_a_promoted_trial():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        await _trial(bench)
        alive = await lives(bench, fate, lambda _: bench.say("model trial promote"))
        trial = await _settled(bench)
        assert trial is not None
        assert (trial.end is TrialEnd.PROMOTED) == (bench.primary == LLAMA), fate
        assert trial.runs == (bench.primary == OPUS), fate
        return alive

    # The note, the file, the confirmation and the trial's row, before and after each.
    assert await every_death(run) >= 8


async def test_a_trial_that_ends_by_itself_is_told_once_whoever_dies():
    async def run(fate: Fate) -> bool:
        bench = Bench(GUIDE)
        await _trial(bench)
        bench.wait(hours=2, seconds=1)
        alive = await lives(
            bench, fate, lambda outbox: watch_trial(bench.app.context(SERVICE), outbox)
        )
        trial = await _settled(bench)
        assert trial is not None
        assert trial.end is TrialEnd.TIME
        assert sum(key == "trial:1:stopped" for key in bench.outbox.fresh) == 1
        assert len(await bench.trials.steps(bench.store.location, 9)) == 2
        return alive

    assert await every_death(run) >= 6
