"""The database, SQLite or PostgreSQL: transactions off the event loop, errors in plain words."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from adapters.storage.database_errors import cannot_make, storage_error
from adapters.storage.migrate import prepare
from adapters.storage.url import DatabaseUrl, parse_url
from bot.errors import StorageError

T = TypeVar("T")
_CONNECT_TIMEOUT_S = 10


class Database:
    """One database, opened (and brought up to date) at the first use.

    SQLite takes one writer at a time: within this process they queue here, between processes
    each waits up to `busy_timeout_s` for the file.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = 30.0) -> None:
        self._url = parse_url(url)
        self._busy_timeout_s = busy_timeout_s
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._writing = asyncio.Lock()

    @property
    def url(self) -> DatabaseUrl:
        """Where it is."""
        return self._url

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads. Raises StorageError."""
        return await asyncio.to_thread(self._run, work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction, all of it or nothing. Raises StorageError."""
        if self._url.path is None:
            return await asyncio.to_thread(self._run, work, writes=True)
        async with self._writing:
            return await asyncio.to_thread(self._run, work, writes=True)

    async def close(self) -> None:
        """Close all connections; a later use opens new ones."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.dispose)

    def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        try:
            engine = self._ready()
            with (
                engine.connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                return work(connection)
        except SQLAlchemyError as error:
            # The original may quote parameters and addresses: it goes no further.
            raise storage_error(error, self._url) from None

    def _ready(self) -> Engine:
        with self._opening:
            if self._engine is None:
                engine = self._open()
                try:
                    prepare(engine, self._url, timeout_s=self._busy_timeout_s)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine

    def _open(self) -> Engine:
        if self._url.path is not None:
            return _open_sqlite(self._url.path, self._busy_timeout_s)
        try:
            return _open_postgresql(make_url(self._url.text))
        except (ArgumentError, ValueError):
            raise StorageError(
                "DATABASE_URL cannot be read.",
                "Write it postgresql://USER:PASSWORD@HOST:PORT/NAME; "
                "in the password, write @ as %40, / as %2F, : as %3A.",
            ) from None


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an INSERT that can say what happens when the row is there already."""
    return upsert_for(connection.dialect.name, table)


def upsert_for(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin the same where only the database's kind is known."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _open_sqlite(path: str, busy_timeout_s: float) -> Engine:
    try:
        # The history may quote the config: private from the start, for the log beside it too.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise cannot_make(error, path) from None
    engine = create_engine(
        URL.create("sqlite", database=path),
        connect_args={"timeout": busy_timeout_s},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by its own lights; `_begin_sqlite` does.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=NORMAL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer asks for the lock at once: one that has read first could not wait for it any more.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgresql(url: URL) -> Engine:
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_TIMEOUT_S}
    return create_engine(url, connect_args=timeout, pool_pre_ping=True, hide_parameters=True)
