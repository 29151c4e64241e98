"""Streams: held until the first content, so that a failure before it falls back unseen.

After the first content nobody else's text is spliced in: a break ends with an error event of the
dialect, and what was used so far is booked.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiohttp import web

from adapters.gateway.exchange import CallerGone, Exchange, Tried
from adapters.gateway.faults import fault, stream_fault
from adapters.gateway.transport import Broken, Incoming, Whole, begin
from adapters.gateway.whole import conclude, judge
from bot.costs.usage import estimate_cut
from bot.dialects.events import Kind
from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.models import Dialect, FailureReason, Usage
from bot.routing.failure import Outcome, Verdict, classify_stream

_MOST_HELD_BYTES = 1 << 20
_MOST_SILENCE_BYTES = 1 << 16
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
_DONE = b"data: [DONE]\n\n"
_NO_STREAM = Verdict(
    Outcome.FAILED, FailureReason.BAD_RESPONSE, detail="a whole answer instead of a stream"
)


async def ask_streamed(
    exchange: Exchange, one: Tried, request: web.Request
) -> web.StreamResponse | None:
    """Ask one candidate; None when it failed before its first content.

    Raises:
        Broken, SettingsError: it failed, and nobody has noted it yet.
        CallerGone: the caller takes nothing more.
    """
    response = await _ask(exchange, one, request, counted=True)
    if isinstance(response, Whole) and _minds_counting(exchange, response):
        response = await _ask(exchange, one, request, counted=False)
    return _no_stream(exchange, one, response) if isinstance(response, Whole) else response


async def _ask(
    exchange: Exchange, one: Tried, request: web.Request, *, counted: bool
) -> web.StreamResponse | Whole | None:
    """Ask for a stream and hand it on; what is no stream is returned as it is."""
    tools = exchange.tools
    outgoing = exchange.outgoing(one.candidate, counted=counted)
    incoming = await begin(tools.session(), outgoing, tools.timeouts.first_token_s)
    try:
        if incoming.status != 200 or "json" in incoming.kind:
            return await incoming.error(_left_s(exchange, one))
        relay = _Relay(exchange, one, incoming)
        verdict = await relay.until_content()
        if verdict is None:
            return await relay.hand_on(request)
        return relay.give_up(verdict)
    finally:
        incoming.close()


def _minds_counting(exchange: Exchange, answer: Whole) -> bool:
    """Decide whether a server refuses the option which we, and not the caller, have added."""
    ours = exchange.dialect is Dialect.OPENAI and "stream_options" not in exchange.body.document
    return ours and answer.status in (400, 422) and b"stream_options" in answer.body


def _no_stream(exchange: Exchange, one: Tried, answer: Whole) -> web.Response | None:
    verdict, document = judge(exchange, one, answer)
    if verdict.outcome is Outcome.OK:
        verdict = _NO_STREAM
    return conclude(exchange, one, answer, verdict, document)


def _left_s(exchange: Exchange, one: Tried) -> float:
    """Return how long the first content may still take."""
    spent_s = time.perf_counter() - one.started_s
    return max(exchange.tools.timeouts.first_token_s - spent_s, 0.0)


class _Relay:
    """One upstream stream on its way to the caller."""

    def __init__(self, exchange: Exchange, one: Tried, incoming: Incoming) -> None:
        provider = one.candidate.hop.provider
        assert provider is not None
        self._provider_id = provider.id
        self._exchange = exchange
        self._one = one
        self._incoming = incoming
        self._parser = StreamParser(exchange.dialect, provider.id)
        self._held: list[StreamEvent] = []
        self._held_bytes = 0
        self._silence = b""
        self._error: StreamEvent | None = None
        self._ended = False
        self._writing = False

    async def until_content(self) -> Verdict | None:
        """Read up to the first content; return why there will be none. Raises Broken."""
        try:
            async with asyncio.timeout(_left_s(self._exchange, self._one)):
                while not (self._parser.started or self._parser.over):
                    events = await self._read()
                    if events is None:
                        break
                    self._hold(events)
        except TimeoutError:
            words = f"no first token within {self._exchange.tools.timeouts.first_token_s:g} s"
            return Verdict(Outcome.FAILED, FailureReason.TIMEOUT, detail=words)
        if self._parser.started and not self._parser.failed:
            self._one.first_token_ms = (time.perf_counter() - self._one.started_s) * 1000
            return None
        verdict = self._judged()
        return None if verdict.ok else verdict

    def give_up(self, verdict: Verdict) -> web.Response | None:
        """Note why there is no content; answer with it where that is the caller's own fault."""
        body = self._silence.strip()
        if verdict.reason is FailureReason.BAD_RESPONSE and body[:1] in (b"{", b"[", b"<"):
            # What came is no stream at all, whatever it says it is.
            answer = Whole(200, {}, body)
            return _no_stream(self._exchange, self._one, answer)
        exchange, usage = self._exchange, self._parser.usage
        if verdict.outcome is not Outcome.CALLER:
            exchange.failed(self._one, verdict, status=200, usage=usage, served=self._served)
            return None
        if exchange.meant_for(self._one):
            exchange.answered(self._one, status=400, usage=usage, served=self._served)
        else:
            exchange.refused(self._one, verdict, status=400, usage=usage)
        content = fault(exchange.dialect, 400, verdict.detail, "refused", exchange.request_id)
        headers = {"Content-Type": "application/json"} | exchange.headers(self._one)
        return web.Response(status=400, body=content, headers=headers)

    async def hand_on(self, request: web.Request) -> web.StreamResponse:
        """Write what was held and what follows to the caller. Raises CallerGone."""
        exchange, one = self._exchange, self._one
        response = web.StreamResponse(headers=_HEADERS | exchange.headers(one))
        try:
            last_words = self._note(await self._rest(response, request))
            if last_words:
                await response.write(last_words)
            await response.write_eof()
            if self._parser.ended:
                await self._incoming.settle()
        except asyncio.CancelledError:
            self._note_gone()
            if not (exchange.tools.stopping and response.prepared):
                raise
            with suppress(ConnectionError):
                words = "The gateway is being stopped in mid-answer; ask again."
                await response.write(self._fault("stopping", words))
        except (ConnectionError, TimeoutError) as error:
            self._note_gone()
            raise CallerGone from error
        return response

    def _note(self, trouble: Verdict | None) -> bytes:
        """Note how the stream ended; return what is still to be said of it."""
        exchange, one, usage = self._exchange, self._one, self._usage()
        if trouble is None:
            exchange.answered(one, status=200, usage=usage, served=self._served)
            unsaid = exchange.dialect is Dialect.OPENAI and not self._parser.ended
            return _DONE if unsaid else b""
        one.answered = True
        exchange.failed(one, trouble, status=200, usage=usage, served=self._served)
        words = (
            f"{one.candidate.name} broke off in mid-answer ({trouble.reason}): {trouble.detail}. "
            "Nothing of another model follows; ask again."
        )
        return self._fault(str(trouble.reason), words)

    def _note_gone(self) -> None:
        # Who hangs up after the last word has had a whole answer.
        if self._one.latency_ms is None:
            self._exchange.hung_up(self._one, usage=self._usage(), served=self._served)

    async def _rest(self, response: web.StreamResponse, request: web.Request) -> Verdict | None:
        """Hand on what was held and what follows; return what broke.

        Raises TimeoutError when it is the caller who does not read.
        """
        idle_s = self._exchange.tools.timeouts.idle_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(idle_s) as idle:
                self._writing = True
                await response.prepare(request)
                await self._show(response, self._held)
                while not self._parser.over:
                    events = await self._read()
                    if events is None:
                        break
                    await self._show(response, events)
                    if any(event.kind is not Kind.SILENCE for event in events):
                        idle.reschedule(loop.time() + idle_s)
        except TimeoutError:
            if self._writing:
                raise
            broken = Broken(FailureReason.TIMEOUT, f"nothing for {idle_s:g} s")
        except Broken as error:
            broken = error
        else:
            verdict = self._judged()
            return None if verdict.ok else verdict
        # With the reason for the end said, only the last formality is missing.
        return None if self._parser.ending is Ending.WHOLE else broken.verdict

    async def _read(self) -> list[StreamEvent] | None:
        """Return the next events, None at the stream's end. Raises Broken."""
        while not self._ended:
            chunk = await self._incoming.chunk()
            self._ended = not chunk
            events = self._parser.feed(chunk) if chunk else self._parser.close()
            if events:
                return events
        return None

    def _hold(self, events: list[StreamEvent]) -> None:
        for event in events:
            if event.kind is Kind.SILENCE:
                if len(self._silence) < _MOST_SILENCE_BYTES:
                    self._silence += event.raw
                continue
            if event.kind is Kind.ERROR:
                self._error = event
            self._held.append(event)
            self._held_bytes += len(event.raw)
        if self._held_bytes > _MOST_HELD_BYTES:
            raise Broken(FailureReason.BAD_RESPONSE, "too much before the first content")

    async def _show(self, response: web.StreamResponse, events: list[StreamEvent]) -> None:
        """Write what a caller sees: no error of the provider, no usage unless asked for."""
        hides = self._exchange.dialect is Dialect.OPENAI and not self._exchange.body.wants_usage
        parts = []
        for event in events:
            if event.kind is Kind.ERROR:
                self._error = event
                continue
            if event.kind is Kind.USAGE and hides:
                continue
            parts.append(event.raw)
        if parts:
            self._writing = True
            await response.write(b"".join(parts) if len(parts) > 1 else parts[0])
        self._writing = False

    def _judged(self) -> Verdict:
        """Judge the stream as it stands, by the error it held if there was one."""
        return classify_stream(
            self._provider_id,
            self._exchange.dialect,
            self._parser.ending,
            self._error,
            secrets=self._exchange.secrets(self._one.candidate),
        )

    def _fault(self, code: str, words: str) -> bytes:
        return stream_fault(self._exchange.dialect, words, code, self._exchange.request_id)

    def _usage(self) -> Usage:
        """Return the counted tokens; of a stream that never said them all, an estimate."""
        usage = self._parser.usage
        whole = self._parser.ending is Ending.WHOLE
        if usage is not None and whole:
            return usage
        usage, self._one.estimated = estimate_cut(
            usage,
            request_bytes=self._exchange.body.text_bytes(),
            answer_bytes=self._parser.said_bytes,
        )
        return usage

    @property
    def _served(self) -> str | None:
        return self._parser.served_model
