"""Down the lane until somebody answers: ask, judge, fall back, hand on."""

from __future__ import annotations

from aiohttp import web

from adapters.gateway.exchange import Exchange
from adapters.gateway.streamed import ask_streamed
from adapters.gateway.transport import Broken
from adapters.gateway.whole import ask_whole
from bot.errors import SettingsError
from bot.models import FailureReason
from bot.routing.failure import Outcome, Verdict
from bot.routing.router import Candidate


async def reply(exchange: Exchange, request: web.Request) -> web.StreamResponse:
    """Return the first good answer, or what a provider says of a request that is wrong.

    Fault that a fallback finds with the request counts only when everybody who was asked finds
    it: the request was meant for another model, with another context window and other options.

    Raises:
        Refusal: nobody answered.
        CallerGone: there is nobody to answer any more.
    """
    refusal: web.StreamResponse | None = None
    while (candidate := exchange.next()) is not None:
        response = await _ask(exchange, candidate, request)
        if response is None:
            continue
        if exchange.tried[-1].answered:
            return response
        refusal = response
    if refusal is not None and exchange.walk.all_refused:
        exchange.tried[-1].answered, exchange.tried[-1].reason = True, None
        return refusal
    raise exchange.refusal()


async def _ask(
    exchange: Exchange, candidate: Candidate, request: web.Request
) -> web.StreamResponse | None:
    """Ask one candidate; None when it failed, an unanswered attempt's response when it refused."""
    one = exchange.begin(candidate)
    try:
        if exchange.body.stream:
            return await ask_streamed(exchange, one, request)
        return await ask_whole(exchange, one)
    except Broken as broken:
        exchange.failed(one, broken.verdict)
    except SettingsError as error:
        # Its address or key cannot even be sent.
        words = error.message.removesuffix(".")
        wrong = Verdict(Outcome.FAILED, FailureReason.NETWORK, detail=words)
        exchange.failed(one, wrong)
    return None
