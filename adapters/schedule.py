"""APScheduler says when; our own tables say whether.

Jobs are coroutines that look at the database and do what is due, so that a missed or doubled
tick changes nothing. APScheduler drops a job that is a second late by default, hence the grace.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import tzinfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.errors import ChangeoverError, SettingsError

Job = Callable[[], Awaitable[None]]
_log = logging.getLogger("changeover.schedule")


class Schedule:
    """Runs jobs inside the running event loop until stopped."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._scheduler = AsyncIOScheduler(
            timezone=zone,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(self, seconds: float, name: str, job: Job) -> None:
        """Run a job every so many seconds."""
        self._scheduler.add_job(_guarded(name, job), IntervalTrigger(seconds=seconds), id=name)

    def cron(self, variable: str, expression: str, name: str, job: Job) -> None:
        """Run a job by a crontab line in the team's zone.

        Raises:
            SettingsError: the line is no crontab line.
        """
        try:
            trigger = CronTrigger.from_crontab(expression, timezone=self._zone)
        except ValueError as error:
            raise SettingsError(
                f"{variable} has {expression!r}, which is no cron line: {error}.",
                "Five fields: minute hour day month weekday, like 0 9 * * mon; or off.",
            ) from error
        self._scheduler.add_job(_guarded(name, job), trigger, id=name)

    def start(self) -> None:
        """Begin; call it inside the running loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop starting jobs."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _guarded(name: str, job: Job) -> Job:
    """Keep a job's failure from ending the schedule; say it once until it works again."""
    failing = False

    async def run() -> None:
        nonlocal failing
        try:
            await job()
        except asyncio.CancelledError:
            # Stopped in mid-job, which can be run again at any time; APScheduler would log it.
            return
        except ChangeoverError as error:
            if not failing:
                _log.warning("%s: %s %s", name, error.message, error.hint)
            failing = True
        except Exception:  # noqa: BLE001 - the next tick must come all the same
            _log.exception("%s failed unexpectedly", name)
        else:
            if failing:
                _log.info("%s works again", name)
            failing = False

    return run
