"""Alerts as a running service has them: the pipeline on its ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from adapters.main.receivers import open_receivers
from adapters.main.status_pages import pages_of
from adapters.main.timeout_chat import TimeoutChat, TimeoutHistory
from adapters.main.wiring import Wired
from bot.access import SERVICE
from bot.alerts.grouping import note_config
from bot.alerts.impact import Impacts
from bot.alerts.mute import QuietHours
from bot.alerts.pipeline import AlertPorts, Pipeline
from bot.alerts.policy import AlertSettings
from bot.alerts.rendering import RenderedMessage
from bot.card import Person
from bot.commands.cost_posting import digest_draft
from bot.errors import ConfigError, StorageError
from bot.ports import Chat, ChatHistory, Document
from bot.ports.alerts import Notice, Outbox

RESIGN_WITHIN_S = 1.0
# The kinds of rules in CHANGEOVER_OPERATORS: their surface, and whether they name many.
_CALLED = {
    "slack": ("slack", False),
    "slack-group": ("slack", True),
    "discord": ("discord", False),
    "discord-role": ("discord", True),
    "telegram": ("telegram", False),
}


class Alerts:
    """One process's part in alerting; of several on one database one leads."""

    def __init__(self, wired: Wired, chats: Mapping[str, Chat]) -> None:
        from adapters.storage.alerts import DatabaseAlertStore
        from adapters.storage.leader import LeaseLeader

        self._wired = wired
        self._receivers = open_receivers(wired.service.receivers)
        ports = wired.app.ports
        hours = wired.settings.quiet_hours
        zone = wired.settings.timezone
        self.ports = AlertPorts(
            clock=wired.clock,
            store=DatabaseAlertStore(wired.database),
            impacts=Impacts(
                ports.store,
                ports.log,
                ports.prices,
                wired.app.catalog,
                wired.settings.env,
                ports.reloads,
            ),
            journal=ports.journal,
            chats={name: TimeoutChat(name, chat) for name, chat in chats.items()},
            histories={
                name: TimeoutHistory(name, chat)
                for name, chat in chats.items()
                if isinstance(chat, ChatHistory)
            },
            calls=_people(wired.settings.access.operators),
            leader=LeaseLeader(wired.database, wired.clock),
            digest=self._digest,
            receivers=self._receivers,
            settings=AlertSettings(quiet=QuietHours(*hours, zone) if hours else None),
            pages=pages_of(wired),
        )
        self.pipeline = Pipeline(self.ports)

    @property
    def outbox(self) -> Outbox:
        """Takes the notices of others."""
        return self.pipeline.outbox

    async def tick(self) -> None:
        """Decide, and see to it that every surface is up to date. Raises StorageError."""
        await self.pipeline.tick()

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
        await note_config(
            self.ports.store, app.ports.store.location, error, self._wired.clock.now()
        )
        self.pipeline.outside_edits.poke()

    async def chain_test(self) -> None:
        """Test the chain and report what is new in the result. Raises StorageError."""
        app = self._wired.app
        if not await self.ports.leader.leads():
            return
        result = await app.test_chain()
        await self.pipeline.chain_tests.report(result, self._wired.clock.now())

    async def stop(self) -> None:
        """Finish what is being sent, and let another process lead."""
        await self.pipeline.workers.stop()
        with contextlib.suppress(StorageError, TimeoutError):
            async with asyncio.timeout(RESIGN_WITHIN_S):
                await self.ports.leader.resign()
        for receiver in self._receivers.values():
            await receiver.aclose()

    async def _digest(self, notice: Notice) -> RenderedMessage | None:
        return await digest_draft(self._wired.app.context(SERVICE), self.outbox, notice)


def _people(rules: frozenset[str]) -> list[Person]:
    """Return whom loud alerts call: the operators, by name, user group or role."""
    people = []
    for kind, _, id_ in (rule.partition(":") for rule in sorted(rules)):
        surface, group = _CALLED.get(kind, ("", False))
        if surface:
            people.append(Person(surface, id_, id_, ping=True, group=group))
    return people
