"""The gateway's HTTP face: routes, limits, tokens, health, and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web

from adapters.gateway.body import BadBody, Body
from adapters.gateway.callers import Callers
from adapters.gateway.exchange import Exchange, Refusal, Tools
from adapters.gateway.faults import fault
from adapters.gateway.models import model_list
from adapters.gateway.record import Recorder
from adapters.gateway.streamed import answer_streamed
from adapters.gateway.whole import answer_whole
from bot.errors import UnknownModelError
from bot.models import Dialect
from bot.routing.cooldown import CooldownBook
from bot.routing.router import Walk

_log = logging.getLogger("gateway")
MOST_BODY_BYTES = 32 * 1024 * 1024
READ_WITHIN_S = 30.0
DRAIN_S = 30.0


@dataclass(slots=True)
class Parts:
    """What the gateway is made of."""

    tools: Tools
    callers: Callers
    recorder: Recorder
    book: CooldownBook
    metrics: Callable[[], tuple[bytes, str]]
    ready: Callable[[], str]


class Gateway:
    """An aiohttp application that answers both dialects."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runner: web.AppRunner | None = None
        self.app = web.Application(client_max_size=MOST_BODY_BYTES)
        self.app.add_routes(
            [
                web.post("/v1/chat/completions", self._openai),
                web.post("/v1/messages", self._anthropic),
                web.get("/v1/models", self._models),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (which is chosen when 0 is asked for).

        Raises:
            OSError: the address cannot be listened on.
        """
        self._runner = web.AppRunner(
            self.app,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=DRAIN_S,
            keepalive_timeout=75,
            max_line_size=8190,
            max_field_size=16380,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening, let requests under way end, then close."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.OPENAI)

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.ANTHROPIC)

    async def _answer(self, request: web.Request, dialect: Dialect) -> web.StreamResponse:
        request_id = f"req_{uuid.uuid4().hex}"
        started = time.perf_counter()
        response: web.StreamResponse | None = None
        try:
            response = await self._guarded(request, dialect, request_id)
        except Refusal as refusal:
            response = _refuse(dialect, refusal.status, refusal.message, refusal.code, request_id)
        finally:
            # 499, as nginx writes it: the caller went away before there was an answer.
            status = response.status if response is not None else 499
            seconds = time.perf_counter() - started
            self._parts.recorder.meter.request(dialect, status, seconds)
        return response

    async def _guarded(
        self, request: web.Request, dialect: Dialect, request_id: str
    ) -> web.StreamResponse:
        caller = self._parts.callers.name_of(request.headers)
        if caller is None:
            raise Refusal(
                "The gateway's token is missing or wrong; send it as Authorization: Bearer "
                "or x-api-key.",
                401,
                "invalid_api_key",
            )
        body = await _read(request)
        exchange = self._exchange(request, dialect, request_id, body)
        try:
            if body.stream:
                return await answer_streamed(exchange, request)
            return await answer_whole(exchange)
        finally:
            self._parts.recorder.finished(exchange, caller)

    def _exchange(
        self, request: web.Request, dialect: Dialect, request_id: str, body: Body
    ) -> Exchange:
        alone = request.headers.get("x-changeover-fallback", "").strip().lower() == "none"
        try:
            lane = self._parts.tools.live.lane(body.model, dialect, fallbacks=not alone)
        except UnknownModelError as error:
            raise Refusal(f"{error.message} {error.hint}", 404, "model_not_found") from error
        walk = Walk(lane, self._parts.book)
        return Exchange(request_id, dialect, body, lane, walk, self._parts.tools, request.headers)

    async def _models(self, request: web.Request) -> web.Response:
        if self._parts.callers.name_of(request.headers) is None:
            return _refuse(
                Dialect.OPENAI,
                401,
                "The gateway's token is missing or wrong.",
                "invalid_api_key",
                f"req_{uuid.uuid4().hex}",
            )
        return _json(model_list(self._parts.tools.live))

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.Response:
        trouble = self._parts.ready()
        document = {"status": "not ready", "why": trouble} if trouble else {"status": "ready"}
        return _json(document, 503 if trouble else 200)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not _from_loopback(request) and self._parts.callers.name_of(request.headers) is None:
            return web.Response(status=401, text="The gateway's token is missing or wrong.\n")
        content, content_type = self._parts.metrics()
        return web.Response(body=content, headers={"content-type": content_type})


async def _read(request: web.Request) -> Body:
    """Read the body within bounds. Raises Refusal."""
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Refusal(
            f"The body is larger than {MOST_BODY_BYTES // 1024 // 1024} MiB.", 413, "too_large"
        ) from error
    except TimeoutError as error:
        raise Refusal(
            f"The body did not arrive within {READ_WITHIN_S:.0f} s.", 408, "timeout"
        ) from error
    try:
        return Body.read(raw)
    except BadBody as error:
        raise Refusal(str(error), 400, "invalid_request") from error


def _refuse(
    dialect: Dialect, status: int, message: str, code: str, request_id: str
) -> web.Response:
    return web.Response(
        status=status,
        body=fault(dialect, status, message, code, request_id),
        headers={"content-type": "application/json", "x-request-id": request_id},
    )


def _json(document: object, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(document),
        headers={"content-type": "application/json"},
    )


def _from_loopback(request: web.Request) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    host = str(peer[0]) if peer else ""
    return host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")
