"""Whole answers: ask, judge, and hand the provider's bytes on."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from aiohttp import web

from adapters.gateway.exchange import Exchange, Tried
from adapters.gateway.reworded import reworded
from adapters.gateway.transport import Whole, fetch_whole
from bot.costs.usage import estimate_whole, uncounted
from bot.dialects.answer import AnswerState, answer_state, served_model
from bot.dialects.events import said_bytes
from bot.dialects.state import made_by
from bot.dialects.usage import PROXY_COST, read_usage, with_proxy_cost
from bot.dialects.wire import load_json
from bot.models import Dialect, ModelRef
from bot.ports import Json
from bot.routing.failure import OK, Outcome, Verdict, classify, route_missing
from bot.routing.redact import redact_body

NOT_SERVED = (404, 405, 501)
"""The statuses of a path that a provider does not have."""

_PASSED_BACK = (
    "retry-after",
    "request-id",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-should-retry",
)


async def ask_whole(exchange: Exchange, one: Tried) -> web.Response | None:
    """Ask one candidate; None when it failed. Raises Broken, SettingsError."""
    answer = await _fetch(exchange, one)
    while await reworded(exchange, one, answer):
        answer = await _fetch(exchange, one)
    verdict, document = judge(exchange, one, answer)
    return conclude(exchange, one, answer, verdict, document)


async def _fetch(exchange: Exchange, one: Tried) -> Whole:
    tools = exchange.tools
    outgoing = await exchange.outgoing(one.candidate, wording=one.wording)
    return await fetch_whole(tools.session(), outgoing, tools.timeouts.total_s)


def judge(exchange: Exchange, one: Tried, answer: Whole) -> tuple[Verdict, Json]:
    """Decide what an answer is; its JSON comes along, None where it is none."""
    document = _document(answer.body)
    verdict = classify(
        ModelRef(one.candidate.provider.id, one.candidate.ref.name),
        exchange.dialect,
        answer.status,
        answer.headers,
        answer.body,
        now=exchange.now(),
        parsed=document,
        secrets=exchange.secrets,
    )
    if _not_served(exchange, one, answer):
        verdict = Verdict(Outcome.UNFIT, detail=f"HTTP {answer.status}: not served")
    if exchange.body.may_be_empty and answer.status == 200 and not verdict.ok:
        empty = answer_state(exchange.dialect, document) is AnswerState.EMPTY
        verdict = OK if empty else verdict
    return verdict, document


def conclude(
    exchange: Exchange, one: Tried, answer: Whole, verdict: Verdict, document: Json
) -> web.Response | None:
    """Note what an answer was and make the caller's response of it; None for a failure."""
    provider = one.candidate.provider
    usage = read_usage(exchange.dialect, provider.id, document)
    if usage is not None and (provider.custom or provider.moved):
        usage = with_proxy_cost(usage, answer.headers.get(PROXY_COST))
    served = served_model(exchange.dialect, document)
    if verdict.outcome is Outcome.FAILED:
        exchange.failed(one, verdict, status=answer.status, usage=usage, served=served)
        return None
    ours = one.wording.edits or not exchange.meant_for(one)
    if verdict.outcome is Outcome.UNFIT or (verdict.outcome is Outcome.CALLER and ours):
        exchange.refused(one, verdict, status=answer.status, usage=usage)
        if _not_served(exchange, one, answer):
            return None
        return handed_on(exchange, one, answer, clean=False)
    good = verdict.outcome is Outcome.OK
    if good and uncounted(usage):
        usage, one.estimated = estimate_whole(
            usage,
            request_bytes=exchange.body.text_bytes(),
            answer_bytes=said_bytes(exchange.dialect, document),
        )
    exchange.answered(one, status=answer.status, usage=usage, served=served)
    if good and exchange.dialect is Dialect.RESPONSES and isinstance(document, dict):
        exchange.made(one, made_by(document))
    return handed_on(exchange, one, answer, clean=good)


def _not_served(exchange: Exchange, one: Tried, answer: Whole) -> bool:
    """Return whether a provider lacks the path that was asked, which says nothing of its others."""
    if exchange.tail:
        return answer.status in NOT_SERVED
    at = one.candidate
    beside = exchange.dialect is Dialect.RESPONSES and Dialect.OPENAI in at.provider.endpoints
    return beside and route_missing(answer.status, answer.headers, answer.body, at.ref.name)


def handed_on(exchange: Exchange, one: Tried, answer: Whole, *, clean: bool) -> web.Response:
    """Give the provider's answer back as it is, what an error echoes of a key blacked out."""
    kind = answer.headers.get("Content-Type", "")
    headers = exchange.headers(one) | passed_back(answer.headers)
    headers["Content-Type"] = kind if _can_be_sent(kind) else "application/json"
    body = answer.body
    if not clean:
        blackout = exchange.tools.blackout
        body = blackout.clean_bytes(redact_body(body, exchange.secrets))
        headers = {name: blackout.clean(value) for name, value in headers.items()}
    return web.Response(status=answer.status, body=body, headers=headers)


def passed_back(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's headers that a caller gets; one that cannot be sent is left out."""
    lowered = ((name.lower(), value) for name, value in headers.items())
    return {
        name: value
        for name, value in lowered
        if name.startswith(_PASSED_BACK) and _can_be_sent(value)
    }


def _can_be_sent(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()


def _document(raw: bytes) -> Json:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        # What the fast reader is too strict for: a byte-order mark, NaN, half a surrogate pair.
        return load_json(raw)
    except ValueError:
        return None
