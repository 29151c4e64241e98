"""The config in the database, without the database library while there is no SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from adapters.storage.config_place import LOCATION, missing
from adapters.storage.lazy import LazyDatabase
from bot.ports import ConfigSession, Document, KeptRevision

if TYPE_CHECKING:
    from adapters.storage.config_db import DatabaseConfigStore


class LazyConfigStore:
    """The ConfigStore port; see the module's sentence."""

    def __init__(
        self, database: LazyDatabase | str, *, lock_timeout_s: float = 15.0, poll_s: float = 0.5
    ) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._lock_timeout_s = lock_timeout_s
        self._poll_s = poll_s
        self._opened: DatabaseConfigStore | None = None

    @property
    def location(self) -> str:
        """How CHANGEOVER_CONFIG names it."""
        return LOCATION

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        if self._database.empty:
            raise missing()
        return await self._open().read()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        return self._turn()

    def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock; entering raises as DatabaseConfigStore's does."""
        return self._exclusive()

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the revisions there are, the present one first."""
        if self._database.empty:
            raise missing()
        return await self._open().kept()

    async def create(self, raw: bytes) -> Document:
        """Write a first document; never over anything. Raises ConfigWriteError."""
        return await self._open().create(raw)

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its revision has changed since one, until cancelled."""
        return self._open().watch(since)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._database.empty:
            raise missing()
        async with self._open().turn():
            yield

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[ConfigSession]:
        if self._database.empty:
            raise missing()
        async with self._open().exclusive() as session:
            yield session

    def _open(self) -> DatabaseConfigStore:
        if self._opened is None:
            from adapters.storage.config_db import DatabaseConfigStore

            self._opened = DatabaseConfigStore(
                self._database.open(), lock_timeout_s=self._lock_timeout_s, poll_s=self._poll_s
            )
        return self._opened
