"""How a simulated answer leaves the server, and how one does not."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable

from aiohttp import web

from adapters.simulated.faults import Fault
from adapters.simulated.surface import Surface, encode

JSON = "application/json"

_KEEP_ALIVE_EVERY_S = 0.25
_PORTIONS_A_PAUSE = 20
_CLOSE_AT_ONCE = struct.pack("ii", 1, 0)


class Delivery:
    """Sends at one provider's pace, hangs and drops connections on demand."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let go of whatever hangs."""
        self._closing.set()

    def refuse(self, surface: Surface, fault: Fault, serial: int) -> web.Response:
        """Send an error, at once."""
        return web.Response(
            status=fault.status,
            body=encode(surface.error(fault, serial)),
            content_type=JSON,
            headers={**fault.headers, **_marks(surface, serial)},
        )

    async def whole(
        self, surface: Surface, request: web.Request, document: bytes, serial: int
    ) -> web.StreamResponse:
        """Send one JSON document, behind blank lines where the provider pads."""
        if not surface.padding:
            await asyncio.sleep(self._latency_s)
            marks = _marks(surface, serial)
            return web.Response(body=document, content_type=JSON, headers=marks)
        response = _response(surface, serial, kind=JSON)
        return await self._send(request, response, surface.padding, [document])

    async def stream(
        self, surface: Surface, request: web.Request, portions: Iterable[bytes], serial: int
    ) -> web.StreamResponse:
        """Send a stream portion by portion, a comment first where the provider comments."""
        response = _response(surface, serial, kind=surface.stream_type)
        return await self._send(request, response, surface.comment, portions)

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        filler: bytes,
        portions: Iterable[bytes],
    ) -> web.StreamResponse:
        try:
            await response.prepare(request)
            if filler:
                await response.write(filler)
            await asyncio.sleep(self._latency_s)
            for portion in portions:
                await response.write(portion)
                await asyncio.sleep(self._latency_s / _PORTIONS_A_PAUSE)
            await response.write_eof()
        except ConnectionError:
            # The client has gone: there is nobody left to tell.
            return response
        return response

    async def hang(
        self, request: web.Request, surface: Surface | None = None, *, streams: bool = False
    ) -> web.StreamResponse:
        """Never answer; where the provider pads or comments, do that for as long as it takes."""
        filler = b""
        if surface is not None:
            filler = surface.comment if streams else surface.padding
        if surface is None or not filler:
            await self._closing.wait()
            return await self.reset(request)
        response = _response(surface, 0, kind=surface.stream_type if streams else JSON)
        try:
            await response.prepare(request)
            while not self._closing.is_set():
                await response.write(filler)
                await self._pause()
        except ConnectionError:
            return response
        return await self.reset(request)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_KEEP_ALIVE_EVERY_S):
                await self._closing.wait()
        except TimeoutError:
            return

    async def reset(self, request: web.Request) -> web.StreamResponse:
        """Drop the connection without a word."""
        transport = request.transport
        if transport is not None:
            handle = transport.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_AT_ONCE)
            transport.abort()
        # The lost connection cancels the handler that waits here.
        await self._closing.wait()
        return web.Response()


def _response(surface: Surface, serial: int, *, kind: str) -> web.StreamResponse:
    headers = {"Content-Type": kind, "Cache-Control": "no-cache"}
    return web.StreamResponse(headers={**headers, **_marks(surface, serial)})


def _marks(surface: Surface, serial: int) -> dict[str, str]:
    return {surface.request_id_header: f"req_demo{serial:08d}"}
