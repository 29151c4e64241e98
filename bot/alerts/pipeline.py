"""The way of a notification, from a fallback event to a message in a channel.

The constructor lists the stages in order. Each keeps its result in the store before the next
begins, and each can run again: a process that dies between two loses nothing and doubles nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bot.alerts.chain_test import ChainTestReports
from bot.alerts.delivery import Dedup, Delivery, Due, Reachability, Send
from bot.alerts.evaluate import Evaluation
from bot.alerts.event_delivery import EventDelivery
from bot.alerts.events import ConfigChanges, IncidentEvents
from bot.alerts.grouping import Answers, ConfigWatch, Grouping, Uptime
from bot.alerts.impact import Impacts
from bot.alerts.notices import ChannelWatch, MorningSummary, OutsideEdits, StoredOutbox
from bot.alerts.policy import AlertSettings
from bot.alerts.rendering import Renderer, WriteDigest, no_digest
from bot.alerts.status_pages import StatusPages
from bot.card import Person
from bot.durations import in_force
from bot.ports import Chat, ChatHistory, Clock, Journal
from bot.ports.alerts import AlertConflictError, AlertStore, AlwaysLeader, Leader
from bot.ports.receivers import Receiver

KEEP = timedelta(days=40)
"""For so long messages may still be edited, and a budget's notices of a month are known."""

FORGET_EVERY = timedelta(hours=6)
WAIT_S = 0.5
LAST_WORDS_S = 3.0

_log = logging.getLogger("changeover.alerts")


class Stage(Protocol):
    """One job of the process that leads; `muted_until` is None unless a mute is in force."""

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Do what is due and keep it. Raises StorageError."""
        ...


@dataclass(frozen=True, slots=True)
class AlertPorts:
    """What alerts work with; `chats` are the configured surfaces by name.

    `calls` are the people whom loud alerts call, each on their own surface; `receivers` the
    programs that are sent events, by the names of their surfaces; `pages` are the providers whose
    status pages are read.
    """

    clock: Clock
    store: AlertStore
    impacts: Impacts
    journal: Journal
    chats: Mapping[str, Chat]
    histories: Mapping[str, ChatHistory] = field(default_factory=dict)
    calls: Sequence[Person] = ()
    leader: Leader = field(default_factory=AlwaysLeader)
    digest: WriteDigest = no_digest
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    settings: AlertSettings = field(default_factory=AlertSettings)
    pages: Collection[str] = ()


class Pipeline:
    """One process's part in alerting; of several on one database, one leads.

    `wait_s` is how long a tick waits for deliveries that are under way.
    """

    def __init__(self, ports: AlertPorts, wait_s: float = WAIT_S) -> None:
        store, settings, leader = ports.store, ports.settings, ports.leader
        impacts, surfaces = ports.impacts, list(ports.chats)
        self._clock, self._leader, self._mutes = ports.clock, leader, impacts.log
        receivers = ports.receivers
        feeds = [name for name, one in receivers.items() if not one.incidents_only]
        self.outbox = StoredOutbox(store, [*surfaces, *feeds])
        self.outside_edits = OutsideEdits(ports.journal, store, self.outbox, impacts.config)
        self.chain_tests = ChainTestReports(store, self.outbox, impacts.log, settings.quiet)
        pages = StatusPages(store, ports.pages)
        answers = Answers(store, impacts.log, settings.recover_answers)
        self._stages: tuple[Stage, ...] = (
            Uptime(store),
            Grouping(store, answers, settings.silent_after),
            ConfigWatch(store),
            UnlessMuted(
                self.outside_edits,
                MorningSummary(store, self.outbox, settings.quiet),
                self.chain_tests,
            ),
            Evaluation(store, answers, impacts, settings, surfaces, pages),
            IncidentEvents(store, receivers),
            ConfigChanges(ports.journal, store, impacts.config, feeds),
            ChannelWatch(store, [*surfaces, *feeds], [*surfaces, *receivers]),
            Cleanup(store),
        )
        render = Renderer(store, impacts, ports.calls, ports.digest, settings)
        self._deliveries: dict[str, Delivery | EventDelivery] = {
            surface: Delivery(
                store,
                leader,
                due=Due(store, surface, settings.edit_every),
                render=render,
                dedup=Dedup(ports.histories.get(surface)),
                send=Send(store, chat, leader),
                reach=Reachability(store, surface, [o for o in surfaces if o != surface]),
            )
            for surface, chat in ports.chats.items()
        }
        for surface, receiver in receivers.items():
            reach = Reachability(store, surface, surfaces)
            self._deliveries[surface] = EventDelivery(
                store, leader, surface, receiver, ports.digest, reach, surfaces
            )
        self.workers = SurfaceWorkers(self.deliver, wait_s)

    async def tick(self) -> None:
        """Decide once, and see to it that every surface is up to date. Raises StorageError."""
        if await self.decide():
            self.workers.begin(self._deliveries)
        await self.workers.wait()

    async def decide(self) -> bool:
        """Run the stages once; False when another process does. Raises StorageError."""
        now = self._clock.now()
        if not await self._leader.leads():
            return False
        try:
            muted_until = in_force(await self._mutes.muted_until(), now)
            for stage in self._stages:
                await stage.run(now, muted_until)
        except AlertConflictError as error:
            _log.info("alerts: %s Retrying at the next run.", error.message)
            return False
        return True

    async def deliver(self, surface: str) -> None:
        """Bring one surface's messages up to date. Raises StorageError."""
        await self._deliveries[surface].run(self._clock.now())


class UnlessMuted:
    """Stages that wait while alerts are muted."""

    def __init__(self, *stages: Stage) -> None:
        self._stages = stages

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Run them, or none."""
        if muted_until is None:
            for stage in self._stages:
                await stage.run(now, None)


class Cleanup:
    """Drops what was over long ago."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._last: datetime | None = None

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Look every few hours."""
        if self._last is None or not self._last <= now < self._last + FORGET_EVERY:
            self._last = now
            await self._store.forget(now - KEEP)


class SurfaceWorkers:
    """At most one delivery a surface is under way, so one that hangs holds no other up."""

    def __init__(
        self, deliver: Callable[[str], Coroutine[None, None, None]], wait_s: float = WAIT_S
    ) -> None:
        self._deliver = deliver
        self.wait_s = wait_s
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """True while a delivery is under way."""
        return bool(self._tasks)

    def begin(self, surfaces: Iterable[str]) -> None:
        """Begin to deliver wherever nothing is under way."""
        for surface in surfaces:
            if surface not in self._tasks:
                self._tasks[surface] = asyncio.create_task(self._deliver(surface))

    async def wait(self) -> None:
        """Wait a moment for what is under way; what takes longer goes on by itself.

        Raises:
            StorageError: one of those that have ended found the database away.
        """
        if not self._tasks:
            return
        done, _ = await asyncio.wait(self._tasks.values(), timeout=self.wait_s)
        self._tasks = {name: task for name, task in self._tasks.items() if task not in done}
        errors = [task.exception() for task in done if not task.cancelled()]
        for error in filter(None, errors):
            raise error

    async def stop(self, within_s: float = LAST_WORDS_S) -> None:
        """Let what is under way come to its end; break off what does not in time.

        A message that is broken off may be there or not: the next start finds out.
        """
        tasks, self._tasks = list(self._tasks.values()), {}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
