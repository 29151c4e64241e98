"""Newer published prices in a running service, and what the doctor says of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.main.wiring import Wired
from adapters.prices import ListedPrices
from adapters.prices.updates import PriceFeed
from adapters.storage.key_values import KeyValueStore
from bot.access import SERVICE
from bot.commands.doctor import Check, Level
from bot.commands.price_watch import check_prices
from bot.errors import StorageError
from bot.messages.doctor import prices_current, prices_not_updated, prices_off, prices_waiting
from bot.ports.alerts import Outbox

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

FIRST_AFTER_S = 60.0
"""A service that has just started has better things to do."""

LOOK_EVERY_S = 60.0
_UPDATED = "prices.updated"
_KNOWN = "prices.known"


class PriceUpdates:
    """Takes newer lists as they come; without a network the list that is installed stays."""

    def __init__(self, wired: Wired, feed: PriceFeed | None = None) -> None:
        self._wired = wired
        self._feed = feed or PriceFeed()
        self._memory = KeyValueStore(wired.database)
        self._taken: DataSnapshot | None = None
        self._said: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, unless that is off."""
        if self._wired.service.price_updates:
            self._task = asyncio.create_task(self._run(), name="prices")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._feed.stop()

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_AFTER_S)
        await asyncio.to_thread(self._feed.start)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take what has been fetched, and note how the last fetch went."""
        snapshot, trouble = self._feed.look()
        prices = self._wired.app.ports.prices
        if snapshot is not None and snapshot is not self._taken and not trouble:
            assert isinstance(prices, ListedPrices)
            prices.take(snapshot, snapshot.timestamp.date())
            self._taken = snapshot
        taken = self._taken.timestamp.astimezone().isoformat() if self._taken else None
        said = json.dumps({"taken_at": taken, "trouble": trouble})
        if said == self._said or (not taken and not trouble):
            return
        with contextlib.suppress(StorageError):
            await self._memory.put(_UPDATED, said)
            self._said = said


async def watch_prices(wired: Wired, outbox: Outbox) -> None:
    """Tell once of each model in use whose price has changed. Raises StorageError."""
    memory = KeyValueStore(wired.database)
    kept = await memory.get(_KNOWN)
    known = json.loads(kept) if kept else {}
    now_known = await check_prices(wired.app.context(SERVICE), outbox, known)
    if now_known != known:
        await memory.put(_KNOWN, json.dumps(now_known))


async def examine_prices(wired: Wired) -> Check:
    """Describe how current the published prices of the running service are."""
    name, installed = "prices", max(wired.app.catalog.genai_prices.values())
    if not wired.service.price_updates:
        return Check(name, True, Level.INFO, prices_off(installed))
    try:
        kept = await KeyValueStore(wired.database).get(_UPDATED)
    except StorageError:
        kept = None
    if kept is None:
        return Check(name, True, Level.INFO, prices_waiting(installed))
    found = json.loads(kept)
    taken = datetime.fromisoformat(found["taken_at"]) if found["taken_at"] else None
    if found["trouble"]:
        detail, hint = prices_not_updated(taken.date() if taken else installed, found["trouble"])
        return Check(name, False, Level.WARNING, detail, hint)
    return Check(name, True, Level.INFO, prices_current(taken.date() if taken else installed))
