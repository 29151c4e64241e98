"""Durations as people type them: `30m`, `2h`, `1d`, `1h30m`, `90 min`, `until 18:00`."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, tzinfo

from bot.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_PART = re.compile(r"(\d{1,9})\s*([a-z]+)")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_HINT = "For example: 30m, 2h, 1d, 1h30m or until 18:00"
LONGEST = timedelta(days=366)


class Seldom:
    """Lets a thing through once in a span, and `most` different ones in it at most."""

    def __init__(self, span: timedelta, most: int) -> None:
        self._span_s = span.total_seconds()
        self._most = most
        self._let: dict[str, float] = {}

    def lets(self, key: str, now_s: float) -> bool:
        """Return whether it is time again for this one; what is asked of the clock is its pace."""
        self._let = {k: at for k, at in self._let.items() if 0 <= now_s - at < self._span_s}
        if key in self._let or len(self._let) >= self._most:
            return False
        self._let[key] = now_s
        return True


def parse_duration(words: str) -> timedelta:
    """Read a duration between one second and 366 days.

    Raises:
        UsageError: it is not one.
    """
    compact = words.strip().lower()
    if not compact:
        raise UsageError("No duration given.", _HINT)
    seconds, end = 0, 0
    for part in _PART.finditer(compact):
        unit = _WORDS.get(part[2], part[2])
        if compact[end : part.start()].strip() or unit not in _UNITS_S:
            break
        seconds += int(part[1]) * _UNITS_S[unit]
        end = part.end()
    if not seconds or compact[end:].strip():
        raise UsageError(f"{shorten(words)!r} is not a duration.", _HINT)
    if seconds > LONGEST.total_seconds():
        raise UsageError(f"{shorten(words)!r} is longer than 366 days.", _HINT)
    return timedelta(seconds=seconds)


def parse_deadline(words: str, now: datetime, zone: tzinfo) -> datetime:
    """Read a duration from `now`, or `until 18:00` (the next such time in `zone`), as UTC.

    Raises:
        UsageError: it is neither.
    """
    lowered = words.strip().lower()
    if not lowered.startswith("until"):
        return now + parse_duration(words)
    clock = _CLOCK.fullmatch(lowered.removeprefix("until").strip())
    if clock is None:
        raise UsageError(f"{shorten(words)!r} is not a time of day.", _HINT)
    return _next_at(time(int(clock[1]), int(clock[2])), now, zone)


def _next_at(at: time, now: datetime, zone: tzinfo) -> datetime:
    today = now.astimezone(zone).date()
    for day in (today, today + timedelta(days=1), today + timedelta(days=2)):
        for fold in (0, 1):
            local = datetime.combine(day, at.replace(fold=fold), tzinfo=zone)
            candidate = local.astimezone(now.tzinfo)
            # Of an hour that comes twice both are meant, of one that is skipped only the first way
            # to read it.
            real = fold == 0 or candidate.astimezone(zone).time() == at
            if candidate > now and real:
                return candidate
    raise AssertionError("a time of day comes round within two days")


def say_duration(span: timedelta) -> str:
    """Write a duration in at most two units: `45 s`, `22 min`, `25 h 13 min`, `2 d 3 h`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def shorten(words: str, most: int = 60) -> str:
    """Cut rubbish short before it is quoted back."""
    clean = "".join(c if c.isprintable() else "�" for c in words)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def in_force(muted_until: datetime | None, now: datetime) -> datetime | None:
    """Return when a mute ends that holds now.

    One that lasts longer than a mute can was set by a clock that has been put back since.
    """
    if muted_until is None or not now < muted_until <= now + LONGEST:
        return None
    return muted_until
