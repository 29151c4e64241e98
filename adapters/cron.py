"""When a crontab line last struck: what APScheduler, which only looks forward, does not tell."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from apscheduler.triggers.cron import CronTrigger

from bot.errors import SettingsError

# The shortest first, so that a line that strikes every minute is not walked for a year.
_LOOK_BACK = tuple(timedelta(days=days) for days in (1 / 24, 1, 8, 32, 367))


def last_fire(variable: str, expression: str, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the last time at or before now, within a year; None when there was none.

    Raises:
        SettingsError: the line is no crontab line.
    """
    try:
        trigger = CronTrigger.from_crontab(expression, timezone=zone)
    except ValueError as error:
        raise SettingsError(
            f"{variable} has {expression!r}, which is no cron line: {error}.",
            "Five fields: minute hour day month weekday, like 0 9 * * mon; or off.",
        ) from error
    for span in _LOOK_BACK:
        found: datetime | None = None
        following = trigger.get_next_fire_time(None, now - span)
        while following is not None and following <= now:
            found = following
            following = trigger.get_next_fire_time(found, found)
        if found is not None:
            return found.astimezone(now.tzinfo)
    return None
