"""Requests to providers over aiohttp: one pool, whole answers, every way to fail named.

Redirects are never followed: a key goes to the configured host and nowhere else.
"""

from __future__ import annotations

import asyncio
import errno
import time

import aiohttp
from yarl import URL

from adapters.shared.proxy import proxy_for
from bot.models import FailureReason
from bot.ports import HttpAnswer, HttpRequest

MOST_ANSWER_BYTES = 1 << 20
CONNECT_S = 10.0
_SPECIAL = (
    aiohttp.ClientConnectorDNSError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientSSLError,
)
# In this order: the first kind that fits.
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "cannot resolve the host of {}"),
    (aiohttp.ClientProxyConnectionError, "the proxy to {} is unreachable"),
    (aiohttp.ClientSSLError, "TLS to {} failed: check its certificate"),
    (aiohttp.ServerDisconnectedError, "{} closed the connection without a response"),
    (OSError, "the connection to {} was reset"),
    (ValueError, "the URL of {} is invalid"),
    (aiohttp.ClientError, "the connection to {} failed"),
)


class _Unusable(Exception):
    """The answer came and is no good; its text says why."""


FAULTS = (aiohttp.ClientError, OSError, ValueError, _Unusable)
"""What a request may raise besides TimeoutError; `named` puts it in words."""


def open_session(
    connector: type[aiohttp.TCPConnector] = aiohttp.TCPConnector, *, connect_s: float = CONNECT_S
) -> aiohttp.ClientSession:
    """Make a pool of connections; call it inside the running loop that will use it."""
    return aiohttp.ClientSession(
        connector=connector(limit=0, ttl_dns_cache=60, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": "changeover"},
    )


class AiohttpUpstream:
    """The Upstream port. Its pool is opened by the first request; close it with `aclose`."""

    def __init__(self, connect_s: float = CONNECT_S) -> None:
        self._connect_s = connect_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool, opened on first use inside the running loop."""
        if self._session is None or self._session.closed:
            self._session = open_session(connect_s=self._connect_s)
        return self._session

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        """Send a request and read the whole answer, or say what became of it instead."""
        started_s = time.perf_counter()
        answered = False
        try:
            async with (
                asyncio.timeout(timeout_s),
                self.session.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    data=request.body or None,
                    allow_redirects=False,
                    proxy=proxy_for(request.url),
                ) as response,
            ):
                answered = True
                body = await read_bounded(response, MOST_ANSWER_BYTES)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpAnswer(response.status, headers, body, time.perf_counter() - started_s)
        except (TimeoutError, *FAULTS) as error:
            failure, detail = named(
                error, request.url, timeout_s, answered=answered, connect_s=self._connect_s
            )
        return HttpAnswer(0, {}, b"", time.perf_counter() - started_s, failure, detail)


async def read_bounded(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Read the body, and give up on one that has more than `most_bytes`."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > most_bytes:
            response.close()
            raise _Unusable(f"the response is larger than {most_bytes >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def named(
    error: Exception,
    url: str,
    timeout_s: float | None = None,
    *,
    answered: bool,
    connect_s: float = CONNECT_S,
) -> tuple[FailureReason, str]:
    """Say in a reason and a few words what went wrong, with no more of the URL than its host.

    `answered` is True once the headers had arrived. Without a limit of ours, `timeout_s`, it was
    the network that gave up waiting.
    """
    place = place_of(url)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return FailureReason.TIMEOUT, f"no connection to {place} within {connect_s:g} s"
    if isinstance(error, TimeoutError) and timeout_s is None:
        return FailureReason.TIMEOUT, f"the connection to {place} timed out"
    if isinstance(error, TimeoutError):
        what = "the response was incomplete" if answered else "no response"
        return FailureReason.TIMEOUT, f"{what} within {timeout_s:g} s"
    if isinstance(error, _Unusable):
        return FailureReason.BAD_RESPONSE, str(error)
    if isinstance(error, aiohttp.ClientPayloadError):
        if _undecodable(error):
            return FailureReason.BAD_RESPONSE, "the response's compression is corrupt"
        return FailureReason.NETWORK, f"{place} closed the connection mid-response"
    if isinstance(error, aiohttp.ClientResponseError):
        words = f"{place} sent a malformed HTTP response"
        if _undecodable(error):
            words = "the response has an unsupported Content-Encoding"
        return FailureReason.BAD_RESPONSE, words
    return FailureReason.NETWORK, _network_words(error, place)


def _network_words(error: Exception, place: str) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, _SPECIAL):
        refused = error.os_error.errno == errno.ECONNREFUSED
        return f"connection refused at {place}" if refused else f"{place} is unreachable"
    words = next(words for kind, words in _WORDS if isinstance(error, kind))
    return words.format(place)


def _undecodable(error: aiohttp.ClientError) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return any(
        isinstance(cause, aiohttp.http_exceptions.ContentEncodingError)
        or "content-encoding" in str(cause)
        for cause in causes
        if cause is not None
    )


def place_of(url: str) -> str:
    """Return host and port, without a user name, path or query that may hold a secret."""
    try:
        parts = URL(url)
    except ValueError:
        return "the provider"
    host = f"[{parts.host}]" if parts.host and ":" in parts.host else parts.host
    return f"{host}:{parts.port}" if host else "the provider"
