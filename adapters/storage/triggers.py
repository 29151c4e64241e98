"""Commands and clicks that were acted on: sent again, they do nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapters.storage.lazy import LazyDatabase
from bot.ports import Clock

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEPT_FOR = timedelta(days=1)
"""Far longer than a signature is good for."""


class LazyTriggers:
    """Each trigger is claimed once, by whichever process is first."""

    def __init__(self, database: LazyDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, trigger: str) -> bool:
        """Note a trigger; False when it was noted before. Raises StorageError."""
        now = self._clock.now()
        return await self._database.open().write(lambda c: _claim(c, trigger, now))


def _claim(connection: Connection, trigger: str, now: datetime) -> bool:
    from adapters.storage.database import upsert
    from adapters.storage.schema import triggers

    connection.execute(triggers.delete().where(triggers.c.at < now - _KEPT_FOR))
    row = upsert(connection, triggers).values(id=trigger, at=now)
    claim = row.on_conflict_do_nothing().returning(triggers.c.id)
    return connection.execute(claim).first() is not None
