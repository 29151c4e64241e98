"""The digest of a week in which the clocks change, in zones with odd offsets, on real rollups."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from bot.access import SERVICE
from bot.commands.cost_digest import weekly_card
from bot.costs.period import week_before
from tests.support.fakes_core import Bench
from tests.support.fakes_ledger import attempt

NANO, DAY = 10**9, timedelta(days=1)
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Santiago",
    "Africa/Cairo", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide",
    "Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Marquesas", "Pacific/Kiritimati",
)  # fmt: skip


def change_of(zone: ZoneInfo) -> datetime:
    """When the clocks change next after July; any day where they never do."""
    at = datetime(2026, 8, 1, tzinfo=UTC)
    for _ in range(180 * 24):
        later = at + timedelta(hours=1)
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            return later
        at = later
    return at


@pytest.mark.parametrize("name", ZONES)
async def test_each_row_is_in_its_local_day(name: str, new_database: Callable[[str], str]) -> None:
    zone, dice = ZoneInfo(name), random.Random(name)
    now = change_of(zone) + 8 * DAY
    week = week_before(now, zone)
    times = [week.start + dice.random() * week.length * 1.4 - 0.2 * week.length for _ in range(300)]
    # Each hour's and each day's edge, and the doubled or skipped hour.
    for edge in (week.start, week.end, change_of(zone), week.start + DAY):
        times += [edge + timedelta(microseconds=n) for n in (-1, 0, 1)]
    rows = [attempt(n, at=at, cost=dice.randrange(NANO)) for n, at in enumerate(times)]
    days: dict[date, int] = defaultdict(int)
    for row in rows:
        if week.start <= row.at < week.end:
            days[row.at.astimezone(zone).date()] += row.cost_nano_usd or 0
    database, bench = Database(new_database("sqlite")), Bench(zone=name)
    try:
        ledger = DatabaseLedger(database)
        await ledger.add(rows)
        bench.clock.at = now
        bench.app.ports = replace(bench.app.ports, ledger=ledger)
        card = await weekly_card(bench.app.context(SERVICE), week)
    finally:
        await database.close()
    told = {one["day"]: one["cost_usd"] for one in card.data["days"]}
    assert len(told) == 7
    assert min(told).weekday() == 0
    assert {day: cost for day, cost in told.items() if cost} == {
        day: Decimal(nano) / NANO for day, nano in days.items() if nano
    }
    assert card.data["total_usd"] == sum(told.values())
