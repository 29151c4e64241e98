"""Trials in memory, which add up by looking at every attempt of the ledger's fake."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.access import Actor
from bot.errors import StorageError
from bot.ports import Attempt
from bot.ports.trials import (
    Affected,
    ArmFigures,
    ClumpSums,
    Trial,
    TrialEnd,
    TrialSlot,
    TrialStep,
)
from tests.support.fakes_ledger import FakeLedger


@dataclass
class _Request:
    """One request of an arm."""

    at: datetime
    candidate: bool
    conversation: int | None
    caller: str
    good: bool = False
    bad: bool = False
    fell: bool = False
    cost: int | None = None
    ms: float | None = None


@dataclass
class FakeTrials:
    """The Trials port in memory; an error put into `fail` is raised by every method."""

    ledger: FakeLedger
    fail: StorageError | None = None
    kept: dict[int, Trial] = field(default_factory=dict)
    noted: list[TrialStep] = field(default_factory=list)

    async def running(self, document: str) -> Trial | None:
        self._check()
        return next((t for t in self.kept.values() if t.document == document and t.runs), None)

    async def latest(self, document: str) -> Trial | None:
        self._check()
        mine = [t for t in self.kept.values() if t.document == document]
        return mine[-1] if mine else None

    async def start(self, trial: Trial, actor: Actor) -> Trial | None:
        if await self.running(trial.document) is not None:
            return None
        begun = replace(trial, id=len(self.kept) + 1, actor_name=actor.name)
        self.kept[begun.id] = begun
        self._note(begun, actor, trial.started_at, "start", trial.reason)
        return begun

    async def set_share(self, trial: Trial, share: int, actor: Actor, at: datetime) -> bool:
        self._check()
        known = self.kept.get(trial.id)
        if known is None or not known.runs:
            return False
        self.kept[trial.id] = replace(known, share=share)
        self._note(self.kept[trial.id], actor, at, "share")
        return True

    async def finish(
        self, trial: Trial, end: TrialEnd, actor: Actor, at: datetime, detail: str = ""
    ) -> bool:
        self._check()
        known = self.kept.get(trial.id)
        if known is None or not known.runs:
            return False
        self.kept[trial.id] = replace(
            known, end=end, ended_at=at, ended_by=actor.name, detail=detail, told=False
        )
        self._note(known, actor, at, end.value, detail)
        return True

    async def untold(self, document: str) -> Sequence[Trial]:
        self._check()
        return [t for t in self.kept.values() if t.document == document and not t.told]

    async def set_told(self, trial: Trial) -> None:
        self._check()
        self.kept[trial.id] = replace(self.kept[trial.id], told=True)

    async def steps(self, document: str, limit: int) -> Sequence[TrialStep]:
        self._check()
        mine = {t.id for t in self.kept.values() if t.document == document}
        return [step for step in reversed(self.noted) if step.trial_id in mine][:limit]

    async def slots(self, trial: Trial, slot_s: int) -> Sequence[TrialSlot]:
        self._check()
        arms: dict[tuple[int, bool], ArmFigures] = defaultdict(ArmFigures)
        for one in self._requests(trial):
            number = (one.at - trial.started_at) // timedelta(seconds=slot_s)
            arms[number, one.candidate] += _figures(one)
        numbers = sorted({number for number, _ in arms})
        return [TrialSlot(n, arms[n, True], arms[n, False]) for n in numbers]

    async def clumps(
        self, trial: Trial, limit_ms: float
    ) -> tuple[tuple[ClumpSums, ClumpSums], tuple[ClumpSums, ClumpSums]]:
        self._check()
        talks: dict[tuple[bool, int | None], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for one in self._requests(trial):
            talk = talks[one.candidate, one.conversation]
            talk[0] += one.good or one.bad
            talk[1] += one.bad and not one.good
            talk[2] += one.ms is not None
            talk[3] += one.ms is not None and one.ms > limit_ms
        found = [
            [row for (arm, _), row in talks.items() if arm is which] for which in (True, False)
        ]
        candidate, primary = ((_sums(rows, 0), _sums(rows, 2)) for rows in found)
        return candidate, primary

    async def affected(self, trial: Trial) -> Sequence[Affected]:
        self._check()
        requests, errors = Counter[str](), Counter[str]()
        for one in self._requests(trial):
            requests[one.caller] += one.candidate
            errors[one.caller] += one.candidate and one.bad and not one.good
        found = [Affected(name, requests[name], errors[name]) for name in requests]
        return sorted((a for a in found if a.requests), key=lambda a: (-a.requests, a.caller))

    def _requests(self, trial: Trial) -> list[_Request]:
        found: dict[str, _Request] = {}
        for one in sorted(self.ledger.kept.values(), key=lambda a: (a.at, a.number)):
            if one.trial == trial.id:
                arm = bool(one.candidate)
                known = found.setdefault(
                    one.request_id, _Request(one.at, arm, one.conversation, one.caller or "")
                )
                _take(known, one, trial)
        return list(found.values())

    def _note(
        self, trial: Trial, actor: Actor, at: datetime, action: str, reason: str = ""
    ) -> None:
        self.noted.append(
            TrialStep(
                trial.id,
                at,
                action,
                trial.share,
                actor.key,
                actor.name,
                actor.surface.value,
                trial.candidate,
                reason,
            )
        )

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


def _take(request: _Request, attempt: Attempt, trial: Trial) -> None:
    own = str(attempt.model) == (trial.candidate if request.candidate else trial.primary)
    good = own and attempt.reason is None and attempt.status != 499
    request.good |= good
    request.bad |= own and attempt.reason is not None
    request.fell |= attempt.fallback
    if own and attempt.cost_nano_usd is not None:
        request.cost = (request.cost or 0) + attempt.cost_nano_usd
    if good:
        request.ms = attempt.first_token_ms or attempt.latency_ms


def _figures(one: _Request) -> ArmFigures:
    costed = one.good and one.cost is not None
    cost = one.cost or 0 if costed else 0
    return ArmFigures(
        requests=1,
        asked=int(one.good or one.bad),
        errors=int(one.bad and not one.good),
        fallbacks=int(one.fell),
        costed=int(costed),
        cost_nano_usd=cost,
        cost_squares=float(cost) * cost,
        times={} if one.ms is None else {_rounded(one.ms): 1},
    )


def _rounded(ms: float) -> int:
    step = 1 if ms < 1000 else 10 if ms < 10_000 else 100 if ms < 100_000 else 1000
    return round(ms / step) * step


def _sums(rows: list[list[int]], at: int) -> ClumpSums:
    pairs = [(row[at], row[at + 1]) for row in rows]
    return ClumpSums(
        sum(m for m, _ in pairs),
        sum(b for _, b in pairs),
        sum(m * m for m, _ in pairs),
        sum(b * b for _, b in pairs),
        sum(m * b for m, b in pairs),
    )
