"""Attempts and fallback events on their way to the database, off the request's path.

Whoever serves a request only puts: the rest happens within a second, in batches. While the
database is away, what was put waits in memory, up to a limit; what is beyond it is dropped,
counted and told. A process that dies loses at most what it had not written; the next one sees by
the marks left in the database that there was no clean stop, and says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

from adapters.storage.ledger.heartbeat import Heartbeat, Marks
from bot.errors import StorageError
from bot.ports import Attempt, Clock, FallbackEvent, FallbackLog, Ledger, MadeId

T = TypeVar("T")
MOST_WAITING = 50_000
_FLUSH_ROWS = 500
_MOST_AT_ONCE = 2_000
_MARK_WITHIN_S = 0.5
_log = logging.getLogger("changeover")


class LedgerQueue:
    """Takes attempts and events at once and writes them soon.

    `service` names this process among others that share the database, and has to be the same
    after a restart: `gateway HOST:PORT`.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: FallbackLog,
        marks: Marks,
        clock: Clock,
        *,
        service: str = "gateway",
        flush_s: float = 1.0,
        most: int = MOST_WAITING,
        retry_s: float = 1.0,
    ) -> None:
        self._attempts = _Lane("attempts", ledger.add, most)
        self._events = _Lane("fallback events", log.add_events, most)
        self._made = _Lane("response ids", log.add_made, most)
        self._mark = Heartbeat(marks, clock, service)
        self._flush_s = flush_s
        self._retry_s = retry_s
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._stop = asyncio.Event()
        self._away = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many rows are not in the database yet."""
        return sum(len(lane.items) for lane in (self._attempts, self._events, self._made))

    @property
    def written(self) -> int:
        """How many are."""
        return self._attempts.written + self._events.written

    @property
    def dropped(self) -> int:
        """How many never will be."""
        return self._attempts.dropped + self._events.dropped

    def put(self, attempt: Attempt) -> None:
        """Take an attempt; never waits, never fails."""
        self._attempts.put(attempt)
        self._wake()

    def put_event(self, event: FallbackEvent) -> None:
        """Take a fallback event; never waits, never fails."""
        self._events.put(event)
        self._wake()

    def put_made(self, made: MadeId) -> None:
        """Take who made what; never waits, never fails."""
        self._made.put(made)
        self._wake()

    def start(self) -> None:
        """Begin to write, and look whether the last run of this service was stopped cleanly."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ledger queue")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Write what is left and mark a clean stop; what cannot be written in time is told."""
        self._stop.set()
        self._some.set()
        self._many.set()
        if self._task is not None:
            done, _ = await asyncio.wait({self._task}, timeout=timeout_s)
            if not done:
                self._task.cancel()
                await asyncio.wait({self._task})
        self._made.close()
        lost = [lane.close() for lane in (self._attempts, self._events)]
        if any(lost):
            _log.error(
                "the database is unavailable: %d attempts, %d fallback events are lost", *lost
            )
            return
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(_MARK_WITHIN_S):
                await self._mark.stopped()

    def _wake(self) -> None:
        self._some.set()
        if self.waiting >= _FLUSH_ROWS:
            self._many.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._write()
            except StorageError as error:
                self._say_away(error)
                if self._stop.is_set() and not self.waiting:
                    return
                await self._pause()
                continue
            self._say_back()
            if self._stop.is_set() and not self.waiting:
                return
            await self._until_due()

    async def _write(self) -> None:
        if not self._stop.is_set():
            self._some.clear()
            self._many.clear()
        await self._mark.alive()
        await self._attempts.write()
        await self._events.write()
        await self._made.write()

    async def _until_due(self) -> None:
        """Wait for something to write, and then for more of it or for the time to pass."""
        await self._some.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._flush_s):
                await self._many.wait()

    async def _pause(self) -> None:
        """Wait before the next try; when stopping there is little time left for tries."""
        if self._stop.is_set():
            await asyncio.sleep(min(self._retry_s, 0.1))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._retry_s):
                await self._stop.wait()

    def _say_away(self, error: StorageError) -> None:
        if not self._away:
            self._away = True
            _log.error(
                "attempts and fallback events stay in memory until the database is back: %s %s",
                error.message,
                error.hint,
            )

    def _say_back(self) -> None:
        dropped = [lane.take_told() for lane in (self._attempts, self._events)]
        if self._away:
            self._away = False
            _log.warning("the database is back, buffered rows were written")
        if any(dropped):
            _log.error("meanwhile %d attempts and %d fallback events were dropped", *dropped)


class _Lane(Generic[T]):
    """What waits for one table, oldest first."""

    def __init__(
        self, name: str, write: Callable[[Sequence[T]], Awaitable[None]], most: int
    ) -> None:
        self.items: deque[T] = deque()
        self.written = 0
        self.dropped = 0
        self._name = name
        self._to_table = write
        self._most = most
        self._untold = 0

    def put(self, item: T) -> None:
        if len(self.items) < self._most:
            self.items.append(item)
            return
        self.dropped += 1
        self._untold += 1
        if self._untold == 1:
            _log.error("buffer full at %d %s: dropping the rest", len(self.items), self._name)

    def take_told(self) -> int:
        """Return how many were dropped since the last time."""
        untold, self._untold = self._untold, 0
        return untold

    def close(self) -> int:
        """Take nothing more and give up what is left; return how much that is."""
        lost = len(self.items)
        self.dropped += lost
        self.items.clear()
        self._most = 0
        return lost

    async def write(self) -> None:
        """Write everything. Raises StorageError; what is written by then stays so."""
        size = _MOST_AT_ONCE
        while self.items:
            batch = list(islice(self.items, size))
            try:
                await self._to_table(batch)
            except StorageError:
                raise
            except Exception:  # noqa: BLE001
                # A mistake of ours in one of them must not cost the others.
                if len(batch) > 1:
                    size = len(batch) // 2
                    continue
                _log.exception("one of the %s cannot be written and is dropped", self._name)
                self.dropped += 1
            else:
                self.written += len(batch)
            size = _MOST_AT_ONCE
            for _ in batch:
                self.items.popleft()
