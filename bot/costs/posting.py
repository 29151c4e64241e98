"""Which scheduled digest is to be posted, and by which words it is found again."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo

from bot.costs.period import Span


def is_worth_posting(
    period: Span, first_at: datetime | None, due_at: datetime, started_at: datetime
) -> bool:
    """Return whether the digest of a period that was due at `due_at` has anything to report.

    Catching up says nothing of a time in which nothing was counted yet; a digest whose hour
    struck while the service ran comes all the same.
    """
    return due_at >= started_at or (first_at is not None and first_at < period.end)


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
