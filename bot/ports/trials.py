"""Trials: a share of conversations goes to another model for a while, and both are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.access import Actor


class TrialEnd(StrEnum):
    """Why a trial is over."""

    PROMOTED = "promoted"
    STOPPED = "stopped"
    ERRORS = "errors"
    SLOW = "slow"
    COOLING = "cooling"
    TIME = "time"
    PRIMARY_CHANGED = "primary_changed"
    CANDIDATE_GONE = "candidate_gone"


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of `candidate` on `share` percent of the conversations of `primary`.

    Both are `provider/model`. `end` is None while it runs. `told` is False until the channel's
    card says how it ended.
    """

    document: str
    primary: str
    candidate: str
    share: int
    started_at: datetime
    ends_at: datetime
    actor_name: str
    reason: str = ""
    id: int = 0
    ended_at: datetime | None = None
    end: TrialEnd | None = None
    ended_by: str = ""
    detail: str = ""
    told: bool = True

    @property
    def runs(self) -> bool:
        """True until it was ended."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class TrialStep:
    """A line of a trial's history: `action` is `start`, `share` or why it ended."""

    trial_id: int
    at: datetime
    action: str
    share: int
    actor_key: str
    actor_name: str
    surface: str
    candidate: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """What one arm's requests add up to.

    `asked` are those whose arm's own model gave an answer or failed, `errors` those where it
    failed; `fallbacks` were answered by another model. `costed` are the own answers with a price,
    `cost_squares` the sum of their squared costs. `times` counts the own answers by the time to
    the first token in ms, of three digits; of an answer that was not streamed, to its end.
    """

    requests: int = 0
    asked: int = 0
    errors: int = 0
    fallbacks: int = 0
    costed: int = 0
    cost_nano_usd: int = 0
    cost_squares: float = 0.0
    times: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: ArmFigures) -> ArmFigures:
        return ArmFigures(
            self.requests + other.requests,
            self.asked + other.asked,
            self.errors + other.errors,
            self.fallbacks + other.fallbacks,
            self.costed + other.costed,
            self.cost_nano_usd + other.cost_nano_usd,
            self.cost_squares + other.cost_squares,
            Counter(self.times) + Counter(other.times),
        )


@dataclass(frozen=True, slots=True)
class TrialSlot:
    """Both arms in the `number`th stretch of a trial's time, from 0."""

    number: int
    candidate: ArmFigures = ArmFigures()
    primary: ArmFigures = ArmFigures()


@dataclass(frozen=True, slots=True)
class ClumpSums:
    """Sums over conversations of how many requests were counted and how many of them were bad.

    `squares` and `bad_squares` add up the squares of both, `products` their products.
    """

    counted: int = 0
    bad: int = 0
    squares: int = 0
    bad_squares: int = 0
    products: int = 0


@dataclass(frozen=True, slots=True)
class Affected:
    """A caller whose requests went to the candidate; an empty name is a caller without a label."""

    caller: str
    requests: int
    errors: int


class Trials(Protocol):
    """Trials and what the ledger has of them. Every method raises StorageError."""

    async def running(self, document: str) -> Trial | None:
        """Return the trial under way."""
        ...

    async def start(self, trial: Trial, actor: Actor) -> Trial | None:
        """Begin a trial and return it with its id; None when another is under way."""
        ...

    async def set_share(self, trial: Trial, share: int, actor: Actor, at: datetime) -> bool:
        """Change the share; False when the trial is over."""
        ...

    async def finish(
        self, trial: Trial, end: TrialEnd, actor: Actor, at: datetime, detail: str = ""
    ) -> bool:
        """End a trial; False when somebody was first."""
        ...

    async def untold(self, document: str) -> Sequence[Trial]:
        """Return the trials that are over and whose card does not say so yet."""
        ...

    async def set_told(self, trial: Trial) -> None:
        """Note that the card says how the trial ended."""
        ...

    async def latest(self, document: str) -> Trial | None:
        """Return the trial that began last."""
        ...

    async def steps(self, document: str, limit: int) -> Sequence[TrialStep]:
        """Return the history of trials, newest first."""
        ...

    async def slots(self, trial: Trial, slot_s: int) -> Sequence[TrialSlot]:
        """Add up both arms by stretches of `slot_s` seconds from the trial's start, in order."""
        ...

    async def clumps(
        self, trial: Trial, limit_ms: float
    ) -> tuple[tuple[ClumpSums, ClumpSums], tuple[ClumpSums, ClumpSums]]:
        """Add up conversations: the candidate's and the primary's, each errors and slowness.

        Slow is an answer whose first token took longer than `limit_ms`.
        """
        ...

    async def affected(self, trial: Trial) -> Sequence[Affected]:
        """Return whose requests went to the candidate, the most first."""
        ...
