"""The config document as rows of the database, for several machines without a shared disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from adapters.storage.codec import time_of
from adapters.storage.config_lock import config_lock, config_turn
from adapters.storage.config_watch import CHANNEL, watch_database
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.files.lock import finish
from adapters.storage.files.write import MOST_BYTES
from bot.config.edit import include_targets
from bot.errors import (
    ConfigConflictError,
    ConfigError,
    ConfigMissingError,
    ConfigUnreadableError,
    ConfigWriteError,
    StorageError,
)
from bot.ports import ConfigSession, Document, KeptRevision, revision_of
from bot.spans import Command, text

LOCATION = "db:"
"""How CHANGEOVER_CONFIG names it."""

KEPT = 50
"""So many revisions are kept, the present one included."""

_A_FILE = "it is a file, and the config is in the database"


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
            raise _missing()
        return document

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        return self._turn()

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
        try:
            rows = await self._database.read(
                lambda c: c.rows("SELECT * FROM config_revisions ORDER BY number DESC")
            )
        except StorageError as error:
            raise ConfigUnreadableError(error.said, error.step) from error
        if not rows:
            raise _missing()
        return [
            KeptRevision(time_of(row["at"]), row["revision"], bytes(row["raw"])) for row in rows
        ]

    async def create(self, raw: bytes) -> Document:
        """Write a first document; never over anything. Raises ConfigWriteError."""
        return await self._store(raw, None)

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its revision has changed since one, until cancelled."""
        return watch_database(self._database.url, self._changed, since=since, poll_s=self._poll_s)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._database.empty:
            raise _missing()
        async with config_turn(self._database.url, timeout_s=self._lock_timeout_s):
            yield

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
            await finish(put)
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


def _raw_unless(connection: Connection, seen: str | None) -> bytes | None:
    raw = connection.value(
        "SELECT CASE WHEN revision = ? THEN NULL ELSE raw END FROM config_revisions "
        "ORDER BY number DESC LIMIT 1",
        seen or "",
    )
    return None if raw is None else bytes(raw)


def _put(connection: Connection, raw: bytes, expected_revision: str | None, now: datetime) -> None:
    """Make a revision the newest one, if the one before is as expected (None: there is none)."""
    newest = connection.row(
        "SELECT number, revision FROM config_revisions ORDER BY number DESC LIMIT 1"
    )
    number, present = (newest["number"], newest["revision"]) if newest else (0, "")
    revision = revision_of(raw)
    if expected_revision is None and number:
        raise _already()
    if expected_revision not in (None, present):
        raise _moved_on()
    if revision == present:
        return
    number += 1
    row = {"number": number, "at": now, "revision": revision, "raw": raw}
    # Whoever writes without the lock may be as quick as we are; one of us gets the number.
    if not connection.insert("config_revisions", row, "ON CONFLICT (number) DO NOTHING"):
        raise _already() if expected_revision is None else _moved_on()
    connection.run("DELETE FROM config_revisions WHERE number <= ?", number - KEPT)
    if connection.postgresql:
        connection.run("SELECT pg_notify(?, ?)", CHANNEL, revision)


def _missing() -> ConfigMissingError:
    """Report that there is no document yet."""
    return ConfigMissingError(
        "No config in the database yet.",
        text(
            "Take one over: ",
            Command("config import FILE", program=True, form=True),
            ", or start with a new one: ",
            Command("init", program=True),
        ),
    )


def _moved_on() -> ConfigConflictError:
    """Report that another was quicker."""
    return ConfigConflictError(
        "The config in the database changed meanwhile; nothing was written.",
        "Run the command again.",
    )


def _already() -> ConfigWriteError:
    """Report that a first document is not the first."""
    return ConfigWriteError(
        "The database already has a config; nothing was written.",
        Command("model status"),
    )
