"""Exactly one digest a channel and period, whatever happens around the moment of posting.

A row is claimed before the message is sent and gets the message's id after. A claim without a
message is either somebody at work or somebody who died; after a while the channel itself is asked
which.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from enum import Enum

from bot.costs.period import Span
from bot.ports import DigestRow

WEEKLY = "weekly"
LEASE = timedelta(minutes=3)
"""How long a claim is believed to be at work; posting takes seconds."""

PATIENCE = timedelta(hours=1)
"""How long a channel that will not show its history is asked again before the digest comes anew."""


class Posting(Enum):
    """What is to be done about a digest that is due."""

    CLAIM = "claim"
    SETTLE = "settle"
    WAIT = "wait"
    DONE = "done"
    NOTHING_COUNTED = "nothing_counted"


def decide_posting(
    row: DigestRow | None,
    period: Span,
    first_at: datetime | None,
    due_at: datetime,
    started_at: datetime,
    now: datetime,
) -> Posting:
    """Decide what to do about the digest of a period that was due at `due_at`.

    Catching up says nothing of a time in which nothing was counted yet; a digest whose hour
    struck while the service ran comes all the same.
    """
    if row is not None:
        if row.message is not None:
            return Posting.DONE
        # A claim of the future was made by a clock that has been put right since.
        at_work = timedelta() <= now - row.claimed_at < LEASE
        return Posting.WAIT if at_work else Posting.SETTLE
    counted = first_at is not None and first_at < period.end
    if not counted and due_at < started_at:
        return Posting.NOTHING_COUNTED
    return Posting.CLAIM


def period_name(period: Span, zone: tzinfo) -> str:
    """Name a period by its first and last day."""
    first, final = first_and_last(period, zone)
    return f"{first.isoformat()} to {final.isoformat()}"


def digest_mark(period: Span, zone: tzinfo) -> str:
    """Return the words by which a scheduled digest is found again in its channel."""
    return f"week {period_name(period, zone)}"


def first_and_last(period: Span, zone: tzinfo) -> tuple[date, date]:
    """Return a period's first and last local day."""
    final = period.end - timedelta(microseconds=1)
    return period.start.astimezone(zone).date(), final.astimezone(zone).date()
