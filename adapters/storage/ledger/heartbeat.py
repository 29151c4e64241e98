"""Signs of life, and of a clean stop: the next run of a service knows how this one ended."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from typing import Protocol

from bot.ports import Clock

_MOST_NAME = 40
_EVERY = timedelta(seconds=10)
_log = logging.getLogger("changeover")


class Marks(Protocol):
    """Where a service leaves signs of life; a part of the Journal. Raises StorageError."""

    async def beat(self, service: str, at: datetime) -> None:
        """A running service says that it lives."""
        ...

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        ...


class Heartbeat:
    """The marks of one service that keeps books."""

    def __init__(self, marks: Marks, clock: Clock, service: str) -> None:
        if len(service) > _MOST_NAME:
            service = f"service {hashlib.sha256(service.encode()).hexdigest()[:20]}"
        self._marks = marks
        self._clock = clock
        self._service = service
        self._alive = f"{service} ledger"
        self._stopped = f"{service} ledger stopped"
        self._looked_back = False
        self._newest: datetime | None = None
        self._due_at: datetime | None = None

    async def alive(self) -> None:
        """Leave a sign, now and then; the first time, tell if the last run just broke off."""
        now = self._clock.now()
        if self._due_at is not None and now < self._due_at:
            return
        if not self._looked_back:
            await self._look_back()
        await self._marks.beat(self._alive, now)
        self._newest = max(now, self._newest or now)
        self._due_at = now + _EVERY

    async def stopped(self) -> None:
        """Leave the mark of a clean stop, if there was a run."""
        if self._newest is not None and self._due_at is not None:
            # Not before the sign of life, even where a clock was put back.
            await self._marks.beat(self._stopped, max(self._clock.now(), self._newest))

    async def _look_back(self) -> None:
        alive = await self._marks.last_beat(self._alive)
        stopped = await self._marks.last_beat(self._stopped)
        self._looked_back = True
        self._newest = alive
        if alive is not None and (stopped is None or stopped < alive):
            _log.warning(
                "the last run of %s ended without a clean stop, after %s: "
                "up to a second of its last records may be missing",
                self._service,
                alive.isoformat(timespec="seconds"),
            )
