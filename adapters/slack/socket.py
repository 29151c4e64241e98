"""Socket Mode: the socket that we open and Slack sends events down.

slack_sdk's own client asks for an address once and dials it again for ever when it is refused,
and looks for a dropped socket only at its next ping. Here every try asks for a fresh address and
a drop is noticed as it happens; the payloads go to slack-bolt as they would from there.
Source: https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.shared.chat import Seen
from adapters.shared.proxy import proxy_for
from adapters.slack.api import OPEN_SOCKET, Api, SlackTrouble, asking, log

HEARTBEAT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LINGER_S = 3.0
LASTING_S = 5.0
"""A socket that ends sooner is not dialled again at once."""


def waits(first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> Iterator[float]:
    """Yield how long to wait before each next try."""
    wait_s = first_s
    while True:
        yield wait_s
        wait_s = min(wait_s * 2, longest_s)


class SocketLine:
    """Keeps one socket to Slack open and hands what comes down it to bolt."""

    def __init__(
        self, api: Api, bolt: AsyncApp, told: Callable[[bool, str], None], first_wait_s: float
    ) -> None:
        self._api = api
        self._bolt = bolt
        self._told = told
        self._first_wait_s = first_wait_s
        self._seen = Seen()
        self._acks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> None:
        """Connect, and again whenever the socket ends, until cancelled."""
        patience = waits(self._first_wait_s)
        try:
            while True:
                try:
                    lasted_s = await self._session()
                    if lasted_s >= LASTING_S:
                        patience = waits(self._first_wait_s)
                    else:
                        await asyncio.sleep(next(patience))
                except SlackTrouble as trouble:
                    wait_s = next(patience)
                    self._told(False, f"{trouble.message} {trouble.hint}")
                    log.warning(
                        "Slack is not connected: %s %s Next try in %.1f s.",
                        trouble.message, trouble.hint, wait_s,
                    )  # fmt: skip
                    await asyncio.sleep(wait_s)
        finally:
            self._told(False, "stopped")
            for task in self._leaving:
                task.cancel()
            await asyncio.gather(*self._leaving, *self._acks, return_exceptions=True)

    async def _session(self) -> float:
        """Stay on one socket until it ends or Slack asks for another; return how long that was."""
        loop = asyncio.get_running_loop()
        socket = await self._dial()
        started_at = loop.time()
        self._told(True, "")
        asked = False
        try:
            asked = await self._read(socket)
        finally:
            if not asked:
                self._told(False, "the socket closed")
                await socket.close()
        if asked:
            # Slack may send a little more down the old socket before it knows of the new one.
            task = asyncio.create_task(self._leave(socket))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        log.info("the socket to Slack closed; reconnecting")
        return loop.time() - started_at

    async def _leave(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._read(socket)
        finally:
            await socket.close()

    async def _dial(self) -> aiohttp.ClientWebSocketResponse:
        app_token = self._api.setup.app_token
        assert app_token is not None
        with asking(OPEN_SOCKET):
            answer = await self._api.web.apps_connections_open(app_token=app_token.reveal())
            self._socket = await self._api.session.ws_connect(
                answer["url"],
                heartbeat=HEARTBEAT_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                proxy=proxy_for(answer["url"]),
                max_msg_size=0,
            )
        return self._socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> bool:
        """Read until the socket ends; True when Slack asked for another one before."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                envelope = json.loads(message.data)
            except ValueError:
                continue
            if not isinstance(envelope, dict):
                continue
            if envelope.get("type") == "hello":
                self._count(envelope.get("num_connections"))
            elif envelope.get("type") == "disconnect":
                log.info("Slack requests a new socket: %s", envelope.get("reason"))
                return True
            if envelope.get("envelope_id"):
                # Not awaited: reading goes on while one is on its way through bolt.
                task = asyncio.create_task(self._take(envelope))
                self._acks.add(task)
                task.add_done_callback(self._acks.discard)
        return False

    def _count(self, sockets: object) -> None:
        """Warn of sockets that are not ours; only Slack knows of a process elsewhere."""
        ours = 1 + len(self._leaving)
        if isinstance(sockets, int) and sockets > ours:
            log.warning(
                "Slack counts %d connections of this app, %d of them from this process. Another "
                "process with the same SLACK_APP_TOKEN gets part of the commands (one that was "
                "killed is still counted for a while). Stop it, or create an app for it.",
                sockets, ours,
            )  # fmt: skip

    async def _take(self, envelope: dict[str, Any]) -> None:
        """Acknowledge an envelope, whatever it holds, and hand it to bolt once."""
        await self._send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        # One turn for the others that came with it: theirs go first, too.
        await asyncio.sleep(0)
        request = SocketModeRequest.from_dict(envelope)
        if request is not None and self._seen.first(request.envelope_id):
            await run_async_bolt_app(self._bolt, request)

    async def _send(self, words: str) -> None:
        """Send on the socket there is: an envelope may be acknowledged on a later one."""
        for _ in range(8):
            socket = self._socket
            try:
                if socket is not None:
                    await socket.send_str(words)
                return
            except ConnectionError:
                await asyncio.sleep(0.25)
        log.warning("an event could not be acknowledged: the socket closed")
