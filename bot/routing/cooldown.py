"""Cool-downs: who is left alone, for how long, and when one trial is let through again.

A rate limit, a refused key or an empty account cools at once; trouble that may pass only after
two failures in a row. A cool-down belongs to a provider's key, or, for a model that does not
exist, to that model until the config changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown

RATE_LIMIT_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 25, 60))
PASSING_STEPS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
OWNERS_TURN = timedelta(hours=5)
LONGEST = timedelta(days=1)
PASSING_LIMIT = 2

PASSING = frozenset(
    {
        FailureReason.SERVER_ERROR,
        FailureReason.TIMEOUT,
        FailureReason.NETWORK,
        FailureReason.BAD_RESPONSE,
    }
)


class Gate(StrEnum):
    """Whether a hop may be asked now."""

    OPEN = "open"
    COOLING = "cooling"
    TRIAL = "trial"
    TRIED = "tried"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hop's failures count against: its provider's key, and its model."""

    key: str
    model: str

    @classmethod
    def of(cls, provider_id: str, key: Secret | None, ref: ModelRef) -> Scope:
        """Name a hop's scopes; the key appears as a short digest only."""
        digest = hashlib.sha256(key.reveal().encode()).hexdigest()[:8] if key else "none"
        return cls(f"{provider_id}#{digest}", f"{provider_id}/{ref.name}")


def how_long(reason: FailureReason, failures: int, retry_after_s: float | None) -> timedelta | None:
    """Decide for how long to leave a scope alone after so many failures in a row.

    None means not at all yet.
    """
    if reason in (FailureReason.AUTH, FailureReason.BILLING):
        return OWNERS_TURN
    if reason is FailureReason.MODEL_NOT_FOUND:
        return LONGEST
    if reason is FailureReason.RATE_LIMIT:
        if retry_after_s is not None and retry_after_s >= 0:
            return min(timedelta(seconds=max(retry_after_s, 1)), LONGEST)
        return RATE_LIMIT_STEPS[min(failures, len(RATE_LIMIT_STEPS)) - 1]
    if failures < PASSING_LIMIT:
        return None
    return PASSING_STEPS[min(failures - PASSING_LIMIT, len(PASSING_STEPS) - 1)]


@dataclass(slots=True)
class CooldownBook:
    """One process's picture of the cool-downs; the rows of all processes are merged into it.

    What begins or ends here is `untold` until it is written where the others see it. Not
    thread-safe: it lives in the gateway's event loop.
    """

    _rows: dict[str, Cooldown] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _trials: set[str] = field(default_factory=set)
    _untold: dict[str, Cooldown | None] = field(default_factory=dict)

    def rows(self) -> list[Cooldown]:
        """Return every cool-down, those that are over included."""
        return list(self._rows.values())

    def gate(self, scope: Scope, now: datetime) -> Gate:
        """Decide whether a hop may be asked; a trial must be settled by what becomes of it."""
        gate = Gate.OPEN
        for name in (scope.key, scope.model):
            row = self._rows.get(name)
            if row is None:
                continue
            if row.until > now:
                return Gate.COOLING
            gate = Gate.TRIED if name in self._trials else Gate.TRIAL
            if gate is Gate.TRIED:
                return gate
        return gate

    def row(self, scope: Scope) -> Cooldown | None:
        """Return the cool-down that covers a hop, the longest first."""
        rows = [r for name in (scope.key, scope.model) if (r := self._rows.get(name))]
        return max(rows, key=lambda r: r.until, default=None)

    def begin_trial(self, scope: Scope) -> None:
        """Let one request through; the others see TRIED until it is settled."""
        self._trials.update(name for name in (scope.key, scope.model) if name in self._rows)

    def end_trial(self, scope: Scope) -> None:
        """Forget a trial that ended without a verdict, such as a caller who hung up."""
        self._trials.difference_update((scope.key, scope.model))

    def failed(
        self,
        scope: Scope,
        reason: FailureReason,
        retry_after_s: float | None,
        now: datetime,
        *,
        trial: bool = False,
    ) -> Cooldown | None:
        """Count a failure; return the new cool-down when it starts or grows one."""
        if trial:
            self.end_trial(scope)
        name = scope.model if reason is FailureReason.MODEL_NOT_FOUND else scope.key
        known = self._rows.get(name)
        if known is not None and known.until > now:
            # Requests that were under way when it began are no further evidence.
            return None
        failures = max(self._failures.get(name, 0), known.failures if known else 0) + 1
        self._failures[name] = failures
        span = how_long(reason, failures, retry_after_s)
        if span is None:
            return None
        row = self._rows[name] = self._untold[name] = Cooldown(name, reason, now + span, failures)
        return row

    def answered(self, scope: Scope, *, trial: bool = False) -> list[str]:
        """Note a good answer; return the scopes whose cool-down it ended.

        Only a trial ends one: other answers were asked for before it began.
        """
        if trial:
            self.end_trial(scope)
            return [name for name in (scope.key, scope.model) if self._end(name)]
        for name in (scope.key, scope.model):
            if name in self._failures and name not in self._rows:
                del self._failures[name]
        return []

    def untold(self) -> list[tuple[str, Cooldown | None]]:
        """Return what the other processes do not know yet; None is an end."""
        return list(self._untold.items())

    def told(self, scope: str, row: Cooldown | None) -> None:
        """Note that the others can see it, unless it has moved on meanwhile."""
        if scope in self._untold and self._untold[scope] is row:
            del self._untold[scope]

    def merge(self, rows: Sequence[Cooldown], now: datetime) -> None:
        """Take over the rows in force that every process knows; what is untold stays as it is.

        One of ours that is in force but gone there was ended by another process; one that is
        over is kept for a day, since it stands for the trial that is still to come.
        """
        theirs = {row.scope: row for row in rows if row.scope not in self._untold}
        for name, row in list(self._rows.items()):
            if name in theirs or name in self._untold:
                continue
            if row.until > now or now - row.until > LONGEST:
                del self._rows[name]
                self._failures.pop(name, None)
        self._rows.update(theirs)

    def forget_models(self) -> None:
        """End what only holds until the config changes."""
        for name, row in list(self._rows.items()):
            if row.reason is FailureReason.MODEL_NOT_FOUND:
                self._end(name)

    def _end(self, name: str) -> bool:
        self._failures.pop(name, None)
        if self._rows.pop(name, None) is None:
            return False
        self._untold[name] = None
        return True


def first_due(scopes: Iterable[tuple[int, Scope]], book: CooldownBook) -> int | None:
    """Return the index of the hop whose cool-down ends first, for when all are cooling."""
    due = [(row.until, index) for index, scope in scopes if (row := book.row(scope))]
    return min(due)[1] if due else None
