"""What every Plans port keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.storage.database import Database
from adapters.storage.plans import DatabasePlans
from bot.ports.plans import PlanRun, Plans, SwitchPlan
from tests.support.fakes_storage import FakePlans

NOW = datetime(2026, 12, 1, 22, 0, 0, 123457, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = SwitchPlan(
    "/m.json", 1, "cheap", "weekdays 22:00-07:00", "“nachts” 🌙", "Ana", "slack:U1", "slack", NOW
)
RUN = PlanRun(1, NOW, NOW + DAY / 2, 7)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def stores(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Callable[[], Plans]]:
    """Return a way to open the same store as another process would."""
    if request.param == "fake":
        fake = FakePlans()
        yield lambda: fake
        return
    url = new_database(request.param)
    opened: list[Database] = []

    def open_store() -> Plans:
        database = Database(url)
        opened.append(database)
        return DatabasePlans(database)

    yield open_store
    for one in opened:
        await one.close()


async def test_another_process_reads_a_plan_until_it_is_ended(stores: Callable[[], Plans]) -> None:
    second = replace(PLAN, number=2, when="off-peak")
    elsewhere = replace(PLAN, document="/other.json")
    for plan in (second, PLAN, elsewhere):
        assert await stores().add(plan)
    assert list(await stores().plans("/m.json")) == [PLAN, second]
    assert await stores().end("/m.json", 1, "Bo", NOW + DAY)
    assert not await stores().end("/m.json", 1, "Cy", NOW + DAY)
    assert not await stores().end("/m.json", 3, "Cy", NOW)
    assert list(await stores().plans("/m.json")) == [second]
    ended = replace(PLAN, ended_at=NOW + DAY, ended_by="Bo")
    assert list(await stores().plans("/m.json", ended=True)) == [ended, second]
    assert list(await stores().plans("/other.json")) == [elsewhere]


async def test_of_many_who_take_a_number_at_once_one_gets_it(stores: Callable[[], Plans]) -> None:
    plans = [replace(PLAN, model=f"m{n}") for n in range(6)]
    added = await asyncio.gather(*(stores().add(plan) for plan in plans))
    assert added.count(True) == 1
    assert list(await stores().plans("/m.json")) == [plans[added.index(True)]]


async def test_a_window_is_dealt_with_once(stores: Callable[[], Plans]) -> None:
    kept = await asyncio.gather(*(stores().keep_run("/m.json", RUN) for _ in range(4)))
    assert kept.count(True) == 1
    later = replace(RUN, start_at=RUN.start_at + DAY, end_at=RUN.end_at + DAY, change_id=None,
                    why="Ana switched the primary")  # fmt: skip
    assert await stores().keep_run("/m.json", later)
    assert list(await stores().runs("/m.json", NOW)) == [RUN, later]
    # Its end is no more a part of it.
    assert list(await stores().runs("/m.json", RUN.end_at)) == [later]
    assert list(await stores().runs("/other.json", NOW)) == []
    await stores().drop_run("/m.json", RUN)
    assert list(await stores().runs("/m.json", NOW)) == [later]
    assert await stores().keep_run("/m.json", RUN)


async def test_nothing_is_known_of_an_empty_database(stores: Callable[[], Plans]) -> None:
    assert list(await stores().plans("/m.json")) == []
    assert list(await stores().runs("/m.json", NOW)) == []
