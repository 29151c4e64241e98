"""Whole answers: ask a candidate, and judge what it answered."""

from __future__ import annotations

import orjson

from adapters.gateway.body import USUAL, Wording
from adapters.gateway.exchange import AttemptResult, UpstreamCall
from adapters.gateway.outgoing import outgoing
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
from bot.routing.router import HopOutcome

NOT_SERVED = (404, 405, 501)
"""The statuses of a path that a provider does not have."""


async def ask_whole(call: UpstreamCall) -> AttemptResult:
    """Ask a candidate for a whole answer. Raises Broken, SettingsError."""
    wording = USUAL
    answer = await _fetch(call, wording)
    while (changed := await reworded(call.request, wording, answer)) is not None:
        wording = changed
        answer = await _fetch(call, wording)
    verdict, document = judge(call, answer)
    return concluded(call, wording, answer, verdict, document)


async def _fetch(call: UpstreamCall, wording: Wording) -> Whole:
    tools = call.tools
    asked = await outgoing(tools, call.request, call.candidate, wording)
    return await fetch_whole(tools.session(), asked, tools.timeouts.total_s)


def judge(call: UpstreamCall, answer: Whole) -> tuple[Verdict, Json]:
    """Decide what an answer is; its JSON comes along, None where it is none."""
    request, candidate = call.request, call.candidate
    document = _document(answer.body)
    verdict = classify(
        ModelRef(candidate.provider.id, candidate.ref.name),
        request.dialect,
        answer.status,
        answer.headers,
        answer.body,
        now=call.tools.clock.now(),
        parsed=document,
        secrets=call.tools.secrets,
    )
    if _not_served(call, answer):
        verdict = Verdict(Outcome.UNFIT, detail=f"HTTP {answer.status}: not served")
    if request.body.may_be_empty and answer.status == 200 and not verdict.ok:
        empty = answer_state(request.dialect, document) is AnswerState.EMPTY
        verdict = OK if empty else verdict
    return verdict, document


def concluded(
    call: UpstreamCall, wording: Wording, answer: Whole, verdict: Verdict, document: Json
) -> AttemptResult:
    """Return what became of an attempt that got a whole answer."""
    request, provider = call.request, call.candidate.provider
    usage, estimated = read_usage(request.dialect, provider.id, document), False
    if usage is not None and (provider.custom or provider.moved):
        usage = with_proxy_cost(usage, answer.headers.get(PROXY_COST))
    good = verdict.outcome is Outcome.OK
    if good and uncounted(usage):
        usage, estimated = estimate_whole(
            usage,
            request_bytes=request.body.text_bytes(),
            answer_bytes=said_bytes(request.dialect, document),
        )
    outcome = outcome_of(call, verdict, wording)
    handed_on = outcome is not HopOutcome.FAILED and not (
        outcome is HopOutcome.REFUSED and _not_served(call, answer)
    )
    responses = good and request.dialect is Dialect.RESPONSES
    return AttemptResult(
        call.candidate,
        call.at,
        outcome,
        call.elapsed_ms(),
        verdict,
        status=answer.status,
        usage=usage,
        estimated=estimated,
        served=None if outcome is HopOutcome.REFUSED else served_model(request.dialect, document),
        answered=outcome is HopOutcome.ANSWERED,
        answer=answer if handed_on else None,
        edits=wording.edits,
        made=made_by(document) if responses and isinstance(document, dict) else (),
    )


def outcome_of(call: UpstreamCall, verdict: Verdict, wording: Wording) -> HopOutcome:
    """Return what a verdict means for the request: fault with what we changed is not the caller's.

    What a fallback finds wrong, or a hop with an edited history, another may take.
    """
    if verdict.outcome is Outcome.FAILED:
        return HopOutcome.FAILED
    ours = wording.edits or not call.request.meant_for(call.candidate)
    if verdict.outcome is Outcome.UNFIT or (verdict.outcome is Outcome.CALLER and ours):
        return HopOutcome.REFUSED
    return HopOutcome.ANSWERED


def _not_served(call: UpstreamCall, answer: Whole) -> bool:
    """Return whether a provider lacks the path that was asked, which says nothing of its others."""
    request, candidate = call.request, call.candidate
    if request.tail:
        return answer.status in NOT_SERVED
    beside = request.dialect is Dialect.RESPONSES and Dialect.OPENAI in candidate.provider.endpoints
    return beside and route_missing(answer.status, answer.headers, answer.body, candidate.ref.name)


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
