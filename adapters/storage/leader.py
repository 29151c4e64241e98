"""One process of several does what only one may do; another takes over within 15 s of its death.

On PostgreSQL the right is an advisory lock on a connection of its own: the server frees it as
soon as the process is gone, and asks after a machine that says nothing. On SQLite, whose processes
are on one machine, it is a row that is good for a few seconds and kept alive by asking.
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from adapters.storage.database import Database, upsert
from adapters.storage.schema import leases
from adapters.storage.url import parse_url
from bot.ports import Clock
from bot.ports.alerts import Leader

LEASE = timedelta(seconds=12)


def leader_of(database: Database, url: str, clock: Clock, name: str = "alerts") -> Leader:
    """Return this process's candidate for a task on the database that `url` names."""
    at = parse_url(url)
    if at.path is not None:
        return LeaseLeader(database, clock, name)
    # Late: SQLite needs no PostgreSQL driver.
    from adapters.storage.leader_lock import LockLeader

    return LockLeader(at, name)


class LeaseLeader:
    """Leads by a row that expires; asking renews it."""

    def __init__(self, database: Database, clock: Clock, name: str) -> None:
        self._database = database
        self._clock = clock
        self._name = name
        self._holder = f"{os.getpid()}-{secrets.token_hex(8)}"

    async def leads(self) -> bool:
        """Take the lease, or renew it when half of it is over. Raises StorageError."""
        now = self._clock.now()
        query = select(leases).where(leases.c.name == self._name)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        # So far ahead it was noted by a clock that has been put back since.
        if row is not None and now < row.until <= now + LEASE:
            if row.holder != self._holder:
                return False
            if row.until > now + LEASE / 2:
                return True
        return await self._database.write(lambda c: self._take(c, now))

    async def resign(self) -> None:
        """Give the lease back. Raises StorageError."""
        mine = leases.c.name == self._name, leases.c.holder == self._holder
        await self._database.write(lambda c: c.execute(leases.delete().where(*mine)))

    def _take(self, connection: Connection, now: datetime) -> bool:
        row = upsert(connection, leases).values(
            name=self._name, holder=self._holder, until=now + LEASE
        )
        free = or_(
            leases.c.holder == self._holder,
            leases.c.until <= now,
            leases.c.until > now + LEASE,
        )
        connection.execute(
            row.on_conflict_do_update(
                index_elements=[leases.c.name],
                set_={"holder": row.excluded.holder, "until": row.excluded.until},
                where=free,
            )
        )
        holder = connection.scalar(select(leases.c.holder).where(leases.c.name == self._name))
        return holder == self._holder
