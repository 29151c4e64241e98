"""Callers' bodies on their way in: each within bounds, and all of them together."""

from __future__ import annotations

import asyncio

from aiohttp import web

from adapters.gateway.body import LARGE_BYTES, BadBody, Body
from adapters.gateway.faults import Refusal
from adapters.gateway.http import Limits
from bot.models import Dialect


class Bodies:
    """The memory for the bodies of all requests under way."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    async def read(self, request: web.Request, dialect: Dialect, room: Room) -> Body:
        """Read a body into its room. Raises Refusal."""
        raw = await self.raw(request, room)
        try:
            # Beyond this size the loop would stand still meanwhile.
            if len(raw) > LARGE_BYTES:
                return await asyncio.to_thread(Body.read, raw, dialect)
            return Body.read(raw, dialect)
        except BadBody as error:
            raise Refusal(str(error), 400, "invalid_request") from error

    def room(self) -> Room:
        """Return the room for one request's body; leave it in any case."""
        return Room(self)

    def take(self, size: int, *, large: bool) -> None:
        """Take so many bytes; what small bodies need is kept free of large ones. Raises Refusal."""
        most = self._limits.bodies_bytes
        if self._held + size > (most * 3 // 4 if large else most):
            words = (
                f"The gateway is busy: running requests hold {most >> 20} MiB of bodies. "
                "Retry in a moment."
            )
            raise Refusal(words, 503, "busy", {"retry-after": "1"}, closes=True)
        self._held += size

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        self._held -= size

    async def raw(self, request: web.Request, room: Room) -> bytes:
        """Read a body as it comes. Raises Refusal."""
        limits, told = self._limits, request.content_length or 0
        if told > limits.body_bytes:
            raise self._too_large()
        room.hold(told)
        try:
            if request.content.is_eof():
                raw = await request.read()
                room.hold(len(raw))
                return raw
            async with asyncio.timeout(limits.body_s):
                _invite(request)
                return await _parts(request, limits.body_bytes, room)
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None
        except TimeoutError:
            words = f"The body did not arrive within {limits.body_s:g} s."
            raise Refusal(words, 408, "timeout", closes=True) from None
        except web.RequestPayloadError:
            words = "The body could not be decompressed."
            raise Refusal(words, 400, "invalid_request", closes=True) from None

    def _too_large(self) -> Refusal:
        words = f"The body is larger than {self._limits.body_bytes >> 20} MiB."
        return Refusal(words, 413, "too_large", closes=True)


class Room:
    """What one request holds of it."""

    __slots__ = ("_bodies", "_held")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._held = 0

    def __enter__(self) -> Room:
        """Hold nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Give it back."""
        self._bodies.give(self._held)

    def hold(self, size: int) -> None:
        """Hold room for so many bytes in all."""
        if size > self._held:
            self._bodies.take(size - self._held, large=size > LARGE_BYTES)
            self._held = size


async def _parts(request: web.Request, most_bytes: int, room: Room) -> bytes:
    """Read the body, and stop as soon as it is too large, whatever it unpacks to.

    The library's own way unpacks up to twice as much ahead, which a small body may demand.

    Raises:
        HTTPRequestEntityTooLarge: it has more than `most_bytes`.
    """
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most_bytes:
            raise web.HTTPRequestEntityTooLarge(most_bytes, size)
        room.hold(size)
        parts.append(part)
    return b"".join(parts)


def _invite(request: web.BaseRequest) -> None:
    """Ask for the body of a caller who waits to be asked, once nothing speaks against it."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
