"""Stretches of time that costs are added up over: days, weeks and months of the team's zone.

A day begins at local midnight, whatever the clocks do: it may have 23, 24 or 25 hours, and a zone
may be half an hour or a quarter off the hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from bot.ports import BudgetPeriod

ROLLING_WEEK = timedelta(days=7)
ROLLING_MONTH = timedelta(days=30)
_DAY = timedelta(days=1)
_CLOCKS_CHANGE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`, both aware UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time and how people say it; `words` is the command that shows it."""

    span: Span
    previous: Span
    when: str
    before: str
    words: str


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins in a zone; its first moment where midnight is skipped or doubled."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def zone_name(zone: tzinfo) -> str:
    """Return a zone's IANA name; a zone without one counts as UTC."""
    return str(getattr(zone, "key", None) or "UTC")


def today(now: datetime, zone: tzinfo) -> Span:
    """From local midnight until now."""
    return Span(midnight(now.astimezone(zone).date(), zone), now)


def last(length: timedelta, now: datetime) -> Span:
    """The last so many hours or days until now."""
    return Span(now - length, now)


def day_of(day: date, zone: tzinfo) -> Span:
    """One whole day of a zone."""
    return Span(midnight(day, zone), midnight(day + _DAY, zone))


def week_before(at: datetime, zone: tzinfo) -> Span:
    """The last whole calendar week (Monday to Sunday) that was over at a time."""
    monday = _monday(at.astimezone(zone).date())
    return Span(midnight(monday - 7 * _DAY, zone), midnight(monday, zone))


def earlier(span: Span, zone: tzinfo) -> Span:
    """The span to compare with: as many local days earlier as this one covers, rounded up.

    Today so far is compared with yesterday until the same time of day, a week with the week
    before, by the local clock.
    """
    if span.length < _DAY and not _begins_a_day(span, zone):
        return Span(span.start - span.length, span.start)
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    between = end.replace(tzinfo=None) - start.replace(tzinfo=None)
    # A change of the clocks inside the span is no day of its own.
    days = -(-(between - _CLOCKS_CHANGE) // _DAY) or 1
    return Span(_shifted(start, -days), _shifted(end, -days))


def days_of(span: Span, zone: tzinfo) -> list[date]:
    """The zone's days that a span touches, in order."""
    if span.end <= span.start:
        return []
    first = span.start.astimezone(zone).date()
    final = (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + n * _DAY for n in range((final - first).days + 1)]


def day_spans(span: Span, zone: tzinfo) -> list[tuple[date, Span]]:
    """A span cut at the zone's midnights."""
    parts = []
    for day in days_of(span, zone):
        whole = day_of(day, zone)
        part = Span(max(whole.start, span.start), min(whole.end, span.end))
        if part.start < part.end:
            parts.append((day, part))
    return parts


def whole_utc_days(span: Span) -> tuple[date, date]:
    """The whole UTC days inside a span, as [first, end); both the same when there is none."""
    start, end = span.start.astimezone(UTC), span.end.astimezone(UTC)
    first = start.date() if start.time() == time() else start.date() + _DAY
    return first, max(first, end.date())


def calendar(period: BudgetPeriod, now: datetime, zone: tzinfo) -> Span:
    """The whole calendar day, week or month that now lies in."""
    day = now.astimezone(zone).date()
    match period:
        case BudgetPeriod.DAY:
            return day_of(day, zone)
        case BudgetPeriod.WEEK:
            monday = _monday(day)
            return Span(midnight(monday, zone), midnight(monday + 7 * _DAY, zone))
        case BudgetPeriod.MONTH:
            first = day.replace(day=1)
            following = (first + 32 * _DAY).replace(day=1)
            return Span(midnight(first, zone), midnight(following, zone))


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _begins_a_day(span: Span, zone: tzinfo) -> bool:
    return span.start == midnight(span.start.astimezone(zone).date(), zone)


def _shifted(local: datetime, days: int) -> datetime:
    """Move a local time by whole days on the clock's face."""
    moved = local.replace(tzinfo=None) + timedelta(days=days)
    return moved.replace(tzinfo=local.tzinfo, fold=local.fold).astimezone(UTC)
