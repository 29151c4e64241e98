"""A gateway worker: one of several processes on the port, kept by the main process.

    python -m adapters.main.worker NUMBER LINE COMMAND [CONFIG]

LINE is the descriptor of its end of the line to the main process; the environment is the one that
the main process has read. It ends at the main process's word, and when there is none any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from adapters.main.ending import END_WITHIN_S, hold_signals
from adapters.main.heap import freeze_gc, skip_httpx_cli
from adapters.main.link import Link
from bot.errors import ChangeoverError, ExitCode, NewerDatabaseError
from bot.routing.sticky import Stay

if TYPE_CHECKING:
    from aiohttp import web

    from adapters.main.gateway import GatewayService
    from adapters.main.wiring import Wired

PUSH_EVERY_S = 1.0
"""What a worker has counted for longer than that is not lost when it is killed."""
PAGE_WITHIN_S = 3.0
MOST_SLACK_BYTES = 1 << 20
SLACK_WITHIN_S = 3.0
"""Slack gives up after that, and sends the event again."""
KEY_BYTES = 16
_LOOK_S = 1.0
_log = logging.getLogger("gateway")


def main(arguments: Sequence[str]) -> int:
    """Serve until the end, and return the exit code."""
    number, line, command, *config = arguments
    hold_signals()
    skip_httpx_cli()
    from adapters.main.wiring import run

    process = WorkerProcess(int(number), command, config[0] if config else None)
    ours = socket.socket(fileno=int(line))
    return run(lambda: process.serve(ours), fast=True)


class WorkerProcess:
    """One worker's life."""

    def __init__(self, number: int, command: str, config: str | None) -> None:
        self._number = number
        self._command = command
        self._config = config
        self._service: GatewayService | None = None
        self._ended = asyncio.Event()
        self._link = Link(
            {
                "drain": self._drain,
                "stop": lambda _: self._end(),
                "stay": self._learn_stay,
                "cooldowns": self._read_cooldowns,
            },
            {"figures": self._figures},
        )

    async def serve(self, line: socket.socket) -> int:
        """Start, serve and stop; what keeps it from starting is for the main process to say."""
        loop = asyncio.get_running_loop()
        await self._link.open(line)
        reading = asyncio.create_task(self._read())
        threading.Thread(target=self._watch, args=[loop], name="signals", daemon=True).start()
        try:
            await self._run()
        except ChangeoverError as error:
            said = [error.message, error.hint, error.code, error.exit_code]
            self._link.tell("failed", orjson.dumps(said))
            return error.exit_code
        finally:
            self._end()
            await self._link.flush()
            self._link.close()
            await asyncio.wait([reading])
        return ExitCode.DONE

    async def _run(self) -> None:
        from adapters.logs import setup_logging
        from adapters.main.gateway import GatewayService, Worker
        from adapters.main.prices import PriceUpdates
        from adapters.main.wiring import wire

        wired = wire(os.environ, config=self._config)
        clean = wired.settings.blackout.clean
        setup_logging(wired.service.log_format, wired.service.log_level, clean)
        wired.database.on_newer = self._newer
        worker = Worker(
            self._number, self._page, self._share_stay, lambda: self._link.tell("cooldowns")
        )
        self._service = service = GatewayService(wired, worker=worker)
        self._mount(wired, service)
        prices = PriceUpdates(wired)
        pushing: asyncio.Task[None] | None = None
        try:
            await service.start()
            await prices.start()
            freeze_gc()
            self._link.tell("ready")
            pushing = asyncio.create_task(self._push(service))
            await self._ended.wait()
        finally:
            if pushing is not None:
                pushing.cancel()
            for outcome in await asyncio.gather(
                service.stop(), prices.stop(), return_exceptions=True
            ):
                if outcome is not None:
                    _log.error("a task did not stop cleanly: %r", outcome)
            self._link.tell("figures", orjson.dumps(service.metrics.figures()))
            await wired.close()

    async def _read(self) -> None:
        await self._link.run()
        if not self._ended.is_set():
            _log.error("the main process is gone: gateway worker %d stops", self._number)
        self._end()

    def _end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._cut_later()

    def _cut_later(self) -> None:
        cut = threading.Timer(END_WITHIN_S, os._exit, [ExitCode.BAD_ANSWER])
        cut.daemon = True
        cut.start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for SIGTERM, and look whether there is a main process, also if the loop is stuck."""
        parent = os.getppid()
        while os.getppid() == parent:
            # The main process decides: it knows whether this is the end of all.
            if signal.sigtimedwait({signal.SIGTERM}, _LOOK_S) is not None:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._link.tell, "leaving")
        self._cut_later()

    # --- what the main process says and asks ---------------------------------------------------

    def _drain(self, _: bytes) -> None:
        if self._service is not None:
            self._service.drain()

    def _learn_stay(self, body: bytes) -> None:
        if self._service is not None:
            self._service.learn_stay(*stay_read(body))

    def _read_cooldowns(self, _: bytes) -> None:
        if self._service is not None:
            self._service.read_cooldowns()

    async def _figures(self, _: bytes) -> bytes:
        return orjson.dumps(await self._service.figures() if self._service is not None else [])

    # --- what this one says and asks -----------------------------------------------------------

    def _newer(self, error: NewerDatabaseError) -> None:
        self._link.tell("newer", orjson.dumps([error.message, error.hint]))

    def _share_stay(self, key: bytes, stay: Stay | None) -> None:
        self._link.tell("stay", stay_written(key, stay))

    async def _push(self, service: GatewayService) -> None:
        pushed = 0
        while True:
            await asyncio.sleep(PUSH_EVERY_S)
            if (changes := service.metrics.changes) != pushed:
                pushed = changes
                self._link.tell("figures", orjson.dumps(service.metrics.figures()))

    async def _page(self) -> bytes:
        from aiohttp import web

        try:
            return await self._link.ask("page", within_s=PAGE_WITHIN_S)
        except (ConnectionError, TimeoutError):
            # The figures of one worker alone would be wrong ones.
            raise web.HTTPServiceUnavailable(text="The main process does not respond.\n") from None

    def _mount(self, wired: Wired, service: GatewayService) -> None:
        """Take what Slack and Telegram send, for the bot in the main process."""
        slack, telegram = wired.service.slack, wired.service.telegram
        if self._command != "run":
            return
        router = service.gateway.app.router
        if slack is not None and slack.mode == "http":
            from adapters.slack.manifest import EVENTS_PATH

            router.add_post(EVENTS_PATH, self._forward)
        if telegram is not None and telegram.webhook_url is not None:
            from adapters.telegram.settings import UPDATES_PATH

            router.add_post(UPDATES_PATH, self._forward)

    async def _forward(self, request: web.Request) -> web.Response:
        from aiohttp import web

        raw = await request.clone(client_max_size=MOST_SLACK_BYTES).read()
        head = orjson.dumps([request.path, request.query_string, list(request.headers.items())])
        try:
            said = await self._link.ask("chat", head + b"\n" + raw, within_s=SLACK_WITHIN_S)
        except (ConnectionError, TimeoutError):
            return web.Response(status=503)
        head, _, body = said.partition(b"\n")
        status, headers = orjson.loads(head)
        return web.Response(status=status, headers=headers, body=body)


def stay_written(key: bytes, stay: Stay | None) -> bytes:
    """Write a conversation's stay for the other workers; None is the end of it."""
    fields = None
    if stay is not None:
        began, turn = stay.began_at.isoformat(), stay.turn_at.isoformat()
        warm_s = stay.warm.total_seconds()
        fields = [stay.model, stay.first, stay.revision, began, turn, warm_s]
    return key + orjson.dumps(fields)


def stay_read(body: bytes) -> tuple[bytes, Stay | None]:
    """Read it back."""
    key, fields = body[:KEY_BYTES], orjson.loads(body[KEY_BYTES:])
    if fields is None:
        return key, None
    model, first, revision, began, turn, warm_s = fields
    began_at, turn_at = datetime.fromisoformat(began), datetime.fromisoformat(turn)
    return key, Stay(model, first, revision, began_at, turn_at, timedelta(seconds=warm_s))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
