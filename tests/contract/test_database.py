"""The database itself, on SQLite and PostgreSQL: schema, first use by many, transactions, words."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from adapters.storage import codec, schema
from adapters.storage.database import Database
from adapters.storage.lazy import LazyJournal
from adapters.storage.migrate import MIGRATIONS, upgrade
from adapters.storage.url import parse_url
from bot.errors import NewerDatabaseError, StorageError
from tests.databases import fetch, once
from tests.fakes_files import run

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NewDatabase = Callable[[str], str]


# --- the schema -----------------------------------------------------------------------------------


def shape(connection: Connection) -> dict[str, Any]:
    """Describe every table, in words that can be compared."""
    found = inspect(connection)
    return {
        name: (
            sorted(
                (c["name"], str(c["type"]), c["nullable"], bool(c.get("autoincrement")))
                for c in found.get_columns(name)
            ),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], i["unique"]) for i in found.get_indexes(name)),
        )
        for name in found.get_table_names()
    }


def migrated(url: str) -> tuple[dict[str, Any], list[Any]]:
    """Run all migrations on an empty database; return its shape and what the tables differ in."""
    at = parse_url(url)
    engine = create_engine(f"sqlite:///{at.path}" if at.path else at.text)
    try:
        with engine.begin() as connection:
            upgrade(connection)
        with engine.begin() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return shape(connection), compare_metadata(context, schema.metadata)
    finally:
        engine.dispose()


@KINDS
async def test_the_migrations_make_the_tables_that_the_program_uses(
    kind: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    database = Database(new_database(kind))
    made_at_once = await database.read(shape)
    await database.close()
    second = f"sqlite:///{tmp_path}/second.db" if kind == "sqlite" else new_database(kind)
    made_by_migrations, differences = await asyncio.to_thread(migrated, second)
    assert made_by_migrations == made_at_once
    assert differences == []
    assert await once(second, "SELECT version_num FROM alembic_version") == [(codec.HEAD,)]


def test_the_schema_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    walked = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(walked)) == codec.REVISIONS
    assert scripts.get_heads() == [codec.HEAD]


def made_by_older_release(url: str, revision: str) -> None:
    """Make a database as it was at an older schema version, with a row in it."""
    at = parse_url(url)
    engine = create_engine(f"sqlite:///{at.path}" if at.path else at.text)
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(text("INSERT INTO mutes (scope, until) VALUES ('all', 1)"))
    engine.dispose()


@KINDS
@pytest.mark.parametrize("revision", codec.REVISIONS[:-1])
async def test_a_database_of_an_older_release_is_brought_up_to_date(
    kind: str, revision: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    await asyncio.to_thread(made_by_older_release, url, revision)
    opened = [Database(url) for _ in range(4)]
    found = await asyncio.gather(*(d.read(shape) for d in opened))
    for database in opened:
        await database.close()
    assert [set(tables) for tables in found] == [{*schema.metadata.tables, "alembic_version"}] * 4
    assert await once(url, "SELECT version_num FROM alembic_version") == [(codec.HEAD,)]
    assert await once(url, "SELECT * FROM mutes") == [("all", 1)]


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
    await asyncio.to_thread(made_by_older_release, url, "0004")
    at = parse_url(url)
    engine = create_engine(f"sqlite:///{at.path}" if at.path else at.text)
    with engine.begin() as connection:
        connection.execute(text(_OLD_ROWS))
    engine.dispose()
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
        connection.execute(text("INSERT INTO mutes (scope, until) VALUES ('x', 1)"))
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
        await database.write(
            lambda c: c.execute(schema.memory.insert().values(key=word, value="x"))
        )
        found = await database.read(
            lambda c: c.execute(text("SELECT key FROM memory")).scalars().all()
        )
        await database.close()
        assert found == [word]
    finally:
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute("DROP DATABASE plain")


async def test_a_relative_sqlite_file_is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///a b%20c.db")
    monkeypatch.chdir("/")
    await database.read(lambda c: fetch(c, "SELECT 1"))
    await database.close()
    assert os.listdir(tmp_path) == ["a b%20c.db"]


# --- what need not be loaded ----------------------------------------------------------------------

COLD = """
import asyncio, datetime, sys
from pathlib import Path
from adapters.storage.config_file import FileConfigStore
from adapters.storage.lazy import LazyDatabase, LazyFallbackLog, LazyJournal

async def main(folder):
    database = LazyDatabase(f"sqlite:///{folder}/changeover.db")
    journal, log = LazyJournal(database), LazyFallbackLog(database)
    now = datetime.datetime.now(datetime.timezone.utc)
    await FileConfigStore(Path(folder) / "moltbot.json").create(b"{}")
    assert await journal.known("x") is None and not await journal.changes("x", 1)
    assert not await journal.reverts("x") and await journal.last_beat("bot") is None
    assert not await log.cooldowns(now) and not await log.incidents(open_only=True, limit=9)
    assert not await log.events(now, 9) and await log.muted_until() is None
    await journal.settle("x", "y")
    print(sorted({"sqlalchemy", "alembic", "watchfiles", "anyio", "sqlite3"} & set(sys.modules)))
    await journal.beat("bot", now)
    print(await journal.last_beat("bot") == now, await log.muted_until())
    print("sqlalchemy" in sys.modules, "alembic" in sys.modules)
    await log.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_first_look_loads_no_database_library(tmp_path: Path) -> None:
    done = await run("-c", COLD, str(tmp_path))
    assert done.stdout.splitlines() == ["[]", "True None", "True False"], done.stderr


LOOK = """
import asyncio, sys
from adapters.storage.lazy import LazyJournal

async def main(url):
    journal = LazyJournal(url)
    print(await journal.last_beat("bot") is not None, await journal.known("x"))
    await journal.close()
    print("sqlalchemy" in sys.modules)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_look_at_a_database_loads_no_database_library(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    await once(url, "INSERT INTO services (name, alive_at) VALUES ('bot', 1)")
    done = await run("-c", LOOK, url)
    assert done.stdout.splitlines() == ["True None", "False"], done.stderr


async def test_a_look_at_a_database_of_another_release_is_left_to_the_database(
    new_database: NewDatabase,
) -> None:
    url = new_database("sqlite")
    await once(url, "UPDATE alembic_version SET version_num = '9999'")
    journal = LazyJournal(url)
    with pytest.raises(StorageError, match="newer release"):
        await journal.known("x")
    await journal.close()
