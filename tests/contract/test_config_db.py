"""The config in the database: processes that die, many writers, old revisions, being told."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.storage import config_watch
from adapters.storage.config_db import KEPT, DatabaseConfigStore
from adapters.storage.database import Database
from adapters.storage.files.write import MOST_BYTES
from adapters.storage.url import parse_url
from bot.errors import (
    ConfigConflictError,
    ConfigLockedError,
    ConfigMissingError,
    ConfigUnreadableError,
    ConfigWriteError,
)
from bot.ports import revision_of
from tests.support.config_rows import put_config
from tests.support.databases import once
from tests.support.fakes_files import REPO, run

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NewDatabase = Callable[[str], str]
FIRST = b'{ model: "a/one" }'


@asynccontextmanager
async def opened(
    url: str, *, lock_timeout_s: float = 15.0, poll_s: float = 0.5
) -> AsyncIterator[DatabaseConfigStore]:
    database = Database(url)
    try:
        yield DatabaseConfigStore(database, lock_timeout_s=lock_timeout_s, poll_s=poll_s)
    finally:
        await database.close()


# --- revisions ------------------------------------------------------------------------------------


@KINDS
async def test_the_last_revisions_are_kept(kind: str, new_database: NewDatabase) -> None:
    url = new_database(kind)
    async with opened(url) as store:
        await store.create(b"0")
        async with store.exclusive() as session:
            for number in range(1, KEPT + 8):
                before = str(number - 1).encode()
                await session.write(str(number).encode(), expected_revision=revision_of(before))
    rows = await once(url, "SELECT number, revision, raw FROM config_revisions ORDER BY number")
    assert [bytes(raw) for _, _, raw in rows] == [str(n).encode() for n in range(8, KEPT + 8)]
    assert all(revision == revision_of(bytes(raw)) for _, revision, raw in rows)


@KINDS
async def test_the_same_bytes_are_no_new_revision(kind: str, new_database: NewDatabase) -> None:
    url = new_database(kind)
    async with opened(url) as store:
        await store.create(FIRST)
        async with store.exclusive() as session:
            await session.write(FIRST, expected_revision=revision_of(FIRST))
    assert await once(url, "SELECT count(*) FROM config_revisions") == [(1,)]


async def test_files_it_includes_are_named_and_not_looked_for(new_database: NewDatabase) -> None:
    async with opened(new_database("sqlite")) as store:
        document = await store.create(b'{ "$include": "./README.md", a: 1 }')
        assert dict(document.included) == {
            "./README.md": "it is a file, and the config is in the database"
        }


async def test_a_config_that_is_none_by_its_size(new_database: NewDatabase) -> None:
    async with opened(new_database("sqlite")) as store:
        with pytest.raises(ConfigWriteError, match="larger than 32 MiB"):
            await store.create(b" " * (MOST_BYTES + 1))


# --- many at once ---------------------------------------------------------------------------------


@KINDS
async def test_of_many_first_documents_one_is_made(kind: str, new_database: NewDatabase) -> None:
    async with opened(new_database(kind)) as store:
        tried = await asyncio.gather(
            *(store.create(str(n).encode()) for n in range(6)), return_exceptions=True
        )
        made = [one for one in tried if not isinstance(one, BaseException)]
        refused = [one for one in tried if isinstance(one, ConfigWriteError)]
        assert (len(made), len(refused)) == (1, 5)
        assert await store.read() == made[0]


@KINDS
async def test_writers_who_have_no_lock_lose_nothing_either(
    kind: str, new_database: NewDatabase
) -> None:
    async with opened(new_database(kind)) as store:
        await store.create(FIRST)
        writes = (store._store(str(n).encode(), revision_of(FIRST)) for n in range(6))
        tried = await asyncio.gather(*writes, return_exceptions=True)
        made = [one for one in tried if not isinstance(one, BaseException)]
        refused = [one for one in tried if isinstance(one, ConfigConflictError)]
        assert (len(made), len(refused)) == (1, 5)
        assert await store.read() == made[0]


COUNT = """
import asyncio, json, os, sys
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.database import Database

async def main(url, times):
    database = Database(url)
    store = DatabaseConfigStore(database, lock_timeout_s=60)
    for _ in range(times):
        async with store.exclusive() as session:
            found = await session.read()
            raw = json.dumps({"n": json.loads(found.raw)["n"] + 1}).encode()
            await session.write(raw, expected_revision=found.revision)
    await database.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@KINDS
async def test_processes_wait_for_each_other(kind: str, new_database: NewDatabase) -> None:
    url = new_database(kind)
    async with opened(url) as store:
        await store.create(b'{"n": 0}')
        done = await asyncio.gather(*(run("-c", COUNT, url, "6") for _ in range(3)))
        assert [child.returncode for child in done] == [0, 0, 0], done[0].stderr
        assert json.loads((await store.read()).raw) == {"n": 18}


# --- a holder that dies ---------------------------------------------------------------------------

HOLD = """
import asyncio, sys
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.database import Database

async def main(url):
    async with DatabaseConfigStore(Database(url)).exclusive():
        print("held", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(sys.argv[1]))
"""


@KINDS
async def test_the_lock_of_a_process_that_dies_is_free(
    kind: str, new_database: NewDatabase
) -> None:
    url = new_database(kind)
    async with opened(url, lock_timeout_s=0.1) as store, opened(url) as patient:
        await store.create(FIRST)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", HOLD, url, cwd=REPO, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        assert await child.stdout.readline() == b"held\n"
        with pytest.raises(ConfigLockedError):
            async with store.exclusive():
                raise AssertionError("two writers at once")
        child.send_signal(signal.SIGKILL)
        await child.communicate()
        async with patient.exclusive() as session:
            await session.write(b"{}", expected_revision=revision_of(FIRST))


async def test_a_cancelled_write_ends_before_its_lock_does(new_database: NewDatabase) -> None:
    url = new_database("sqlite")
    async with opened(url) as store, opened(url) as other:
        await store.create(FIRST)
        blocker = sqlite3.connect(str(parse_url(url).path), isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")

        async def write() -> None:
            async with store.exclusive() as session:
                await session.write(b"{}", expected_revision=revision_of(FIRST))

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        writing.cancel()
        await asyncio.sleep(0.05)
        assert not writing.done()
        blocker.execute("COMMIT")
        blocker.close()
        with suppress(asyncio.CancelledError):
            await writing
        assert writing.cancelled()
        async with other.exclusive() as session:
            assert (await session.read()).raw == b"{}"


# --- a database that is away ----------------------------------------------------------------------


async def test_a_server_that_cannot_be_reached() -> None:
    async with opened("postgresql://ana:s3cr3t@127.0.0.1:1/db") as store:
        with pytest.raises(ConfigUnreadableError, match="is unreachable") as read:
            await store.read()
        with pytest.raises(ConfigWriteError, match="is unreachable") as written:
            await store.create(FIRST)
        with pytest.raises(ConfigUnreadableError, match="is unreachable"):
            async with store.exclusive():
                raise AssertionError("no lock")
    for caught in (read, written):
        assert caught.value.hint
        assert "s3cr3t" not in caught.value.message


async def test_a_lock_needs_a_document(new_database: NewDatabase) -> None:
    async with opened(new_database("sqlite")) as store:
        with pytest.raises(ConfigMissingError):
            async with store.exclusive():
                raise AssertionError("nothing to lock")


# --- being told -----------------------------------------------------------------------------------


class Watcher:
    """Collects what a store's watch yields."""

    def __init__(self, store: DatabaseConfigStore) -> None:
        self.seen: asyncio.Queue[bytes] = asyncio.Queue()
        self._iterator = store.watch()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for document in self._iterator:
            self.seen.put_nowait(document.raw)

    async def next(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.seen.get()

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._iterator.aclose()  # type: ignore[attr-defined]


async def listening(url: str) -> int:
    """Wait for a listener and return the number of its process."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN changeover_config' "
        "AND state = 'idle' ORDER BY backend_start DESC"
    )
    async with asyncio.timeout(20):
        while not (found := await once(url, query)):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.05)
    return int(found[0][0])


@pytest.fixture
def never_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a watcher that listens nothing but its ears."""
    monkeypatch.setattr(config_watch, "_SLOW_POLL_S", 3600.0)


@pytest.mark.usefixtures("never_ask")
async def test_postgresql_tells_of_a_change(new_database: NewDatabase) -> None:
    url = new_database("postgresql")
    async with opened(url) as store, opened(url) as other:
        await store.create(FIRST)
        watcher = Watcher(store)
        await listening(url)
        # The look that follows the beginning of listening is over when this one is seen.
        put_config(url, b"{}")
        assert await watcher.next() == b"{}"
        async with other.exclusive() as session:
            await session.write(FIRST, expected_revision=revision_of(b"{}"))
        assert await watcher.next() == FIRST
        await watcher.stop()


@pytest.mark.usefixtures("never_ask")
async def test_a_lost_connection_is_made_again(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_watch, "_RETRY_S", 0.05)
    url = new_database("postgresql")
    async with opened(url) as store:
        await store.create(FIRST)
        watcher = Watcher(store)
        first = await listening(url)
        await once(url, f"SELECT pg_terminate_backend({first})")
        async with asyncio.timeout(20):
            while await listening(url) == first:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.05)
        put_config(url, b"{}")
        assert await watcher.next() == b"{}"
        await watcher.stop()


async def test_a_database_that_is_away_is_told_once_and_waited_for(
    new_database: NewDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    url = new_database("sqlite")
    async with opened(url, poll_s=0.02) as store:
        await store.create(FIRST)
        watcher = Watcher(store)
        await asyncio.sleep(0.1)
        await once(url, "ALTER TABLE config_revisions RENAME TO away")
        await asyncio.sleep(0.2)
        await once(url, "ALTER TABLE away RENAME TO config_revisions")
        put_config(url, b"{}")
        assert await watcher.next() == b"{}"
        await watcher.stop()
    told = [r for r in caplog.records if "cannot watch" in r.getMessage()]
    assert len(told) == 1
