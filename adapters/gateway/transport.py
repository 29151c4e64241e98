"""aiohttp on the way out: one pooled session, and every way a network fails named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from bot.models import FailureReason

MOST_ANSWER_BYTES = 64 * 1024 * 1024
CONNECT_S = 10.0


class Broken(Exception):
    """An attempt that got no usable answer; `detail` names no secret."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def open_session() -> aiohttp.ClientSession:
    """Make the pool; call it inside the running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_reuse_trace()],
        trust_env=True,
        raise_for_status=False,
    )


async def fetch_whole(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    timeout_s: float,
) -> Whole:
    """Ask and read the whole answer within `timeout_s`. Raises Broken."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            opened(session, url, headers, body, timeout_s) as response,
        ):
            return Whole(response.status, response.headers, await read_bounded(response))
    except TimeoutError as error:
        raise Broken(FailureReason.TIMEOUT, f"no whole answer within {timeout_s:g} s") from error


@asynccontextmanager
async def opened(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    within_s: float,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask, wait so long for the answer to begin, and hold it open.

    Raises:
        Broken: the network failed, before or while the answer is read inside the block.
    """
    try:
        response = await _post(session, url, headers, body, within_s)
        try:
            yield response
        finally:
            # What is not read to its end must not go back to the pool.
            if response.content.at_eof():
                response.release()
            else:
                response.close()
    except (aiohttp.ClientError, ConnectionError) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> Broken:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Broken(FailureReason.TIMEOUT, f"no connection within {CONNECT_S:g} s")
        case aiohttp.ClientConnectorDNSError():
            return Broken(FailureReason.NETWORK, f"no such host: {error.host}")
        case aiohttp.ClientConnectorError():
            why = error.strerror or "cannot connect"
            return Broken(FailureReason.NETWORK, f"{error.host}:{error.port}: {why}")
        case aiohttp.ClientConnectionError() | ConnectionError():
            return Broken(FailureReason.NETWORK, "the connection was closed")
        case aiohttp.ClientPayloadError():
            return Broken(FailureReason.BAD_RESPONSE, "the answer broke off or was garbled")
        case _:
            return Broken(FailureReason.BAD_RESPONSE, f"no HTTP answer ({type(error).__name__})")


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """Read the body up to a bound. Raises Broken."""
    declared = response.content_length
    if declared is not None and declared <= MOST_ANSWER_BYTES:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MOST_ANSWER_BYTES:
            raise Broken(FailureReason.BAD_RESPONSE, "the answer is endless")
        parts.append(chunk)
    return b"".join(parts)


async def _post(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    within_s: float,
) -> aiohttp.ClientResponse:
    """Send the request; where an idle connection of the pool had died, once more on a new one."""
    try:
        async with asyncio.timeout(within_s):
            seen = _Seen()
            try:
                return await session.post(
                    url, headers=headers, data=body, allow_redirects=False, trace_request_ctx=seen
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not seen.reused:
                    raise
            return await session.post(url, headers=headers, data=body, allow_redirects=False)
    except TimeoutError as error:
        raise Broken(FailureReason.TIMEOUT, f"no answer began within {within_s:g} s") from error


class _Seen:
    """Whether a request went out on a connection that had been used before."""

    __slots__ = ("reused",)

    def __init__(self) -> None:
        self.reused = False


def _reuse_trace() -> aiohttp.TraceConfig:
    async def reused(session: object, context: SimpleNamespace, parameters: object) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(reused)
    return config
