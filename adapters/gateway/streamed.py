"""Streams: held until the first content, so that a failure before it falls back unseen.

After the first content nobody else's text is spliced in: a break ends with an error event of the
dialect, and what was used so far is booked.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import orjson
from aiohttp import web

from adapters.gateway.caller_stream import CallerStream
from adapters.gateway.exchange import CUT, CallerGone, Exchange, Tried
from adapters.gateway.faults import Unfinished, fault, stream_fault
from adapters.gateway.reworded import reworded
from adapters.gateway.transport import Broken, Incoming, Whole, begin
from adapters.gateway.whole import conclude, judge, passed_back
from bot.costs.usage import estimate_cut, estimate_whole, uncounted
from bot.dialects.error_body import read_error
from bot.dialects.events import Kind
from bot.dialects.history import edit_for
from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.models import Dialect, FailureReason, Usage
from bot.ports import Json
from bot.routing.failure import Outcome, Verdict, classify_stream
from bot.settings import Timeouts

_MOST_HELD_BYTES = 1 << 20
_LONGEST_CODE = 100
_MOST_SILENCE_BYTES = 1 << 16
_LAST_BYTES_S = 0.02
_LATE_USAGE_S = 0.5
_DONE = b"data: [DONE]\n\n"
_NO_STREAM = Verdict(
    Outcome.FAILED, FailureReason.BAD_RESPONSE, detail="a complete response instead of a stream"
)


async def ask_streamed(
    exchange: Exchange, one: Tried, caller: CallerStream
) -> web.StreamResponse | None:
    """Ask one candidate; None when it failed before its first content.

    Raises:
        Broken, SettingsError: it failed, and nobody has noted it yet.
        CallerGone: the caller takes nothing more.
    """
    response = await _open(exchange, one, caller)
    while isinstance(response, Whole) and await reworded(exchange, one, response):
        response = await _open(exchange, one, caller)
    return _no_stream(exchange, one, response) if isinstance(response, Whole) else response


async def _open(
    exchange: Exchange, one: Tried, caller: CallerStream
) -> web.StreamResponse | Whole | None:
    """Ask for a stream and hand it on; what is no stream is returned as it is."""
    tools = exchange.tools
    outgoing = await exchange.outgoing(one.candidate, wording=one.wording)
    incoming = await begin(tools.session(), outgoing, tools.timeouts.first_token_s)
    try:
        if incoming.status != 200 or "json" in incoming.kind:
            return await incoming.error(_left_s(exchange, one))
        relay = _Relay(exchange, one, incoming)
        verdict = await relay.until_content()
        if verdict is None:
            return await relay.hand_on(caller)
        return relay.refusal() or relay.give_up(verdict)
    finally:
        incoming.close()


def _no_stream(exchange: Exchange, one: Tried, answer: Whole) -> web.Response | None:
    verdict, document = judge(exchange, one, answer)
    if verdict.outcome is Outcome.OK:
        verdict = _NO_STREAM
    return conclude(exchange, one, answer, verdict, document)


def _left_s(exchange: Exchange, one: Tried) -> float:
    """Return how long the first content may still take."""
    spent_s = time.perf_counter() - one.started_s
    return max(exchange.tools.timeouts.first_token_s - spent_s, 0.0)


def _may_be_reworded(error: Json) -> bool:
    return error is not None and edit_for(str(error)) is not None


class _Relay:
    """One upstream stream on its way to the caller."""

    def __init__(self, exchange: Exchange, one: Tried, incoming: Incoming) -> None:
        provider = one.candidate.provider
        self._provider_id = provider.id
        self._exchange = exchange
        self._one = one
        self._incoming = incoming
        self._parser = StreamParser(exchange.dialect, provider.id, choices=exchange.body.choices)
        self._heard_s = asyncio.get_running_loop().time()
        self._held: list[StreamEvent] = []
        self._held_bytes = 0
        self._silence = b""
        self._error: StreamEvent | None = None
        self._ended = False
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None

    async def until_content(self) -> Verdict | None:
        """Read up to the first content; return why there will be none. Raises Broken."""
        limit_s = _left_s(self._exchange, self._one)
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    await self._hold_back()
                break
            except TimeoutError:
                waited_s = asyncio.get_running_loop().time() - self._heard_s
                limit_s = self._timeouts.thinking_s - waited_s
                if not self._parser.thinking or limit_s <= 0:
                    words = self._silent("no first token within", self._timeouts.first_token_s)
                    return Verdict(Outcome.FAILED, FailureReason.TIMEOUT, detail=words)
        if self._parser.started and not self._parser.failed:
            self._exchange.begun(self._one)
            self._exchange.made(self._one, self._parser.made)
            return None
        verdict = self._judged()
        return None if verdict.ok else verdict

    def refusal(self) -> Whole | None:
        """Return an error that came as the first event, as if it had come by itself."""
        error = self._error.body if self._error else None
        return Whole(400, {}, orjson.dumps(error)) if _may_be_reworded(error) else None

    def give_up(self, verdict: Verdict) -> web.Response | None:
        """Note why there is no content; answer with it where that is the caller's own fault."""
        body = self._silence.strip()
        if verdict.reason is FailureReason.BAD_RESPONSE and body[:1] in (b"{", b"[", b"<"):
            # What came is no stream at all, whatever it says it is.
            answer = Whole(200, {}, body)
            return _no_stream(self._exchange, self._one, answer)
        exchange, usage = self._exchange, self._parser.usage
        if verdict.outcome is Outcome.FAILED:
            exchange.failed(self._one, verdict, status=200, usage=usage, served=self._served)
            return None
        if exchange.meant_for(self._one) and verdict.outcome is Outcome.CALLER:
            exchange.answered(self._one, status=400, usage=usage, served=self._served)
        else:
            exchange.refused(self._one, verdict, status=400, usage=usage)
        words = exchange.tools.blackout.clean(verdict.detail)
        code = self._code("refused")
        content = fault(exchange.dialect, 400, words, code, exchange.request_id)
        headers = {"Content-Type": "application/json"} | exchange.headers(self._one)
        return web.Response(status=400, body=content, headers=headers)

    async def hand_on(self, caller: CallerStream) -> web.StreamResponse:
        """Write what was held and what follows to the caller. Raises CallerGone."""
        exchange = self._exchange
        try:
            response = await self._begin(caller)
            last_words = self._note(await self._rest(response))
            if last_words:
                await response.write(last_words)
            await response.write_eof()
            if self._parser.ended:
                await self._settle()
        except asyncio.CancelledError:
            self._note_gone()
            begun = caller.response
            if begun is None or not (exchange.tools.stopping and begun.prepared):
                raise
            response = begun
            with suppress(ConnectionError):
                words = "The gateway is shutting down mid-response; retry."
                await response.write(self._fault("stopping", words))
        except (ConnectionError, TimeoutError) as error:
            self._note_gone()
            raise CallerGone from error
        return response

    async def _settle(self) -> None:
        """Read what follows the last word: some count the tokens only there."""
        late = self._one.estimated
        await self._incoming.settle(self._parser.feed, _LATE_USAGE_S if late else _LAST_BYTES_S)
        self._parser.close()
        if late and not uncounted(usage := self._parser.usage):
            self._one.usage, self._one.estimated = usage, False

    def _note(self, trouble: Verdict | None) -> bytes:
        """Note how the stream ended; return what is still to be said of it."""
        exchange, one, usage = self._exchange, self._one, self._usage()
        if trouble is None:
            exchange.answered(one, status=200, usage=usage, served=self._served)
            exchange.made(one, self._parser.made)
            unsaid = exchange.dialect is Dialect.OPENAI and not self._parser.ended
            return _DONE if unsaid else b""
        one.answered = True
        exchange.ended_status = CUT
        exchange.failed(one, trouble, status=CUT, usage=usage, served=self._served)
        words = (
            f"{one.candidate.name} stopped mid-response ({trouble.reason}): {trouble.detail}. "
            "Nothing of another model follows; retry."
        )
        return self._fault(self._code(str(trouble.reason)), words)

    def _code(self, ours: str) -> str:
        """Return the code of the provider's own error, which agents may act on; else ours."""
        theirs = read_error(self._error.body).fields.get("code") if self._error else None
        return theirs if isinstance(theirs, str) and len(theirs) <= _LONGEST_CODE else ours

    def _note_gone(self) -> None:
        # Who hangs up after the last word has had a whole answer.
        if self._one.latency_ms is None:
            self._exchange.hung_up(self._one, usage=self._usage(), served=self._served)

    async def _begin(self, caller: CallerStream) -> web.StreamResponse:
        """Begin the answer with what was held. Raises TimeoutError for a caller who reads not."""
        headers = self._exchange.headers(self._one) | passed_back(self._incoming.headers)
        async with asyncio.timeout(self._timeouts.idle_s):
            response = await caller.begin(headers)
            await self._show(response, self._held)
        return response

    async def _rest(self, response: web.StreamResponse) -> Verdict | None:
        """Hand on what follows; return what broke.

        Raises TimeoutError when it is the caller who does not read.
        """
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        try:
            async with asyncio.timeout(None) as limit:
                self._watch(limit)
                while not self._parser.over:
                    events = await self._read()
                    if events is None:
                        break
                    await self._show(response, events)
                    for event in events:
                        if event.kind is not Kind.SILENCE:
                            self._heard_s = loop.time()
                            break
        except TimeoutError:
            if self._writing:
                raise
            words = self._silent("no data for", self._timeouts.idle_s)
            broken = Broken(FailureReason.TIMEOUT, words)
        except Broken as error:
            broken = error
        else:
            verdict = self._judged()
            return None if verdict.ok else verdict
        finally:
            if self._timer is not None:
                self._timer.cancel()
        # With the reason for the end said, only the last formality is missing.
        return None if self._ending is Ending.WHOLE else broken.verdict

    def _watch(self, limit: asyncio.Timeout) -> None:
        """End the wait once nothing was heard for too long.

        Looked at when that may be so, since setting a timer at each event costs more than reading
        the event does.
        """
        loop = asyncio.get_running_loop()
        idle_s = limit_s = self._timeouts.idle_s
        waited_s = loop.time() - self._heard_s
        if waited_s >= idle_s and not self._writing and self._parser.thinking:
            limit_s = self._timeouts.thinking_s
        if waited_s >= limit_s:
            limit.reschedule(loop.time())
        else:
            self._timer = loop.call_later(min(limit_s - waited_s, idle_s), self._watch, limit)

    def _silent(self, words: str, limit_s: float) -> str:
        if self._parser.thinking:
            return f"thought for {self._timeouts.thinking_s:g} s without output"
        return f"{words} {limit_s:g} s"

    async def _read(self) -> list[StreamEvent] | None:
        """Return the next events, None at the stream's end. Raises Broken."""
        while not self._ended:
            chunk = await self._incoming.chunk()
            self._ended = not chunk
            events = self._parser.feed(chunk) if chunk else self._parser.close()
            if events:
                return events
        return None

    async def _hold_back(self) -> None:
        while not (self._parser.started or self._parser.over):
            events = await self._read()
            if events is None:
                return
            self._hold(events)

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
            self._heard_s = asyncio.get_running_loop().time()
        # A provider may repeat the request in its first events.
        most = _MOST_HELD_BYTES + 4 * len(self._exchange.body.raw)
        if self._held_bytes > most and not self._parser.started:
            raise Broken(FailureReason.BAD_RESPONSE, "too much data before the first content")

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
            self._ending,
            self._error,
            secrets=self._exchange.secrets,
        )

    @property
    def _ending(self) -> Ending:
        ending = self._parser.ending
        empty = ending is Ending.EMPTY and self._exchange.body.may_be_empty
        return Ending.WHOLE if empty else ending

    def _fault(self, code: str, words: str) -> bytes:
        exchange = self._exchange
        words, parser = exchange.tools.blackout.clean(words), self._parser
        answer = Unfinished(
            next(iter(parser.made), f"resp_{exchange.request_id}"),
            int(exchange.at.timestamp()),
            parser.served_model or "",
            parser.next_number,
        )
        return stream_fault(exchange.dialect, words, code, exchange.request_id, answer)

    def _usage(self) -> Usage:
        """Return the counted tokens; of a stream that never said them all, an estimate."""
        usage = self._parser.usage
        whole = self._ending is Ending.WHOLE
        if usage is not None and whole and not uncounted(usage):
            return usage
        estimate = estimate_whole if whole else estimate_cut
        usage, self._one.estimated = estimate(
            usage,
            request_bytes=self._exchange.body.text_bytes(),
            answer_bytes=self._parser.said_bytes,
        )
        return usage

    @property
    def _timeouts(self) -> Timeouts:
        return self._exchange.tools.timeouts

    @property
    def _served(self) -> str | None:
        return self._parser.served_model
