"""Jobs go by the monotonic clock; a wall clock that is set makes APScheduler look again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC

from adapters.schedule import Schedule
from bot.errors import StorageError


class Wall:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.off_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.off_s


async def reached(count: Callable[[], int], at_least: int) -> None:
    for _ in range(4000):
        if count() >= at_least:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{count()} and not {at_least}")


@contextmanager
def running(schedule: Schedule):
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()


async def test_a_wall_clock_set_back_stops_nothing_and_is_said(caplog):
    wall, runs = Wall(), []
    schedule = Schedule(UTC, wall_s=wall, clock_every_s=0.01)

    async def job():
        runs.append(1)

    schedule.every(0.01, "work", job)
    with running(schedule), caplog.at_level(logging.WARNING):
        await reached(lambda: len(runs), at_least=2)
        wall.off_s = -3600
        before = len(runs)
        await reached(lambda: len(runs), at_least=before + 3)
        await reached(lambda: len(caplog.records), at_least=1)
    assert "moved by -3600 s" in caplog.text


async def test_a_job_that_fails_is_said_once_and_goes_on(caplog):
    runs = []

    async def job():
        runs.append(1)
        if len(runs) < 4:
            raise StorageError("The database is away.", "Start it.")

    schedule = Schedule(UTC)
    schedule.every(0.01, "work", job, first_after_s=0.0)
    with caplog.at_level(logging.INFO), running(schedule):
        await reached(lambda: len(runs), at_least=6)
    said = [record.message for record in caplog.records if record.name == "changeover.schedule"]
    assert said == ["work: The database is away. Start it.", "work works again"]


async def test_what_was_missed_is_not_made_up_for():
    starts = 0
    over = asyncio.Event()

    async def job():
        nonlocal starts
        starts += 1
        if starts == 1:
            await over.wait()

    schedule = Schedule(UTC)
    schedule.every(0.02, "work", job, first_after_s=0.0)
    with running(schedule):
        await reached(lambda: starts, at_least=1)
        # Fifty turns pass.
        await asyncio.sleep(1)
        over.set()
        await reached(lambda: starts, at_least=2)
        for _ in range(50):
            await asyncio.sleep(0)
    assert starts < 20


async def test_stopping_ends_a_job_under_way():
    entered, ended = asyncio.Event(), asyncio.Event()

    async def job():
        entered.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    schedule = Schedule(UTC)
    schedule.every(1, "work", job, first_after_s=0.0)
    schedule.start()
    await entered.wait()
    schedule.stop()
    async with asyncio.timeout(20):
        await ended.wait()
