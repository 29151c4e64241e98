"""A provider's stream on its way to the caller, held until its first content.

After the first content nobody else's text is spliced in: a break ends with an error event of the
dialect, and what was used so far is booked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import orjson
from aiohttp import web

from adapters.gateway.body import Wording
from adapters.gateway.caller_stream import CallerStream
from adapters.gateway.exchange import CUT, GONE, AttemptResult, UpstreamCall
from adapters.gateway.faults import Unfinished, fault, stream_fault
from adapters.gateway.response import passed_back
from adapters.gateway.transport import Broken, Incoming, Whole
from adapters.gateway.whole import outcome_of
from bot.costs.usage import estimate_cut, estimate_whole, uncounted
from bot.dialects.error_body import read_error
from bot.dialects.events import Kind
from bot.dialects.history import Edit, edit_for
from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.models import Dialect, FailureReason, Usage
from bot.routing.failure import OK, Outcome, Verdict, classify_stream
from bot.routing.router import HopOutcome
from bot.settings import Timeouts

_MOST_HELD_BYTES = 1 << 20
_LONGEST_CODE = 100
_MOST_SILENCE_BYTES = 1 << 16
_LAST_BYTES_S = 0.02
_LATE_USAGE_S = 0.5
_JSON = {"Content-Type": "application/json"}
_DONE = b"data: [DONE]\n\n"


class HeldStream:
    """A provider's stream, held at its first content. Relay it, finish it, and close it anyway.

    `first_token_ms` is None where the stream has ended, rightly, without content.
    """

    def __init__(self, call: UpstreamCall, wording: Wording, incoming: Incoming) -> None:
        self._call = call
        self._request = call.request
        self._wording = wording
        self._incoming = incoming
        self._parser = StreamParser(
            call.request.dialect, call.candidate.provider.id, choices=call.request.body.choices
        )
        self._heard_s = asyncio.get_running_loop().time()
        self._held: list[StreamEvent] = []
        self._held_bytes = 0
        self._silence = b""
        self._error: StreamEvent | None = None
        self._ended = False
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._response: web.StreamResponse | None = None
        self._verdict: Verdict | None = None
        self._latency_ms: float | None = None
        self.first_token_ms: float | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The changes to the history without which the candidate refused it."""
        return self._wording.edits

    @property
    def made(self) -> tuple[str, ...]:
        """The ids by which a later request may refer to the answer, as far as it has come."""
        return self._parser.made

    async def until_content(self) -> Verdict | None:
        """Read up to the first content; return why there will be none. Raises Broken."""
        limit_s = left_s(self._call)
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
            self.first_token_ms = self._call.elapsed_ms()
            return None
        verdict = self._judged()
        return None if verdict.ok else verdict

    def came_instead(self, verdict: Verdict) -> Whole | None:
        """Return what came instead of a stream: a refusal as the first event, or no stream."""
        error = self._error.body if self._error else None
        if error is not None and edit_for(str(error)) is not None:
            return Whole(400, {}, orjson.dumps(error))
        body = self._silence.strip()
        if verdict.reason is FailureReason.BAD_RESPONSE and body[:1] in (b"{", b"[", b"<"):
            # What came is no stream at all, whatever it says it is.
            return Whole(200, {}, body)
        return None

    def given_up(self, verdict: Verdict) -> AttemptResult:
        """Return why there is no content, with what the caller may be answered."""
        call, request = self._call, self._request
        outcome = outcome_of(call, verdict, self._wording)
        failed = outcome is HopOutcome.FAILED
        words = call.tools.blackout.clean(verdict.detail)
        content = fault(request.dialect, 400, words, self._code("refused"), request.id)
        return AttemptResult(
            call.candidate,
            call.at,
            outcome,
            call.elapsed_ms(),
            verdict,
            status=200 if failed else 400,
            usage=self._parser.usage,
            served=None if outcome is HopOutcome.REFUSED else self._parser.served_model,
            answered=outcome is HopOutcome.ANSWERED,
            answer=None if failed else Whole(400, _JSON, content),
            edits=self.edits,
        )

    async def relay(self, caller: CallerStream, headers: Mapping[str, str]) -> None:
        """Write what was held and what follows to the caller, up to the last word.

        Raises ConnectionError or TimeoutError for a caller who takes nothing more.
        """
        # A caller who does not read is not waited for.
        async with asyncio.timeout(self._timeouts.idle_s):
            response = await caller.begin({**headers, **passed_back(self._incoming.headers)})
            await self._show(response, self._held)
        self._response = response
        self._verdict = await self._rest(response)
        self._latency_ms = self._call.elapsed_ms()

    async def finish(self, *, estimated: bool) -> Usage | None:
        """End the caller's stream; return usage, so far estimated, that is only counted after that.

        Raises ConnectionError for a caller who takes nothing more.
        """
        response, verdict = self._response, self._verdict
        assert response is not None
        assert verdict is not None
        if not verdict.ok:
            words = (
                f"{self._call.candidate.name} stopped mid-response ({verdict.reason}): "
                f"{verdict.detail}. Nothing of another model follows; retry."
            )
            await response.write(self._fault(self._code(str(verdict.reason)), words))
        elif self._request.dialect is Dialect.OPENAI and not self._parser.ended:
            await response.write(_DONE)
        await response.write_eof()
        return await self._late_usage(estimated) if self._parser.ended else None

    async def stop(self, response: web.StreamResponse) -> None:
        """End the caller's stream because the gateway is shutting down."""
        with suppress(ConnectionError):
            words = "The gateway is shutting down mid-response; retry."
            await response.write(self._fault("stopping", words))

    def result(self) -> AttemptResult:
        """Return what became of the attempt: answered, cut off, or abandoned by its caller."""
        call, verdict, status = self._call, self._verdict, 200
        outcome = HopOutcome.ANSWERED
        if verdict is None:
            outcome, status = HopOutcome.ABANDONED, GONE
        elif not verdict.ok:
            outcome, status = HopOutcome.FAILED, CUT
        usage, estimated = self._usage()
        return AttemptResult(
            call.candidate,
            call.at,
            outcome,
            self._latency_ms or call.elapsed_ms(),
            verdict or OK,
            status=status,
            usage=usage,
            estimated=estimated,
            served=self._parser.served_model,
            first_token_ms=self.first_token_ms,
            answered=verdict is not None or self.first_token_ms is not None,
            answer=self._response,
            edits=self.edits,
            made=self.made if outcome is HopOutcome.ANSWERED else (),
        )

    def close(self) -> None:
        """Give the provider's connection back."""
        self._incoming.close()

    async def _late_usage(self, estimated: bool) -> Usage | None:
        """Read what follows the last word: some count the tokens only there."""
        await self._incoming.settle(
            self._parser.feed, _LATE_USAGE_S if estimated else _LAST_BYTES_S
        )
        self._parser.close()
        usage = self._parser.usage if estimated else None
        return None if uncounted(usage) else usage

    def _code(self, ours: str) -> str:
        """Return the code of the provider's own error, which agents may act on; else ours."""
        theirs = read_error(self._error.body).fields.get("code") if self._error else None
        return theirs if isinstance(theirs, str) and len(theirs) <= _LONGEST_CODE else ours

    async def _rest(self, response: web.StreamResponse) -> Verdict:
        """Hand on what follows; return how it ended.

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
            return self._judged()
        finally:
            if self._timer is not None:
                self._timer.cancel()
        # With the reason for the end said, only the last formality is missing.
        return OK if self._ending is Ending.WHOLE else broken.verdict

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
        most = _MOST_HELD_BYTES + 4 * len(self._request.body.raw)
        if self._held_bytes > most and not self._parser.started:
            raise Broken(FailureReason.BAD_RESPONSE, "too much data before the first content")

    async def _show(self, response: web.StreamResponse, events: list[StreamEvent]) -> None:
        """Write what a caller sees: no error of the provider, no usage unless asked for."""
        hides = self._request.dialect is Dialect.OPENAI and not self._request.body.wants_usage
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
            self._call.candidate.provider.id,
            self._request.dialect,
            self._ending,
            self._error,
            secrets=self._call.tools.secrets,
        )

    @property
    def _ending(self) -> Ending:
        ending = self._parser.ending
        empty = ending is Ending.EMPTY and self._request.body.may_be_empty
        return Ending.WHOLE if empty else ending

    def _fault(self, code: str, words: str) -> bytes:
        request, parser = self._request, self._parser
        answer = Unfinished(
            next(iter(parser.made), f"resp_{request.id}"),
            int(request.at.timestamp()),
            parser.served_model or "",
            parser.next_number,
        )
        words = self._call.tools.blackout.clean(words)
        return stream_fault(request.dialect, words, code, request.id, answer)

    def _usage(self) -> tuple[Usage, bool]:
        """Return the counted tokens; of a stream that never said them all, an estimate and True."""
        usage = self._parser.usage
        whole = self._ending is Ending.WHOLE
        if usage is not None and whole and not uncounted(usage):
            return usage, False
        estimate = estimate_whole if whole else estimate_cut
        return estimate(
            usage,
            request_bytes=self._request.body.text_bytes(),
            answer_bytes=self._parser.said_bytes,
        )

    @property
    def _timeouts(self) -> Timeouts:
        return self._call.tools.timeouts


def left_s(call: UpstreamCall) -> float:
    """Return how long the first content may still take."""
    spent_s = time.perf_counter() - call.started_s
    return max(call.tools.timeouts.first_token_s - spent_s, 0.0)
