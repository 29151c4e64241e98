"""What the gateway knows: cool-downs, fallback events, incidents, the mute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from bot.models import FailureReason
from bot.outage import Gap

SKEW = timedelta(minutes=1)
LONGEST_COOLDOWN = timedelta(days=7)
"""How far two machines' clocks may be apart."""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A key, or one model under a key, that is left alone until `until`.

    `scope` is `provider#digest-of-key` or `provider/model#digest-of-key`; `failures` counts in a
    row. With 0 failures it is the opposite: proof, at `until`, that the scope is in order.
    `named` is True when the provider itself said until when, and of a proof when it is a person's
    word alone.
    """

    scope: str
    reason: FailureReason
    until: datetime
    failures: int = 1
    since: datetime | None = None
    named: bool = False

    def holds(self, now: datetime) -> bool:
        """Return whether it is in force."""
        # One that begins in the future was noted by a clock that has been put back since.
        begun = self.since is None or self.since <= now + SKEW
        return self.failures > 0 and begun and now < self.until <= now + LONGEST_COOLDOWN + SKEW


@dataclass(frozen=True, slots=True)
class HopFailure:
    """A hop that did not answer a request.

    `reason` is None for one that cannot be asked at all, or cannot take the request; `detail` then
    says why. `asked` is False where it was only passed over, as one that is cooling down.
    """

    model: str
    reason: FailureReason | None
    asked: bool = True
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FallbackEvent:
    """A request that another than the chain's first hop answered, or none did (`to_model` None).

    `detail` is what the first failing provider said, with secrets removed and cut short. `asked`
    is False when the first hop was only passed over, as one that is cooling down. `hops` are all
    that did not answer, in the chain's order. `cut` marks an answer that `from_model` broke off
    after its first content; `alone` a request whose caller wanted no fallback; `unfit` one that
    `from_model` could not take, or was not asked for, though nothing is wrong with it; `exhausted`
    one of these that failed with all others. Until `held_until`, or until it is written anew, a
    probe may prove it wrong: nobody is told of it.
    """

    at: datetime
    request_id: str
    from_model: str
    to_model: str | None
    reason: FailureReason
    source: str = "gateway"
    detail: str = ""
    asked: bool = True
    hops: tuple[HopFailure, ...] = ()
    cut: bool = False
    alone: bool = False
    unfit: bool = False
    exhausted: bool = False
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as `/fallback status` lists it; how long it was down, `bot.outage` measures."""

    id: int
    state: str
    primary: str
    reason: str
    opened_at: datetime
    resolved_at: datetime | None
    requests: int
    served_by: str | None
    acknowledged_by: str | None = None
    up_since: datetime | None = None
    gaps: tuple[Gap, ...] = ()


MADE_KEPT = timedelta(days=30)
"""How long it is kept who made what."""


@dataclass(frozen=True, slots=True)
class MadeId:
    """The digest of an id that an answer can be referred to by, and the model that made it."""

    digest: str
    model: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredLimit:
    """The limit that a team has set for its fallbacks, as typed: `2x`, `free`, `private`."""

    words: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The model that a spent budget has switched to: until then no fallback may cost more."""

    model: str
    until: datetime


@dataclass(frozen=True, slots=True)
class StoredLimits:
    """What limits the fallbacks of a config."""

    limit: StoredLimit | None = None
    ceiling: Ceiling | None = None


class FallbackLog(Protocol):
    """Cool-downs, fallback events, who made what, incidents, limits, the mute.

    Raises StorageError.
    """

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        """Return those that end after an instant, proofs among them, the soonest first."""
        ...

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start, prolong or (by proof) end some, all of them or none.

        One that lasts longer already stays, and what began before a proof does not outlive it.
        """
        ...

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        ...

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append; a request that is there already, of that model and reason, counts once.

        One that is held back, and not taken yet, is written anew.
        """
        ...

    async def add_made(self, made: Sequence[MadeId]) -> None:
        """Keep who made what, the last one of each digest; what is too old goes."""
        ...

    async def makers(self, digests: Sequence[str], since: datetime) -> Mapping[str, str]:
        """Return the model by digest, of what was made since; earlier ones may be gone."""
        ...

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        ...

    async def staying(self, since: datetime) -> Mapping[str, int]:
        """Return how many conversations stay with each fallback, as gateways reported since."""
        ...

    async def report_staying(self, service: str, at: datetime, counts: Mapping[str, int]) -> None:
        """Keep how many stay with each fallback, by one gateway's count."""
        ...

    async def used(self, since: date) -> Mapping[str, frozenset[str]]:
        """Return the dialects that callers have used since, each with the options they sent."""
        ...

    async def report_used(self, service: str, used: Mapping[str, Mapping[str, date]]) -> None:
        """Keep which dialects and options were used last on which day, as one gateway saw it."""
        ...

    async def limits(self, config: str) -> StoredLimits:
        """Return what limits the fallbacks of the config at a location."""
        ...

    async def set_limit(self, config: str, limit: StoredLimit | None) -> None:
        """Set or (None) lift the limit of a config's fallbacks."""
        ...

    async def set_ceiling(self, config: str, ceiling: Ceiling | None) -> None:
        """Set or (None) lift what a spent budget allows a config's fallbacks."""
        ...

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        ...

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        ...
