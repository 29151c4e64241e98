"""The database, SQLite or PostgreSQL: transactions off the event loop, errors in plain words."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from adapters.storage.calls import Call, Calls
from adapters.storage.connection import Connection
from adapters.storage.database_errors import storage_error, too_late
from adapters.storage.migrate import check_version, prepare, upgrade
from adapters.storage.pool import Pool, PoolTimeoutError, create_file, sqlite_connection
from adapters.storage.url import DatabaseUrl, parse_url
from bot.errors import NewerDatabaseError, StorageError

T = TypeVar("T")
BUSY_TIMEOUT_S = 10.0
WITHIN_S = 20.0
"""How long a caller waits for the database, whatever it hangs in."""


class Database:
    """One database, opened (and brought up to date) at the first use.

    A read without an SQLite file is a read of an empty database. SQLite takes one writer at a
    time: within this process they queue here, between processes each waits up to
    `busy_timeout_s` for the file. No call takes longer than `within_s`.
    `on_newer` is called when a newer release has taken the database over. `clean` takes the
    secrets out of every text that is written.
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        within_s: float = WITHIN_S,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        self._clean = clean
        self._url = parse_url(url)
        self._busy_timeout_s = busy_timeout_s
        self._within_s = within_s
        self._pool: Pool | None = None
        self._nothing = Pool(_empty_connection, within_s=within_s, most=1)
        self._opening = threading.Lock()
        self._writing = asyncio.Lock()
        self._calls = Calls(self._late)
        self.on_newer: Callable[[NewerDatabaseError], None] = lambda _: None

    @property
    def url(self) -> DatabaseUrl:
        """Where it is."""
        return self._url

    @property
    def empty(self) -> bool:
        """True while there is no SQLite file, so that nothing can be known."""
        path = self._url.path
        return self._pool is None and path is not None and not os.path.exists(path)

    async def open(self) -> None:
        """Open it now, making the tables where there are none. Raises StorageError."""
        await self._call(self._ready)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads. Raises StorageError."""
        return await self._call(lambda: self._run(work, writes=False, makes=False))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction, all of it or nothing. Raises StorageError."""
        return await self._write(work, makes=True)

    async def change(self, work: Callable[[Connection], T]) -> T:
        """Do work that only changes rows that are there: no file is made for it."""
        return await self._write(work, makes=False)

    async def close(self) -> None:
        """Break off what is under way and close all connections; a later use opens new ones."""
        await self._calls.break_off()
        pools = (self._pool, self._nothing)
        self._pool = None
        for pool in pools:
            if pool is not None:
                await asyncio.to_thread(pool.close)

    async def _write(self, work: Callable[[Connection], T], *, makes: bool) -> T:
        if self._url.path is None:
            return await self._call(lambda: self._run(work, writes=True, makes=makes))
        try:
            async with asyncio.timeout(self._within_s):
                await self._writing.acquire()
        except TimeoutError:
            raise too_late(self._url, self._within_s) from None
        try:
            return await self._call(lambda: self._run(work, writes=True, makes=makes))
        finally:
            self._writing.release()

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await self._calls.make(lambda: self._said_plainly(work), self._within_s)
        except NewerDatabaseError as error:
            self.on_newer(error)
            raise

    def _said_plainly(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except PoolTimeoutError:
            raise too_late(self._url, self._within_s) from None
        except Exception as error:
            if not isinstance(error, _driver_errors()):
                raise
            # The original may quote values and addresses: it goes no further.
            raise storage_error(error, self._url) from None

    def _run(self, work: Callable[[Connection], T], *, writes: bool, makes: bool) -> T:
        pool = self._nothing if not makes and self.empty else self._ready()
        with pool.transaction(writes=writes) as connection:
            if writes:
                check_version(connection, self._url)
            return work(connection)

    def _late(self, call: Call) -> StorageError:
        return too_late(self._url, self._within_s, updating=call.patient)

    def _ready(self) -> Pool:
        if not self._opening.acquire(timeout=self._within_s):
            raise too_late(self._url, self._within_s, updating=True)
        try:
            if self._pool is None:
                pool = self._open()
                try:
                    prepare(pool, self._url, timeout_s=self._busy_timeout_s)
                except BaseException:
                    pool.close()
                    raise
                self._pool = pool
            return self._pool
        finally:
            self._opening.release()

    def _open(self) -> Pool:
        path = self._url.path
        if path is not None:
            create_file(path)
            return Pool(
                lambda: sqlite_connection(path, self._busy_timeout_s),
                clean=self._clean,
                within_s=self._within_s,
            )
        # Late: SQLite needs no PostgreSQL driver.
        from adapters.storage.postgresql import STALE, arguments, connect

        given = arguments(self._url)
        return Pool(
            lambda: connect(given),
            clean=self._clean,
            within_s=self._within_s,
            postgresql=True,
            stale=STALE,
        )


def _empty_connection() -> sqlite3.Connection:
    """Open an empty database in memory; another connection has its own."""
    raw = sqlite_connection(":memory:", 0)
    upgrade(Connection(raw, postgresql=False, clean=None))
    return raw


def _driver_errors() -> tuple[type[Exception], ...]:
    psycopg: Any = sys.modules.get("psycopg")
    return (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)
