"""The gateway's requests to providers: answers as they arrive, dead idle connections replaced."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection

from adapters.gateway.upstream import FAULTS, named, open_session, read_bounded
from bot.models import FailureReason
from bot.routing.failure import Outcome, Verdict

MOST_ANSWER_BYTES = 32 * 1024 * 1024
# Beyond this the library would hold the loop up while it sends the body in one piece.
_ONE_PIECE_BYTES = 1 << 20
# Whether the connection of the request that this task makes had been used before; None without one.
_REUSED: ContextVar[bool | None] = ContextVar("reused", default=None)


class Broken(Exception):
    """An attempt that got no usable answer; its verdict's words name no secret.

    `billed` when the provider was at work on it, and will most likely bill what it had read.
    """

    def __init__(self, reason: FailureReason, detail: str, *, billed: bool = False) -> None:
        super().__init__(detail)
        self.verdict = Verdict(Outcome.FAILED, reason, detail=detail)
        self.billed = billed


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a provider; `headers` and `body` hold what nobody may log."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    proxy: str | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Incoming:
    """An answer that has begun. Close it in any case."""

    __slots__ = ("_response", "_url")

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def kind(self) -> str:
        """What the answer says it is."""
        return self._response.headers.get("Content-Type", "").lower()

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, whatever their case."""
        return self._response.headers

    async def chunk(self) -> bytes:
        """Return what has arrived, nothing at the end. Raises Broken."""
        try:
            return await self._response.content.readany()
        except FAULTS as error:
            raise self._broken(error) from error

    async def whole(self) -> Whole:
        """Read what is left, for which there is no time limit here. Raises Broken."""
        try:
            body = await read_bounded(self._response, MOST_ANSWER_BYTES)
        except FAULTS as error:
            raise self._broken(error) from error
        return Whole(self.status, self.headers, body)

    async def error(self, within_s: float) -> Whole:
        """Read the body of what is no stream. Raises Broken."""
        try:
            async with asyncio.timeout(within_s):
                return await self.whole()
        except TimeoutError as error:
            words = f"HTTP {self.status}, but the body did not arrive in time"
            raise Broken(FailureReason.TIMEOUT, words) from error

    async def settle(self, take: Callable[[bytes], object], within_s: float) -> None:
        """Read what may follow a stream's last word, so that the connection can be used again."""
        with suppress(TimeoutError, *FAULTS):
            async with asyncio.timeout(within_s):
                while chunk := await self._response.content.readany():
                    take(chunk)

    def close(self) -> None:
        """Give the connection back; one that has not been read to its end is closed."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def _broken(self, error: Exception) -> Broken:
        return Broken(*named(error, self._url, answered=True))


def open_pool() -> aiohttp.ClientSession:
    """Make the gateway's pool, which knows a connection that was used before."""
    return open_session(_Connector)


async def fetch_whole(
    session: aiohttp.ClientSession, outgoing: Outgoing, timeout_s: float
) -> Whole:
    """Ask and read the whole answer within `timeout_s`. Raises Broken."""
    try:
        async with asyncio.timeout(timeout_s):
            incoming = await _begun(session, outgoing)
            try:
                return await incoming.whole()
            finally:
                incoming.close()
    except TimeoutError as error:
        words = f"no complete response within {timeout_s:g} s"
        raise Broken(FailureReason.TIMEOUT, words, billed=connected()) from error


async def begin(session: aiohttp.ClientSession, outgoing: Outgoing, within_s: float) -> Incoming:
    """Ask, and wait so long for the answer to begin. Raises Broken."""
    try:
        async with asyncio.timeout(within_s):
            return await _begun(session, outgoing)
    except TimeoutError as error:
        raise Broken(FailureReason.TIMEOUT, f"no response started within {within_s:g} s") from error


def connected() -> bool:
    """Return whether the last request of this task has got as far as a connection."""
    return _REUSED.get() is not None


async def _begun(session: aiohttp.ClientSession, outgoing: Outgoing) -> Incoming:
    try:
        return Incoming(await _post(session, outgoing), outgoing.url)
    except FAULTS as error:
        raise Broken(*named(error, outgoing.url, answered=False)) from error


async def _post(session: aiohttp.ClientSession, outgoing: Outgoing) -> aiohttp.ClientResponse:
    """Send the request; where an idle connection of the pool had died, once more on a new one."""
    _REUSED.set(None)
    try:
        return await _send(session, outgoing)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        if not _REUSED.get():
            raise
    return await _send(session, outgoing)


async def _send(session: aiohttp.ClientSession, outgoing: Outgoing) -> aiohttp.ClientResponse:
    body = outgoing.body
    return await session.request(
        outgoing.method,
        outgoing.url,
        headers=outgoing.headers,
        data=(body or None) if len(body) <= _ONE_PIECE_BYTES else io.BytesIO(body),
        allow_redirects=False,
        proxy=outgoing.proxy,
    )


class _Connector(aiohttp.TCPConnector):
    """Tells a request whether its connection had been used before.

    The library's own tracing could, at five calls a request.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: WeakSet[object] = WeakSet()

    async def connect(self, *args: Any, **kw: Any) -> Connection:
        """Take a connection from the pool or make one."""
        connection = await super().connect(*args, **kw)
        protocol = connection.protocol
        _REUSED.set(protocol in self._known)
        self._known.add(protocol)
        return connection
