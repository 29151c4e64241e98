"""Down the lane until somebody answers: ask, judge, fall back, hand on."""

from __future__ import annotations

from aiohttp import web

from adapters.gateway.caller_stream import CallerStream
from adapters.gateway.exchange import CallerGone, Exchange, Refusal, Tried
from adapters.gateway.faults import fault
from adapters.gateway.streamed import ask_streamed
from adapters.gateway.transport import Broken
from adapters.gateway.whole import ask_whole
from bot.errors import SettingsError
from bot.models import FailureReason
from bot.routing.failure import Outcome, Verdict


async def reply(
    exchange: Exchange, request: web.Request, keep_alive_s: float
) -> web.StreamResponse:
    """Return the first good answer, or what is to be said instead.

    Raises:
        Refusal: nobody answered.
        CallerGone: there is nobody to answer any more.
    """
    if not exchange.body.stream:
        return await _walk(exchange, None)
    caller = CallerStream(request, exchange.dialect, exchange.request_id, keep_alive_s)
    try:
        return await _stream(exchange, caller)
    finally:
        await caller.close()


async def _stream(exchange: Exchange, caller: CallerStream) -> web.StreamResponse:
    """Stream to a caller, who may be hearing keep-alives by the time that nobody answers."""
    try:
        response = await _walk(exchange, caller)
    except Refusal as refusal:
        await caller.close()
        if caller.response is None:
            raise
        status, code = refusal.status, refusal.code
        if refusal.headers.get("x-should-retry") != "false":
            status = 503
        body = fault(exchange.dialect, status, refusal.message, code, exchange.request_id)
        await _end(caller, status, body, code)
        exchange.ended_status = refusal.status
        return caller.response
    await caller.close()
    if caller.response is None or response is caller.response:
        return response
    assert isinstance(response, web.Response)
    body = response.body if isinstance(response.body, bytes) else b""
    await _end(caller, response.status, body, "refused")
    exchange.ended_status = response.status
    return caller.response


async def _end(caller: CallerStream, status: int, body: bytes, code: str) -> None:
    try:
        await caller.fail(status, body, code)
    except ConnectionError as error:
        raise CallerGone from error


async def _walk(exchange: Exchange, caller: CallerStream | None) -> web.StreamResponse:
    """Return the first good answer, or what a provider says of a request that is wrong.

    Fault that a fallback finds with the request counts only when everybody who was asked finds
    it: the request was meant for another model, with another context window and other options.
    What the model it was meant for cannot take is the caller's, where no other answers.

    Raises:
        Refusal: nobody answered.
        CallerGone: there is nobody to answer any more.
    """
    refusals: list[tuple[Tried, web.StreamResponse]] = []
    while (one := exchange.next()) is not None:
        response = await _attempt(exchange, one, caller)
        if response is None:
            continue
        if one.answered:
            return response
        refusals.append((one, response))
    meant = [pair for pair in refusals if exchange.meant_for(pair[0])]
    if meant or (refusals and exchange.walk.all_refused):
        one, response = (meant or refusals)[-1]
        one.answered, one.reason = True, None
        return response
    raise exchange.refusal()


async def _attempt(
    exchange: Exchange, one: Tried, caller: CallerStream | None
) -> web.StreamResponse | None:
    """Ask one candidate; None when it failed, an unanswered attempt's response when it refused."""
    try:
        if caller is not None:
            return await ask_streamed(exchange, one, caller)
        return await ask_whole(exchange, one)
    except Broken as broken:
        exchange.failed(
            one, broken.verdict, usage=exchange.unfinished(one) if broken.billed else None
        )
    except SettingsError as error:
        # Its address or key cannot even be sent.
        words = error.message.removesuffix(".")
        wrong = Verdict(Outcome.FAILED, FailureReason.NETWORK, detail=words)
        exchange.failed(one, wrong)
    return None
