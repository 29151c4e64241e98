"""Alerts as a running service has them: the engine with its ports, looked after every second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from adapters.main.surface_workers import SurfaceWorkers, TimeoutChat, TimeoutHistory
from adapters.main.wiring import Wired
from bot.access import SERVICE
from bot.alerts.chain_test import ChainResult, report
from bot.alerts.delivery import RenderedMessage
from bot.alerts.engine import Engine, deliver, lead, note_config
from bot.alerts.impact import Impacts
from bot.alerts.mute import QuietHours
from bot.alerts.outbox import StoredOutbox
from bot.alerts.policy import AlertSettings
from bot.card import Person
from bot.commands.cost_posting import digest_draft
from bot.errors import ConfigError, StorageError
from bot.ports import Chat, ChatHistory, Document
from bot.ports.alerts import Notice

KEEP = timedelta(days=40)
"""For so long messages may still be edited, and a budget's notices of a month are known."""

RESIGN_WITHIN_S = 1.0
FORGET_EVERY = timedelta(hours=6)
# The kinds of rules in CHANGEOVER_OPERATORS: their surface, and whether they name many.
_CALLED = {
    "slack": ("slack", False),
    "slack-group": ("slack", True),
    "discord": ("discord", False),
    "discord-role": ("discord", True),
}


class Alerts:
    """One process's part in alerting; of several on one database one leads."""

    def __init__(self, wired: Wired, chats: Mapping[str, Chat]) -> None:
        from adapters.storage.alerts import DatabaseAlertStore
        from adapters.storage.leader import LeaseLeader

        self._wired = wired
        ports = wired.app.ports
        database = wired.database
        hours = wired.settings.quiet_hours
        zone = wired.settings.timezone
        self._store = DatabaseAlertStore(database)
        self.outbox = StoredOutbox(self._store, list(chats))
        self._engine = Engine(
            store=self._store,
            outlooks=Impacts(
                ports.store,
                ports.log,
                ports.prices,
                wired.app.catalog,
                wired.settings.env,
                ports.reloads,
            ),
            journal=ports.journal,
            chats={name: TimeoutChat(name, chat) for name, chat in chats.items()},
            settings=AlertSettings(quiet=QuietHours(*hours, zone) if hours else None),
            histories={
                name: TimeoutHistory(name, chat)
                for name, chat in chats.items()
                if isinstance(chat, ChatHistory)
            },
            calls=_people(wired.settings.access.operators),
            leader=LeaseLeader(database, wired.clock),
            digest=self._digest,
        )
        self._deliveries = SurfaceWorkers(self._deliver)
        self._forgot_at: datetime | None = None

    async def tick(self) -> None:
        """Read and decide, and see to it that every surface is told. Raises StorageError."""
        now = self._wired.clock.now()
        if await lead(self._engine, now):
            self._deliveries.begin(self._engine.chats)
            await self._forget(now)
        await self._deliveries.look_in()

    async def config_changed(self, document: Document) -> None:
        """Look at a document that has just changed: is it usable, and who changed it?

        Raises:
            StorageError: what was seen could not be kept.
        """
        app = self._wired.app
        error = None
        try:
            await app.record_outside_edit(document)
        except ConfigError as unusable:
            error = unusable.info
        await note_config(self._store, app.ports.store.location, error, self._wired.clock.now())
        self._engine.poke()

    async def chain_test(self) -> None:
        """Test the chain; tell when it fails or is not as it was. Raises StorageError."""
        app = self._wired.app
        if not await self._engine.leader.leads():
            return
        card = await app.handle(SERVICE, "fallback test")
        now = self._wired.clock.now()
        await report(self._engine, ChainResult.of(card), now)

    async def stop(self) -> None:
        """Finish what is being said, and let another process lead."""
        await self._deliveries.stop()
        with contextlib.suppress(StorageError, TimeoutError):
            async with asyncio.timeout(RESIGN_WITHIN_S):
                await self._engine.leader.resign()

    async def _forget(self, now: datetime) -> None:
        last = self._forgot_at
        if last is None or not last <= now < last + FORGET_EVERY:
            self._forgot_at = now
            await self._store.forget(now - KEEP)

    async def _digest(self, notice: Notice) -> RenderedMessage | None:
        return await digest_draft(self._wired.app.context(SERVICE), self.outbox, notice)

    async def _deliver(self, surface: str) -> None:
        await deliver(self._engine, surface, self._wired.clock.now())


def _people(rules: frozenset[str]) -> list[Person]:
    """Return whom loud alerts call: the operators, by name, user group or role."""
    people = []
    for kind, _, id_ in (rule.partition(":") for rule in sorted(rules)):
        surface, group = _CALLED.get(kind, ("", False))
        if surface:
            people.append(Person(surface, id_, id_, ping=True, group=group))
    return people
