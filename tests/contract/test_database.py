"""The database itself, on SQLite and PostgreSQL: schema, first use by many, transactions, words."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from adapters.storage import schema
from adapters.storage.database import Database
from adapters.storage.migrate import MIGRATIONS, upgrade
from adapters.storage.url import parse_url
from bot.errors import StorageError

REPO = Path(__file__).parents[2]
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NewDatabase = Callable[[str], str]


async def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, from the repository's root."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )


async def once(url: str, sql: str, *, busy_timeout_s: float = 30.0) -> list[Any]:
    """Open a database, run one statement in a writing transaction, and close it."""
    database = Database(url, busy_timeout_s=busy_timeout_s)
    try:
        return await database.write(lambda c: _fetch(c, sql))
    finally:
        await database.close()


def _fetch(connection: Connection, sql: str) -> list[Any]:
    result = connection.execute(text(sql))
    return [tuple(row) for row in result] if result.returns_rows else []


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
    assert await once(second, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]


def test_the_schema_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    walked = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(walked)) == schema.REVISIONS
    assert scripts.get_heads() == [schema.HEAD]


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
async def test_many_processes_on_an_empty_database(kind: str, new_database: NewDatabase) -> None:
    done = await run("-m", "tests.soak.race_journal", "16", "3", new_database(kind))
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
    assert await database.read(lambda c: _fetch(c, "SELECT * FROM mutes")) == []
    await database.close()


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
        assert await database.read(lambda c: _fetch(c, "SELECT 1")) == [(1,)]
        await database.close()


async def test_sqlite_is_private_and_keeps_a_write_ahead_log(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    assert await once(url, "PRAGMA journal_mode") == [("wal",)]
    path = parse_url(url).path
    assert path is not None
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


async def test_a_relative_sqlite_file_is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database("sqlite:///a b%20c.db")
    monkeypatch.chdir("/")
    await database.read(lambda c: _fetch(c, "SELECT 1"))
    await database.close()
    assert os.listdir(tmp_path) == ["a b%20c.db"]


# --- what cannot be used, in plain words ----------------------------------------------------------

SECRET = "s3cr3t@hush"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "changeover.db",
        "mysql://ana:s3cr3t@hush/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "s3cr3t@hush://x",
        "/var/lib/changeover.db",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        Database(url)
    assert "DATABASE_URL" in caught.value.hint
    assert "s3cr3t" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ana:s3cr3t%40hush@127.0.0.1:1/db",
        "postgresql://ana:s3cr3t@127.0.0.1:1/db",
        "postgresql://ana:s3cr3t:hush@127.0.0.1:1/db",
        "postgresql://ana:pw/s3cr3t@127.0.0.1:1/db",
        "postgresql://ana:s3cr3t/hush",
        "postgresql://ana:s3cr3t",
        "postgresql://127.0.0.1:1/db?user=ana&password=s3cr3t",
        "postgresql+psycopg://ana:s3cr3t@127.0.0.1:1",
    ],
)
async def test_a_server_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        await once(url, "SELECT 1")
    assert caught.value.message.startswith(("The PostgreSQL database", "DATABASE_URL"))
    assert caught.value.hint
    assert "s3cr3t" not in caught.value.message + caught.value.hint
    assert "hush" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_server_that_knows_no_such_database(new_database: NewDatabase) -> None:
    url = new_database("postgresql").replace("/postgres?", "/nowhere?")
    with pytest.raises(StorageError, match="nowhere"):
        await once(url, "SELECT 1")


async def test_a_server_that_only_reads(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    await once(url, "SELECT 1")
    with pytest.raises(StorageError, match="read-only"):
        await once(f"{url}%20-cdefault_transaction_read_only%3Don", "DELETE FROM mutes")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is a letter and no database at all, but it is long enough " * 9, "no database"),
        (None, "there is no folder"),
        ("folder", "is a directory"),
    ],
)
async def test_a_file_that_is_no_database(
    tmp_path: Path, content: bytes | str | None, words: str
) -> None:
    path = tmp_path / ("gone/changeover.db" if content is None else "changeover.db")
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    with pytest.raises(StorageError, match=words) as caught:
        await once(f"sqlite:///{path}", "SELECT 1")
    assert str(path) in caught.value.message
    assert caught.value.hint
    if isinstance(content, bytes):
        assert path.read_bytes() == content


async def test_a_damaged_database(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    await once(url, "SELECT 1")
    path = Path(str(parse_url(url).path))
    raw = bytearray(path.read_bytes())
    raw[100:8000] = b"\x07" * 7900
    path.write_bytes(raw)
    with pytest.raises(StorageError, match=r"damaged|no database"):
        await once(url, "SELECT * FROM changes")


async def test_a_database_that_stays_locked(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    await once(url, "SELECT 1")
    holder = sqlite3.connect(str(parse_url(url).path), isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        assert await Database(url).read(lambda _: 1) == 1
        with pytest.raises(StorageError, match="locked by another process"):
            await once(url, "DELETE FROM mutes", busy_timeout_s=0.05)
    finally:
        holder.close()


FULL = """
import asyncio, resource, sys
from adapters.storage.database import Database
from bot.errors import StorageError
from sqlalchemy import text

async def main(url):
    database = Database(url)
    await database.read(lambda c: c.execute(text("SELECT 1")).all())
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    fill = text("INSERT INTO mutes (scope, until) VALUES (hex(randomblob(200000)), 1)")
    try:
        await database.write(lambda c: c.execute(fill))
    except StorageError as error:
        print(error.message, error.hint)
        return 0
    return 1

sys.exit(asyncio.run(main(sys.argv[1])))
"""


async def test_a_full_disk(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    done = await run("-c", FULL, url)
    assert done.returncode == 0, done.stderr
    assert "disk" in done.stdout
    assert await once(url, "SELECT * FROM mutes") == []


NOBODY = """
import asyncio, os, sys, tempfile
from adapters.storage.database import Database
from bot.errors import StorageError
from sqlalchemy import text

async def main(url):
    # Whatever is loaded late is loaded now: nobody may not read it where it lies.
    with tempfile.TemporaryDirectory() as folder:
        await Database(f"sqlite:///{folder}/x.db").write(lambda c: c.execute(text("SELECT 1")))
    database = Database(url)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        await database.write(lambda c: c.execute(text("DELETE FROM mutes")))
    except StorageError as error:
        print(error.message, error.hint)
        return 0
    return 1

sys.exit(asyncio.run(main(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"), [(0o555, None), (0o777, 0o400), (0o555, 0o666)]
)
async def test_real_permissions_bind(folder_mode: int, file_mode: int | None) -> None:
    # Not below tmp_path, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Path(folder) / "home"
        home.mkdir()
        path = home / "changeover.db"
        if file_mode is not None:
            await once(f"sqlite:///{path}", "SELECT 1")
            path.chmod(file_mode)
        home.chmod(folder_mode)
        try:
            done = await run("-c", NOBODY, f"sqlite:///{path}")
        finally:
            home.chmod(0o755)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(path) in done.stdout
        assert "permission" in done.stdout


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
