"""Who is asked next: the lane of candidates for a request, and the walk down it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bot.config.naming import resolve
from bot.config.schema import ConfigView
from bot.models import Dialect, FailureReason
from bot.ports import Cooldown
from bot.routing.chain import Hop, SkipReason, Surroundings, chain_of
from bot.routing.cooldown import CooldownBook, Gate, Scope, first_due

AUTO = frozenset({"", "auto", "changeover", "changeover/auto"})
"""Model names that mean the current primary."""


class Fate(StrEnum):
    """What became of a candidate that did not answer."""

    FAILED = "failed"
    COOLING = "cooling"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hop that can be asked in the caller's dialect, and what its failures count against."""

    hop: Hop
    scope: Scope

    @property
    def name(self) -> str:
        """`provider/model`."""
        return str(self.hop.ref)


@dataclass(frozen=True, slots=True)
class Lane:
    """The candidates for one kind of request, in order, and the hops that cannot be asked.

    `first` names the chain's first hop that speaks the dialect, whether or not it has a key.
    """

    candidates: tuple[Candidate, ...]
    skipped: tuple[tuple[Hop, str], ...]
    first: str | None

    @property
    def begins_behind(self) -> bool:
        """True when the first hop is passed over for good, say for want of a key."""
        return bool(self.candidates) and self.candidates[0].name != self.first


def lane_of(
    asked: str, view: ConfigView, around: Surroundings, dialect: Dialect, *, fallbacks: bool = True
) -> Lane:
    """Lay out who may answer a request for `asked`, a preset, an alias, a model or `auto`.

    Raises:
        UnknownModelError: nothing goes by that name.
    """
    choice = view.default
    if asked.strip().lower() not in AUTO:
        ref = resolve(asked, view, around.catalog).ref
        choice = replace(choice, primary=str(ref))
    hops = chain_of(view, choice, replace(around, gateway=True))
    hops = hops if fallbacks else hops[:1]
    speaking = [hop for hop in hops if _speaks(hop, dialect)]
    skipped = [
        (hop, "speaks another dialect") for hop in hops if hop.provider and hop not in speaking
    ]
    skipped += [
        (hop, str(hop.skip).replace("_", " "))
        for hop in hops
        if hop.skip not in (None, SkipReason.REPEATED) and (hop in speaking or not hop.provider)
    ]
    candidates = tuple(
        Candidate(hop, Scope.of(hop.provider.id, hop.key, hop.ref))
        for hop in speaking
        if hop.walked and hop.provider and hop.ref
    )
    first = next((str(hop.ref) for hop in speaking if hop.ref), None)
    return Lane(candidates, tuple(skipped), first)


def _speaks(hop: Hop, dialect: Dialect) -> bool:
    return hop.provider is not None and dialect in hop.provider.endpoints


@dataclass(slots=True)
class Walk:
    """One request's way down its lane.

    Ask `next` until it returns None; tell it of each candidate's end with `failed` or `answered`.
    A candidate that is cooling down is passed over; when all are, the one due first is tried.
    """

    lane: Lane
    book: CooldownBook
    attempts: int = 0
    fates: list[tuple[Candidate, Fate, FailureReason]] = field(default_factory=list)
    _at: int = 0
    _last_resort: bool = False

    def next(self, now: datetime) -> Candidate | None:
        """Return the next candidate to ask, or None when there is nobody left."""
        while self._at < len(self.lane.candidates):
            candidate = self.lane.candidates[self._at]
            self._at += 1
            gate = self.book.gate(candidate.scope, now)
            if gate in (Gate.OPEN, Gate.TRIAL):
                return self._ask(candidate, trial=gate is Gate.TRIAL)
            row = self.book.row(candidate.scope)
            reason = row.reason if row else FailureReason.SERVER_ERROR
            self.fates.append((candidate, Fate.COOLING, reason))
        if self.attempts or self._last_resort:
            return None
        self._last_resort = True
        due = first_due([(i, c.scope) for i, c in enumerate(self.lane.candidates)], self.book)
        return None if due is None else self._ask(self.lane.candidates[due], trial=True)

    @property
    def has_more(self) -> bool:
        """True when somebody else could still be asked."""
        return self._at < len(self.lane.candidates)

    def failed(
        self,
        candidate: Candidate,
        reason: FailureReason,
        retry_after_s: float | None,
        now: datetime,
    ) -> Cooldown | None:
        """Note a failure; return the cool-down it starts."""
        self.fates.append((candidate, Fate.FAILED, reason))
        return self.book.failed(candidate.scope, reason, retry_after_s, now)

    def answered(self, candidate: Candidate) -> list[str]:
        """Note a good answer; return the scopes whose cool-down it ends."""
        return self.book.answered(candidate.scope)

    def given_up(self, candidate: Candidate) -> None:
        """Note that the caller hung up, which says nothing of the candidate."""
        self.book.end_trial(candidate.scope)

    def reason(self) -> FailureReason | None:
        """Return what failed, or what started the cool-down, at the first hop passed over."""
        real = [f for f in self.fates if f[1] is Fate.FAILED]
        first = (self.fates or real)[:1]
        if first:
            return first[0][2]
        return FailureReason.AUTH if self.lane.begins_behind else None

    def failures(self) -> Sequence[tuple[Candidate, Fate, FailureReason]]:
        """Return the candidates that were really asked and failed."""
        return [fate for fate in self.fates if fate[1] is Fate.FAILED]

    def _ask(self, candidate: Candidate, *, trial: bool) -> Candidate:
        self.attempts += 1
        if trial:
            self.book.begin_trial(candidate.scope)
        return candidate
