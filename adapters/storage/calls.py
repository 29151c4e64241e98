"""A call on the database: in a thread of its own, and broken off when it takes too long.

The threads are daemons: one that hangs in a driver keeps nothing else waiting, and no process
alive. One that is done takes the next call: to start a thread holds the loop up until it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
IDLE_S = 10.0
LAST_S = 1.0
"""How long a call that was broken off has to say so itself."""
AGAIN_S = 0.05

_running = threading.local()


class Call:
    """One call under way. `patient` ones go on beyond their time, as a migration does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self.broken = False
        self.patient = False

    def uses(self, connection: Any) -> None:
        """Note the driver's connection that the call waits on; None for none."""
        with self._lock:
            self._connection = connection
            if self.broken:
                _break_off(connection)

    def break_off(self) -> None:
        """End the call soon, wherever it waits on its connection."""
        with self._lock:
            if not self.patient:
                self.broken = True
                _break_off(self._connection)


def running() -> Call:
    """Return the call that this thread carries out."""
    call: Call | None = getattr(_running, "call", None)
    return call or Call()


class _Thread:
    """A thread that waits for work, and is in `idle` while it does; without any it ends soon."""

    def __init__(self, idle: list[_Thread]) -> None:
        self._idle = idle
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="database", daemon=True).start()

    def take(self, work: Callable[[], None]) -> None:
        self._work.put(work)

    def _run(self) -> None:
        while True:
            try:
                self._work.get(timeout=IDLE_S)()
            except queue.Empty:
                # Who is not there to be removed was taken just now, and work follows.
                with contextlib.suppress(ValueError):
                    return self._idle.remove(self)
            else:
                self._idle.append(self)


class Calls:
    """Carries calls out, each in its time. `late` makes the error of one that overstays it."""

    def __init__(self, late: Callable[[Call], Exception]) -> None:
        self._late = late
        self._idle: list[_Thread] = []
        self._under_way: dict[Call, asyncio.Future[None]] = {}

    async def make(self, work: Callable[[], T], within_s: float) -> T:
        """Return what the work returns; it may go on for a moment where nobody waits any more."""
        loop = asyncio.get_running_loop()
        call = Call()
        done: asyncio.Future[T] = loop.create_future()
        self._under_way[call] = loop.create_future()
        timers = [loop.call_later(within_s, call.break_off)]

        def give_up() -> None:
            if not done.done():
                done.set_exception(self._late(call))

        timers.append(loop.call_later(within_s + LAST_S, give_up))

        def settle(put: Callable[[Any], None], outcome: Any) -> None:
            self._under_way.pop(call).set_result(None)
            for timer in timers:
                timer.cancel()
            if not done.done():
                put(outcome)

        def carry_out() -> None:
            _running.call = call
            try:
                told = partial(settle, done.set_result, work())
            except BaseException as error:  # noqa: BLE001 - the waiting task raises it
                told = partial(
                    settle, done.set_exception, self._late(call) if call.broken else error
                )
            # A loop that is closed has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(told)

        thread = self._idle.pop() if self._idle else _Thread(self._idle)
        thread.take(carry_out)
        return await done

    async def break_off(self) -> None:
        """End everything that is under way, and give it a moment to let its connections go."""
        until = asyncio.get_running_loop().time() + LAST_S
        while self._under_way and asyncio.get_running_loop().time() < until:
            # More than once: SQLite forgets an interrupt that comes between two statements.
            for call in self._under_way:
                call.break_off()
            await asyncio.wait(self._under_way.values(), timeout=AGAIN_S)


def _break_off(connection: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        with contextlib.suppress(sqlite3.Error):
            connection.interrupt()
    elif connection is not None:
        # A server that is frozen answers no cancel request either: the driver is made to see an
        # end of the connection. A copy of the number, since the driver closes its own.
        with (
            contextlib.suppress(Exception),
            socket.socket(fileno=os.dup(connection.fileno())) as end,
        ):
            end.shutdown(socket.SHUT_RDWR)
