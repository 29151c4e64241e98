"""Upkeep of the database while a service runs: wrong sums first, then rows that are too old."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from adapters.main.wiring import Wired
from bot.errors import StorageError

if TYPE_CHECKING:
    from adapters.storage.upkeep import DatabaseUpkeep

FORGET_EVERY_S = 3600.0
BETWEEN_BATCHES_S = 0.2
_log = logging.getLogger("changeover")


class Upkeep:
    """Works beside the service in small steps; the database being away only puts it off."""

    def __init__(self, wired: Wired) -> None:
        self._wired = wired
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        """End; what is left is done by the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        from adapters.storage.upkeep import DatabaseUpkeep

        upkeep, mended = DatabaseUpkeep(self._wired.database), False
        while True:
            with contextlib.suppress(StorageError):
                if not mended:
                    await upkeep.mend_sums(self._wired.clock.now())
                    mended = True
                await self._forget(upkeep)
            await asyncio.sleep(FORGET_EVERY_S)

    async def _forget(self, upkeep: DatabaseUpkeep) -> None:
        keep = self._wired.service.keep
        if keep is None:
            return
        gone = 0
        while step := await upkeep.forget(self._wired.clock.now() - keep):
            gone += step
            await asyncio.sleep(BETWEEN_BATCHES_S)
        if gone:
            _log.info("deleted %d rows older than CHANGEOVER_KEEP", gone)
