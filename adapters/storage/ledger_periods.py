"""A stretch of time cut into what rollups can answer and what rows have to.

Rollups know whole UTC hours. A period that begins or ends within an hour, or a day of a zone
that is not on a whole hour, has ragged ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from bot.errors import StorageError

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The time in [start, end), aware UTC; what falls into it is counted under `key`."""

    key: str
    start: datetime
    end: datetime


def days(start: datetime, end: datetime, zone: str) -> list[Span]:
    """Cut [start, end) at the midnights of a zone; each span's key is its date in ISO form.

    Raises:
        StorageError: there is no such zone.
    """
    where = _zone(zone)
    at, end = start.astimezone(UTC), end.astimezone(UTC)
    day = start.astimezone(where).date()
    spans = []
    while at < end:
        cut = min(_midnight(day + _DAY, where), end)
        # A day that a zone left out, or a midnight it had twice, makes no span of its own.
        if cut > at:
            spans.append(Span(day.isoformat(), at, cut))
            at = cut
        day += _DAY
    return spans


def split(spans: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """Return the whole hours of the spans, and what is left of them at their ends."""
    whole: list[Span] = []
    ragged: list[Span] = []
    for span in spans:
        first, last = _hour_from(span.start), hour_of(span.end)
        if first >= last:
            ragged.append(span)
            continue
        whole.append(Span(span.key, first, last))
        ragged += [Span(span.key, span.start, first), Span(span.key, last, span.end)]
    return whole, [span for span in ragged if span.start < span.end]


def hour_of(at: datetime) -> datetime:
    """Return the start of the UTC hour that a time is in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour_from(at: datetime) -> datetime:
    """Return the first start of an hour that is not before a time."""
    hour = hour_of(at)
    return hour if hour == at else hour + _HOUR


def _midnight(day: date, where: tzinfo) -> datetime:
    return datetime.combine(day, time(), where).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise StorageError(
            f"There is no time zone {name!r}.",
            "Set CHANGEOVER_TIMEZONE to a name such as Europe/Berlin.",
        ) from None
