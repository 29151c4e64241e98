"""Commands and clicks that were acted on: sent again, they do nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.storage.connection import Connection
from adapters.storage.database import Database
from bot.ports import Clock

_KEPT_FOR = timedelta(days=1)
"""Far longer than a signature is good for."""


class DatabaseTriggers:
    """Each trigger is claimed once, by whichever process is first."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, trigger: str) -> bool:
        """Note a trigger; False when it was noted before. Raises StorageError."""
        now = self._clock.now()
        return await self._database.write(lambda c: _claim(c, trigger, now))


def _claim(connection: Connection, trigger: str, now: datetime) -> bool:
    connection.run("DELETE FROM triggers WHERE at < ?", now - _KEPT_FOR)
    return connection.insert("triggers", {"id": trigger, "at": now}, "ON CONFLICT DO NOTHING") == 1
