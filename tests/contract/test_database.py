"""The database itself, on SQLite and PostgreSQL: schema, first use by many, transactions, words."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.bill_log import DatabaseBillLog
from adapters.storage.budgets import DatabaseBudgets
from adapters.storage.chain_tests import DatabaseChainTests
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.journal import DatabaseJournal
from adapters.storage.key_values import KeyValueStore
from adapters.storage.ledger.corrections import DatabaseCorrections
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.migrate import HEAD, REVISIONS
from adapters.storage.url import parse_url
from bot.access import Actor, Surface
from bot.errors import ConfigMissingError, NewerDatabaseError, StorageError
from bot.ports import GroupBy, RevertState
from tests.support.databases import fetch, made_by_older_release, once, shape
from tests.support.fakes_files import run

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NewDatabase = Callable[[str], str]
GOLDEN = Path(__file__).parents[1] / "golden" / "storage"
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


# --- the schema -----------------------------------------------------------------------------------


@KINDS
async def test_the_schema_is_the_one_that_was_reviewed(
    kind: str, new_database: NewDatabase
) -> None:
    """`CHANGEOVER_GOLDEN=write` writes the shape anew, to be read before it is kept."""
    database = Database(new_database(kind))
    found = "".join(f"{line}\n" for line in await database.write(shape))
    await database.close()
    golden = GOLDEN / f"schema_{kind}.txt"
    if os.environ.get("CHANGEOVER_GOLDEN") == "write":
        golden.write_text(found)
    assert found == golden.read_text()


def test_the_migrations_are_one_line_without_a_number_twice() -> None:
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


@KINDS
@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_a_database_of_an_older_release_is_brought_up_to_date(
    kind: str, revision: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    await made_by_older_release(url, revision, "INSERT INTO mutes (scope, until) VALUES ('all', 1)")
    opened = [Database(url) for _ in range(4)]
    found = await asyncio.gather(*(d.read(shape) for d in opened))
    for database in opened:
        await database.close()
    golden = (GOLDEN / f"schema_{kind}.txt").read_text().splitlines()
    assert found == [golden] * 4
    assert await once(url, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert await once(url, "SELECT * FROM mutes") == [("all", 1)]


@KINDS
async def test_three_processes_update_a_database_at_once(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    await made_by_older_release(url, "0004", "INSERT INTO mutes (scope, until) VALUES ('all', 1)")
    done = await asyncio.gather(*(run("-c", UPDATE, url) for _ in range(3)))
    assert [one.stdout for one in done] == ["[1]\n"] * 3, [one.stderr for one in done]


UPDATE = """
import asyncio, sys
from adapters.storage.database import Database

async def main(url):
    database = Database(url)
    rows = await database.write(lambda c: c.rows("SELECT until FROM mutes"))
    print([row["until"] for row in rows])
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


_OLD_ROWS = """INSERT INTO attempts (at, request_id, number, model, provider, caller, asked,
    dialect, source, stream, status, reason, answered, last, fallback, input_tokens,
    cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens,
    reasoning_tokens, cost_nano_usd, estimated) VALUES
    (900000001, 'a', 1, 'p/m', 'p', NULL, '', '', 'gateway', false, 0, 'timeout', false, false,
        true, 5, 4, 3, 0, 2, 1, 7, false),
    (1799999999, 'a', 2, 'p/m', 'p', '', '', '', 'gateway', false, 200, NULL, true, true, true,
        50, 0, 0, 0, 20, 0, NULL, true),
    (1800000000, 'b', 1, 'p/m', 'p', 'bo', '', '', 'gateway', false, 200, NULL, true, true, false,
        1, 0, 0, 0, 1, 0, 9, true)"""


@KINDS
async def test_the_quarters_are_filled_from_the_rows_of_an_older_release(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    await made_by_older_release(url, "0004", _OLD_ROWS)
    found = await once(url, "SELECT * FROM spend_quarterly ORDER BY quarter")
    assert found == [
        (900_000_000, "p/m", "p", "", "gateway", "", 7, 1, 1, 2, 1, 1, 55, 4, 3, 22, 1, 7, 0),
        (1_800_000_000, "p/m", "p", "bo", "gateway", "", 9, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 9),
    ]


@KINDS
async def test_a_database_of_a_newer_release_is_left_alone(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    await once(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer release") as caught:
        await once(url, "SELECT 1")
    assert "Update Changeover" in caught.value.hint


@KINDS
async def test_a_writer_stops_when_a_newer_release_has_taken_over(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    database = Database(url)
    told: list[NewerDatabaseError] = []
    database.on_newer = told.append
    await database.write(lambda c: fetch(c, "INSERT INTO mutes (scope, until) VALUES ('a', 1)"))
    await once(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabaseError) as caught:
        await database.write(lambda c: fetch(c, "INSERT INTO mutes (scope, until) VALUES ('b', 1)"))
    assert told == [caught.value]
    assert caught.value.exit_code == 4
    assert await database.read(lambda c: fetch(c, "SELECT scope FROM mutes")) == [("a",)]
    await database.close()


@KINDS
async def test_a_database_put_back_under_a_running_process_is_said(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    database = Database(url)
    await database.write(lambda c: fetch(c, "UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(StorageError, match="older release while in use"):
        await database.write(lambda c: fetch(c, "DELETE FROM mutes"))
    await database.close()


@KINDS
async def test_many_processes_on_an_empty_database(kind: str, new_database: NewDatabase) -> None:
    done = await run("-m", "tests.soak.race_journal", "6", "4", new_database(kind))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing 0, twice 0, edits from outside told 1, failed processes 0" in done.stdout


# --- transactions ---------------------------------------------------------------------------------


@KINDS
async def test_a_transaction_is_all_or_nothing(kind: str, new_database: NewDatabase) -> None:
    url = new_database(kind)
    database = Database(url)

    def half(connection: Connection) -> None:
        connection.run("INSERT INTO mutes (scope, until) VALUES ('x', 1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(half)
    assert await database.read(lambda c: fetch(c, "SELECT * FROM mutes")) == []
    await database.close()


_ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(3600)",
}


@KINDS
async def test_a_call_that_hangs_is_broken_off(kind: str, new_database: NewDatabase) -> None:
    url = new_database(kind)
    await once(url, "SELECT 1")
    database = Database(url, within_s=1.5)
    for call in (database.read, database.write):
        with pytest.raises(StorageError, match=r"did not answer within 1\.5 s"):
            await call(lambda c: fetch(c, _ENDLESS[kind]))
        assert await database.read(lambda c: fetch(c, "SELECT 1")) == [(1,)]
    await database.close()


@KINDS
async def test_closing_breaks_off_what_hangs(kind: str, new_database: NewDatabase) -> None:
    database, begun = Database(new_database(kind)), asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(connection: Connection) -> list[Any]:
        loop.call_soon_threadsafe(begun.set)
        return fetch(connection, _ENDLESS[kind])

    hangs = asyncio.create_task(database.read(endless))
    await begun.wait()
    await database.close()
    with pytest.raises(StorageError, match="did not answer"):
        await hangs


@KINDS
async def test_a_mistake_of_ours_is_a_storage_error(kind: str, new_database: NewDatabase) -> None:
    with pytest.raises(StorageError) as caught:
        await once(new_database(kind), "SELECT * FROM no_such_table")
    assert caught.value.hint
    assert caught.value.__cause__ is None


@KINDS
async def test_a_closed_database_opens_again(kind: str, new_database: NewDatabase) -> None:
    database = Database(new_database(kind))
    for _ in range(2):
        assert await database.read(lambda c: fetch(c, "SELECT 1")) == [(1,)]
        await database.close()


async def test_sqlite_is_private_and_keeps_a_write_ahead_log(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    assert await once(url, "PRAGMA journal_mode") == [("wal",)]
    path = parse_url(url).path
    assert path is not None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


async def test_a_postgresql_database_without_an_encoding(postgresql_server: str) -> None:
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        )
    try:
        database = Database(postgresql_server.replace("/postgres?", "/plain?"))
        word = "Grüße, 世界"
        await KeyValueStore(database).put(word, "x")
        found = await database.read(lambda c: fetch(c, "SELECT key FROM memory"))
        await database.close()
        assert found == [(word,)]
    finally:
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute("DROP DATABASE plain")


async def test_a_relative_sqlite_file_is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///a b%20c.db")
    monkeypatch.chdir("/")
    await database.open()
    await database.close()
    assert os.listdir(tmp_path) == ["a b%20c.db"]


# --- without a file -------------------------------------------------------------------------------


async def test_without_a_file_there_is_nothing_and_none_is_made(new_database: NewDatabase) -> None:
    """What only reads, or only changes rows that are there, makes no database."""
    url = new_database("sqlite")
    database = Database(url)
    journal, log = DatabaseJournal(database), DatabaseFallbackLog(database)
    ledger, alerts = DatabaseLedger(database), DatabaseAlertStore(database)
    assert await journal.known("x") is None
    assert not await journal.changes("x", 1)
    assert not await journal.changes_since("x", 1)
    assert not await journal.reverts("x")
    assert await journal.last_beat("bot") is None
    await journal.recover("x", "y")
    await journal.abandon(1)
    await journal.move_revert(1, NOW)
    assert not await journal.close_revert(1, RevertState.DONE)
    assert await journal.adopt("x", "y") == 0
    assert not await log.cooldowns(NOW)
    assert not await log.incidents(open_only=True, limit=9)
    assert not await log.events(NOW, 9)
    assert not await log.staying(NOW)
    assert await log.muted_until() is None
    await log.mute(None)
    await log.set_cooldown()
    await log.add_events([])
    assert not await ledger.spend(NOW, NOW, GroupBy.DAY)
    assert await ledger.first_at() is None
    assert await ledger.kept_since() is None
    assert not await ledger.attempts(NOW, NOW, 9)
    assert not await ledger.bills(NOW.date(), NOW.date())
    await ledger.add([])
    assert (await DatabaseCorrections(database).rows(NOW, NOW, 0, 9)).last is None
    assert await DatabaseBudgets(database).set_budget(None) is None
    assert await DatabaseChainTests(database).last() is None
    assert not await DatabaseBillLog(database).reads()
    assert await KeyValueStore(database).get("x") is None
    assert not await alerts.troubles()
    assert not await alerts.acknowledge(1, Actor(Surface.SLACK, "U1", "Ana"), NOW)
    store = DatabaseConfigStore(database)
    with pytest.raises(ConfigMissingError):
        await store.read()
    for enter in (store.turn, store.exclusive):
        with pytest.raises(ConfigMissingError):
            async with enter():
                pass
    assert database.empty
    await database.close()


async def test_another_process_that_makes_the_file_is_seen(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    database = Database(url)
    assert await DatabaseJournal(database).last_beat("bot") is None
    await once(url, "INSERT INTO services (name, alive_at) VALUES ('bot', 1)")
    assert await DatabaseJournal(database).last_beat("bot") is not None
    await database.close()


COLD = """
import asyncio, sys
from adapters.storage.database import Database
from adapters.storage.key_values import KeyValueStore

async def main(url):
    database = Database(url)
    print(await KeyValueStore(database).get("x"))
    await KeyValueStore(database).put("x", "y")
    print(await KeyValueStore(database).get("x"), "psycopg" in sys.modules)
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_sqlite_loads_no_other_driver(new_database: NewDatabase) -> None:
    done = await run("-c", COLD, new_database("sqlite"))
    assert done.stdout.splitlines() == ["None", "y False"], done.stderr


async def test_the_file_is_opened_by_sqlite_alone(new_database: NewDatabase) -> None:
    """Were it closed elsewhere in this process, SQLite's locks on it would be gone."""
    url = new_database("sqlite")
    holder, other = Database(url), Database(url)
    held, free = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(connection: Connection) -> None:
        connection.run("INSERT INTO mutes (scope, until) VALUES ('a', 1)")
        loop.call_soon_threadsafe(held.set)
        free.wait()

    writes = asyncio.create_task(holder.write(hold))
    await held.wait()
    await other.read(lambda c: fetch(c, "SELECT 1"))
    await other.close()
    refused = await run("-c", LOCK, str(parse_url(url).path))
    free.set()
    await writes
    await holder.close()
    assert refused.stdout == "database is locked\n", refused.stderr


LOCK = """
import sqlite3, sys

try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""
