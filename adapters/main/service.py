"""`changeover run`, `bot` and `gateway`: long-running, until told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from adapters.logs import setup_logging
from adapters.main.alerts import Alerts
from adapters.main.chats import Chats
from adapters.main.ending import Ending, hold_signals
from adapters.main.heap import freeze_gc
from adapters.main.jobs import Jobs, with_bills
from adapters.main.openclaw import OpenClaw
from adapters.main.prices import PriceUpdates
from adapters.main.status_pages import StatusPageWatch, pages_of
from adapters.main.upkeep import Upkeep
from adapters.main.wiring import Wired, environment, run, wire
from adapters.schedule import Schedule
from adapters.terminal.cli import Invocation
from bot.errors import ChangeoverError, StorageError

_log = logging.getLogger("changeover")
REVERTS_EVERY_S = 2.0
BEAT_EVERY_S = 15.0
ALERTS_EVERY_S = 1.0
BUDGET_EVERY_S = 60.0
TRIAL_EVERY_S = 2.0
DIGEST_EVERY_S = 120.0
FIRST_DIGEST_S = 5.0
"""After a start, by when the chats are connected."""
BILLS_EVERY_S = 3600.0
PAGES_LOOK_S = 20.0
PRICES_EVERY_S = 600.0
FIRST_PRICES_S = 30.0
"""Before newer prices can be there, so that a change is noticed."""
RETIREMENTS_EVERY_S = 3600.0
"""Each list is read once a day; a notice is due when a day begins."""
FIRST_RETIREMENTS_S = 120.0


def run_service(invocation: Invocation) -> int:
    """Run until SIGTERM or SIGINT. Raises ChangeoverError when it refuses to start."""
    env = environment(invocation)
    wired = wire(env, config=invocation.config)
    setup_logging(wired.service.log_format, wired.service.log_level, wired.settings.blackout.clean)
    hold_signals()
    return run(lambda: _serve(invocation, env, wired), fast=True)


async def _serve(invocation: Invocation, env: Mapping[str, str], wired: Wired) -> int:
    started: list[Part] = []
    command, drain_s = invocation.command, wired.service.gateway.drain_s
    ending = Ending(drain_s, lambda: _lost(started), lambda: _kill(started))
    ending.watch()
    wired.database.on_newer = ending.newer
    parts = _parts(invocation, env, wired)
    try:
        for part in parts:
            started.append(part)
            await part.start()
        freeze_gc()
        _log.info("changeover %s is up on %s", command, wired.app.ports.store.location)
        drain_s = await ending.asked()
        _log.info("stopping")
        open_parts = [part for part in started if isinstance(part, Drains)]
        for part in open_parts:
            part.drain()
        if open_parts:
            await asyncio.sleep(drain_s)
        return ending.code
    finally:
        for outcome in await asyncio.gather(
            *(part.stop() for part in started), return_exceptions=True
        ):
            if outcome is not None:
                _log.error("a task did not stop cleanly: %r", outcome)
        await wired.close()


class Part(Protocol):
    """Something that runs until it is stopped."""

    async def start(self) -> None:
        """Begin. Raises ChangeoverError when it refuses to."""
        ...

    async def stop(self) -> None:
        """End what was begun."""
        ...


@runtime_checkable
class Drains(Protocol):
    """A part that others send requests to."""

    @property
    def unwritten(self) -> int:
        """How many ledger rows are in memory alone."""
        ...

    def drain(self) -> None:
        """Say that it is about to stop, and go on until then."""
        ...


@runtime_checkable
class Kills(Protocol):
    """A part with processes of its own."""

    def kill(self) -> None:
        """End them at once, from any thread."""
        ...


def _lost(parts: Sequence[Part]) -> str:
    rows = sum(part.unwritten for part in parts if isinstance(part, Drains))
    return f"{rows} ledger rows are lost" if rows else "no ledger row was waiting"


def _kill(parts: Sequence[Part]) -> None:
    for part in parts:
        if isinstance(part, Kills):
            part.kill()


def _parts(invocation: Invocation, env: Mapping[str, str], wired: Wired) -> list[Part]:
    parts: list[Part] = []
    command = invocation.command
    bot = Bot(wired) if command in ("run", "bot") else None
    chats = bot.chats if bot is not None else None
    if command in ("run", "gateway"):
        parts.append(_gateway(invocation, env, wired, chats))
    elif chats is not None:
        from adapters.main.callbacks import CallbackServer

        parts.append(CallbackServer(wired, chats))
    if bot is not None:
        parts.append(bot)
    return [*parts, Upkeep(wired), PriceUpdates(wired)]


def _gateway(
    invocation: Invocation, env: Mapping[str, str], wired: Wired, chats: Chats | None
) -> Part:
    if wired.service.gateway.workers > 1:
        from adapters.main.workers import GatewayWorkers

        return GatewayWorkers(wired, invocation.command, env, invocation.config, chats)
    from adapters.main.gateway import GatewayService

    gateway = GatewayService(wired, alone=chats is None)
    if chats is not None:
        chats.mount(gateway.gateway.app)
    return gateway


class Bot:
    """Everything but the gateway: timed switches, schedules, edits from outside."""

    def __init__(self, wired: Wired) -> None:
        self._wired = wired
        self._schedule = Schedule(wired.settings.timezone)
        with_bills(wired)
        self.chats = Chats(wired)
        self._alerts = Alerts(wired, self.chats.posts)
        self._jobs = Jobs(wired, self._alerts.outbox)
        self._pages = StatusPageWatch(wired, self._alerts.ports, pages_of(wired))
        self._openclaw = OpenClaw(wired, self._alerts.outbox)
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; refuse when the config cannot be read. Raises ChangeoverError."""
        document = await self._wired.app.ports.store.read()
        self._openclaw.config_changed(document)
        try:
            await self._wired.app.begin()
            await self._alerts.config_changed(document)
        except ChangeoverError as error:
            _log.warning("%s %s", error.message, error.hint)
        await self._beat()
        self._schedule.every(REVERTS_EVERY_S, "timed switches", self._reverts)
        self._schedule.every(BEAT_EVERY_S, "heartbeat", self._beat)
        self._schedule.every(ALERTS_EVERY_S, "alerts", self._alerts.tick)
        self._schedule.every(TRIAL_EVERY_S, "trial", self._jobs.trial)
        self._schedule.every(BUDGET_EVERY_S, "budget", self._jobs.budget)
        self._schedule.every(
            DIGEST_EVERY_S, "digest", self._jobs.digest, first_after_s=FIRST_DIGEST_S
        )
        self._schedule.every(BILLS_EVERY_S, "bills", self._jobs.bills)
        self._schedule.every(
            PRICES_EVERY_S, "prices", self._jobs.prices, first_after_s=FIRST_PRICES_S
        )
        self._schedule.every(
            RETIREMENTS_EVERY_S,
            "retirements",
            self._jobs.retirements,
            first_after_s=FIRST_RETIREMENTS_S,
        )
        self._schedule.every(PAGES_LOOK_S, "status pages", self._pages.run)
        crons = self._wired.service.schedule
        for variable, line, name, job in (
            ("CHANGEOVER_DIGEST", crons.digest_cron, "digest on time", self._jobs.digest),
            ("CHANGEOVER_CHAIN_TEST", crons.chain_test_cron, "chain test", self._alerts.chain_test),
        ):
            if line is not None:
                self._schedule.cron(variable, line, name, job)
        self._schedule.start()
        self._watching = asyncio.create_task(self._watch(document.state))
        await self._openclaw.start()
        await self.chats.start()

    async def stop(self) -> None:
        """Stop what was begun."""
        self._schedule.stop()
        await self._openclaw.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching], timeout=1)
        await self._alerts.stop()
        await self.chats.stop()

    async def _reverts(self) -> None:
        await self._wired.app.run_due(self._alerts.outbox)

    async def _beat(self) -> None:
        try:
            now = self._wired.clock.now()
            await self._wired.app.ports.journal.beat("bot", now)
        except ChangeoverError as error:
            _log.warning("%s %s", error.message, error.hint)

    async def _watch(self, since: str) -> None:
        async for document in self._wired.app.ports.store.watch(since):
            self._openclaw.config_changed(document)
            try:
                await self._alerts.config_changed(document)
            except StorageError as error:
                _log.warning("%s %s", error.message, error.hint)
