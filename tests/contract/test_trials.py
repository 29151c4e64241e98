"""What every Trials port keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.trials import DatabaseTrials
from bot.access import SERVICE
from bot.models import FailureReason
from bot.ports import Ledger
from bot.ports.trials import Affected, ArmFigures, ClumpSums, Trial, TrialEnd, Trials
from tests.support.fakes_core import ANA, OWNER
from tests.support.fakes_ledger import NOON, FakeLedger, attempt
from tests.support.fakes_trials import FakeTrials

PRIMARY, CANDIDATE = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"
PLACE = "/srv/moltbot.json"
SECOND = timedelta(seconds=1)
WISH = Trial(
    document=PLACE,
    primary=PRIMARY,
    candidate=CANDIDATE,
    share=10,
    started_at=NOON,
    ends_at=NOON + 3600 * SECOND,
    actor_name="Ana",
    reason="cheaper ü",
)


@dataclass
class Books:
    """The port with the ledger that it adds up."""

    trials: Trials
    ledger: Ledger


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def books(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Books]:
    if request.param == "memory":
        ledger = FakeLedger()
        yield Books(FakeTrials(ledger), ledger)
        return
    database = Database(new_database(request.param))
    yield Books(DatabaseTrials(database), DatabaseLedger(database))
    await database.close()


async def _begun(books: Books) -> Trial:
    trial = await books.trials.start(WISH, ANA)
    assert trial is not None
    return trial


async def test_one_trial_runs_on_a_config_at_a_time(books: Books) -> None:
    trial = await _begun(books)
    assert trial == replace(WISH, id=trial.id)
    assert await books.trials.start(replace(WISH, candidate="a/b"), OWNER) is None
    elsewhere = await books.trials.start(replace(WISH, document="/other.json"), OWNER)
    assert elsewhere is not None
    assert await books.trials.running(PLACE) == trial
    assert await books.trials.finish(trial, TrialEnd.STOPPED, OWNER, NOON + SECOND)
    assert await books.trials.running(PLACE) is None
    again = await books.trials.start(WISH, ANA)
    assert again is not None
    assert again.id not in (trial.id, elsewhere.id)
    assert await books.trials.latest(PLACE) == again


async def test_only_the_first_end_counts_and_it_is_told_once(books: Books) -> None:
    trial = await _begun(books)
    at = NOON + 60 * SECOND
    assert await books.trials.finish(trial, TrialEnd.ERRORS, SERVICE, at, "why")
    assert not await books.trials.finish(trial, TrialEnd.STOPPED, OWNER, at)
    assert not await books.trials.set_share(trial, 50, OWNER, at)
    over = replace(
        trial, end=TrialEnd.ERRORS, ended_at=at, ended_by="Changeover", detail="why", told=False
    )
    assert list(await books.trials.untold(PLACE)) == [over]
    await books.trials.set_told(over)
    assert list(await books.trials.untold(PLACE)) == []
    assert await books.trials.latest(PLACE) == replace(over, told=True)


async def test_its_history_has_every_step(books: Books) -> None:
    trial = await _begun(books)
    assert await books.trials.set_share(trial, 25, OWNER, NOON + SECOND)
    now = await books.trials.running(PLACE)
    assert now == replace(trial, share=25)
    assert await books.trials.finish(now, TrialEnd.TIME, SERVICE, NOON + 2 * SECOND)
    steps = await books.trials.steps(PLACE, 9)
    assert [(s.action, s.share, s.actor_key) for s in steps] == [
        ("time", 25, "service:changeover"),
        ("share", 25, "cli:owner"),
        ("start", 10, "slack:U1"),
    ]
    assert steps[-1].reason == "cheaper ü"
    assert steps[-1].at == NOON
    assert len(await books.trials.steps(PLACE, 2)) == 2
    assert not await books.trials.steps("/other.json", 9)


async def test_arms_add_up_by_request_and_stretch(books: Books) -> None:
    trial = await _begun(books)
    mine: dict[str, Any] = {
        "trial": trial.id,
        "candidate": True,
        "caller": "support",
        "conversation": -5,
    }
    theirs: dict[str, Any] = {"trial": trial.id, "candidate": False, "conversation": 8}
    failed: dict[str, Any] = {"reason": FailureReason.TIMEOUT, "answered": False, "cost": None}
    rows = [
        attempt(1, model=PRIMARY, first_token_ms=812.4, latency_ms=9000.0, **theirs),
        attempt(2, model=PRIMARY, latency_ms=2344.0, cost=3000, **theirs),
        # The candidate failed, the primary answered.
        attempt(3, model=CANDIDATE, last=False, fallback=True, **failed, **mine),
        attempt(3, number=2, model=PRIMARY, fallback=True, first_token_ms=500.0, **mine),
        # It answered when it was asked once more.
        attempt(4, model=CANDIDATE, last=False, **failed, **mine),
        attempt(4, number=2, model=CANDIDATE, cost=400, first_token_ms=12_345.0, **mine),
        # The caller hung up; the candidate was passed over.
        attempt(5, model=CANDIDATE, status=499, first_token_ms=10.0, **mine),
        attempt(6, at=NOON + 31 * SECOND, model=PRIMARY, fallback=True, **mine),
        attempt(7, model=CANDIDATE),
        attempt(8, model=CANDIDATE, trial=trial.id + 1, candidate=True),
    ]
    await books.ledger.add(rows)
    first, second = await books.trials.slots(trial, 30)
    assert (first.number, second.number) == (0, 1)
    assert first.primary == ArmFigures(2, 2, 0, 0, 2, 4000, 10_000_000.0, {812: 1, 2340: 1})
    assert first.candidate == ArmFigures(3, 2, 1, 1, 1, 400, 160_000.0, {12_300: 1})
    assert second.candidate == ArmFigures(1, 0, 0, 1)
    assert list(await books.trials.affected(trial)) == [Affected("support", 4, 1)]


async def test_conversations_are_weighed_as_wholes(books: Books) -> None:
    trial = await _begun(books)
    await books.ledger.add(
        [
            attempt(
                f"{talk}-{n}",
                model=CANDIDATE,
                reason=FailureReason.TIMEOUT if talk == 1 else None,
                first_token_ms=None if talk == 1 else 100.0 * n,
                trial=trial.id,
                candidate=True,
                conversation=talk,
            )
            for talk in (1, 2, 3)
            for n in (1, 2)
        ]
    )
    candidate, primary = await books.trials.clumps(trial, 150)
    assert candidate == (ClumpSums(6, 2, 12, 4, 4), ClumpSums(4, 2, 8, 2, 4))
    assert primary == (ClumpSums(), ClumpSums())


async def test_an_attempt_keeps_its_arm(books: Books) -> None:
    sent = attempt(1, trial=4, candidate=False, conversation=-(2**63))
    await books.ledger.add([sent, attempt(2)])
    kept = await books.ledger.attempts(NOON, NOON + SECOND, 9)
    assert {(a.trial, a.candidate, a.conversation) for a in kept} == {
        (4, False, -(2**63)),
        (None, None, None),
    }
