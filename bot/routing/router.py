"""Who is asked next: the candidates for a request, in order, and the attempts at them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bot.catalog import Catalog
from bot.config.naming import bare_model, resolve
from bot.config.schema import ConfigView
from bot.errors import UnknownModelError
from bot.models import Dialect, FailureReason, ModelRef, Provider
from bot.ports import Cooldown
from bot.routing.chain import ChainContext, Hop, SkipReason, chain_of, lone_hop
from bot.routing.cooldown import CONFIRMED, OWNERS, PASSING_STEPS, CooldownBook, Gate, Reach, Scope
from bot.routing.signals import Lack

AUTO = frozenset({"", "auto", "changeover", "changeover/auto"})
"""Model names that mean the current primary."""

CLAUDE_ALIAS = "claude-changeover-"
"""What may be before a name, for clients that only list what sounds like Claude."""

OTHER_FORMAT = "does not accept this request format"
CANNOT_TAKE = "cannot take this request"


class HopOutcome(StrEnum):
    """How an attempt at a candidate ended, or why none was made.

    ABANDONED is an attempt whose caller went away.
    """

    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    COOLING = "cooling"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hop that can be asked in the caller's dialect, and what its failures count against.

    `name` is `provider/model` as the config has it.
    """

    hop: Hop
    ref: ModelRef
    provider: Provider
    scope: Scope
    name: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates for one kind of request, in order, and the hops that cannot be asked.

    `first` names the chain's first hop, whether or not it can be asked; `barred` says why it
    cannot: `auth` without a key, `model_not_found` where it is not to be had in the dialect or
    at all. `alone` is True where the caller wanted no fallback and the chain has some, or where no
    other knows what the request refers to.
    """

    in_order: tuple[Candidate, ...]
    skipped: tuple[tuple[Hop, str], ...]
    first: str | None
    barred: FailureReason | None = None
    alone: bool = False


def candidates_for(
    asked: str,
    view: ConfigView,
    around: ChainContext,
    dialect: Dialect,
    *,
    fallbacks: bool = True,
    trial: ModelRef | None = None,
) -> Candidates:
    """Lay out who may answer a request for `asked`, a preset, an alias, a model or `auto`.

    The candidate of a `trial` goes before the primary, which is then its first fallback; who asks
    for a model by name gets that one.

    Raises:
        UnknownModelError: nothing goes by that name.
    """
    choice, asked = view.default, plain_name(asked)
    if asked.lower() not in AUTO:
        ref = _meant(asked, view, around.catalog)
        choice = replace(choice, primary=str(ref))
    around = replace(around, gateway=True)
    hops = chain_of(view, choice, around)
    if trial is not None and asked.lower() in AUTO:
        # What limits the fallbacks still compares with the primary.
        behind = [replace(h, position=h.position + 1) for h in hops if h.ref != trial]
        hops = (lone_hop(0, trial, view, around), *behind)
    alone = not fallbacks and len(hops) > 1
    hops = hops[:1] if alone else hops
    skipped = [
        (hop, OTHER_FORMAT if hop.provider.endpoints else "unsupported API")
        for hop in hops
        if hop.provider and not _speaks(hop, dialect)
    ]
    skipped += [
        (hop, _why(hop))
        for hop in hops
        if hop.skip not in (None, SkipReason.REPEATED)
        and (_speaks(hop, dialect) or not hop.provider)
    ]
    in_order = tuple(
        Candidate(
            hop,
            hop.ref,
            hop.provider,
            Scope.of(hop.provider.id, hop.key, hop.ref),
            str(hop.ref),
        )
        for hop in hops
        if _speaks(hop, dialect) and hop.walked and hop.provider and hop.ref
    )
    first = next((hop for hop in hops if hop.ref), None)
    if first is None:
        return Candidates(in_order, tuple(skipped), None)
    barred = None
    if not _speaks(first, dialect):
        barred = FailureReason.MODEL_NOT_FOUND
    elif not first.walked:
        keyless = first.skip in (SkipReason.NO_KEY, SkipReason.KEY_ELSEWHERE)
        barred = FailureReason.AUTH if keyless else FailureReason.MODEL_NOT_FOUND
    return Candidates(in_order, tuple(skipped), str(first.ref), barred, alone)


def plain_name(asked: str) -> str:
    """Return a name without the alias that may be before it."""
    asked = asked.strip()
    return asked[len(CLAUDE_ALIAS) :] if asked.lower().startswith(CLAUDE_ALIAS) else asked


def _meant(asked: str, view: ConfigView, catalog: Catalog) -> ModelRef:
    try:
        return resolve(asked, view, catalog).ref
    except UnknownModelError:
        # Agents send the ids of their own vendor for their sub-agents.
        found = bare_model(asked, view, catalog)
        if found is None:
            raise
        return found


def _why(hop: Hop) -> str:
    if hop.skip is SkipReason.NO_KEY:
        return f"no API key ({hop.key_name})"
    if hop.skip is SkipReason.KEY_ELSEWHERE:
        return "its API key cannot be read here"
    if hop.over is not None:
        return str(hop.over)
    return str(hop.skip).replace("_", " ")


def _speaks(hop: Hop, dialect: Dialect) -> bool:
    return hop.provider is not None and dialect in hop.provider.endpoints


def _due_at(row: Cooldown, now: datetime) -> datetime:
    """Return when a request may be worth its while again: trouble may pass sooner than it is
    waited for, and where all are cooling down all are asked.
    """
    passing = row.reason not in CONFIRMED and row.reason is not FailureReason.RATE_LIMIT
    return min(row.until, now + PASSING_STEPS[0]) if passing else row.until


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why no candidate answered.

    `wait_s` is set when all are cooling down, `limited` when all are rate limited, `owners`
    when only the keys' owners can help, `format` when no hop speaks the caller's dialect.
    """

    wait_s: float | None
    limited: bool
    owners: bool
    format: bool


@dataclass(slots=True)
class Attempts:
    """One request's attempts at its candidates.

    Ask `next` until it returns None; note each candidate's end with `failed`, `refused`,
    `answered` or `given_up`. A candidate that is cooling down is passed over; when no other is
    left, those are asked too, the one due first first, but none before a time that its provider
    named. When the last one asked had trouble that passes, it is asked once more.
    """

    candidates: Candidates
    book: CooldownBook
    count: int = 0
    outcomes: list[tuple[Candidate, HopOutcome, FailureReason]] = field(default_factory=list)
    _at: int = 0
    _trial: int | None = None
    _passed_over: list[Candidate] | None = None
    _again: Candidate | None = None
    _last: bool = False
    _lacks: dict[Lack, int | None] = field(default_factory=dict)

    def next(self, now: datetime) -> Candidate | None:
        """Return the next candidate to ask, or None when no other is left."""
        while self._at < len(self.candidates.in_order):
            candidate = self.candidates.in_order[self._at]
            self._at += 1
            if not self._suits(candidate):
                continue
            gate = self.book.gate(candidate.scope, now)
            if gate in (Gate.OPEN, Gate.TRIAL):
                return self._let_through(candidate, trial=gate is Gate.TRIAL)
            row = self.book.row(candidate.scope)
            reason = row.reason if row else FailureReason.SERVER_ERROR
            self.outcomes.append((candidate, HopOutcome.COOLING, reason))
        if self._passed_over is None:
            self._passed_over = self._due(now)
        while self._passed_over:
            candidate = self._passed_over.pop(0)
            if self._suits(candidate):
                return self._let_through(candidate, trial=not self.book.on_trial(candidate.scope))
        again, self._again = self._again, None
        return None if again is None else self._let_through(again, trial=False, last=True)

    def failed(
        self,
        candidate: Candidate,
        reason: FailureReason,
        retry_after_s: float | None,
        now: datetime,
        *,
        retry_same: bool = False,
        reach: Reach | None = None,
        confirmed: bool = True,
    ) -> Cooldown | None:
        """Note a failure; return the cool-down it starts.

        `retry_same` says that asking the same candidate once more may help.
        """
        self.outcomes.append((candidate, HopOutcome.FAILED, reason))
        row = self.book.failed(
            candidate.scope,
            reason,
            retry_after_s,
            now,
            trial=self._trial,
            reach=reach,
            confirmed=confirmed,
        )
        cooling = self.book.gate(candidate.scope, now) is Gate.COOLING
        if retry_same and not cooling and not self._last:
            self._again = candidate
        return row

    def doubted(self, candidate: Candidate, reason: FailureReason, now: datetime) -> bool:
        """Return whether a failure is only believed once our own probe has seen it too."""
        return self.book.doubt(candidate.scope, reason, now) is not None

    def lacks(self, candidate: Candidate, lack: Lack) -> None:
        """Note what a candidate lacks: from now on only who is known to have more is asked."""
        facts = candidate.hop.facts
        window = facts.context_window if facts else None
        self._lacks[lack] = max(self._lacks.get(lack) or 0, window or 0)

    def refused(self, candidate: Candidate, now: datetime) -> list[str]:
        """Note that a candidate finds fault with the request; return what that ends.

        The request may suit another hop, so the next one is asked. Nothing is held against the
        candidate: it answers.
        """
        self.outcomes.append((candidate, HopOutcome.REFUSED, FailureReason.BAD_RESPONSE))
        return self.book.answered(candidate.scope, now, trial=self._trial)

    def answered(self, candidate: Candidate, now: datetime, *, whole: bool = True) -> list[str]:
        """Note a good answer, or that one has begun; return the scopes whose cool-down it ends."""
        trial, self._trial = self._trial, None
        return self.book.answered(candidate.scope, now, trial=trial, whole=whole)

    def given_up(self, candidate: Candidate) -> None:
        """Note that the caller hung up, which says nothing of the candidate."""
        if self._trial is not None:
            self.book.end_trial(candidate.scope, self._trial)

    @property
    def all_refused(self) -> bool:
        """True when everybody who was asked found fault with the request."""
        asked = [outcome for _, outcome, _ in self.outcomes if outcome is not HopOutcome.COOLING]
        return bool(asked) and all(outcome is HopOutcome.REFUSED for outcome in asked)

    @property
    def first_failure(self) -> tuple[Candidate, FailureReason] | None:
        """The first candidate that was really asked and failed, and why."""
        return next(
            ((c, why) for c, outcome, why in self.outcomes if outcome is not HopOutcome.COOLING),
            None,
        )

    def reason(self) -> FailureReason | None:
        """Return what bars the first hop, what failed there, or what started its cool-down."""
        first = next((why for c, _, why in self.outcomes if c.name == self.candidates.first), None)
        return self.candidates.barred or first or (self.outcomes[0][2] if self.outcomes else None)

    @property
    def unfit(self) -> bool:
        """True when nothing is wrong with the first hop: this request went past it."""
        outcome = next(
            (outcome for c, outcome, _ in self.ends() if c.name == self.candidates.first), None
        )
        return self.candidates.barred is None and outcome in (None, HopOutcome.REFUSED)

    @property
    def others_failed(self) -> bool:
        """True when the first hop cannot take this request, and all others failed."""
        ends = {candidate.name: outcome for candidate, outcome, _ in self.ends()}
        first = self.candidates.first
        others = [ends.get(c.name) for c in self.candidates.in_order if c.name != first]
        failed = bool(others) and None not in others and HopOutcome.REFUSED not in others
        return failed and ends.get(first or "") is HopOutcome.REFUSED

    def ends(self) -> list[tuple[Candidate, HopOutcome, FailureReason]]:
        """Return what became of each candidate in the end, in the order of the chain."""
        last = {
            candidate.name: (candidate, outcome, why) for candidate, outcome, why in self.outcomes
        }
        return [last[c.name] for c in self.candidates.in_order if c.name in last]

    def blocked(self, now: datetime) -> Blocked:
        """Return why no candidate answered, and when the first may be asked again."""
        candidates = self.candidates
        rows = [self.book.row(candidate.scope) for candidate in candidates.in_order]
        holding = [_due_at(row, now) for row in rows if row and row.holds(now)]
        wait_s = None
        if holding and len(holding) == len(rows):
            wait_s = max((min(holding) - now).total_seconds(), 1.0)
        reasons = {reason for _, _, reason in self.ends()}
        keyless = any(hop.skip is SkipReason.NO_KEY for hop, _ in candidates.skipped)
        return Blocked(
            wait_s,
            limited=reasons == {FailureReason.RATE_LIMIT},
            owners=bool(reasons or keyless) and reasons <= OWNERS,
            format=bool(candidates.skipped)
            and not candidates.in_order
            and all(why == OTHER_FORMAT for _, why in candidates.skipped),
        )

    def _due(self, now: datetime) -> list[Candidate]:
        """Return the candidates that were passed over and may be asked, soonest due first."""
        due = []
        for candidate, outcome, _ in self.outcomes:
            row = self.book.row(candidate.scope)
            if outcome is HopOutcome.COOLING and not (row and row.named and row.holds(now)):
                due.append((row.until if row else now, candidate))
        return [candidate for _, candidate in sorted(due, key=lambda pair: pair[0])]

    def _suits(self, candidate: Candidate) -> bool:
        facts = candidate.hop.facts
        for lack, window in self._lacks.items():
            if lack is Lack.IMAGES and not (facts and facts.vision):
                return False
            if lack is Lack.CONTEXT and ((facts and facts.context_window) or 0) <= (window or 0):
                return False
        return True

    def _let_through(self, candidate: Candidate, *, trial: bool, last: bool = False) -> Candidate:
        self.count += 1
        self._again = None
        self._trial = self.book.begin_trial(candidate.scope) if trial else None
        self._last = last
        return candidate
