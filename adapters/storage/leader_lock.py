"""Leading by an advisory lock of PostgreSQL, which ends with the connection that holds it."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg

from adapters.storage import postgresql
from adapters.storage.url import DatabaseUrl

# The first half of the key says what is locked, the second in which schema.
_LOCK = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(coalesce(current_schema(), '')))"
_UNLOCK = "SELECT pg_advisory_unlock_all()"
_KEEPALIVE = (
    "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 2"
)
_ANSWER_WITHIN_S = 8.0


class LockLeader:
    """Leads by an advisory lock that its own connection holds."""

    def __init__(self, url: DatabaseUrl, name: str) -> None:
        self._url = url
        self._name = f"changeover {name}"
        self._connection: postgresql.Connection | None = None
        self._holds = False
        self._asking = asyncio.Lock()

    async def leads(self) -> bool:
        """Take the lock, or see that it is still held. Raises StorageError."""
        async with self._asking:
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    return await self._ask()
            except (psycopg.Error, TimeoutError) as error:
                # Whatever became of the connection, its lock is no longer counted on.
                await self._close()
                known = error if isinstance(error, psycopg.Error) else None
                raise postgresql.trouble(known, self._url) from None

    async def resign(self) -> None:
        """Give the lock back and close the connection.

        The server frees the lock of a closed connection a moment later; whoever is next need not
        wait for that.
        """
        async with self._asking:
            if self._connection is not None and self._holds:
                with contextlib.suppress(psycopg.Error, TimeoutError):
                    async with asyncio.timeout(_ANSWER_WITHIN_S):
                        await self._connection.execute(_UNLOCK)
            await self._close()

    async def _ask(self) -> bool:
        if self._connection is None:
            self._connection = await postgresql.connect(self._url)
            await self._connection.execute(_KEEPALIVE)
        if self._holds:
            await self._connection.execute("SELECT 1")
            return True
        cursor = await self._connection.execute(_LOCK, (self._name,))
        row = await cursor.fetchone()
        self._holds = bool(row and row[0])
        return self._holds

    async def _close(self) -> None:
        connection, self._connection, self._holds = self._connection, None, False
        if connection is not None:
            await connection.close()
