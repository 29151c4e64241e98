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

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    literal,
    literal_column,
    select,
    type_coerce,
    update,
)

from adapters.storage.codec import micros_of
from adapters.storage.database import Database, upsert
from adapters.storage.schema import leases
from bot.ports import Clock

LEASE = timedelta(seconds=10)
_LEASE_US = LEASE // timedelta(microseconds=1)
_SERVER_NOW = literal_column(
    "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", BigInteger
)
_until = type_coerce(leases.c.until, BigInteger)


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
            mine = leases.c.name == self._name, leases.c.holder == term
            await self._database.write(lambda c: c.execute(leases.delete().where(*mine)))

    def _look(self, connection: Connection) -> tuple[str | None, int]:
        """Return who leads and for how long still; None when the lease has run out."""
        query = select(leases.c.holder, _until - self._now(connection))
        row = connection.execute(query.where(leases.c.name == self._name)).one_or_none()
        # So far ahead it was noted by a clock that has been put back since.
        if row is None or not 0 < row[1] <= _LEASE_US:
            return None, 0
        return row[0], row[1]

    def _take(self, connection: Connection) -> str | None:
        now = self._now(connection)
        goes_on = and_(_until > now, _until <= now + _LEASE_US)
        mine = leases.c.name == self._name, leases.c.holder == self._term, goes_on
        renewal = update(leases).where(*mine).values(until=now + _LEASE_US)
        if self._term is not None and connection.execute(renewal).rowcount == 1:
            return self._term
        term = f"{os.getpid()}-{secrets.token_hex(8)}"
        row = upsert(connection, leases).values(name=self._name, holder=term, until=now + _LEASE_US)
        taken = row.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": row.excluded.holder, "until": row.excluded.until},
            where=~goes_on,
        )
        return term if connection.scalar(taken.returning(leases.c.holder)) else None

    def _now(self, connection: Connection) -> ColumnElement[int]:
        if connection.dialect.name != "sqlite":
            return _SERVER_NOW
        return literal(micros_of(self._clock.now()), BigInteger)
