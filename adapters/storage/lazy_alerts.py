"""What commands need of the alerts, without the database library until it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.storage.lazy import LazyDatabase
from bot.access import Actor
from bot.ports.alerts import ChannelTrouble

if TYPE_CHECKING:
    from adapters.storage.alerts import SqlAlertStore


class LazyAlertDesk:
    """The AlertDesk port; while an SQLite file is not there yet, there is nothing in it."""

    def __init__(self, database: LazyDatabase) -> None:
        self._database = database
        self._opened: SqlAlertStore | None = None

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        """Note who looks after an open incident."""
        if self._database.empty:
            return False
        return await self._open().acknowledge(incident_id, actor, at)

    async def troubles(self) -> Sequence[ChannelTrouble]:
        """Return the surfaces that take no alerts."""
        seen = self._database.look(lambda quick: quick.troubles())
        return await self._open().troubles() if seen is None else seen

    def _open(self) -> SqlAlertStore:
        if self._opened is None:
            from adapters.storage.alerts import SqlAlertStore

            self._opened = SqlAlertStore(self._database.open())
        return self._opened
