"""The gateway's requests to providers: answers held open, idle connections that died replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

from adapters.gateway.upstream import FAULTS, named, open_session, proxy_for, read_bounded
from bot.models import FailureReason

MOST_ANSWER_BYTES = 64 * 1024 * 1024


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


def open_pool() -> aiohttp.ClientSession:
    """Make the gateway's pool, which knows a connection that was used before."""
    return open_session(trace=_reuse_trace())


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
            body = await read_bounded(response, MOST_ANSWER_BYTES)
            return Whole(response.status, response.headers, body)
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
    answered = False
    try:
        response = await _post(session, url, headers, body, within_s)
        answered = True
        try:
            yield response
        finally:
            # What is not read to its end must not go back to the pool.
            if response.content.at_eof():
                response.release()
            else:
                response.close()
    except FAULTS as error:
        raise Broken(*named(error, url, within_s, answered=answered)) from error


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
                    url,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    proxy=proxy_for(url),
                    trace_request_ctx=seen,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not seen.reused:
                    raise
            return await session.post(
                url, headers=headers, data=body, allow_redirects=False, proxy=proxy_for(url)
            )
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
