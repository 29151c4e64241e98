"""When a service ends: in order where everything answers, at once where something hangs.

Signals are waited for in a thread of their own, so that neither a loop nor a driver that is stuck
keeps the process alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable

from bot.errors import ExitCode, NewerDatabaseError

END_WITHIN_S = 10.0
"""How long an orderly end may take after the drain; then the process ends as it is."""

_SIGNALS = {signal.SIGTERM, signal.SIGINT}
_log = logging.getLogger("changeover")


def hold_signals() -> None:
    """Keep the signals for the thread that waits for them. Call it before there are threads."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


class Ending:
    """One service's end.

    `lost` says what would be lost if it ended right now, `kill` ends the processes it started.
    """

    def __init__(
        self, drain_s: float, lost: Callable[[], str], kill: Callable[[], None] = lambda: None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._drain_s = drain_s
        self._lost = lost
        self._kill = kill
        self._asked = asyncio.Event()
        self.code = ExitCode.DONE

    def watch(self) -> None:
        """Begin to wait for SIGTERM and SIGINT."""
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    async def asked(self) -> float:
        """Wait until the service is to end; return how long the gateway stays open."""
        await self._asked.wait()
        return self._drain_s

    def newer(self, error: NewerDatabaseError) -> None:
        """End because a newer release has taken the database over."""
        if not self._asked.is_set():
            _log.error("%s %s", error.message, error.hint)
            self.code = error.exit_code
            self._begin()

    def _wait(self) -> None:
        if signal.sigwait(_SIGNALS) == signal.SIGINT:
            # Somebody sits at the terminal, and no balancer in front.
            self._drain_s = 0
        self._begin()
        # Supervisors may say it twice; a person who presses Ctrl-C again means it.
        signal.sigwait({signal.SIGINT})
        self._cut("stopped at once")

    def _begin(self) -> None:
        last_s = self._drain_s + END_WITHIN_S
        cut = threading.Timer(last_s, self._cut, [f"still busy {last_s:g} s after the signal"])
        cut.daemon = True
        cut.start()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._asked.set)

    def _cut(self, why: str) -> None:
        _log.error("%s; %s", why, self._lost())
        self._kill()
        os._exit(self.code or ExitCode.BAD_ANSWER)
