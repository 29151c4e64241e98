"""Several gateway processes on one port, kept by the main process, which has the bot.

The main process serves no requests itself: so the bot and the supervision wait for none, and all
workers are alike. Each has a socket of its own on the port (SO_REUSEPORT), over which the kernel
spreads new connections evenly, also when they come one by one; a socket that all share goes mostly
to the process that slept last, and agents keep their connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from aiohttp.payload import Payload
from multidict import CIMultiDict

from adapters.main.chats import Chats
from adapters.main.ending import END_WITHIN_S
from adapters.main.link import Link
from adapters.main.port import CAN_SHARE, cannot_listen, check_port, hold_port, report_listening
from adapters.main.wiring import Wired
from adapters.main.worker import KEY_BYTES, stay_read
from adapters.metrics import Figures, SummedMetrics
from adapters.storage.url import place_of
from bot.errors import ChangeoverError, ExitCode, NewerDatabaseError, SettingsError
from bot.routing.sticky import MOST_CONVERSATIONS

FIGURES_WITHIN_S = 1.0
LONGEST_PAUSE_S = 30.0
LONG_LIFE_S = 60.0
"""A worker that ran so long is replaced at once; sooner, each time later than before."""
LAST_WORDS_S = 1.0
LEAVES_AFTER_S = 0.5
"""Supervisors signal all processes at once: so long a worker's signal may be part of the end."""
KILLED_AFTER_S = END_WITHIN_S - 1
_log = logging.getLogger("gateway")


@dataclass(slots=True)
class _Running:
    """One worker process, from its start to its end."""

    number: int
    process: asyncio.subprocess.Process
    link: Link
    reading: asyncio.Task[None]
    began_s: float
    leaves: bool = False
    failure: ChangeoverError | None = None
    figures: Figures = field(default_factory=list)


class GatewayWorkers:
    """Starts the workers, replaces those that end, and speaks for all of them."""

    def __init__(
        self,
        wired: Wired,
        command: str,
        env: Mapping[str, str],
        config: str | None,
        chats: Chats | None,
    ) -> None:
        self._wired = wired
        self._command = command
        self._env = dict(env)
        self._config = config
        self._chats = chats
        self._count = wired.service.gateway.workers
        self._held: socket.socket | None = None
        self._running: dict[int, _Running] = {}
        self._first: dict[int, asyncio.Future[None]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stays: OrderedDict[bytes, bytes] = OrderedDict()
        self._metrics = SummedMetrics()
        self._draining = False
        self._stopping = asyncio.Event()
        self.port = 0

    async def start(self) -> None:
        """Take the port and start all workers.

        Raises:
            ChangeoverError: it refuses to start.
        """
        service = self._wired.service
        service.gateway.check()
        if not CAN_SHARE:
            raise SettingsError("GATEWAY_WORKERS above 1 needs Linux.", "Unset GATEWAY_WORKERS.")
        installation, alone = place_of(service.database_url), self._command == "gateway"
        try:
            second = await check_port(service.gateway, installation, alone=alone)
            self._held = hold_port(service.gateway)
        except OSError as error:
            raise cannot_listen(service.gateway, error) from error
        self.port = int(self._held.getsockname()[1])
        self._env["PORT"] = str(self.port)
        numbers = range(1, self._count + 1)
        loop = asyncio.get_running_loop()
        self._first = {number: loop.create_future() for number in numbers}
        self._keepers = [loop.create_task(self._keep(number)) for number in numbers]
        await asyncio.gather(*self._first.values())
        report_listening(service, self.port, second=second, workers=self._count)

    @property
    def unwritten(self) -> int:
        """How many ledger rows are in the workers' memory alone, as they said last."""
        return sum(
            int(value)
            for worker in self._running.values()
            for name, _, _, samples in worker.figures
            for _, _, value in samples
            if name == "changeover_ledger_queue"
        )

    def drain(self) -> None:
        """Let all say at /readyz that they are about to stop."""
        self._draining = True
        self._tell_all("drain")

    async def stop(self) -> None:
        """Let requests under way end in all of them, and wait until they have written and ended."""
        self._stopping.set()
        self._tell_all("stop")
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=KILLED_AFTER_S)
            if late:
                _log.error("%d gateway workers did not stop in time and are killed", len(late))
                self.kill()
                await asyncio.wait(late)
        if self._held is not None:
            self._held.close()

    def kill(self) -> None:
        """End all workers at once; this may be called from any thread."""
        for worker in list(self._running.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGKILL)

    # --- one worker's place --------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """Keep a worker running at one place."""
        loop, first, pause_s = asyncio.get_running_loop(), self._first[number], 0.0
        while not self._stopping.is_set():
            try:
                worker = await self._start(number)
            except OSError as error:
                _log.error("gateway worker %d cannot be started: %s", number, error.strerror)
                lived_s, failure, leaves = 0.0, None, False
            else:
                code = await worker.process.wait()
                await self._ended(worker)
                lived_s, failure, leaves = (
                    loop.time() - worker.began_s,
                    worker.failure,
                    worker.leaves,
                )
                if first.done() and not self._stopping.is_set():
                    _report_end(worker, code)
            if not first.done():
                first.set_exception(failure or _no_start(number))
                return
            quick = leaves or lived_s >= LONG_LIFE_S
            pause_s = 0.0 if quick else min(max(1.0, 2 * pause_s), LONGEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _start(self, number: int) -> _Running:
        """Start a worker. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *_program(),
                str(number),
                str(theirs.fileno()),
                self._command,
                *([self._config] if self._config else []),
                stdin=asyncio.subprocess.DEVNULL,
                env=self._env,
                pass_fds=[theirs.fileno()],
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        link = self._link(number)
        await link.open(ours)
        reading = asyncio.create_task(link.run())
        worker = _Running(number, process, link, reading, asyncio.get_running_loop().time())
        self._running[number] = worker
        if self._stopping.is_set():
            link.tell("stop")
        return worker

    async def _ended(self, worker: _Running) -> None:
        """Hear a worker's last words, and keep what it counted."""
        await asyncio.wait([worker.reading], timeout=LAST_WORDS_S)
        worker.link.close()
        del self._running[worker.number]
        self._metrics.ended(worker.figures)

    def _link(self, number: int) -> Link:
        def mine(take: Callable[[_Running, bytes], None]) -> Callable[[bytes], None]:
            return lambda body: take(self._running[number], body)

        return Link(
            {
                "ready": mine(self._ready),
                "failed": mine(_failed),
                "leaving": mine(self._leaving),
                "newer": self._newer,
                "figures": mine(_counted),
                "stay": mine(self._stay),
                "cooldowns": mine(lambda worker, _: self._tell_all("cooldowns", but=worker)),
            },
            {"page": self._page, "chat": self._chat},
        )

    # --- what a worker says --------------------------------------------------------------------

    def _ready(self, worker: _Running, _: bytes) -> None:
        for body in self._stays.values():
            worker.link.tell("stay", body)
        if self._draining:
            worker.link.tell("drain")
        first = self._first[worker.number]
        if not first.done():
            first.set_result(None)
        elif not self._stopping.is_set():
            self._metrics.restarted()
            _log.info("gateway worker %d serves again", worker.number)

    def _leaving(self, worker: _Running, _: bytes) -> None:
        """Let a worker go that was sent SIGTERM, unless all of them end."""

        def let_go() -> None:
            if not self._draining and not self._stopping.is_set():
                worker.leaves = True
                worker.link.tell("stop")

        asyncio.get_running_loop().call_later(LEAVES_AFTER_S, let_go)

    def _newer(self, body: bytes) -> None:
        self._wired.database.on_newer(NewerDatabaseError(*orjson.loads(body)))

    def _stay(self, worker: _Running, body: bytes) -> None:
        """Pass a conversation's stay on, and keep it for workers that are not there yet."""
        key = body[:KEY_BYTES]
        self._stays.pop(key, None)
        if stay_read(body)[1] is not None:
            self._stays[key] = body
        if len(self._stays) > MOST_CONVERSATIONS:
            self._stays.popitem(last=False)
        self._tell_all("stay", body, but=worker)

    def _tell_all(self, what: str, body: bytes = b"", but: _Running | None = None) -> None:
        for worker in self._running.values():
            if worker is not but:
                worker.link.tell(what, body)

    # --- what a worker asks --------------------------------------------------------------------

    async def _page(self, _: bytes) -> bytes:
        """Return the figures of all, as they are now."""
        await asyncio.gather(*(_count(worker) for worker in self._running.values()))
        return self._metrics.write([worker.figures for worker in self._running.values()])

    async def _chat(self, body: bytes) -> bytes:
        """Let the bot answer what a chat has sent to a worker."""
        head, _, raw = body.partition(b"\n")
        path, query, headers = orjson.loads(head)
        if self._chats is None:
            return orjson.dumps([404, {}]) + b"\n"
        answer = await self._chats.answer(path, raw, query, CIMultiDict(headers))
        content = answer.body or b""
        if isinstance(content, Payload):
            content = await content.as_bytes()
        kind = {"Content-Type": answer.content_type}
        return orjson.dumps([answer.status, kind]) + b"\n" + content


def _program() -> list[str]:
    """Return the command line that finds these modules, and none of the current folder's."""
    here = Path(__file__).parents[2]
    safe = [] if Path.cwd() == here else ["-P"]
    return [sys.executable, *safe, "-m", "adapters.main.worker"]


def _failed(worker: _Running, body: bytes) -> None:
    message, hint, code, exit_code = orjson.loads(body)
    worker.failure = error = ChangeoverError(message, hint)
    error.code, error.exit_code = code, ExitCode(exit_code)


def _counted(worker: _Running, body: bytes) -> None:
    worker.figures = orjson.loads(body)


async def _count(worker: _Running) -> None:
    """Ask a worker for its figures; of one that does not answer, the last ones count."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        _counted(worker, await worker.link.ask("figures", within_s=FIGURES_WITHIN_S))


def _report_end(worker: _Running, code: int) -> None:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if worker.leaves:
        _log.info("gateway worker %d has stopped; starting another", worker.number)
    elif worker.failure is not None:
        error = worker.failure
        _log.error(
            "gateway worker %d does not start: %s %s", worker.number, error.message, error.hint
        )
    else:
        _log.error("gateway worker %d ended (%s); starting another", worker.number, how)


def _no_start(number: int) -> ChangeoverError:
    return ChangeoverError(
        f"Gateway worker {number} ended before it was ready.", "The log says why."
    )
