"""What the gateway knows: cool-downs, fallback events, incidents, the mute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.models import FailureReason
from bot.outage import Gap


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A provider's key, or one model, that is left alone until `until`.

    `scope` is `provider#digest-of-key` or `provider/model`; `failures` counts in a row.
    """

    scope: str
    reason: FailureReason
    until: datetime
    failures: int = 1


@dataclass(frozen=True, slots=True)
class HopFailure:
    """A hop that did not answer a request.

    `reason` is None for one that cannot be asked at all; `detail` then says why. `asked` is False
    where it was only passed over, as one that is cooling down.
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
    after its first content; `alone` a request whose caller wanted no fallback.
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


class FallbackLog(Protocol):
    """Cool-downs, fallback events, incidents and the mute. Raises StorageError."""

    async def cooldowns(self, now: datetime) -> Sequence[Cooldown]:
        """Return those still in force."""
        ...

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start or prolong some, all of them or none; one that lasts longer already stays."""
        ...

    async def clear_cooldown(self, *scopes: str) -> None:
        """End some."""
        ...

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        ...

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append; a request that is there already, of that model and reason, counts once."""
        ...

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        ...

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        ...

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        ...
