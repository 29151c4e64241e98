"""What an outage is about, and how long it lasted: one measure for alert, digest, home and JSON.

A model is down from its first failure until it answers again. Gaps in between, in which it
answered or Changeover itself was off, do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

MOST_GAPS = 50


class Severity(StrEnum):
    """How bad an outage is, in the words that pagers share, the worst first."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"


class AlertReason(StrEnum):
    """What an incident is about: a failure reason, or one of two that have no attempt."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    AUTH = "auth"
    NETWORK = "network"
    BILLING = "billing"
    MODEL_NOT_FOUND = "model_not_found"
    BAD_RESPONSE = "bad_response"
    CHAIN_EXHAUSTED = "chain_exhausted"
    CONFIG_INVALID = "config_invalid"

    @property
    def loud(self) -> bool:
        """True for what is posted at once and mentions people: it does not recover by itself."""
        return self in _LOUD

    @property
    def of_provider(self) -> bool:
        """True for what concerns a provider's key or account, whichever model was asked for."""
        return self in _OF_PROVIDER

    @property
    def severity(self) -> Severity:
        """Critical where no model is left to answer, an error where a person has to act."""
        if self is AlertReason.CHAIN_EXHAUSTED:
            return Severity.CRITICAL
        return Severity.ERROR if self.loud else Severity.WARNING


_OF_PROVIDER = frozenset({AlertReason.AUTH, AlertReason.BILLING})
_LOUD = _OF_PROVIDER | {AlertReason.CHAIN_EXHAUSTED, AlertReason.CONFIG_INVALID}


class Gap(NamedTuple):
    """A stretch of an outage that does not count as down."""

    start: datetime
    length: timedelta


class Outage(Protocol):
    """What the measure reads; `up_since` is None while it lasts."""

    @property
    def opened_at(self) -> datetime:
        """When it failed first."""
        ...

    @property
    def up_since(self) -> datetime | None:
        """When it began to answer again."""
        ...

    @property
    def resolved_at(self) -> datetime | None:
        """When it was declared over."""
        ...

    @property
    def gaps(self) -> Sequence[Gap]:
        """What does not count, in order and without overlap."""
        ...


def down_time(
    outages: Iterable[Outage],
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
) -> timedelta:
    """Return for how long at least one of the outages lasted, within [start, end) if given."""
    total, counted_to = timedelta(), start
    for begins, ends in sorted(one for outage in outages for one in _stretches(outage, now)):
        first = begins if counted_to is None else max(begins, counted_to)
        last = ends if end is None else min(ends, end)
        if last > first:
            total += last - first
            counted_to = last
    return total


def with_gap(gaps: Sequence[Gap], start: datetime, end: datetime) -> tuple[Gap, ...]:
    """Add a gap that lies behind the others; of too many the closest neighbours become one."""
    if gaps:
        start = max(start, gaps[-1].start + gaps[-1].length)
    if end <= start:
        return tuple(gaps)
    kept = [*gaps, Gap(start, end - start)]
    if len(kept) > MOST_GAPS:
        pairs = range(len(kept) - 1)
        at = min(pairs, key=lambda i: kept[i + 1].start - kept[i].start - kept[i].length)
        both = kept[at].length + kept[at + 1].length
        # Moved together, towards the later one: the sum stays exact and nothing overlaps.
        later = kept[at + 1].start + kept[at + 1].length
        kept[at : at + 2] = [Gap(later - both, both)]
    return tuple(kept)


def _stretches(outage: Outage, now: datetime) -> Iterable[tuple[datetime, datetime]]:
    at = outage.opened_at
    over = outage.up_since or outage.resolved_at or now
    for gap in outage.gaps:
        yield at, min(gap.start, over)
        at = gap.start + gap.length
    yield at, over
