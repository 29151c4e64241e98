"""The config document as rows of the database, for several machines without a shared disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, case, delete, func, null, select

from adapters.storage import schema
from adapters.storage.config_lock import config_lock, config_turn
from adapters.storage.config_place import LOCATION, already, missing, moved_on
from adapters.storage.config_watch import CHANNEL, watch_database
from adapters.storage.database import Database, upsert
from adapters.storage.file_write import MOST_BYTES
from bot.config.edit import include_targets
from bot.errors import (
    ConfigError,
    ConfigUnreadableError,
    ConfigWriteError,
    StorageError,
)
from bot.ports import ConfigSession, Document, KeptRevision, revision_of

KEPT = 50
"""So many revisions are kept, the present one included."""

_A_FILE = "it is a file, and the config is in the database"

T = TypeVar("T")
_revisions = schema.config_revisions


class DatabaseConfigStore:
    """The newest of the config's revisions: read freely, written under a lock, older ones kept."""

    def __init__(
        self, database: Database, *, lock_timeout_s: float = 15.0, poll_s: float = 0.5
    ) -> None:
        self._database = database
        self._lock_timeout_s = lock_timeout_s
        self._poll_s = poll_s

    @property
    def location(self) -> str:
        """How CHANGEOVER_CONFIG names it."""
        return LOCATION

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        try:
            document = await self._changed(None)
        except StorageError as error:
            raise ConfigUnreadableError(error.said, error.step) from error
        if document is None:
            raise missing()
        return document

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        return config_turn(self._database.url, timeout_s=self._lock_timeout_s)

    def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock.

        Entering raises ConfigLockedError when it stays taken, ConfigMissingError when there is no
        document, ConfigUnreadableError or ConfigWriteError when the database is away.
        """
        return self._exclusive()

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the revisions there are, the present one first."""
        query = select(_revisions).order_by(_revisions.c.number.desc())
        try:
            rows = await self._database.read(lambda c: c.execute(query).all())
        except StorageError as error:
            raise ConfigUnreadableError(error.said, error.step) from error
        return [KeptRevision(row.at, row.revision, bytes(row.raw)) for row in rows]

    async def create(self, raw: bytes) -> Document:
        """Write a first document; never over anything. Raises ConfigWriteError."""
        return await self._store(raw, None)

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its revision has changed since one, until cancelled."""
        return watch_database(self._database.url, self._changed, since=since, poll_s=self._poll_s)

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[ConfigSession]:
        await self.read()
        async with config_lock(self._database.url, timeout_s=self._lock_timeout_s):
            session = _DatabaseSession(self)
            try:
                yield session
            finally:
                session.close()

    async def _changed(self, seen: str | None) -> Document | None:
        """Return the document unless its revision is `seen`. Raises StorageError."""
        raw = await self._database.read(lambda c: _raw_unless(c, seen))
        return None if raw is None else _document(raw)

    async def _store(self, raw: bytes, expected_revision: str | None) -> Document:
        if len(raw) > MOST_BYTES:
            raise ConfigWriteError(
                f"The new config would be larger than {MOST_BYTES >> 20} MiB.",
                "Remove what is not config.",
            )
        now = datetime.now(UTC)
        put = self._database.write(lambda c: _put(c, raw, expected_revision, now))
        try:
            await _finish(put)
        except StorageError as error:
            raise ConfigWriteError(error.said, error.step) from error
        return await self.read()


class _DatabaseSession:
    """The config while its lock is held."""

    def __init__(self, store: DatabaseConfigStore) -> None:
        self._store = store
        self._open = True

    async def read(self) -> Document:
        """Read it afresh. Raises ConfigMissingError, ConfigUnreadableError."""
        return await self._store.read()

    async def write(
        self, raw: bytes, *, expected_revision: str, into: str | None = None
    ) -> Document:
        """Replace the bytes. Raises ConfigConflictError, ConfigWriteError."""
        if not self._open:
            raise RuntimeError("the lock was given back: this session is over")
        return await self._store._store(raw, expected_revision)

    def close(self) -> None:
        """Refuse further writes."""
        self._open = False


def _document(raw: bytes) -> Document:
    return Document(raw, revision_of(raw), dict.fromkeys(_included(raw), _A_FILE))


def _included(raw: bytes) -> tuple[str, ...]:
    """Name what the document draws in: files, which have no place in a database."""
    try:
        return include_targets(raw) if b"$include" in raw or b"\\" in raw else ()
    except ConfigError:
        return ()


def _newest(connection: Connection) -> tuple[int, str]:
    """Return the present revision's number and name; number 0 is none."""
    query = select(_revisions.c.number, _revisions.c.revision)
    row = connection.execute(query.order_by(_revisions.c.number.desc()).limit(1)).one_or_none()
    return (0, "") if row is None else (row.number, row.revision)


def _raw_unless(connection: Connection, seen: str | None) -> bytes | None:
    same = _revisions.c.revision == (seen or "")
    query = select(case((same, null()), else_=_revisions.c.raw).label("raw"))
    raw = connection.scalar(query.order_by(_revisions.c.number.desc()).limit(1))
    return None if raw is None else bytes(raw)


def _put(connection: Connection, raw: bytes, expected_revision: str | None, now: datetime) -> None:
    """Make a revision the newest one, if the one before is as expected (None: there is none)."""
    number, present = _newest(connection)
    revision = revision_of(raw)
    if expected_revision is None and number:
        raise already()
    if expected_revision not in (None, present):
        raise moved_on()
    if revision == present:
        return
    number += 1
    row = {"number": number, "at": now, "revision": revision, "raw": raw}
    insert = upsert(connection, _revisions).values(row)
    # Whoever writes without the lock may be as quick as we are; one of us gets the number.
    insert = insert.on_conflict_do_nothing(index_elements=[_revisions.c.number])
    if connection.execute(insert.returning(_revisions.c.number)).one_or_none() is None:
        raise already() if expected_revision is None else moved_on()
    connection.execute(delete(_revisions).where(_revisions.c.number <= number - KEPT))
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, revision)))


async def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a write to end even when cancelled: its lock must not be let go before it."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
