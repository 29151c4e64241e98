"""Who is asked next: the lane of candidates for a request, and the walk down it."""

from __future__ import annotations

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
    REFUSED = "refused"
    COOLING = "cooling"


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

    `first` names the chain's first hop, whether or not it can be asked; `barred` says why it
    cannot: `auth` without a key, `model_not_found` where it is not to be had in the dialect or
    at all. `alone` is True where the caller wanted no fallback and the chain has some.
    """

    candidates: tuple[Candidate, ...]
    skipped: tuple[tuple[Hop, str], ...]
    first: str | None
    barred: FailureReason | None = None
    alone: bool = False


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
    alone = not fallbacks and len(hops) > 1
    hops = hops[:1] if alone else hops
    speaking = [hop for hop in hops if _speaks(hop, dialect)]
    skipped = [
        (hop, "speaks another dialect" if hop.provider.endpoints else "its api is not known here")
        for hop in hops
        if hop.provider and hop not in speaking
    ]
    skipped += [
        (hop, _why(hop))
        for hop in hops
        if hop.skip not in (None, SkipReason.REPEATED) and (hop in speaking or not hop.provider)
    ]
    candidates = tuple(
        Candidate(hop, Scope.of(hop.provider.id, hop.key, hop.ref))
        for hop in speaking
        if hop.walked and hop.provider and hop.ref
    )
    first = next((hop for hop in hops if hop.ref), None)
    if first is None:
        return Lane(candidates, tuple(skipped), None)
    barred = None
    if not _speaks(first, dialect):
        barred = FailureReason.MODEL_NOT_FOUND
    elif not first.walked:
        keyless = first.skip is SkipReason.NO_KEY
        barred = FailureReason.AUTH if keyless else FailureReason.MODEL_NOT_FOUND
    return Lane(candidates, tuple(skipped), str(first.ref), barred, alone)


def _why(hop: Hop) -> str:
    if hop.skip is SkipReason.NO_KEY:
        return f"no key: {hop.key_name} is not set"
    return str(hop.skip).replace("_", " ")


def _speaks(hop: Hop, dialect: Dialect) -> bool:
    return hop.provider is not None and dialect in hop.provider.endpoints


@dataclass(slots=True)
class Walk:
    """One request's way down its lane.

    Ask `next` until it returns None; tell it of each candidate's end with `failed`, `refused`,
    `answered` or `given_up`. A candidate that is cooling down is passed over; when all are, the
    one due first is tried. When the last one asked had trouble that passes, and nobody is behind
    it, it is asked once more.
    """

    lane: Lane
    book: CooldownBook
    attempts: int = 0
    fates: list[tuple[Candidate, Fate, FailureReason]] = field(default_factory=list)
    _at: int = 0
    _trial: bool = False
    _last_chance: bool = False
    _again: Candidate | None = None

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
        if self._last_chance:
            return None
        self._last_chance = True
        if self.attempts:
            return self._ask(self._again, trial=False) if self._again else None
        due = first_due([(i, c.scope) for i, c in enumerate(self.lane.candidates)], self.book)
        return None if due is None else self._ask(self.lane.candidates[due], trial=True)

    def failed(
        self,
        candidate: Candidate,
        reason: FailureReason,
        retry_after_s: float | None,
        now: datetime,
        *,
        retry_same: bool = False,
    ) -> Cooldown | None:
        """Note a failure; return the cool-down it starts.

        `retry_same` says that asking the same candidate once more may help.
        """
        self.fates.append((candidate, Fate.FAILED, reason))
        row = self.book.failed(candidate.scope, reason, retry_after_s, now, trial=self._trial)
        if retry_same and row is None:
            self._again = candidate
        return row

    def refused(self, candidate: Candidate) -> list[str]:
        """Note that a fallback finds fault with the request; return what that ends.

        The request may suit the hop it was meant for, so the next one is asked. Nothing is held
        against the candidate: it answers.
        """
        self.fates.append((candidate, Fate.REFUSED, FailureReason.BAD_RESPONSE))
        return self.book.answered(candidate.scope, trial=self._trial)

    def answered(self, candidate: Candidate) -> list[str]:
        """Note a good answer, or that one has begun; return the scopes whose cool-down it ends."""
        trial, self._trial = self._trial, False
        return self.book.answered(candidate.scope, trial=trial)

    def given_up(self, candidate: Candidate) -> None:
        """Note that the caller hung up, which says nothing of the candidate."""
        if self._trial:
            self.book.end_trial(candidate.scope)

    @property
    def all_refused(self) -> bool:
        """True when everybody who was asked found fault with the request."""
        asked = [fate for _, fate, _ in self.fates if fate is not Fate.COOLING]
        return bool(asked) and all(fate is Fate.REFUSED for fate in asked)

    @property
    def first_failure(self) -> tuple[Candidate, FailureReason] | None:
        """The first candidate that was really asked and failed, and why."""
        return next(((c, why) for c, fate, why in self.fates if fate is not Fate.COOLING), None)

    def reason(self) -> FailureReason | None:
        """Return what bars the first hop, what failed there, or what started its cool-down."""
        return self.lane.barred or (self.fates[0][2] if self.fates else None)

    def ends(self) -> list[tuple[Candidate, Fate, FailureReason]]:
        """Return what became of each candidate in the end, in the order of the lane."""
        last = {candidate.name: (candidate, fate, why) for candidate, fate, why in self.fates}
        return [last[c.name] for c in self.lane.candidates if c.name in last]

    def _ask(self, candidate: Candidate, *, trial: bool) -> Candidate:
        self.attempts += 1
        self._again = None
        self._trial = trial
        if trial:
            self.book.begin_trial(candidate.scope)
        return candidate
