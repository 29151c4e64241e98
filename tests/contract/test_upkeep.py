"""Years of rows: old ones go, sums stay; sums that are wrong are made anew."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from adapters.storage.backup import back_up
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.upkeep import DatabaseUpkeep
from bot.errors import StorageError
from bot.ports import GroupBy
from tests.support.databases import fetch, once
from tests.support.fakes_alerts import event
from tests.support.fakes_ledger import NOON, attempt

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    return new_database(request.param)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


async def filled(database: Database) -> DatabaseLedger:
    """Book an attempt every 40 minutes of three days, which ends at noon."""
    ledger = DatabaseLedger(database)
    rows = [
        attempt(n, at=NOON - timedelta(minutes=40 * n + 1), cost=1000 + n) for n in range(3 * 36)
    ]
    await ledger.add(rows)
    return ledger


async def drop(upkeep: DatabaseUpkeep, keep: timedelta) -> int:
    gone = 0
    while step := await upkeep.forget(NOON - keep):
        gone += step
    return gone


async def test_old_rows_go_and_the_sums_stay(database: Database) -> None:
    ledger, upkeep = await filled(database), DatabaseUpkeep(database)
    await DatabaseFallbackLog(database).add_events([event(n, NOON - n * DAY) for n in (0, 5)])
    begin = NOON - 4 * DAY + timedelta(minutes=7)
    before = {by: await ledger.spend(begin, NOON, by) for by in (GroupBy.MODEL, GroupBy.KEY)}
    first = await ledger.first_at()
    assert first is not None
    assert await ledger.kept_since() is None
    assert await drop(upkeep, DAY + timedelta(minutes=20)) > 60
    assert {by: await ledger.spend(begin, NOON, by) for by in before} == before
    since = await ledger.kept_since()
    assert since == NOON - DAY - HOUR
    rows = await ledger.attempts(NOON - 9 * DAY, NOON, 999)
    assert min(row.at for row in rows) >= since
    assert await ledger.first_at() == first - (first - NOON) % HOUR
    assert len(await database.read(lambda c: fetch(c, "SELECT id FROM fallback_events"))) == 1
    assert await drop(upkeep, DAY + timedelta(minutes=20)) == 0


async def test_a_period_that_begins_among_dropped_rows_begins_with_its_quarter(
    database: Database,
) -> None:
    ledger, upkeep = await filled(database), DatabaseUpkeep(database)
    await drop(upkeep, DAY)
    start = NOON - 2 * DAY + timedelta(minutes=8)
    quarter = start - (start - NOON) % timedelta(minutes=15)
    days = await ledger.spend(start, NOON, GroupBy.DAY, zone="Asia/Kolkata")
    assert sum(day.requests for day in days) == sum(
        NOON - timedelta(minutes=40 * n + 1) >= quarter for n in range(108)
    )


async def test_no_more_than_a_batch_goes_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.storage.upkeep.AT_ONCE", 7)
    await filled(database)
    assert await DatabaseUpkeep(database).forget(NOON + DAY) == 7


async def test_sums_that_an_older_release_left_out_are_made_anew(database: Database) -> None:
    ledger, upkeep = await filled(database), DatabaseUpkeep(database)
    right = await ledger.spend(NOON - 3 * DAY, NOON, GroupBy.DAY, zone="Asia/Kolkata")
    wrong = (
        "DELETE FROM spend_quarterly WHERE quarter >= 0",
        "UPDATE spend_hourly SET cost_nano_usd = 1, attempts = 0",
    )
    for sql in wrong:
        await database.write(partial(fetch, sql=sql))
    assert await ledger.spend(NOON - 3 * DAY, NOON, GroupBy.DAY, zone="Asia/Kolkata") != right
    assert await upkeep.mend_sums(NOON) == 72
    assert await ledger.spend(NOON - 3 * DAY, NOON, GroupBy.DAY, zone="Asia/Kolkata") == right
    assert await upkeep.mend_sums(NOON) == 0


async def test_sums_whose_rows_are_gone_are_left_alone(database: Database) -> None:
    ledger, upkeep = await filled(database), DatabaseUpkeep(database)
    right = await ledger.spend(NOON - 4 * DAY, NOON, GroupBy.MODEL)
    await drop(upkeep, DAY)
    # By hand, and so without a note of it.
    await database.write(lambda c: fetch(c, "DELETE FROM attempts WHERE number = 1"))
    assert await upkeep.mend_sums(NOON) == 0
    assert await ledger.spend(NOON - 4 * DAY, NOON, GroupBy.MODEL) == right


async def test_the_size_and_what_a_day_adds(database: Database) -> None:
    await database.open()
    upkeep = DatabaseUpkeep(database)
    empty = await upkeep.size(NOON)
    assert empty.size_bytes > 0
    assert empty.bytes_per_day is None
    await filled(database)
    size = await upkeep.size(NOON)
    assert size.bytes_per_day is not None
    assert 0 < size.bytes_per_day < size.size_bytes


# --- backup ---------------------------------------------------------------------------------------


async def test_a_backup_is_whole_and_made_in_use(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("sqlite")
    database = Database(url)
    await filled(database)
    copy = tmp_path / "copy.db"
    assert back_up(url, copy, {}) == "sqlite"
    assert copy.stat().st_mode & 0o777 == 0o600
    await database.close()
    rows = await once(f"sqlite:///{copy}", "SELECT count(*) FROM attempts")
    assert rows == [(108,)]
    with pytest.raises(StorageError, match="nothing was overwritten"):
        back_up(url, copy, {})
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".partial")]


def test_a_backup_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    made = sqlite3.connect(broken)
    made.execute("CREATE TABLE t (x)")
    made.commit()
    made.close()
    raw = bytearray(broken.read_bytes())
    raw[4100:] = b"\7" * len(raw[4100:])
    broken.write_bytes(raw)
    for url in (f"sqlite:///{broken}", f"sqlite:///{tmp_path}/none.db"):
        with pytest.raises(StorageError) as caught:
            back_up(url, tmp_path / "copy.db", {})
        assert caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.db"]


async def test_postgresql_is_dumped_by_its_own_program(
    new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database("postgresql")
    with pytest.raises(StorageError, match="not installed here") as caught:
        back_up(url, tmp_path / "x.dump", {"PATH": ""})
    assert "pg_dump --format=custom" in caught.value.hint
    # A program of that name that says how it was called.
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" PW=$PGPASSWORD > "${3#--file=}"\n')
    program.chmod(0o755)
    back_up(
        "postgresql://bo:s3cret@db.example/x",
        tmp_path / "y.dump",
        {"PATH": str(tmp_path) + ":/bin"},
    )
    said = (tmp_path / "y.dump").read_text()
    assert "--dbname=dbname=x host=db.example user=bo PW=" in said
    assert "PW=s3cret" in said
