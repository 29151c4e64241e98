"""The gateway's HTTP face: paths, limits, tokens, health, and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import SystemRandom
from urllib.parse import unquote

from aiohttp import web

from adapters.gateway.body import Body
from adapters.gateway.callers import Callers, from_this_machine
from adapters.gateway.codex import STOPS, stops
from adapters.gateway.counting import count_tokens
from adapters.gateway.exchange import GONE, ChatRequest, Tools
from adapters.gateway.faults import CallerGone, Refusal, fault
from adapters.gateway.http import Handler, Limits, Server, as_json, dialect_of
from adapters.gateway.models import model_list, model_row
from adapters.gateway.reading import Bodies
from adapters.gateway.record import Recorder
from adapters.gateway.reply import reply
from adapters.gateway.stored import (
    CONVERSATIONS,
    ask_maker,
    begin_conversation,
    maker_of,
    methods_of,
)
from bot.errors import UnknownModelError
from bot.messages.gateway import NO_UPGRADES, OPEN_TO_THIS_MACHINE, WRONG_CREDENTIALS
from bot.models import Dialect
from bot.routing.cooldown import CooldownBook
from bot.routing.sticky import conversation_of, goes_on

_log = logging.getLogger("gateway")
_LAST_IN_S = 0.05
_LONGEST_MODEL = 250
_LAST_WORDS_S = 1.0
_MODELS = "/v1/models"
_dice = SystemRandom()


@dataclass(slots=True)
class Parts:
    """What the gateway is made of."""

    tools: Tools
    callers: Callers
    recorder: Recorder
    book: CooldownBook
    metrics: Callable[[], Awaitable[tuple[bytes, str]]]
    trouble: Callable[[], str]
    limits: Limits = field(default_factory=Limits)
    installation: str = ""


class Gateway:
    """An HTTP server that answers the dialects of callers.

    `app` takes the routes of others, which come after the gateway's own.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runner: web.ServerRunner | None = None
        self._busy: set[asyncio.Task[object]] = set()
        self._run = _dice.getrandbits(24)
        self._count = 0
        self._bodies = Bodies(parts.limits)
        self._server: Server | None = None
        self.app = web.Application()
        self._paths: dict[str, dict[str, Handler]] = {
            "/v1/chat/completions": {"POST": self._openai},
            "/v1/messages": {"POST": self._anthropic},
            "/v1/responses": {"POST": self._responses},
            "/v1/messages/count_tokens": {"POST": self._count_tokens},
            "/v1/responses/input_tokens": {"POST": self._input_tokens},
            "/v1/responses/compact": {"POST": self._compact},
            CONVERSATIONS: {"POST": self._stored},
            _MODELS: _readable(self._models),
            "/api/hello": _readable(self._healthz),
            "/healthz": _readable(self._healthz),
            "/readyz": _readable(self._readyz),
            "/metrics": _readable(self._metrics),
            "/": _readable(self._hello),
        }

    async def start(self, host: str, port: int, *, shares: bool = False) -> int:
        """Listen, and return the port (which is chosen when 0 is asked for).

        With `shares`, other gateways of the same user may listen on it too.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server = Server(self._handle, self._parts.limits)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=_LAST_WORDS_S)
        await self._runner.setup()
        try:
            await web.TCPSite(
                self._runner, host, port, backlog=1024, reuse_port=shares or None
            ).start()
        except OSError:
            await self.stop()
            raise
        return int(self._runner.addresses[0][1])

    @property
    def draining(self) -> bool:
        """Whether it is about to stop: it answers, and keeps no connection for more."""
        return self._server is not None and self._server.draining

    def drain(self) -> None:
        """Begin to."""
        if self._server is not None:
            self._server.draining = True

    async def stop(self) -> None:
        """Stop listening, let requests under way end, tell those that last too long, close."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._parts.tools.stopping = True
        for site in list(runner.sites):
            await site.stop()
        # What was on its way when the door closed gets in.
        await asyncio.sleep(_LAST_IN_S)
        if runner.server is not None:
            runner.server.pre_shutdown()
        if self._busy:
            _, late = await asyncio.wait(self._busy, timeout=self._parts.limits.drain_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_WORDS_S)
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/"):
            # A proxy's caller names the host here too.
            path = request.path
        methods = self._paths.get(path)
        if methods is None and path.startswith(f"{_MODELS}/"):
            methods = _readable(self._model)
        if methods is None and (known := methods_of(path)):
            methods = dict.fromkeys(known, self._stored)
        if methods is None:
            return await self._elsewhere(request, path)
        handler = methods.get(request.method)
        if handler is not None:
            return await handler(request)
        allowed = ", ".join(methods)
        if request.headers.get("Upgrade"):
            # What makes agents that would rather have a WebSocket use HTTP at once.
            refusal = Refusal(NO_UPGRADES, 426, "upgrade_refused", {"Allow": allowed})
            return self._refuse(dialect_of(request), refusal)
        refusal = Refusal(
            f"{path} accepts {allowed} only.", 405, "wrong_method", {"Allow": allowed}
        )
        return self._refuse(dialect_of(request), refusal)

    async def _elsewhere(self, request: web.Request, path: str) -> web.StreamResponse:
        match = await self.app.router.resolve(request)
        if match.http_exception is None:
            if request.headers.get("Expect"):
                await match.expect_handler(request)
            return await match.handler(request)
        words = (
            f"Not found: {path[:200]}. This gateway serves POST /v1/chat/completions, "
            "POST /v1/messages, POST /v1/responses and GET /v1/models."
        )
        return self._refuse(dialect_of(request), Refusal(words, 404, "unknown_path"))

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.OPENAI)

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.ANTHROPIC)

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.RESPONSES)

    async def _compact(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, Dialect.RESPONSES, "/compact")

    async def _answer(
        self, request: web.Request, dialect: Dialect, tail: str = ""
    ) -> web.StreamResponse:
        """Answer a chat, whatever happens, and count it."""
        request_id = self._new_id()
        started = time.perf_counter()
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        status = 500
        try:
            response, status = await self._guarded(request, dialect, request_id, tail)
        except Refusal as refusal:
            status = refusal.status
            if dialect is Dialect.RESPONSES and stops(request.headers, refusal.code):
                refusal.status = STOPS
            response = self._refuse(dialect, refusal, request_id)
        except CallerGone:
            response, status = _nobody(request), GONE
        except asyncio.CancelledError:
            status = GONE
            if not self._parts.tools.stopping:
                raise
            over = Refusal("The gateway is shutting down; retry.", 503, "stopping")
            response = self._refuse(dialect, over, request_id)
        finally:
            self._busy.discard(task)
            seconds = time.perf_counter() - started
            self._parts.recorder.meter.request(dialect, status, seconds)
        return response

    async def _guarded(
        self, request: web.Request, dialect: Dialect, request_id: str, tail: str
    ) -> tuple[web.StreamResponse, int]:
        """Return the answer, and with what status it is counted."""
        caller = self._caller(request)
        with self._bodies.room() as room:
            body = await self._bodies.read(request, dialect, room)
            asked = await self._laid_out(request, dialect, request_id, body, caller, tail)
            parts = self._parts
            given = await reply(
                parts.tools, asked, parts.book, parts.recorder, request, parts.limits.keep_alive_s
            )
            return given.response, given.status

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        return await self._counted(request, Dialect.ANTHROPIC, "/count_tokens")

    async def _input_tokens(self, request: web.Request) -> web.StreamResponse:
        return await self._counted(request, Dialect.RESPONSES, "/input_tokens")

    async def _counted(
        self, request: web.Request, dialect: Dialect, tail: str
    ) -> web.StreamResponse:
        request_id = self._new_id()
        try:
            caller = self._caller(request)
            with self._bodies.room() as room:
                body = await self._bodies.read(request, dialect, room)
                asked = await self._laid_out(request, dialect, request_id, body, caller, tail)
                return await count_tokens(self._parts.tools, asked, self._parts.book)
        except Refusal as refusal:
            return self._refuse(dialect, refusal, request_id)

    async def _stored(self, request: web.Request) -> web.StreamResponse:
        request_id, tools = self._new_id(), self._parts.tools
        begins = request.raw_path.partition("?")[0] == CONVERSATIONS
        ask = begin_conversation if begins else ask_maker
        try:
            caller = self._caller(request)
            with self._bodies.room() as room:
                body = await self._bodies.raw(request, room)
                return await ask(tools, request, caller, request_id, body)
        except Refusal as refusal:
            return self._refuse(Dialect.RESPONSES, refusal, request_id)
        except CallerGone:
            return _nobody(request)

    def _caller(self, request: web.Request) -> str:
        """Return the caller's label. Raises Refusal."""
        caller = self._parts.callers.name_of(request)
        if caller is None:
            raise Refusal(self._who_may_call(), 401, "invalid_api_key")
        return caller

    def _who_may_call(self) -> str:
        return OPEN_TO_THIS_MACHINE if self._parts.callers.open else WRONG_CREDENTIALS

    async def _laid_out(
        self,
        request: web.Request,
        dialect: Dialect,
        request_id: str,
        body: Body,
        caller: str,
        tail: str,
    ) -> ChatRequest:
        """Return what is asked with who may answer it. Raises Refusal."""
        headers, tools = request.headers, self._parts.tools
        now = tools.clock.now()
        alone = headers.get("x-changeover-fallback", "").strip().lower() == "none"
        try:
            # Longer than any name: enough to say that it is none.
            asked = body.model[:_LONGEST_MODEL]
            now = tools.clock.now()
            candidates = tools.live.candidates(asked, dialect, now, fallbacks=not alone)
        except UnknownModelError as error:
            raise Refusal(f"{error.message} {error.hint}", 404, "model_not_found") from error
        stays, conversation, maker, arm = tools.conversations, None, None, None
        if dialect is Dialect.RESPONSES:
            maker = await maker_of(tools, caller, body.document)
        if maker is not None:
            candidates = maker.candidates(tools, candidates)
        else:
            arm = tools.arm(caller, body, headers, candidates.first)
            if arm is not None and arm.candidate is not None:
                candidates = tools.live.candidates(
                    asked, dialect, now, fallbacks=not alone, trial=arm.candidate
                )
        if maker is None and stays and goes_on(headers, body.document):
            conversation = conversation_of(caller, body.model, headers, body.document)
        if conversation is not None:
            kept = stays.staying(
                conversation, candidates, self._parts.book, tools.live.revision, now
            )
            candidates, conversation = kept or candidates, conversation if kept else None
        return ChatRequest(
            request_id,
            now,
            dialect,
            body,
            candidates,
            headers,
            request.raw_path.partition("?")[2],
            caller,
            conversation,
            tail,
            maker.reference if maker else None,
            arm,
        )

    async def _models(self, request: web.Request) -> web.StreamResponse:
        try:
            self._caller(request)
        except Refusal as refusal:
            return self._refuse(dialect_of(request), refusal)
        return as_json(model_list(self._parts.tools.live, _shape(request)))

    async def _model(self, request: web.Request) -> web.StreamResponse:
        name = unquote(request.raw_path.partition("?")[0].removeprefix(f"{_MODELS}/"))
        live, dialect = self._parts.tools.live, dialect_of(request)
        try:
            self._caller(request)
            return as_json(model_row(live, name, _shape(request)))
        except UnknownModelError as error:
            refusal = Refusal(f"{error.message} {error.hint}", 404, "model_not_found")
            return self._refuse(dialect, refusal)
        except Refusal as refusal:
            return self._refuse(dialect, refusal)

    async def _hello(self, request: web.Request) -> web.StreamResponse:
        chat = ["/v1/chat/completions", "/v1/messages", "/v1/responses"]
        installation = self._parts.installation
        return as_json({"service": "changeover", "chat": chat, "installation": installation})

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return as_json({"status": "ok"})

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        trouble = self._parts.trouble()
        document = {"status": "not ready", "why": trouble} if trouble else {"status": "ready"}
        return as_json(document, 503 if trouble else 200)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        if not from_this_machine(request) and self._parts.callers.name_of(request) is None:
            return web.Response(status=401, text=f"{self._who_may_call()}\n")
        content, content_type = await self._parts.metrics()
        return web.Response(body=content, headers={"Content-Type": content_type})

    def _refuse(self, dialect: Dialect, refusal: Refusal, request_id: str = "") -> web.Response:
        request_id = request_id or self._new_id()
        words = self._parts.tools.blackout.clean(refusal.message)
        param = refusal.param
        body = fault(dialect, refusal.status, words, refusal.code, request_id, param)
        # Each dialect's SDK looks for the id under another name.
        ids = {"x-request-id": request_id, "request-id": request_id}
        response = as_json(body, refusal.status, **(ids | refusal.headers))
        if refusal.closes:
            response.force_close()
        return response

    def _new_id(self) -> str:
        """Return an id that sorts by time and that no other run gives out."""
        self._count += 1
        return f"req_{time.time_ns() // 1000:014x}{self._run:06x}{self._count & 0xFFFFFF:06x}"


def _readable(handler: Handler) -> dict[str, Handler]:
    return {"GET": handler, "HEAD": handler}


def _shape(request: web.Request) -> Dialect:
    """Return in whose shape models are listed."""
    asks_claude = "anthropic-version" in request.headers
    return Dialect.ANTHROPIC if asks_claude else Dialect.OPENAI


def _nobody(request: web.Request) -> web.Response:
    """Drop the connection of a caller who takes nothing more."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=GONE)
