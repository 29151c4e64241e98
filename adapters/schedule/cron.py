"""Crontab lines as crontab reads them, on APScheduler's triggers: when next, and when last.

Weekdays are 0 to 7 with Sunday at both ends, as in crontab(5); APScheduler counts from Monday.
Where both the day of the month and the weekday are limited, either is enough.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from bot.errors import SettingsError
from bot.messages.errors import cron_never, cron_wrong

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(\*|[a-z]{3}|\d)(?:-([a-z]{3}|\d))?(?:/([1-9]\d?))?", re.IGNORECASE)
# The shortest first, so that a line that fires every minute is not walked for a year.
_LOOK_BACK = tuple(timedelta(days=days) for days in (1 / 24, 1, 8, 32, 367))


def trigger(variable: str, expression: str, zone: tzinfo) -> BaseTrigger:
    """Return the trigger of a crontab line.

    Raises:
        SettingsError: it is not one, or it never fires.
    """
    try:
        minute, hour, day, month, weekday = expression.lower().split()
        fields = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
        days = _weekdays(weekday)
        if day.startswith("*") or weekday.startswith("*"):
            found: BaseTrigger = CronTrigger(day=day, day_of_week=days, **fields)
        else:
            either = ({"day": day}, {"day_of_week": days})
            found = OrTrigger([CronTrigger(**one, **fields) for one in either])
    except ValueError as error:
        raise SettingsError(*cron_wrong(variable, expression, str(error))) from error
    # Far enough from any date for a 29 February, on every weekday, to come.
    if found.get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=zone)) is None:
        raise SettingsError(*cron_never(variable, expression))
    return found


def next_fire(variable: str, expression: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the next time after now. Raises SettingsError."""
    following = trigger(variable, expression, zone).get_next_fire_time(None, now)
    return following.astimezone(now.tzinfo) if following else None


def last_fire(variable: str, expression: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the last time at or before now, within a year. Raises SettingsError."""
    fires = trigger(variable, expression, zone)
    for span in _LOOK_BACK:
        found: datetime | None = None
        following = fires.get_next_fire_time(None, now - span)
        while following is not None and following <= now:
            found = following
            following = fires.get_next_fire_time(found, found + timedelta(microseconds=1))
        if found is not None:
            return found.astimezone(now.tzinfo)
    return None


def _weekdays(field: str) -> str:
    """Write crontab's weekdays as names, each by itself: a range may go over Sunday."""
    if field == "*":
        return "*"
    found: set[int] = set()
    for words in field.split(","):
        part = _PART.fullmatch(words)
        if part is None:
            raise ValueError(f"{words!r} is not a weekday")
        step = int(part[3] or 1)
        if part[1] == "*":
            first, last = 0, 6
        else:
            first = _weekday(part[1])
            last = _weekday(part[2]) if part[2] else 6 if part[3] else first
        if last < first:
            last += 7
        found.update(day % 7 for day in range(first, last + 1, step))
    return ",".join(_DAYS[day] for day in sorted(found))


def _weekday(word: str) -> int:
    if word in _DAYS:
        return _DAYS.index(word)
    if not word.isdigit() or int(word) > 7:
        raise ValueError(f"{word!r} is not a weekday")
    return int(word)
