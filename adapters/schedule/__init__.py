"""APScheduler says when; our own tables say whether.

Jobs are coroutines that look at the database and do what is due, so that a missed or doubled
run changes nothing. What has a cron line starts at its minute, by APScheduler. What runs every few
seconds goes by the monotonic clock: a wall clock set back an hour must not stop it for an hour.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import tzinfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from adapters.schedule.cron import trigger
from bot.errors import ChangeoverError

Job = Callable[[], Awaitable[None]]
_log = logging.getLogger("changeover.schedule")

CLOCK_EVERY_S = 5.0
JUMP_S = 5.0
"""A wall clock that is so far from where the monotonic clock expects it was set."""


class Schedule:
    """Runs jobs inside the running event loop until stopped; `wall_s` is the wall clock."""

    def __init__(
        self,
        zone: tzinfo,
        *,
        wall_s: Callable[[], float] = time.time,
        clock_every_s: float = CLOCK_EVERY_S,
    ) -> None:
        self._zone = zone
        self._wall_s = wall_s
        self._clock_every_s = clock_every_s
        self._intervals: list[tuple[float, float, Job]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._scheduler = AsyncIOScheduler(
            timezone=zone,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def every(
        self, seconds: float, name: str, job: Job, *, first_after_s: float | None = None
    ) -> None:
        """Run a job every so many seconds, the first time after as many or after others."""
        first_s = seconds if first_after_s is None else first_after_s
        self._intervals.append((seconds, first_s, _guarded(name, job)))

    def cron(self, variable: str, expression: str, name: str, job: Job) -> None:
        """Run a job by a crontab line in the team's zone. Raises SettingsError."""
        guarded = _guarded(name, job)

        async def run() -> None:
            # Stopped in mid-job, which can be run again at any time; APScheduler would log it.
            with suppress(asyncio.CancelledError):
                await guarded()

        self._scheduler.add_job(run, trigger(variable, expression, self._zone), id=name)

    def start(self) -> None:
        """Begin; call it inside the running loop."""
        self._scheduler.start()
        self._tasks = [asyncio.create_task(_repeat(*interval)) for interval in self._intervals]
        self._tasks.append(asyncio.create_task(self._watch_clock()))

    def stop(self) -> None:
        """Stop starting jobs, and end those under way: each can be run again at any time."""
        for task in self._tasks:
            task.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _watch_clock(self) -> None:
        """Have APScheduler look again when somebody sets the wall clock."""
        ahead = self._wall_s() - time.monotonic()
        while True:
            await asyncio.sleep(self._clock_every_s)
            now = self._wall_s() - time.monotonic()
            jump = now - ahead
            if abs(jump) >= JUMP_S:
                _log.warning("The system clock moved by %+.0f s; the schedules follow it.", jump)
                self._scheduler.wakeup()
            ahead = now


async def _repeat(seconds: float, first_s: float, job: Job) -> None:
    """Run a job again and again; one that takes longer than its interval skips what it missed."""
    loop = asyncio.get_running_loop()
    due = loop.time() + first_s
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        await job()
        late = loop.time() - due
        due += seconds * (1 + max(0, int(late // seconds)))


def _guarded(name: str, job: Job) -> Job:
    """Keep a job's failure from ending the schedule; say it once until it works again."""
    failing = False

    async def run() -> None:
        nonlocal failing
        try:
            await job()
        except ChangeoverError as error:
            if not failing:
                _log.warning("%s: %s %s", name, error.message, error.hint)
            failing = True
        except Exception:  # noqa: BLE001 - the next run must come all the same
            _log.exception("%s failed unexpectedly", name)
        else:
            if failing:
                _log.info("%s works again", name)
            failing = False

    return run
