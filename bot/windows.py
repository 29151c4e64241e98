"""Recurring windows: hours of the week by the clock of a zone, or those of a provider's low price.

A window is a stretch between two instants. A time of day that clocks skip counts as the moment
they are put forward; one that comes twice counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import pairwise

from bot.durations import shorten
from bot.errors import UsageError
from bot.spans import Command, text

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFF_PEAK = "off-peak"
AROUND = timedelta(days=14)
"""No run of off-peak days, holidays and weekends together, is as long."""

_NAMED = {
    "weekdays": frozenset(range(5)),
    "weekends": frozenset((5, 6)),
    "daily": frozenset(range(7)),
}
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SAME = {"weekday": "weekdays", "weekend": "weekends", "everyday": "daily"}
_HOURS = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_CLOCK = re.compile(r"\d+:\d*")
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_QUARTER = timedelta(minutes=15)
_WHOLE_DAY_MIN = 24 * 60
_HINT = text(
    "For example: ",
    Command("model plan cheap weekdays 22:00-07:00"),
    " or ",
    Command("model plan cheap off-peak"),
)

PriceAt = Callable[[datetime], Decimal | None]
"""What a model costs at a time, as one figure; None where that is unknown."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """From `start` to before `end`, both aware UTC."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        """Return whether a time lies within."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours by the clock: `days` (Monday is 0) on which they begin, minutes since midnight."""

    days: frozenset[int]
    start_min: int
    end_min: int

    def __str__(self) -> str:
        named = next((name for name, days in _NAMED.items() if days == self.days), "")
        days = named or ",".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {_clock(self.start_min)}-{_clock(self.end_min)}"


def parse_when(words: str) -> Hours | None:
    """Read `weekdays 22:00-07:00`, `sat,sun`, `22:00-07:00`; None means `off-peak`.

    Raises:
        UsageError: it names no window, an empty one, or the whole week.
    """
    lowered = re.sub(r"\s*[-–]\s*", "-", words.strip().lower())
    lowered = re.sub(r"\s*,\s*", ",", lowered.replace("every day", "daily"))
    if lowered in (OFF_PEAK, "offpeak", "off peak"):
        return None
    parts = lowered.split()
    hours = parts.pop() if parts and ":" in parts[-1] else ""
    if len(parts) > 1 or not (parts or hours):
        raise UsageError(f"{shorten(words)!r} is not a recurring time.", _HINT)
    days = _days(parts[0]) if parts else _NAMED["daily"]
    start_min, end_min = _hours(hours) if hours else (0, _WHOLE_DAY_MIN)
    if start_min == end_min % _WHOLE_DAY_MIN and hours and end_min != _WHOLE_DAY_MIN:
        raise UsageError(
            f"{hours} starts and ends at the same time.",
            text("For a whole day: ", Command("model plan cheap weekends 00:00-24:00")),
        )
    if len(days) == 7 and end_min - start_min == _WHOLE_DAY_MIN:
        raise UsageError(
            f"{shorten(words)!r} is always. Nothing would ever switch back.",
            text("Switch for good: ", Command("model use MODEL", form=True)),
        )
    return Hours(days, start_min, end_min)


def clock_windows(hours: Hours, zone: tzinfo, start: datetime, end: datetime) -> list[Window]:
    """Return the windows that lie in part between two times, in order; adjacent ones as one."""
    first = start.astimezone(zone).date() - 8 * _DAY
    last = end.astimezone(zone).date() + 8 * _DAY
    found = []
    for offset in range((last - first).days + 1):
        day = first + offset * _DAY
        if day.weekday() in hours.days:
            over = hours.end_min <= hours.start_min
            until = day + _DAY if over else day
            found.append(
                Window(
                    instant(day, hours.start_min, zone),
                    instant(until, hours.end_min, zone),
                )
            )
    return _between(found, start, end)


def low_windows(price_at: PriceAt, start: datetime, end: datetime) -> list[Window]:
    """Return when a price is at its lowest between two times, in order; none if it never changes.

    A band of prices is taken to last an hour at least, and to change on a quarter of an hour.
    """
    begin = start.replace(minute=0, second=0, microsecond=0)
    steps = [begin + n * _HOUR for n in range(int((end - begin) / _HOUR) + 2)]
    prices = [price_at(step) for step in steps]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices) or len(set(known)) < 2:
        return []
    low = min(known)
    edges: list[datetime] = []
    for (before, was), (after, now) in pairwise(zip(steps, prices, strict=True)):
        if (was == low) != (now == low):
            quarters = (before + n * _QUARTER for n in range(1, 5))
            edges.append(next((q for q in quarters if (price_at(q) == low) == (now == low)), after))
    if prices[0] == low:
        edges.insert(0, steps[0])
    if len(edges) % 2:
        edges.append(steps[-1])
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return _between([Window(*pair) for pair in pairs], start, end)


def current(windows: Iterable[Window], at: datetime) -> Window | None:
    """Return the window that a time lies in."""
    return next((one for one in windows if one.holds(at)), None)


def following(windows: Iterable[Window], at: datetime) -> Window | None:
    """Return the first window that begins after a time."""
    return next((one for one in windows if one.start > at), None)


def first_overlap(one: Sequence[Window], other: Sequence[Window]) -> Window | None:
    """Return the first stretch that lies in windows of both; each in order."""
    mine, theirs = iter(one), iter(other)
    left, right = next(mine, None), next(theirs, None)
    while left is not None and right is not None:
        start, end = max(left.start, right.start), min(left.end, right.end)
        if start < end:
            return Window(start, end)
        if left.end <= right.end:
            left = next(mine, None)
        else:
            right = next(theirs, None)
    return None


def instant(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return when a clock of the zone first shows a time, given in minutes since midnight."""
    day, minute = day + minute // _WHOLE_DAY_MIN * _DAY, minute % _WHOLE_DAY_MIN
    local = datetime.combine(day, time(minute // 60, minute % 60), zone)
    found = local.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return found
    # Skipped: between the readings by the offset after and before lies the change.
    early, late = local.replace(fold=1).astimezone(UTC), found
    before = early.astimezone(zone).utcoffset()
    while late - early > _MINUTE:
        middle = early + ((late - early) / 2) // _MINUTE * _MINUTE
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def _between(found: Iterable[Window], start: datetime, end: datetime) -> list[Window]:
    merged: list[Window] = []
    for one in found:
        if one.start >= one.end:
            continue
        if merged and one.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(one.end, merged[-1].end))
        else:
            merged.append(one)
    return [one for one in merged if one.end > start and one.start < end]


def _days(words: str) -> frozenset[int]:
    words = _SAME.get(words, words)
    if words in _NAMED:
        return _NAMED[words]
    found: set[int] = set()
    for part in words.split(","):
        first, _, last = part.partition("-")
        start, end = _day(first), _day(last or first)
        found.update(day % 7 for day in range(start, end + (7 if end < start else 0) + 1))
    return frozenset(found)


def _day(word: str) -> int:
    for names in (DAYS, _LONG):
        if word in names:
            return names.index(word)
    raise UsageError(
        f"{shorten(word)!r} is not a day.",
        "Use weekdays, weekends, daily, mon-fri or mon,wed,fri.",
    )


def _hours(words: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(words)
    if found is None:
        if _CLOCK.match(words) and "-" in words:
            wrong = next((w for w in words.split("-") if not re.fullmatch(r"\d?\d:\d\d", w)), words)
            raise UsageError(f"{shorten(wrong)!r} is not a time of day.", _HINT)
        raise UsageError(f"{shorten(words)!r} has no start and end, such as 22:00-07:00.", _HINT)
    numbers = [int(part) for part in found.groups()]
    for hour, minute, most in ((*numbers[:2], 23), (*numbers[2:], 24)):
        if hour > most or minute > 59 or (hour == 24 and minute):
            raise UsageError(f"'{hour:02}:{minute:02}' is not a time of day.", _HINT)
    return numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
