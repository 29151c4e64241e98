"""Connections to one database: opened at need, checked when taken, a few kept idle."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.storage.calls import running
from adapters.storage.connection import Connection
from adapters.storage.database_errors import cannot_make

_MOST = 15
_MOST_IDLE = 5


class PoolTimeoutError(Exception):
    """All connections stayed in use."""


class Pool:
    """Transactions on one database, SQLite's or (`postgresql`) another's.

    `stale` are the errors by which an idle connection shows that its server is gone.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        clean: Callable[[str], str] | None = None,
        within_s: float,
        most: int = _MOST,
        postgresql: bool = False,
        stale: tuple[type[Exception], ...] = (),
    ) -> None:
        self._connect = connect
        self._clean = clean
        self._within_s = within_s
        self._postgresql = postgresql
        self._stale = stale
        self._free = threading.Semaphore(most)
        self._idle: list[Any] = []

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Connection]:
        """Begin a transaction; commit it at the end, or roll it back when that raises."""
        if not self._free.acquire(timeout=self._within_s):
            raise PoolTimeoutError
        try:
            raw = self._begun(writes)
            try:
                yield Connection(raw, postgresql=self._postgresql, clean=self._clean)
                raw.commit()
            except BaseException:
                self._roll_back(raw)
                raise
            self._give_back(raw)
        finally:
            running().uses(None)
            self._free.release()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            with contextlib.suppress(Exception):
                self._idle.pop().close()

    def _begun(self, writes: bool) -> Any:
        """Take a connection and begin; where the server was restarted, all idle ones are stale."""
        call = running()
        while True:
            idle = self._idle_or_none()
            raw = self._connect() if idle is None else idle
            call.uses(raw)
            try:
                self._begin(raw, writes)
            except Exception as error:
                _close(raw)
                if idle is None or call.broken or not isinstance(error, self._stale):
                    raise
                self.close()
            else:
                return raw

    def _idle_or_none(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _begin(self, raw: Any, writes: bool) -> None:
        if self._postgresql:
            raw.execute("SELECT 1")
        else:
            # A writer takes the lock at once: after a read it could not wait for it any more.
            raw.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def _roll_back(self, raw: Any) -> None:
        try:
            raw.rollback()
        except Exception:  # noqa: BLE001 - what went wrong before is what is raised
            _close(raw)
        else:
            self._give_back(raw)

    def _give_back(self, raw: Any) -> None:
        if running().broken or len(self._idle) >= _MOST_IDLE:
            _close(raw)
        else:
            self._idle.append(raw)


def sqlite_connection(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    """Open an SQLite file, or ":memory:"; begin and end of transactions are the caller's."""
    raw = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        raw.row_factory = sqlite3.Row
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        raw.close()
        raise
    return raw


def create_file(path: str) -> None:
    """Make an SQLite file where there is none. Raises StorageError.

    One that is there is not touched: to close it would drop the locks that SQLite holds on it for
    this process.
    """
    try:
        # The history may quote the config: private from the start, for the log beside it too.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise cannot_make(error, path) from None


def _close(raw: Any) -> None:
    with contextlib.suppress(Exception):
        raw.close()
