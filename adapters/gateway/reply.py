"""Down the chain until a model answers: ask, judge, fall back, hand on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiohttp import web

from adapters.gateway.caller_stream import CallerStream
from adapters.gateway.exchange import (
    CUT,
    GONE,
    AttemptResult,
    ChatRequest,
    Exchange,
    Tools,
    UpstreamCall,
)
from adapters.gateway.faults import CallerGone, Refusal, fault
from adapters.gateway.held_stream import HeldStream
from adapters.gateway.record import Recorder
from adapters.gateway.response import headers_of, refusal_of, response_of
from adapters.gateway.streamed import open_stream
from adapters.gateway.transport import Broken, connected
from adapters.gateway.whole import ask_whole
from bot.costs.usage import estimate_cut
from bot.errors import SettingsError
from bot.models import FailureReason, Usage
from bot.routing.cooldown import CONFIRMED, CooldownBook
from bot.routing.failure import OK, Outcome, Verdict
from bot.routing.router import Attempts, Candidate, HopOutcome
from bot.routing.sticky import conversation_of


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller got, and with what status it is counted."""

    response: web.StreamResponse
    status: int


async def reply(
    tools: Tools,
    request: ChatRequest,
    book: CooldownBook,
    recorder: Recorder,
    http_request: web.Request,
    keep_alive_s: float,
) -> Reply:
    """Return the first good answer; what each attempt gave is booked, however this ends.

    Raises:
        Refusal: no model answered.
        CallerGone: there is nobody to answer any more.
    """
    run = _Run(tools, request, Attempts(request.candidates, book))
    try:
        if not request.body.stream:
            return await run.first_answer(None)
        caller = CallerStream(http_request, request.dialect, request.id, keep_alive_s)
        try:
            return await _stream(run, caller)
        finally:
            await caller.close()
    finally:
        exchange = Exchange(request, run.attempts, tuple(run.results))
        _stay_or_return(tools, exchange)
        recorder.record(exchange, tools.live.view)


async def _stream(run: _Run, caller: CallerStream) -> Reply:
    """Stream to a caller, who may be hearing keep-alives by the time that all have failed."""
    request = run.request
    try:
        reply = await run.first_answer(caller)
    except Refusal as refusal:
        await caller.close()
        if caller.response is None:
            raise
        status, code = refusal.status, refusal.code
        if refusal.headers.get("x-should-retry") != "false":
            status = 503
        body = fault(request.dialect, status, refusal.message, code, request.id)
        await _end(caller, status, body, code)
        return Reply(caller.response, refusal.status)
    await caller.close()
    response = reply.response
    if caller.response is None or response is caller.response:
        return reply
    assert isinstance(response, web.Response)
    body = response.body if isinstance(response.body, bytes) else b""
    await _end(caller, response.status, body, "refused")
    return Reply(caller.response, response.status)


async def _end(caller: CallerStream, status: int, body: bytes, code: str) -> None:
    try:
        await caller.fail(status, body, code)
    except ConnectionError as error:
        raise CallerGone from error


@dataclass(slots=True)
class _Run:
    """One request on its way down the chain, with what each attempt gave so far."""

    tools: Tools
    request: ChatRequest
    attempts: Attempts
    results: list[AttemptResult] = field(default_factory=list)

    async def first_answer(self, caller: CallerStream | None) -> Reply:
        """Return the first good answer, or what a provider says of a request that is wrong.

        Fault that a fallback finds with the request counts only when everybody who was asked finds
        it: the request was meant for another model, with another context window and other options.
        What the model it was meant for cannot take is the caller's, where no other answers.

        Raises:
            Refusal: no model answered.
            CallerGone: there is nobody to answer any more.
        """
        refused: list[int] = []
        while (candidate := self.attempts.next(self.tools.clock.now())) is not None:
            result = await self._attempt(candidate, caller)
            if result.answered:
                return self._reply(result)
            if result.answer is not None:
                refused.append(len(self.results))
        meant = [n for n in refused if self.request.meant_for(self.results[n - 1].candidate)]
        if not meant and not (refused and self.attempts.all_refused):
            raise refusal_of(self.tools, self.request, self.attempts, self.results)
        number = (meant or refused)[-1]
        result = self.results[number - 1]
        self.results[number - 1] = replace(result, outcome=HopOutcome.ANSWERED, answered=True)
        return self._reply(result, number)

    async def _attempt(self, candidate: Candidate, caller: CallerStream | None) -> AttemptResult:
        """Ask a candidate, and note what became of it."""
        now = self.tools.clock.now()
        call = UpstreamCall(self.tools, self.request, candidate, now, time.perf_counter())
        try:
            got = await (ask_whole(call) if caller is None else open_stream(call))
        except Broken as broken:
            usage = self._unfinished() if broken.billed else None
            got = _failed(call, broken.verdict, usage)
        except SettingsError as error:
            # Its address or key cannot even be sent.
            words = error.message.removesuffix(".")
            got = _failed(call, Verdict(Outcome.FAILED, FailureReason.NETWORK, detail=words))
        except BaseException:
            # Broken off by the caller, who pays for the work all the same, or by a mistake of ours.
            usage = self._unfinished() if connected() else None
            self._note(_without_answer(call, HopOutcome.ABANDONED, usage=usage, status=GONE))
            raise
        if isinstance(got, HeldStream):
            assert caller is not None
            return await self._hand_on(got, candidate, caller)
        return self._note(got)

    async def _hand_on(
        self, stream: HeldStream, candidate: Candidate, caller: CallerStream
    ) -> AttemptResult:
        """Hand a stream on to the caller, and note what became of it."""
        number = self.attempts.count
        try:
            try:
                self._begun(stream, candidate)
                headers = headers_of(self.request, candidate, self.attempts, number, stream.edits)
                await stream.relay(caller, headers)
            finally:
                self._note(stream.result())
            late = await stream.finish(estimated=self.results[-1].estimated)
        except asyncio.CancelledError:
            begun = caller.response
            if begun is None or not (self.tools.stopping and begun.prepared):
                raise
            await stream.stop(begun)
            return replace(self.results[-1], answered=True, answer=begun)
        except (ConnectionError, TimeoutError) as error:
            raise CallerGone from error
        finally:
            stream.close()
        if late is not None:
            self.results[-1] = replace(self.results[-1], usage=late, estimated=False)
        return self.results[-1]

    def _begun(self, stream: HeldStream, candidate: Candidate) -> None:
        """Note the first content: a trial has succeeded, however long the answer may be."""
        if stream.first_token_ms is None:
            return
        if self.attempts.answered(candidate, self.tools.clock.now(), whole=False):
            self.tools.cooldowns_changed()
        self.tools.made_ids.note(self.request.caller, stream.made, candidate.name)

    def _note(self, result: AttemptResult) -> AttemptResult:
        """Note what became of an attempt; a cool-down may start or end."""
        self.results.append(result)
        attempts, candidate, now = self.attempts, result.candidate, self.tools.clock.now()
        changed = False
        match result.outcome:
            case HopOutcome.ANSWERED:
                changed = bool(attempts.answered(candidate, now))
                self.tools.made_ids.note(self.request.caller, result.made, candidate.name)
            case HopOutcome.REFUSED:
                if result.verdict.lack is not None:
                    attempts.lacks(candidate, result.verdict.lack)
                changed = bool(attempts.refused(candidate, now))
            case HopOutcome.ABANDONED:
                attempts.given_up(candidate)
            case _:
                changed = self._note_failed(result, now)
        if changed:
            self.tools.cooldowns_changed()
        return result

    def _note_failed(self, result: AttemptResult, now: datetime) -> bool:
        """Return whether a failure starts a cool-down; what is doubtful is probed."""
        candidate, verdict = result.candidate, result.verdict
        reason = verdict.reason or FailureReason.BAD_RESPONSE
        row = self.attempts.failed(
            candidate,
            reason,
            verdict.retry_after_s,
            now,
            retry_same=verdict.retry_same,
            reach=verdict.reach,
            confirmed=False,
        )
        if reason in CONFIRMED and (
            row is not None or self.attempts.doubted(candidate, reason, now)
        ):
            self.tools.suspected(candidate.hop, reason)
        return row is not None

    def _reply(self, result: AttemptResult, number: int | None = None) -> Reply:
        number = number or len(self.results)
        response = response_of(self.tools, self.request, self.attempts, result, number)
        return Reply(response, CUT if result.status == CUT else response.status)

    def _unfinished(self) -> Usage:
        """Estimate what an answer costs that nobody has seen; the provider bills its work."""
        request_bytes = self.request.body.text_bytes()
        return estimate_cut(None, request_bytes=request_bytes, answer_bytes=0)[0]


def _failed(call: UpstreamCall, verdict: Verdict, usage: Usage | None = None) -> AttemptResult:
    return _without_answer(call, HopOutcome.FAILED, verdict, usage=usage)


def _without_answer(
    call: UpstreamCall,
    outcome: HopOutcome,
    verdict: Verdict = OK,
    *,
    usage: Usage | None = None,
    status: int = 0,
) -> AttemptResult:
    """Return the result of an attempt of which nothing came; its usage is an estimate."""
    return AttemptResult(
        call.candidate,
        call.at,
        outcome,
        call.elapsed_ms(),
        verdict,
        status=status,
        usage=usage,
        estimated=usage is not None,
    )


def _stay_or_return(tools: Tools, exchange: Exchange) -> None:
    """Note who serves the conversation from now on."""
    request, stays, key = exchange.request, tools.conversations, exchange.request.conversation
    served = next((r.candidate for r in exchange.results if r.answered and not r.reason), None)
    if served is not None and not request.meant_for(served) and stays.longest is not None:
        body = request.body
        key = key or conversation_of(request.caller, body.model, request.headers, body.document)
    if key is None:
        return
    if served is None:
        stays.failed(key)
    else:
        revision, now = tools.live.revision, tools.clock.now()
        stays.served(key, served, request.candidates, revision, now, asked_at=request.at)
