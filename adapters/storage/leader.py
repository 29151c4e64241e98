"""One process of several does what only one may do; another takes over within 15 s.

The right is a row that is good for a few seconds and kept alive by asking. Whoever is stopped,
hangs or has lost the database does not ask, so it runs out. Each term has a token of its own: a
process that was away in between sees that its term is over, even where it leads again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import timedelta

from adapters.storage.codec import micros_of
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from bot.ports import Clock

LEASE = timedelta(seconds=10)
_LEASE_US = LEASE // timedelta(microseconds=1)
_SERVER_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


class LeaseLeader:
    """Leads by a row that expires, by PostgreSQL's own clock or the one of SQLite's machine."""

    def __init__(self, database: Database, clock: Clock, name: str = "alerts") -> None:
        self._database = database
        self._clock = clock
        self._name = name
        self._term: str | None = None
        self._asking = asyncio.Lock()

    async def leads(self) -> str | None:
        """Take the lease, or renew it when half of it is over. Raises StorageError."""
        async with self._asking:
            holder, left_us = await self._database.read(self._look)
            if holder is not None and holder != self._term:
                self._term = None
            elif holder is None or left_us < _LEASE_US // 2:
                self._term = await self._database.write(self._take)
            return self._term

    async def holds(self, term: str) -> bool:
        """Return whether that term goes on. Raises StorageError."""
        holder, _ = await self._database.read(self._look)
        return holder == term

    async def resign(self) -> None:
        """Give the lease back. Raises StorageError."""
        term, self._term = self._term, None
        if term is not None:
            await self._database.write(
                lambda c: c.run(
                    "DELETE FROM leases WHERE name = ? AND holder = ?", self._name, term
                )
            )

    def _look(self, connection: Connection) -> tuple[str | None, int]:
        """Return who leads and for how long still; None when the lease has run out."""
        row = connection.row(
            f"SELECT holder, until - {self._now(connection)} AS left_us FROM leases WHERE name = ?",
            self._name,
        )
        # So far ahead it was noted by a clock that has been put back since.
        if row is None or not 0 < row["left_us"] <= _LEASE_US:
            return None, 0
        return row["holder"], row["left_us"]

    def _take(self, connection: Connection) -> str | None:
        now = self._now(connection)
        until = f"{now} + {_LEASE_US}"
        goes_on = f"leases.until > {now} AND leases.until <= {until}"
        if self._term is not None and connection.run(
            f"UPDATE leases SET until = {until} WHERE name = ? AND holder = ? AND {goes_on}",
            self._name,
            self._term,
        ):
            return self._term
        term = f"{os.getpid()}-{secrets.token_hex(8)}"
        taken = connection.run(
            f"INSERT INTO leases (name, holder, until) VALUES (?, ?, {until}) "
            "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
            f"WHERE NOT ({goes_on})",
            self._name,
            term,
        )
        return term if taken else None

    def _now(self, connection: Connection) -> str:
        """Write the present in microseconds, as the database knows it."""
        return _SERVER_NOW if connection.postgresql else str(micros_of(self._clock.now()))
