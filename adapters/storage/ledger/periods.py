"""A stretch of time cut into what rollups can answer and what rows have to.

Rollups know whole UTC hours, and the quarters of them. Hours answer for the most of a period;
quarters for what begins or ends within an hour, as days do in zones that stand half an hour off;
rows only for what is left at its ends, and for zones of a century ago, which stood anywhere.
Times are `codec.micros_of` here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import gcd
from zoneinfo import ZoneInfo

from adapters.storage.codec import micros_of
from bot.errors import StorageError

HOUR = 3_600_000_000
QUARTER_HOUR = HOUR // 4
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Successive days of a zone: their dates in ISO form, and where each of them begins."""

    names: Sequence[str]
    starts: Sequence[int]
    end: int

    def name_at(self, at: int) -> str:
        """Return the date of the day that a time is in."""
        return self.names[max(0, bisect_right(self.starts, at) - 1)]

    def parts(self, most: int) -> list[Days]:
        """Return the same days, at most so many at once."""
        firsts = range(0, len(self.starts), most)
        ends = [*(self.starts[first] for first in firsts[1:]), self.end]
        return [
            Days(self.names[first : first + most], self.starts[first : first + most], end)
            for first, end in zip(firsts, ends, strict=False)
        ]


@dataclass(frozen=True, slots=True)
class Cut:
    """The rollups of the hours in [`first`, `last`) `without` some, those of the `quarters` of an
    hour, by their starts, and the rows in `ragged`.

    All of it together is the period, each moment once. No midnight is within a `slot`, which
    divides an hour.
    """

    first: int
    last: int
    without: Sequence[int]
    ragged: Sequence[tuple[int, int]]
    slot: int = HOUR
    quarters: Sequence[int] = ()


def cut(start: int, end: int, midnights: Sequence[int] = ()) -> Cut:
    """Cut [start, end), where rollups must not span any of the midnights."""
    first, last = -(-start // HOUR) * HOUR, end // HOUR * HOUR
    slot = gcd(HOUR, *midnights)
    without: list[int] = []
    if first < last:
        split = {midnight // HOUR * HOUR for midnight in midnights if midnight % HOUR}
        without = sorted(hour for hour in split if first <= hour < last)
        ragged = [(start, first), *((hour, hour + HOUR) for hour in without), (last, end)]
    else:
        ragged, last = [(start, end)], first
    if slot % QUARTER_HOUR:
        return Cut(first, last, without, _some(ragged), slot)
    quarters: list[int] = []
    rest: list[tuple[int, int]] = []
    for low, high in ragged:
        begin = min(-(-low // QUARTER_HOUR) * QUARTER_HOUR, high)
        until = max(high // QUARTER_HOUR * QUARTER_HOUR, begin)
        quarters += range(begin, until, QUARTER_HOUR)
        rest += [(low, begin), (until, high)]
    return Cut(first, last, without, _some(rest), slot, quarters)


def _some(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(low, high) for low, high in parts if low < high]


def days(start: datetime, end: datetime, zone: str) -> Days:
    """Name the days of a zone that [start, end) touches; the first one begins at its start.

    Raises:
        StorageError: there is no such zone.
    """
    where = _zone(zone)
    day = start.astimezone(where).date()
    names: list[str] = []
    starts: list[int] = []
    at, last = micros_of(start), micros_of(end)
    while at < last:
        following = min(_midnight(day + _DAY, where), last)
        # A date that a zone left out, or a midnight it had twice, is no day of its own.
        if following > at:
            names.append(day.isoformat())
            starts.append(at)
            at = following
        day += _DAY
    return Days(names, starts, last)


def _midnight(day: date, where: tzinfo) -> int:
    return micros_of(datetime.combine(day, time(), where).astimezone(UTC))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise StorageError(
            f"Unknown time zone {name!r}.",
            "Set CHANGEOVER_TIMEZONE to a name such as Europe/Berlin.",
        ) from None
