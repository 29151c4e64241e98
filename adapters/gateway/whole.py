"""Whole answers: ask down the lane until one is good, and hand its bytes on."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import web

from adapters.gateway.exchange import Exchange, Tried
from adapters.gateway.transport import Broken, Whole, fetch_whole
from bot.dialects.answer import served_model
from bot.dialects.usage import read_usage
from bot.errors import SettingsError
from bot.models import FailureReason
from bot.ports import Json
from bot.routing.failure import Outcome, Verdict, classify
from bot.routing.redact import redact_body
from bot.routing.router import Candidate

_PASSED_BACK = ("retry-after", "request-id", "content-type")


async def answer_whole(exchange: Exchange) -> web.Response:
    """Return the first good answer, or the caller's own fault as the provider put it.

    Raises:
        Refusal: nobody answered.
    """
    while (candidate := exchange.next()) is not None:
        answer, verdict = await _ask(exchange, candidate)
        if verdict.outcome is Outcome.FAILED and verdict.retry_same and not exchange.walk.has_more:
            # With nobody behind it, one more try is better than none.
            answer, verdict = await _ask(exchange, candidate)
        if answer is not None and verdict.outcome is not Outcome.FAILED:
            return handed_on(exchange, answer, verdict)
    raise exchange.refusal()


async def _ask(exchange: Exchange, candidate: Candidate) -> tuple[Whole | None, Verdict]:
    one = exchange.begin(candidate)
    try:
        answer = await _fetch(exchange, candidate)
    except Broken as broken:
        exchange.failed(one, broken.reason, detail=broken.detail)
        return None, Verdict(Outcome.FAILED, broken.reason, detail=broken.detail)
    except asyncio.CancelledError:
        exchange.hung_up(one)
        raise
    return answer, judge(exchange, one, answer)


def judge(exchange: Exchange, one: Tried, answer: Whole) -> Verdict:
    """Decide what an answer is, and note it."""
    assert one.candidate.hop.provider is not None
    provider = one.candidate.hop.provider.id
    document = _document(answer.body)
    verdict = classify(
        provider,
        exchange.dialect,
        answer.status,
        answer.headers,
        answer.body,
        now=exchange.now(),
        parsed=document,
        secrets=exchange.secrets(one.candidate),
    )
    usage = read_usage(exchange.dialect, provider, document)
    if verdict.outcome is Outcome.FAILED:
        exchange.failed(
            one,
            verdict.reason or FailureReason.BAD_RESPONSE,
            status=answer.status,
            retry_after_s=verdict.retry_after_s,
            usage=usage,
            detail=verdict.detail,
        )
    else:
        served = served_model(exchange.dialect, document)
        exchange.answered(one, status=answer.status, usage=usage, served=served)
    return verdict


async def _fetch(exchange: Exchange, candidate: Candidate) -> Whole:
    try:
        url, headers, body = exchange.request(candidate)
    except SettingsError as error:
        raise Broken(FailureReason.NETWORK, error.message) from error
    return await fetch_whole(
        exchange.tools.session(), url, headers, body, exchange.tools.timeouts.total_s
    )


def handed_on(exchange: Exchange, answer: Whole, verdict: Verdict) -> web.Response:
    """Give the provider's answer back as it is, what it echoes of a key blacked out."""
    one = exchange.tried[-1]
    headers = {k: v for k in _PASSED_BACK if (v := answer.headers.get(k)) is not None}
    body = answer.body
    if verdict.outcome is not Outcome.OK:
        body = redact_body(body, exchange.secrets(one.candidate))
    return web.Response(status=answer.status, body=body, headers=headers | exchange.headers(one))


def _document(raw: bytes) -> Json:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
