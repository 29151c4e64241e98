"""Noticing that the config in the database changed: PostgreSQL tells, SQLite is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from adapters.storage.url import DatabaseUrl
from bot.errors import StorageError
from bot.ports import Document

CHANNEL = "changeover_config"
_SLOW_POLL_S = 5.0
_RETRY_S = 1.0
_log = logging.getLogger("changeover")


async def watch_database(
    url: DatabaseUrl,
    read: Callable[[str | None], Awaitable[Document | None]],
    *,
    since: str | None,
    poll_s: float,
) -> AsyncIterator[Document]:
    """Yield the document each time its revision has changed since one, until cancelled.

    `read` returns the document unless its revision is the given one or there is none. A database
    that is away for a while is waited for.
    """
    following = _Following(read)
    seen = since
    if seen is None:
        first = await following.look(None)
        seen = first.revision if first else None
    listener = _Listener(url)
    try:
        while True:
            await listener.wait(poll_s)
            document = await following.look(seen)
            if document is not None:
                seen = document.revision
                yield document
    finally:
        await listener.close()


class _Following:
    """Reads, and says once when it cannot and once when it can again."""

    def __init__(self, read: Callable[[str | None], Awaitable[Document | None]]) -> None:
        self._read = read
        self._lost = False

    async def look(self, seen: str | None) -> Document | None:
        try:
            document = await self._read(seen)
        except StorageError as error:
            if not self._lost:
                _log.warning("cannot watch the config for now: %s", error.message)
            self._lost = True
            return None
        if self._lost:
            _log.info("watching the config again")
        self._lost = False
        return document


class _Listener:
    """Waits for PostgreSQL to tell of a change, or for the time of the next look."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._wake = asyncio.Event()
        self._live = False
        self._task: asyncio.Task[None] | None = None
        if url.path is None:
            self._task = asyncio.create_task(self._run(), name="config listener")

    async def wait(self, poll_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_SLOW_POLL_S if self._live else poll_s):
                await self._wake.wait()
        self._wake.clear()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        # Late: SQLite needs no PostgreSQL driver.
        import psycopg

        while True:
            with suppress(StorageError, psycopg.Error):
                await self._listen()
            # Until it listens again, the poll is the quick one.
            self._live = False
            self._wake.set()
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        from adapters.storage.postgresql import connect_alone

        async with await connect_alone(self._url) as connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            # What happened before, the look that is due already will find.
            self._live = True
            async for _ in connection.notifies():
                self._wake.set()
