"""Whether a trial goes on: a pure decision on what both arms have come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import add

from bot.ports import Cooldown
from bot.ports.trials import ArmFigures, Trial, TrialEnd, TrialSlot
from bot.trials.evidence import Evidence, Pair, quantile

WRONGLY = 0.01
"""The chance at most that a trial of a model which is just as good is stopped, over its life."""

FEWEST = 30
"""Fewer requests in an arm say nothing yet."""

NOTICEABLE = 1.1
"""What is worse by less than this factor is no reason to stop, however sure it is."""

_ENOUGH = 2 / WRONGLY
"""The evidence that stops: errors and slowness have half of the chance each."""

_SLOTS = 120
_SHORTEST_S, _LONGEST_S = 5, 600
_LATE = timedelta(seconds=5)
"""After so long the ledger has a stretch's rows."""

_USUAL_ERRORS = 0.02
_USUAL_SLOW = 0.05
_P95 = 0.95


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a trial is judged by besides its figures.

    `primary` is what stands in the config now, `cooldown` the candidate's, `gone` why the gateway
    could not ask the candidate at all.
    """

    primary: str | None
    cooldown: Cooldown | None = None
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Clumps:
    """How many requests of a conversation count as one, since they fail or are slow together."""

    errors: float = 1.0
    slow: float = 1.0


LOOSE = Clumps()


def slot_s(trial: Trial) -> int:
    """Return how long the stretches are in which a trial is counted."""
    whole_s = (trial.ends_at - trial.started_at).total_seconds()
    return int(min(max(whole_s / _SLOTS, _SHORTEST_S), _LONGEST_S))


def decide(
    trial: Trial,
    slots: Sequence[TrialSlot],
    around: Surroundings,
    now: datetime,
    clumps: Clumps = LOOSE,
) -> TrialEnd | None:
    """Return why the trial ends now; None when it goes on."""
    if around.primary != trial.primary:
        promoted = around.primary == trial.candidate
        return TrialEnd.PROMOTED if promoted else TrialEnd.PRIMARY_CHANGED
    if around.gone:
        return TrialEnd.CANDIDATE_GONE
    if around.cooldown is not None and around.cooldown.holds(now):
        return TrialEnd.COOLING
    over = (now - _LATE - trial.started_at) // timedelta(seconds=slot_s(trial))
    # A stretch that is not over yet would be weighed anew at each look.
    worse = first_worse([slot for slot in slots if slot.number < over], clumps)
    if worse is not None:
        return worse[0]
    return TrialEnd.TIME if now >= trial.ends_at else None


def first_worse(slots: Iterable[TrialSlot], clumps: Clumps = LOOSE) -> tuple[TrialEnd, int] | None:
    """Return what the candidate is worse in beyond chance, and since which stretch.

    It is the same however often it is asked, since whoever stopped at any time would have.
    """
    errors, slow = Evidence(_USUAL_ERRORS, clumps.errors), Evidence(_USUAL_SLOW, clumps.slow)
    mine, other = _Sofar(), _Sofar()
    for slot in slots:
        candidate, primary = slot.candidate, slot.primary
        limit_ms = other.p95()
        errors.add(Pair(candidate.asked, candidate.errors, primary.asked, primary.errors))
        if limit_ms is not None:
            slow.add(Pair(*_timed(candidate, limit_ms), *_timed(primary, limit_ms)))
        mine.add(candidate)
        other.add(primary)
        if min(mine.asked, other.asked) < FEWEST:
            continue
        if errors.value >= _ENOUGH and mine.errs_more_than(other):
            return TrialEnd.ERRORS, slot.number
        if slow.value >= _ENOUGH and mine.is_slower_than(other):
            return TrialEnd.SLOW, slot.number
    return None


def totals(slots: Sequence[TrialSlot]) -> tuple[ArmFigures, ArmFigures]:
    """Return what the candidate's and the primary's arm add up to."""
    nothing = ArmFigures()
    return (
        reduce(add, (slot.candidate for slot in slots), nothing),
        reduce(add, (slot.primary for slot in slots), nothing),
    )


@dataclass(slots=True)
class _Sofar:
    """What an arm has come to up to a stretch, without a copy of its times at each."""

    asked: int = 0
    errors: int = 0
    times: Counter[int] = field(default_factory=Counter)

    def add(self, arm: ArmFigures) -> None:
        self.asked += arm.asked
        self.errors += arm.errors
        self.times.update(arm.times)

    def p95(self) -> float | None:
        return quantile(self.times, _P95).value if self.times.total() >= FEWEST else None

    def errs_more_than(self, other: _Sofar) -> bool:
        return self.errors * other.asked >= NOTICEABLE * other.errors * self.asked

    def is_slower_than(self, other: _Sofar) -> bool:
        mine, others = self.p95(), other.p95()
        return mine is not None and others is not None and mine >= NOTICEABLE * others


def _timed(arm: ArmFigures, limit_ms: float) -> tuple[int, int]:
    """Return how many answers were timed, and how many took longer."""
    above = sum(counted for ms, counted in arm.times.items() if ms > limit_ms)
    return sum(arm.times.values()), above
