"""aiohttp's low-level server, with our own words for what is not even a request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson
from aiohttp import http_exceptions, web

from adapters.gateway.faults import fault
from bot.models import Dialect

_log = logging.getLogger("gateway")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may take of the gateway.

    `idle_s` also bounds how long a request line and its headers may take to arrive, `linger_s` how
    long what nobody reads is let in, so that its sender sees the refusal. `drain_s` is how long
    requests under way may go on when the gateway has closed its door. `bodies_bytes` bounds the
    bodies of all requests under way, which take some four times as much memory. A stream that has
    nothing to say gets a sign of life every `keep_alive_s`.
    """

    body_bytes: int = 32 * 1024 * 1024
    bodies_bytes: int = 128 * 1024 * 1024
    keep_alive_s: float = 15.0
    body_s: float = 30.0
    idle_s: float = 75.0
    linger_s: float = 5.0
    drain_s: float = 4.0
    line_bytes: int = 8190
    header_bytes: int = 16380


class Server(web.Server):
    """Makes a connection for each caller."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        super().__init__(
            # What `_request` makes is the larger kind.
            cast(Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], handler),
            request_factory=self._request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=limits.idle_s,
            lingering_time=limits.linger_s,
            max_line_size=limits.line_bytes,
            max_field_size=limits.header_bytes,
        )
        self._most = limits.body_bytes
        self.draining = False

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
        if self.draining:
            message = message._replace(should_close=True)
        return web.Request(
            message, payload, protocol, writer, task, self._loop, client_max_size=self._most
        )


class _Connection(web.RequestHandler):
    __slots__ = ()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a mistake of ours; a body that cannot be decoded is the caller's."""
        quiet = isinstance(kw.get("exc_info"), web.RequestPayloadError)
        _log.log(logging.DEBUG if quiet else logging.ERROR, *args, **kw)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what a mistake of ours has stopped."""
        if status >= 500:
            _log.error("a request failed unexpectedly", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started")
        words = "Internal error in the gateway." if status >= 500 else _unreadable(exc)
        response = as_json(fault(dialect_of(request), status, words, "bad_http", ""), status)
        response.force_close()
        return response


def _unreadable(error: BaseException | None) -> str:
    if isinstance(error, http_exceptions.LineTooLong):
        return "The URL or a header is too long."
    if isinstance(error, http_exceptions.ContentEncodingError):
        return "Unsupported Content-Encoding: send the body uncompressed or as gzip."
    return "Not an HTTP request."


def as_json(document: object, status: int = 200, **headers: str) -> web.Response:
    """Answer with JSON; bytes are taken as JSON already."""
    return web.Response(
        status=status,
        body=document if isinstance(document, bytes) else orjson.dumps(document),
        headers={"Content-Type": "application/json", "Server": "changeover", **headers},
    )


def dialect_of(request: web.BaseRequest) -> Dialect:
    """Guess in which dialect an error is understood where the path does not say."""
    anthropic = request.raw_path.startswith("/v1/messages") or any(
        name in request.headers for name in ("anthropic-version", "x-api-key")
    )
    if request.raw_path.startswith("/v1/responses"):
        return Dialect.RESPONSES
    return Dialect.ANTHROPIC if anthropic else Dialect.OPENAI
