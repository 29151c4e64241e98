"""The gateway as a service: config followed live, cool-downs shared, rows written off the path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from adapters.environment.service import GatewaySettings
from adapters.gateway.callers import Callers
from adapters.gateway.exchange import Tools
from adapters.gateway.http import Limits
from adapters.gateway.live import LiveConfig
from adapters.gateway.made_ids import MadeIds
from adapters.gateway.record import Recorder
from adapters.gateway.server import Gateway, Parts
from adapters.gateway.transport import open_pool
from adapters.main.hop_probes import HopProbes
from adapters.main.port import CAN_SHARE, cannot_listen, check_port, report_listening
from adapters.main.reports import Reports
from adapters.main.unconfirmed import Unconfirmed
from adapters.main.wiring import Wired
from adapters.metrics import CONTENT_TYPE, Figures, Metrics
from adapters.storage.key_values import KeyValueStore
from adapters.storage.ledger.queue import LedgerQueue
from adapters.storage.url import place_of
from bot.dialects.endpoint import refuse_login
from bot.errors import ChangeoverError, ConfigError, StorageError
from bot.models import Secret
from bot.ports import revision_of
from bot.routing.cooldown import KEPT, CooldownBook
from bot.routing.sticky import Conversations, Stay
from bot.trials.split import GATEWAY, Split

_log = logging.getLogger("gateway")
# A crash loses at most the last second: half of it to gather a batch, the rest to write it.
FLUSH_S = 0.5
COOLDOWNS_EVERY_S = 1.0
BEAT_EVERY = timedelta(seconds=10)
COOLDOWNS_OUT_S = 0.25
LAST_TOLD_S = 1.0
LAST_ROWS_S = 2.0
LOOK_S = 1.0
TOLD_AFTER_S = 0.25
# How long a thread that writes to the database may keep the loop waiting; Python's own 5 ms is
# longer than a whole failover.
THREAD_TURN_S = 0.0005
_USUAL_TURN_S = sys.getswitchinterval()


@dataclass(frozen=True, slots=True)
class Worker:
    """What a gateway that is one of several on its port has from the process that started it.

    `number` is its place among them, the same after a restart. `page` returns the figures of all,
    `share_stay` and `share_cooldowns` pass on what the others should know at once.
    """

    number: int
    page: Callable[[], Awaitable[bytes]]
    share_stay: Callable[[bytes, Stay | None], None]
    share_cooldowns: Callable[[], None]


class GatewayService:
    """Starts, follows and stops a gateway; one that is `alone` may share its port with a second."""

    def __init__(
        self,
        wired: Wired,
        limits: Limits | None = None,
        *,
        flush_s: float = FLUSH_S,
        alone: bool = False,
        worker: Worker | None = None,
    ) -> None:
        self._wired = wired
        ports, settings = wired.app.ports, wired.settings
        self._installation = place_of(wired.service.database_url)
        self._session: aiohttp.ClientSession | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._book = CooldownBook()
        self._news = asyncio.Event()
        self._live = LiveConfig(wired.app.catalog, settings.env, ports.store.location, ports.prices)
        self.metrics = Metrics(settings.blackout)
        self._beat_at = datetime.min.replace(tzinfo=UTC)
        self._worker = worker
        place = f"gateway {platform.node()}"[:50]
        self._name = f"{place} {wired.service.gateway.port}"
        if worker is not None:
            self._name += f" {worker.number}"
        self._queue = LedgerQueue(
            ports.ledger,
            ports.log,
            ports.journal,
            wired.clock,
            service=self._name,
            flush_s=flush_s,
        )
        self.metrics.gauge(
            "changeover_ledger_queue",
            "Rows not yet written to the database.",
            lambda: self._queue.waiting,
        )
        self.metrics.gauge(
            "changeover_ledger_dropped", "Rows dropped for good.", lambda: self._queue.dropped
        )
        self._memory = KeyValueStore(wired.database)
        self._unconfirmed = Unconfirmed(self._queue)
        self.probes = HopProbes(
            wired,
            self._live,
            self._book,
            self._unconfirmed,
            self._memory,
            self._spawn,
            self._news.set,
        )
        self._tools = Tools(
            self._live,
            self._pool,
            settings.timeouts,
            wired.clock,
            self._news.set,
            self.probes.suspect,
            MadeIds(ports.log, wired.clock, self._queue.put_made),
            Conversations(settings.sticky, share=worker.share_stay if worker else None),
            settings.blackout,
        )
        self._recorder = Recorder(self._unconfirmed, self.metrics, ports.prices)
        self._reports = Reports(
            ports.log, wired.clock, self._name, self._tools.conversations, self._recorder.used
        )
        self.gateway = Gateway(
            Parts(
                self._tools,
                Callers(_tokens(wired)),
                self._recorder,
                self._book,
                self._page,
                self._trouble,
                limits or Limits(),
                self._installation,
            )
        )
        self._alone = alone
        self._limits_known = False
        self.port = 0

    async def start(self) -> None:
        """Read the config, listen, and follow.

        Raises:
            ChangeoverError: it refuses to start.
        """
        service = self._wired.service.gateway
        service.check()
        self._live.take(await self._wired.app.ports.store.read())
        for id_, entry in self._live.view.providers.items():
            if entry.get("apiKey"):
                refuse_login(f"models.providers.{id_}.baseUrl", str(entry.get("baseUrl") or ""))
        self._session = open_pool()
        await self._warm()
        await self._hear_limits()
        await self._share_cooldowns()
        await self._follow_trial()
        await self._note_revision()
        second = await self._listen(service)
        self._queue.start()
        self._spawn(self._follow())
        self._spawn(self._keep_sharing())
        self._spawn(self.probes.run())
        sys.setswitchinterval(THREAD_TURN_S)
        if self._worker is None:
            report_listening(self._wired.service, self.port, second=second)

    async def _listen(self, service: GatewaySettings) -> bool:
        """Open the port; return whether another gateway of this installation is there too."""
        second = False
        try:
            if self._worker is None:
                second = await check_port(service, self._installation, alone=self._alone)
            self.port = await self.gateway.start(service.host, service.port, shares=CAN_SHARE)
        except OSError as error:
            raise cannot_listen(service, error) from error
        return second

    @property
    def unwritten(self) -> int:
        """How many ledger rows are in memory alone."""
        return self._queue.waiting

    @property
    def split(self) -> Split:
        """The trial that it follows."""
        return self._tools.split

    @property
    def revision(self) -> str:
        """The revision of the config that it follows."""
        return self._live.revision

    def drain(self) -> None:
        """Say at /readyz that it is about to stop, and answer until then."""
        self.gateway.drain()

    async def stop(self) -> None:
        """Let requests under way end, write what is left, close."""
        self.probes.close()
        await self.gateway.stop()
        for task in list(self._background):
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_TOLD_S):
                await self._share_cooldowns()
        await self._queue.stop(LAST_ROWS_S)
        if self._session is not None:
            await self._session.close()
        sys.setswitchinterval(_USUAL_TURN_S)

    async def flush(self) -> None:
        """Wait until what was put is written, for two seconds at most."""
        for _ in range(100):
            if not self._queue.waiting:
                return
            await asyncio.sleep(0.02)

    def _pool(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    def learn_stay(self, key: bytes, stay: Stay | None) -> None:
        """Take over with whom a conversation stays by another worker's word."""
        self._tools.conversations.learn(key, stay)

    def read_cooldowns(self) -> None:
        """Read the cool-downs soon: another worker has written some."""
        self._news.set()

    async def figures(self) -> Figures:
        """Return this process's figures for `/metrics`."""
        await self._look()
        return self.metrics.figures()

    async def _page(self) -> tuple[bytes, str]:
        if self._worker is not None:
            page = await self._worker.page()
            return self._wired.settings.blackout.clean_bytes(page), CONTENT_TYPE
        await self._look()
        return self.metrics.write()

    async def _look(self) -> None:
        """Bring the gauges up to date."""
        now = self._wired.clock.now()
        with contextlib.suppress(StorageError, TimeoutError):
            async with asyncio.timeout(LOOK_S):
                troubles = await self._wired.app.ports.alerts.troubles()
            self.metrics.channel_troubles(trouble.surface for trouble in troubles)
        self.metrics.cooldowns(self._book.rows(), now)

    def _trouble(self) -> str:
        if self.gateway.draining or self._tools.stopping:
            return "the gateway is shutting down"
        return "" if self._live.revision else "the config could not be read yet"

    async def _follow(self) -> None:
        async for document in self._wired.app.ports.store.watch(self._live.state):
            try:
                changed = self._live.take(document)
            except ConfigError as error:
                _log.error("%s Keeping the last valid config. %s", error.message, error.hint)
                continue
            if changed:
                self._book.forget_models(self._wired.clock.now())
                await self._note_revision()
                self._news.set()
                _log.info("using config revision %s", self._live.revision[:12])

    async def _keep_sharing(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._share_every_s()):
                    await self._news.wait()
                # The request that fell back is answered first, and others may have more to tell.
                await asyncio.sleep(TOLD_AFTER_S)
            self._news.clear()
            await self._hear_limits()
            await self._share_cooldowns()
            await self._follow_trial()
            await self._reports.write()

    async def _note_revision(self) -> None:
        """Keep the config's revision; one that changed while nothing ran has other models."""
        location = self._wired.app.ports.store.location
        key = f"gateway.config.{revision_of(location.encode())[:16]}"
        with contextlib.suppress(StorageError):
            before = await self._memory.get(key)
            if before == self._live.revision:
                return
            if before is not None:
                self._book.forget_models(self._wired.clock.now())
                self._news.set()
            await self._memory.put(key, self._live.revision)

    async def _hear_limits(self) -> None:
        """Follow what limits the fallbacks, and models that end.

        While the database is away the last word holds.
        """
        ports = self._wired.app.ports
        await self._wired.app.learn()
        self._live.follow(self._wired.app.catalog)
        try:
            self._live.limit(await ports.log.limits(ports.store.location))
            self._limits_known = True
        except StorageError as error:
            if not self._limits_known:
                _log.warning("fallbacks are not limited until the database answers: %s", error)
                self._limits_known = True

    def _share_every_s(self) -> float:
        """Return how soon to look for what others have ended: sooner while something is out."""
        now = self._wired.clock.now()
        out = any(row.holds(now) for row in self._book.rows())
        return COOLDOWNS_OUT_S if out else COOLDOWNS_EVERY_S

    async def _share_cooldowns(self) -> None:
        """Tell the other processes of our cool-downs, and hear of theirs.

        While the database is away ours are kept, and told when it is back.
        """
        log, now = self._wired.app.ports.log, self._wired.clock.now()
        with contextlib.suppress(StorageError):
            # Heard first: what proof has ended meanwhile is not told any more.
            before = self._book.retries()
            self._book.merge(await log.cooldowns(now - KEPT), now)
            for model, at in self._book.retries().items():
                if before.get(model) != at:
                    # Not as of the question: a turn that came meanwhile must not begin a new stay.
                    self._tools.conversations.end(self._wired.clock.now(), model)
            news = self._book.untold()
            # All at once: a failover must not wait behind a transaction for each.
            await log.set_cooldown(*news)
            for row in news:
                self._book.told(row)
            if news and self._worker is not None:
                self._worker.share_cooldowns()

    async def _follow_trial(self) -> None:
        """Hear of the trial under way, and leave a sign of life for those who begin one.

        While the database is away the trial goes on as known, until it would be unwatched.
        """
        ports, now, split = self._wired.app.ports, self._wired.clock.now(), self._tools.split
        with contextlib.suppress(StorageError):
            if not timedelta(0) <= now - self._beat_at < BEAT_EVERY:
                await ports.journal.beat(GATEWAY, now)
                self._beat_at = now
            trial = await ports.trials.running(ports.store.location)
            watched_at = await ports.journal.last_beat("bot") if trial else None
            split.trial, split.watched_at = trial, watched_at

    async def _warm(self) -> None:
        """Look prices up before the first request: the library takes a while to import."""
        view, ports, now = self._live.view, self._wired.app.ports, self._wired.clock.now()
        from bot.config.naming import chain_words, written

        refs = {ref for word in chain_words(view) if (ref := written(word, view))}
        for ref in refs:
            await asyncio.to_thread(ports.prices.listed, ref, now)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            words = error.message if isinstance(error, ChangeoverError) else repr(error)
            _log.error("a task of the gateway ended: %s", words)


def _tokens(wired: Wired) -> dict[str, Secret]:
    gateway = wired.service.gateway
    tokens = dict(gateway.callers)
    if gateway.token is not None:
        tokens.setdefault("default", gateway.token)
    return tokens
