"""The gateway's own probes of hops: is what one request met true of all, and is it over?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from adapters.gateway.live import LiveConfig
from adapters.main.unconfirmed import Unconfirmed
from adapters.main.wiring import Wired
from adapters.storage.key_values import KeyValueStore
from bot.errors import StorageError
from bot.models import FailureReason
from bot.routing.chain import Hop, scope_of
from bot.routing.confirm import PROBE_EVERY, settle, to_probe
from bot.routing.cooldown import CooldownBook
from bot.routing.probe import probe, target_of

LOOK_S = 30.0
HELD_BEYOND = timedelta(seconds=10)
"""How much longer than its probe may take an event waits for a gateway that has died."""
_PROBED = "gateway.probed_at"


class HopProbes:
    """Asks hops for one token; `spawn` runs a probe beside the requests, `news` shares its end."""

    def __init__(
        self,
        wired: Wired,
        live: LiveConfig,
        book: CooldownBook,
        unconfirmed: Unconfirmed,
        memory: KeyValueStore,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        news: Callable[[], None],
    ) -> None:
        self._wired = wired
        self._live = live
        self._book = book
        self._unconfirmed = unconfirmed
        self._memory = memory
        self._spawn = spawn
        self._news = news
        self._running: set[tuple[str, FailureReason]] = set()
        self._closed = False

    def suspect(self, hop: Hop, reason: FailureReason, *, seen: bool = True) -> None:
        """Probe a hop soon, once at a time; `seen` where a caller's request met the failure."""
        key = (str(hop.ref), reason)
        if key in self._running or self._closed:
            return
        self._running.add(key)
        now, scope = self._wired.clock.now(), scope_of(hop)
        wait = (self._book.doubt(scope, reason, now) if scope else None) or timedelta(0)
        if seen:
            probe_s = self._wired.settings.timeouts.probe_s
            until = now + wait + timedelta(seconds=probe_s) + HELD_BEYOND
            self._unconfirmed.claimed(*key, until)
        self._spawn(self._confirm(hop, reason, wait.total_seconds()))

    async def run(self) -> None:
        """Probe what is out for hours, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.probe_the_cooling()

    async def probe_the_cooling(self) -> None:
        """Ask what is out for hours for one token, every ten minutes, in one process of all."""
        now, memory = self._wired.clock.now(), self._memory
        out = to_probe(self._book.rows(), self._live.view, self._live.around, now)
        if not out:
            return
        with contextlib.suppress(StorageError):
            last = await memory.get(_PROBED)
            if last and timedelta(0) <= now - datetime.fromisoformat(last) < PROBE_EVERY:
                return
            await memory.put(_PROBED, now.isoformat())
        for hop, reason in out:
            self.suspect(hop, reason, seen=False)

    def close(self) -> None:
        """Begin no more probes."""
        self._closed = True

    async def _confirm(self, hop: Hop, reason: FailureReason, wait_s: float) -> None:
        ports, settings = self._wired.app.ports, self._wired.settings
        disproved_at = None
        try:
            await asyncio.sleep(wait_s)
            (verdict,) = await probe(
                [target_of(hop, settings.env)],
                ports.upstream,
                None,
                timeout_s=settings.timeouts.probe_s,
            )
            now = self._wired.clock.now()
            disproved_at = now if settle(self._book, hop, reason, verdict, now) else None
            self._news()
        finally:
            self._running.discard((str(hop.ref), reason))
            self._unconfirmed.settled(str(hop.ref), reason, disproved_at)
