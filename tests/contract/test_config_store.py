"""What every ConfigStore keeps to: the file, a database, and the fake the core is tested with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.database import Database
from adapters.storage.files.config_file import FileConfigStore
from bot.errors import (
    ConfigConflictError,
    ConfigLockedError,
    ConfigMissingError,
    ConfigWriteError,
)
from bot.ports import ConfigStore, Document, revision_of
from tests.support.config_rows import put_config
from tests.support.fakes_storage import FakeConfigStore

FIRST = b'// the team\'s models\n{ model: "a/one" }\n'
SECOND = b'{ model: "b/two" }\n'


class Creating(ConfigStore, Protocol):
    async def create(self, raw: bytes) -> Document: ...


class Ground:
    """One document and the ways to reach it that a store does not have itself."""

    def __init__(
        self,
        open_store: Callable[[], Creating],
        put: Callable[[bytes | None], None],
        shared: bool,
    ) -> None:
        self.open_store = open_store
        self.put = put
        self.shared = shared


DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=["file", "linked file", "fake", *DATABASES])
async def ground(
    request: pytest.FixtureRequest, tmp_path: Path, new_database: Callable[[str], str]
) -> AsyncIterator[Ground]:
    if request.param == "fake":
        store = FakeConfigStore(None)
        yield Ground(lambda: store, store.edit_outside, shared=False)
        return
    if request.param in DATABASES:
        async with database_ground(new_database(request.param)) as made:
            yield made
        return
    path = real = tmp_path / "moltbot.json"
    if request.param == "linked file":
        (tmp_path / "elsewhere").mkdir()
        real = tmp_path / "elsewhere" / "real.json5"
        path.symlink_to(real)

    def put(raw: bytes | None) -> None:
        if raw is None:
            real.unlink()
            return
        fresh = real.with_name("by-another-program")
        fresh.write_bytes(raw)
        fresh.replace(real)

    yield Ground(lambda: FileConfigStore(path, lock_timeout_s=0.2, poll_s=0.2), put, shared=True)


@asynccontextmanager
async def database_ground(url: str) -> AsyncIterator[Ground]:
    """Every store has a database of its own, as another process would."""
    opened: list[Database] = [Database(url)]

    def open_store() -> Creating:
        database = Database(url)
        opened.append(database)
        return DatabaseConfigStore(database, lock_timeout_s=0.2, poll_s=0.05)

    def put(raw: bytes | None) -> None:
        put_config(url, raw)

    # The tables have to be there for an edit from outside.
    await opened[0].open()
    try:
        yield Ground(open_store, put, shared=True)
    finally:
        for one in opened:
            await one.close()


@pytest.fixture
def store(ground: Ground) -> Creating:
    return ground.open_store()


async def test_a_missing_document_is_said_to_be_missing(store: Creating) -> None:
    with pytest.raises(ConfigMissingError) as caught:
        await store.read()
    assert caught.value.hint


async def test_reading_gives_the_bytes_and_their_name(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    document = await store.read()
    assert document.raw == FIRST
    assert document.revision == revision_of(FIRST)
    assert dict(document.included) == {}


async def test_an_empty_document_is_a_document(store: Creating, ground: Ground) -> None:
    ground.put(b"")
    assert (await store.read()).raw == b""


async def test_create_makes_the_first_document(store: Creating) -> None:
    document = await store.create(FIRST)
    assert document == await store.read() == Document.of(FIRST)


async def test_create_goes_over_nothing(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    with pytest.raises(ConfigWriteError):
        await store.create(SECOND)
    assert (await store.read()).raw == FIRST


async def test_write_replaces_and_returns_what_is_now_read(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.exclusive() as session:
        before = await session.read()
        after = await session.write(SECOND, expected_revision=before.revision)
    assert after == await store.read() == Document.of(SECOND)


async def test_older_versions_can_be_had(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.exclusive() as session:
        await session.write(SECOND, expected_revision=revision_of(FIRST))
    found = [(one.revision, one.raw) for one in await store.kept()]
    assert found[:2] == [(revision_of(SECOND), SECOND), (revision_of(FIRST), FIRST)]


async def test_editors_prepare_one_after_the_other(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.turn():
        async with store.exclusive() as session:
            await session.write(SECOND, expected_revision=revision_of(FIRST))
        with pytest.raises(ConfigLockedError):
            async with store.turn():
                pass
    async with store.turn():
        assert (await store.read()).raw == SECOND


async def test_write_again_within_a_session(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.exclusive() as session:
        second = await session.write(SECOND, expected_revision=revision_of(FIRST))
        await session.write(FIRST, expected_revision=second.revision)
    assert (await store.read()).raw == FIRST


async def test_write_refuses_when_the_document_moved_on(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.exclusive() as session:
        before = await session.read()
        ground.put(b"{}")
        with pytest.raises(ConfigConflictError) as caught:
            await session.write(SECOND, expected_revision=before.revision)
    assert caught.value.hint
    assert (await store.read()).raw == b"{}"


async def test_a_session_ends_with_its_lock(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    async with store.exclusive() as session:
        pass
    with pytest.raises(RuntimeError):
        await session.write(SECOND, expected_revision=revision_of(FIRST))
    assert (await store.read()).raw == FIRST


async def test_a_failed_session_gives_its_lock_back(store: Creating, ground: Ground) -> None:
    ground.put(FIRST)
    with pytest.raises(ZeroDivisionError):
        async with store.exclusive():
            raise ZeroDivisionError
    async with store.exclusive() as session:
        assert (await session.read()).raw == FIRST


async def test_tasks_of_one_process_wait_for_each_other(ground: Ground) -> None:
    ground.put(b'{"n": 0}')
    stores = [ground.open_store() for _ in range(4)]

    async def count_on(store: Creating) -> None:
        for _ in range(5):
            while True:
                try:
                    async with store.exclusive() as session:
                        document = await session.read()
                        number = json.loads(document.raw)["n"]
                        await asyncio.sleep(0)
                        raw = json.dumps({"n": number + 1}).encode()
                        await session.write(raw, expected_revision=document.revision)
                    break
                except ConfigLockedError:
                    continue

    await asyncio.gather(*(count_on(store) for store in stores))
    assert json.loads((await stores[0].read()).raw) == {"n": 20}


async def test_a_lock_that_stays_taken_is_told(ground: Ground) -> None:
    ground.put(FIRST)
    async with ground.open_store().exclusive():
        with pytest.raises(ConfigLockedError) as caught:
            async with ground.open_store().exclusive():
                raise AssertionError("two writers at once")
    assert caught.value.hint


async def test_readers_need_no_lock(ground: Ground) -> None:
    ground.put(FIRST)
    async with ground.open_store().exclusive():
        assert (await ground.open_store().read()).raw == FIRST


class Watcher:
    """Collects what a store's watch yields."""

    def __init__(self, store: ConfigStore, since: str | None = None) -> None:
        self.seen: asyncio.Queue[Document] = asyncio.Queue()
        self._iterator: AsyncIterator[Document] = store.watch(since)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for document in self._iterator:
            self.seen.put_nowait(document)

    async def next(self) -> bytes:
        async with asyncio.timeout(20):
            return (await self.seen.get()).raw

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        closing: Any = self._iterator
        await closing.aclose()


@pytest.fixture
async def watched(
    store: Creating, ground: Ground
) -> AsyncIterator[tuple[Creating, Ground, Watcher]]:
    ground.put(FIRST)
    watcher = Watcher(store, revision_of(FIRST))
    yield store, ground, watcher
    await watcher.stop()


async def test_watch_tells_of_edits_from_outside_and_of_our_own(
    watched: tuple[Creating, Ground, Watcher],
) -> None:
    store, ground, watcher = watched
    ground.put(SECOND)
    assert await watcher.next() == SECOND
    async with store.exclusive() as session:
        await session.write(FIRST, expected_revision=revision_of(SECOND))
    assert await watcher.next() == FIRST
    assert watcher.seen.empty()


async def test_watch_tells_of_an_edit_that_came_before_it_began(
    store: Creating, ground: Ground
) -> None:
    ground.put(SECOND)
    watcher = Watcher(store, revision_of(FIRST))
    assert await watcher.next() == SECOND
    await watcher.stop()


async def test_watch_says_nothing_when_the_bytes_are_the_same(
    watched: tuple[Creating, Ground, Watcher],
) -> None:
    _, ground, watcher = watched
    ground.put(FIRST)
    await asyncio.sleep(0.1)
    ground.put(SECOND)
    assert await watcher.next() == SECOND
    assert watcher.seen.empty()


async def test_watch_outlives_a_document_that_is_gone_for_a_while(
    watched: tuple[Creating, Ground, Watcher],
) -> None:
    _, ground, watcher = watched
    ground.put(None)
    await asyncio.sleep(0.3)
    assert watcher.seen.empty()
    ground.put(SECOND)
    assert await watcher.next() == SECOND
