"""The stream to a caller: begun with the first content, or earlier to keep the caller waiting.

An agent hangs up on a stream that is silent for long, also while several models are tried in turn.
So after a while of holding, the answer begins as a 200 with keep-alives; who serves it follows in
a comment, and a chain that fails then ends in an error event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import orjson
from aiohttp import web

from adapters.gateway.codex import ALIVE, codex_stops, is_codex
from adapters.gateway.faults import Unfinished, event_of, stream_fault
from bot.models import Dialect

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
# What each dialect's own servers send while they have nothing to say.
_ALIVE = {
    Dialect.ANTHROPIC: b'event: ping\ndata: {"type": "ping"}\n\n',
    Dialect.OPENAI: b": keep-alive\n\n",
    Dialect.RESPONSES: b": keep-alive\n\n",
}


class _Response(web.StreamResponse):
    """Sends its headers along with the first bytes, which always follow at once."""

    _send_headers_immediately = False


class CallerStream:
    """One caller's stream. `close` it in any case; `response` is None until it has begun."""

    def __init__(
        self, request: web.Request, dialect: Dialect, request_id: str, keep_alive_s: float
    ) -> None:
        self._request = request
        self._dialect = dialect
        self._request_id = request_id
        self._keep_alive_s = keep_alive_s
        self._codex = dialect is Dialect.RESPONSES and is_codex(request.headers)
        self._alive = ALIVE if self._codex else _ALIVE[dialect]
        self._task: asyncio.Task[None] | None = None
        # A timer costs a quick answer next to nothing, a task would.
        self._timer = asyncio.get_running_loop().call_later(keep_alive_s, self._wait)
        self.response: web.StreamResponse | None = None

    async def begin(self, headers: Mapping[str, str]) -> web.StreamResponse:
        """Begin the answer, or say in a comment what its headers would have said."""
        await self.close()
        if self.response is None:
            return await self._prepare(headers)
        about = " ".join(f"{k}={v}" for k, v in headers.items() if k.startswith("x-changeover-"))
        await self.response.write(b": %s\n\n" % about.encode("ascii", "replace"))
        return self.response

    async def fail(self, status: int, body: bytes, code: str) -> None:
        """End an answer that has begun with an error, in the provider's words or ours."""
        await self.close()
        assert self.response is not None
        answer = Unfinished(f"resp_{self._request_id}", int(time.time()))
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if isinstance(document, dict) and document.get("error"):
            if self._codex:
                document = codex_stops(document)
            last = event_of(self._dialect, document, answer)
        else:
            words = "The model refused the request."
            last = stream_fault(self._dialect, words, code, self._request_id, answer, status=status)
        await self.response.write(last)
        await self.response.write_eof()

    async def close(self) -> None:
        """Send no more keep-alives."""
        self._timer.cancel()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _wait(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        # A caller that has gone is noticed where its answer is made.
        with suppress(ConnectionError):
            response = await self._prepare(
                {
                    "Server": "changeover",
                    "x-request-id": self._request_id,
                    "request-id": self._request_id,
                }
            )
            while True:
                await response.write(self._alive)
                await asyncio.sleep(self._keep_alive_s)

    async def _prepare(self, headers: Mapping[str, str]) -> web.StreamResponse:
        response = _Response(headers=_HEADERS | dict(headers))
        # Known before the first byte is sent: who comes later must not begin a second answer.
        self.response = response
        await response.prepare(self._request)
        return response
