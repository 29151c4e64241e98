"""Cool-downs: who is left alone, for how long, and when one trial is let through again.

A rate limit cools at once, trouble that may pass after two failures in a row; both count against
one model under one key, and against the key once two of its models are out or the refusal names
the account. A refused key or an empty account cools the key. A good answer proves a scope in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown
from bot.ports.fallbacks import LONGEST_COOLDOWN, SKEW

RATE_LIMIT_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 25, 60))
PASSING_STEPS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
OWNERS_TURN = timedelta(hours=5)
MISSING = timedelta(days=1)
UNCONFIRMED = timedelta(minutes=1)
PASSING_LIMIT = 2
RETRY = "retry"
"""The scope of no hop: its proof tells every gateway when `/fallback retry` was last asked for.
That of `retry MODEL` does so for one model."""
KEPT = timedelta(days=1)
"""How long one that is over stands for the trial that is still to come."""

OWNERS = frozenset({FailureReason.AUTH, FailureReason.BILLING})
"""What counts against the key and ends when its owner acts."""
CONFIRMED = OWNERS | {FailureReason.MODEL_NOT_FOUND}
"""What one caller's mistake may look like: only our own probe makes it last hours, or ends it."""
DISPROVED = timedelta(minutes=1)
"""How long real traffic alone cools nothing down after a probe has found it wrong."""
ASK_AGAIN = timedelta(seconds=10)
"""How long after that probe the next one may find it true: the key may have been rejected since."""


class Gate(StrEnum):
    """Whether a hop may be asked now."""

    OPEN = "open"
    COOLING = "cooling"
    TRIAL = "trial"
    TRIED = "tried"


class Reach(StrEnum):
    """What a refusal is about, where that is not what its reason usually is about."""

    KEY = "key"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hop's failures count against: its provider's key, and its model under that key."""

    key: str
    model: str

    @classmethod
    def of(cls, provider_id: str, key: Secret | None, ref: ModelRef) -> Scope:
        """Name a hop's scopes; the key appears as a short digest only."""
        digest = hashlib.sha256(key.reveal().encode()).hexdigest()[:8] if key else "none"
        return cls(f"{provider_id}#{digest}", f"{provider_id}/{ref.name}#{digest}")

    @property
    def names(self) -> tuple[str, str]:
        """The key's scope and the model's."""
        return self.key, self.model


def how_long(
    reason: FailureReason,
    failures: int,
    retry_after_s: float | None,
    *,
    confirmed: bool = True,
) -> timedelta | None:
    """Return for how long to leave a scope alone after so many failures in a row.

    None means not at all yet.
    """
    if reason in CONFIRMED and not confirmed:
        return UNCONFIRMED
    if reason in OWNERS:
        return OWNERS_TURN
    if reason is FailureReason.MODEL_NOT_FOUND:
        return MISSING
    if reason is FailureReason.RATE_LIMIT:
        if retry_after_s is not None and retry_after_s >= 0:
            return min(timedelta(seconds=max(retry_after_s, 1)), LONGEST_COOLDOWN)
        return RATE_LIMIT_STEPS[min(failures, len(RATE_LIMIT_STEPS)) - 1]
    if failures < PASSING_LIMIT:
        return None
    return PASSING_STEPS[min(failures - PASSING_LIMIT, len(PASSING_STEPS) - 1)]


def proof(scope: Scope, now: datetime) -> list[Cooldown]:
    """Return the rows that end a hop's cool-downs and failure counts in every process."""
    return [ended(name, now) for name in scope.names]


def ended(name: str, now: datetime, *, by_hand: bool = False) -> Cooldown:
    """Return the row that ends whatever of a scope began before `now`."""
    return Cooldown(name, FailureReason.SERVER_ERROR, now, 0, now, by_hand)


def retry_of(model: str) -> str:
    """Return the scope that tells of `/fallback retry` for a model, "" for all."""
    return f"{RETRY} {model}".strip()


def is_retry(name: str) -> bool:
    """Return whether a scope tells of `/fallback retry`."""
    return name.partition(" ")[0] == RETRY


def covering(scope: Scope, rows: Sequence[Cooldown]) -> Cooldown | None:
    """Return the cool-down that covers a hop, the longest first."""
    found = [row for row in rows if row.failures and row.scope in scope.names]
    return max(found, key=lambda row: row.until, default=None)


@dataclass(slots=True)
class CooldownBook:
    """One process's picture of the cool-downs; the rows of all processes are merged into it.

    What begins or ends here is `untold` until it is written where the others see it. Not
    thread-safe: it lives in the gateway's event loop.
    """

    _rows: dict[str, Cooldown] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _trials: dict[str, int] = field(default_factory=dict)
    _trials_begun: int = 0
    _untold: dict[str, Cooldown] = field(default_factory=dict)
    _proofs: dict[str, datetime] = field(default_factory=dict)
    _disproved: dict[tuple[str, FailureReason], datetime] = field(default_factory=dict)
    _answered_at: dict[str, datetime] = field(default_factory=dict)

    def rows(self) -> list[Cooldown]:
        """Return every cool-down, those that are over included."""
        return list(self._rows.values())

    def retries(self) -> dict[str, datetime]:
        """Return when somebody last wanted a model tried again; under "" all of them."""
        return {
            name.removeprefix(RETRY).strip(): at
            for name, at in self._proofs.items()
            if is_retry(name)
        }

    def gate(self, scope: Scope, now: datetime) -> Gate:
        """Return whether a hop may be asked; a trial must be settled by what becomes of it."""
        gate = Gate.OPEN
        for name in scope.names:
            row = self._rows.get(name)
            if row is None:
                continue
            if row.holds(now):
                return Gate.COOLING
            gate = Gate.TRIED if name in self._trials or gate is Gate.TRIED else Gate.TRIAL
        return gate

    def row(self, scope: Scope) -> Cooldown | None:
        """Return the cool-down that covers a hop, the longest first."""
        return covering(scope, [row for n in scope.names if (row := self._rows.get(n))])

    def on_trial(self, scope: Scope) -> bool:
        """Return whether a request is under way that is to settle a cool-down."""
        return any(name in self._trials for name in scope.names)

    def begin_trial(self, scope: Scope) -> int:
        """Let a request through and return its number; until it is settled, others see TRIED."""
        self._trials_begun += 1
        for name in scope.names:
            if name in self._rows:
                self._trials[name] = self._trials_begun
        return self._trials_begun

    def end_trial(self, scope: Scope, trial: int) -> bool:
        """Forget a trial; return whether it still was the one that settles a cool-down.

        It is not when that cool-down was ended meanwhile, whatever has begun since.
        """
        names = [name for name in scope.names if self._trials.get(name) == trial]
        for name in names:
            del self._trials[name]
        return bool(names)

    def failed(
        self,
        scope: Scope,
        reason: FailureReason,
        retry_after_s: float | None,
        now: datetime,
        *,
        trial: int | None = None,
        reach: Reach | None = None,
        confirmed: bool = True,
    ) -> Cooldown | None:
        """Count a failure; return the new cool-down when it starts or grows one."""
        if trial is not None:
            self.end_trial(scope, trial)
        about_key = reach is Reach.KEY or (reason in OWNERS and reach is None)
        name = scope.key if about_key else scope.model
        known = self._rows.get(name)
        if known is not None and known.holds(now) and not (confirmed and reason in CONFIRMED):
            # Requests that were under way when it began are no further evidence.
            return None
        if not confirmed and now - self._disproved.get((name, reason), _NEVER) < DISPROVED:
            return None
        failures = max(self._failures.get(name, 0), known.failures if known else 0) + 1
        self._failures[name] = failures
        span = how_long(reason, failures, retry_after_s, confirmed=confirmed)
        if span is None:
            return None
        named = reason is FailureReason.RATE_LIMIT and retry_after_s is not None
        row = Cooldown(name, reason, now + span, failures, now, named)
        self._begin(row)
        if not about_key and self._widens(scope, row, now):
            self._begin(Cooldown(scope.key, reason, row.until, failures, now, named))
        return row

    def doubt(self, scope: Scope, reason: FailureReason, now: datetime) -> timedelta | None:
        """Return how soon to ask about what was found wrong lately; None where nothing was."""
        found = (self._disproved.get((name, reason), _NEVER) for name in scope.names)
        since = now - max(found)
        return max(ASK_AGAIN - since, timedelta(0)) if since < DISPROVED else None

    def answered(
        self, scope: Scope, now: datetime, *, trial: int | None = None, whole: bool = True
    ) -> list[str]:
        """Note a good answer; return the scopes whose cool-down it ended.

        Only a trial ends one: other answers were asked for before it began. An answer says
        nothing of the key's other models. One that has only begun may still break off, so it
        forgets no failure.
        """
        self._answered_at[scope.key] = now
        if trial is not None and self.end_trial(scope, trial):
            return [name for name in scope.names if self._end(name, now)]
        for name in scope.names if whole else ():
            if name in self._failures and name not in self._rows:
                del self._failures[name]
        return []

    def prove(self, scope: Scope, now: datetime, *, disproved: FailureReason | None = None) -> None:
        """End a hop's cool-downs and failure counts here and, once told, everywhere.

        `disproved` is what real traffic said of it, and wrongly.
        """
        if disproved is not None:
            self._disproved.update({(name, disproved): now for name in scope.names})
        for row in proof(scope, now):
            self._prove(row)
            self._untold[row.scope] = row

    def untold(self) -> list[Cooldown]:
        """Return what the other processes do not know yet."""
        return list(self._untold.values())

    def told(self, row: Cooldown) -> None:
        """Note that the others can see it, unless it has moved on meanwhile."""
        if self._untold.get(row.scope) is row:
            del self._untold[row.scope]

    def merge(self, rows: Sequence[Cooldown], now: datetime) -> None:
        """Take over what every process knows; what is untold stays, unless proof came after it.

        One that is over is kept for a day, since it stands for the trial that is still to come.
        """
        for row in rows:
            if not row.failures:
                # Proof from the future was noted by a clock that has been put back since.
                if self._proofs.get(row.scope, _NEVER) < row.until <= now + SKEW:
                    self._prove(row)
            elif row.scope not in self._untold:
                self._rows[row.scope] = row
        for name, row in list(self._rows.items()):
            if now - row.until > KEPT and name not in self._untold:
                del self._rows[name]
                self._failures.pop(name, None)

    def forget_models(self, now: datetime) -> None:
        """End what only holds until the config changes."""
        for name, row in list(self._rows.items()):
            if row.reason is FailureReason.MODEL_NOT_FOUND:
                self._end(name, now)

    def _widens(self, scope: Scope, row: Cooldown, now: datetime) -> bool:
        """Return whether a second model of the key is out, and none has answered since."""
        provider, _, digest = scope.key.partition("#")
        if row.reason is FailureReason.MODEL_NOT_FOUND:
            return False
        siblings = [
            other
            for name, other in self._rows.items()
            if name.startswith(f"{provider}/")
            and name.endswith(f"#{digest}")
            and name != scope.model
            and other.holds(now)
            and other.reason is not FailureReason.MODEL_NOT_FOUND
        ]
        answered_at = self._answered_at.get(scope.key, _NEVER)
        return any(other.since is None or other.since >= answered_at for other in siblings)

    def _begin(self, row: Cooldown) -> None:
        self._rows[row.scope] = self._untold[row.scope] = row

    def _prove(self, row: Cooldown) -> None:
        self._proofs[row.scope] = row.until
        known = self._rows.get(row.scope)
        if known is None or known.since is None or known.since <= row.until:
            self._rows.pop(row.scope, None)
            self._failures.pop(row.scope, None)
            self._trials.pop(row.scope, None)
            self._untold.pop(row.scope, None)

    def _end(self, name: str, now: datetime) -> bool:
        if name not in self._rows:
            self._failures.pop(name, None)
            return False
        row = ended(name, now)
        self._prove(row)
        self._untold[name] = row
        return True


_NEVER = datetime.min.replace(tzinfo=UTC)
