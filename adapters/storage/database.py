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
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, SQLAlchemyError

from adapters.storage.calls import Call, Calls, running
from adapters.storage.database_errors import cannot_make, storage_error, too_late
from adapters.storage.migrate import check_version, prepare
from adapters.storage.url import CONNECT, SESSION, DatabaseUrl, parse_url
from bot.errors import NewerDatabaseError, StorageError

T = TypeVar("T")
BUSY_TIMEOUT_S = 10.0
WITHIN_S = 20.0
"""How long a caller waits for the database, whatever it hangs in."""


class Database:
    """One database, opened (and brought up to date) at the first use.

    SQLite takes one writer at a time: within this process they queue here, between processes
    each waits up to `busy_timeout_s` for the file. No call takes longer than `within_s`.
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
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._writing = asyncio.Lock()
        self._calls = Calls(self._late)
        self.on_newer: Callable[[NewerDatabaseError], None] = lambda _: None

    @property
    def url(self) -> DatabaseUrl:
        """Where it is."""
        return self._url

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction that only reads. Raises StorageError."""
        return await self._call(work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction, all of it or nothing. Raises StorageError."""
        if self._url.path is None:
            return await self._call(work, writes=True)
        try:
            async with asyncio.timeout(self._within_s):
                await self._writing.acquire()
        except TimeoutError:
            raise too_late(self._url, self._within_s) from None
        try:
            return await self._call(work, writes=True)
        finally:
            self._writing.release()

    async def close(self) -> None:
        """Break off what is under way and close all connections; a later use opens new ones."""
        await self._calls.break_off()
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.dispose)

    async def _call(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        try:
            return await self._calls.make(lambda: self._run(work, writes=writes), self._within_s)
        except NewerDatabaseError as error:
            self.on_newer(error)
            raise

    def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        try:
            engine = self._ready()
            with (
                engine.connect().execution_options(writes=writes) as connection,
                connection.begin(),
            ):
                if writes:
                    check_version(connection, self._url)
                return work(connection)
        except SQLAlchemyError as error:
            # The original may quote parameters and addresses: it goes no further.
            raise storage_error(error, self._url) from None

    def _late(self, call: Call) -> StorageError:
        return too_late(self._url, self._within_s, updating=call.patient)

    def _ready(self) -> Engine:
        if not self._opening.acquire(timeout=self._within_s):
            raise too_late(self._url, self._within_s, updating=True)
        try:
            if self._engine is None:
                engine = self._open()
                if self._clean is not None:
                    _clean_texts(engine, self._clean)
                try:
                    prepare(engine, self._url, timeout_s=self._busy_timeout_s)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine
        finally:
            self._opening.release()

    def _open(self) -> Engine:
        if self._url.path is not None:
            return _open_sqlite(self._url.path, self._busy_timeout_s)
        try:
            return _open_postgresql(make_url(self._url.text))
        except (ArgumentError, ValueError):
            raise StorageError(
                "DATABASE_URL cannot be parsed.",
                "Use postgresql://USER:PASSWORD@HOST:PORT/NAME; "
                "in the password, write @ as %40, / as %2F, : as %3A.",
            ) from None


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin an INSERT that can say what happens when the row is there already."""
    return upsert_for(connection.dialect.name, table)


def upsert_for(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Begin the same where only the database's kind is known."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _clean_texts(engine: Engine, clean: Callable[[str], str]) -> None:
    def one(value: Any) -> Any:
        return clean(value) if isinstance(value, str) else value

    def row(values: Any) -> Any:
        if isinstance(values, dict):
            return {name: one(value) for name, value in values.items()}
        return tuple(map(one, values)) if isinstance(values, tuple) else values

    def before(
        _c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool
    ) -> tuple[str, Any]:
        return statement, [row(one) for one in values] if isinstance(values, list) else row(values)

    event.listen(engine, "before_cursor_execute", before, retval=True)


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
    return _watched(engine)


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
    given = {name: value for name, value in CONNECT.items() if name not in url.query}
    engine = create_engine(url, connect_args=given, pool_timeout=WITHIN_S, hide_parameters=True)
    event.listen(engine, "connect", _set_up_postgresql)
    event.listen(engine, "checkout", _ask_postgresql)
    return _watched(engine)


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    connection.execute(SESSION)
    connection.commit()


def _ask_postgresql(connection: Any, _record: Any, _fairy: Any) -> None:
    """Begin, and see whether the server is still there; one that was restarted has a new pool."""
    call = running()
    call.uses(connection)
    try:
        connection.execute("SELECT 1")
    except connection.Error as error:
        if call.broken:
            raise
        raise InvalidatePoolError from error


def _watched(engine: Engine) -> Engine:
    """Let each call know the connection it waits on, so that it can be broken off there."""
    event.listen(engine, "checkout", lambda connection, *_: running().uses(connection))
    event.listen(engine, "checkin", lambda *_: running().uses(None))
    return engine
