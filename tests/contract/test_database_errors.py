"""What a database refuses is said in plain words, with the next step and without a secret."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.storage.database import Database
from adapters.storage.url import parse_url
from bot.errors import StorageError
from tests.support.databases import once
from tests.support.fakes_files import run

NewDatabase = Callable[[str], str]


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
        (b"this is a letter and no database at all, but it is long enough " * 9, "not a database"),
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

async def main(url):
    database = Database(url)
    await database.write(lambda c: c.run("SELECT 1"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    fill = "INSERT INTO mutes (scope, until) VALUES (hex(randomblob(200000)), 1)"
    try:
        await database.write(lambda c: c.run(fill))
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

async def main(url):
    # Whatever is loaded late is loaded now: nobody may not read it where it lies.
    with tempfile.TemporaryDirectory() as folder:
        await Database(f"sqlite:///{folder}/x.db").write(lambda c: c.run("SELECT 1"))
    database = Database(url)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        await database.write(lambda c: c.run("DELETE FROM mutes"))
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
