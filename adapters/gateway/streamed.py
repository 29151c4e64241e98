"""Streams: held until the first content, so that a failure before it falls back unseen.

After the first content nobody else's text is spliced in: a break ends with an error event of the
dialect, and what was used so far is booked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from adapters.gateway.exchange import Exchange, Tried
from adapters.gateway.faults import fault, stream_fault
from adapters.gateway.transport import MOST_ANSWER_BYTES, Broken, Whole, opened
from adapters.gateway.upstream import read_bounded
from adapters.gateway.whole import handed_on, judge
from bot.dialects.events import Kind
from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.errors import SettingsError
from bot.models import Dialect, FailureReason, Usage
from bot.routing.failure import Outcome, Verdict, classify_stream
from bot.routing.router import Candidate

_ERROR_BODY_S = 10.0
_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


async def answer_streamed(exchange: Exchange, request: web.Request) -> web.StreamResponse:
    """Stream the first answer that begins well, or hand the caller's own fault back.

    Raises:
        Refusal: nobody answered.
    """
    while (candidate := exchange.next()) is not None:
        response = await _ask(exchange, candidate, request)
        if response is not None:
            return response
    raise exchange.refusal()


async def _ask(
    exchange: Exchange, candidate: Candidate, request: web.Request
) -> web.StreamResponse | None:
    """Ask one candidate; None when it failed before its first content."""
    one = exchange.begin(candidate)
    try:
        url, headers, body = exchange.request(candidate)
        within_s = exchange.tools.timeouts.first_token_s
        async with opened(exchange.tools.session(), url, headers, body, within_s) as upstream:
            return await _follow(exchange, one, upstream, request)
    except SettingsError as error:
        exchange.failed(one, FailureReason.NETWORK, detail=error.message)
    except Broken as broken:
        exchange.failed(one, broken.reason, detail=broken.detail)
    except asyncio.CancelledError:
        exchange.hung_up(one)
        raise
    return None


async def _follow(
    exchange: Exchange, one: Tried, upstream: aiohttp.ClientResponse, request: web.Request
) -> web.StreamResponse | None:
    provider = one.candidate.hop.provider
    assert provider is not None
    if upstream.status != 200 or "json" in upstream.headers.get("content-type", ""):
        return await _not_a_stream(exchange, one, upstream)
    relay = _Relay(exchange, one, StreamParser(exchange.dialect, provider.id), upstream)
    verdict = await relay.until_content()
    if verdict is not None and verdict.outcome is Outcome.CALLER:
        return relay.hand_back(verdict)
    if verdict is not None:
        exchange.failed(
            one,
            verdict.reason or FailureReason.BAD_RESPONSE,
            status=upstream.status,
            retry_after_s=verdict.retry_after_s,
            detail=verdict.detail,
        )
        return None
    return await relay.hand_on(request)


async def _not_a_stream(
    exchange: Exchange, one: Tried, upstream: aiohttp.ClientResponse
) -> web.StreamResponse | None:
    try:
        async with asyncio.timeout(_ERROR_BODY_S):
            body = await read_bounded(upstream, MOST_ANSWER_BYTES)
    except TimeoutError as error:
        raise Broken(FailureReason.TIMEOUT, "the error's body did not arrive") from error
    answer = Whole(upstream.status, upstream.headers, body)
    verdict = judge(exchange, one, answer)
    if verdict.outcome is Outcome.CALLER:
        return handed_on(exchange, answer, verdict)
    if verdict.outcome is Outcome.OK:
        exchange.failed(one, FailureReason.BAD_RESPONSE, detail="the answer is no stream")
    return None


class _Relay:
    """One upstream stream on its way to the caller."""

    def __init__(
        self,
        exchange: Exchange,
        one: Tried,
        parser: StreamParser,
        upstream: aiohttp.ClientResponse,
    ) -> None:
        self._exchange = exchange
        self._one = one
        self._parser = parser
        self._chunks = upstream.content.iter_any()
        self._held: list[StreamEvent] = []
        self._error: StreamEvent | None = None
        self._tokens = 0

    async def until_content(self) -> Verdict | None:
        """Read up to the first content; return why there will be none."""
        limit_s = self._exchange.tools.timeouts.first_token_s
        spent_s = time.perf_counter() - self._one.started_s
        try:
            async with asyncio.timeout(max(limit_s - spent_s, 0)):
                async for events in self._events():
                    self._held += events
                    self._error = next((e for e in events if e.kind is Kind.ERROR), None)
                    if self._parser.started or self._parser.over:
                        break
        except TimeoutError:
            words = f"no first token within {limit_s:g} s"
            return Verdict(Outcome.FAILED, FailureReason.TIMEOUT, detail=words)
        if self._parser.started and not self._parser.failed:
            self._one.first_token_ms = (time.perf_counter() - self._one.started_s) * 1000
            return None
        verdict = self._judged()
        return None if verdict.ok else verdict

    def _judged(self) -> Verdict:
        """Judge the stream as it stands, by the error it held if there was one."""
        provider = self._one.candidate.hop.provider
        assert provider is not None
        return classify_stream(
            provider.id,
            self._exchange.dialect,
            self._parser.ending,
            self._error,
            secrets=self._exchange.secrets(self._one.candidate),
        )

    def hand_back(self, verdict: Verdict) -> web.Response:
        """Tell the caller that the provider refused the request itself."""
        self._exchange.answered(self._one, status=400, usage=self._parser.usage, served=None)
        exchange = self._exchange
        body = fault(exchange.dialect, 400, verdict.detail, "refused", exchange.request_id)
        headers = {"content-type": "application/json"} | exchange.headers(self._one)
        return web.Response(status=400, body=body, headers=headers)

    async def hand_on(self, request: web.Request) -> web.StreamResponse:
        """Write what was held and what follows to the caller."""
        exchange, one = self._exchange, self._one
        response = web.StreamResponse(headers=_HEADERS | exchange.headers(one))
        try:
            await response.prepare(request)
            await response.write(self._shown(self._held))
            self._held.clear()
            trouble = await self._rest(response)
            if trouble is None:
                exchange.answered(one, status=200, usage=self._usage(), served=self._served())
            else:
                reason, words = trouble
                await response.write(
                    stream_fault(
                        exchange.dialect,
                        f"{one.candidate.name} broke off in mid-answer ({reason}): {words}. "
                        "Nothing of another model follows; ask again.",
                        str(reason),
                        exchange.request_id,
                    )
                )
                exchange.failed(one, reason, status=200, usage=self._usage(), detail=words)
                one.answered = True
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            exchange.hung_up(one, usage=self._usage(), served=self._served())
            raise
        return response

    async def _rest(self, response: web.StreamResponse) -> tuple[FailureReason, str] | None:
        """Pass everything on; return what broke, if anything did."""
        idle_s = self._exchange.tools.timeouts.idle_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(idle_s) as idle:
                async for events in self._events():
                    if any(event.kind is not Kind.SILENCE for event in events):
                        idle.reschedule(loop.time() + idle_s)
                    shown = self._shown(events)
                    if shown:
                        await response.write(shown)
                    if self._parser.over:
                        break
        except TimeoutError:
            return FailureReason.TIMEOUT, f"nothing for {idle_s:g} s"
        except aiohttp.ClientError:
            return FailureReason.BAD_RESPONSE, "the connection broke"
        if self._parser.ending is Ending.WHOLE:
            return None
        verdict = self._judged()
        return verdict.reason or FailureReason.BAD_RESPONSE, verdict.detail

    async def _events(self) -> AsyncIterator[list[StreamEvent]]:
        async for chunk in self._chunks:
            events = self._parser.feed(chunk)
            if events:
                yield events
        events = self._parser.close()
        if events:
            yield events

    def _shown(self, events: list[StreamEvent]) -> bytes:
        """Return the bytes a caller sees: no error of the provider, no usage unless asked."""
        wants_usage = self._exchange.body.wants_usage or (
            self._exchange.dialect is not Dialect.OPENAI
        )
        parts = []
        for event in events:
            if event.kind is Kind.CONTENT:
                self._tokens += 1
            if event.kind is Kind.ERROR:
                self._error = event
            if event.kind is Kind.ERROR or (event.kind is Kind.USAGE and not wants_usage):
                continue
            parts.append(event.raw)
        return b"".join(parts)

    def _usage(self) -> Usage:
        """Return the counted tokens; of a stream that never said, an estimate."""
        usage = self._parser.usage
        if usage is not None and (self._parser.over or usage.output_tokens):
            return usage
        self._one.estimated = True
        known = usage.input_tokens if usage else 0
        # Four bytes a token and one token an event are the usual rules of thumb.
        return Usage(
            input_tokens=known or len(self._exchange.body.raw) // 4, output_tokens=self._tokens
        )

    def _served(self) -> str | None:
        return self._parser.served_model
