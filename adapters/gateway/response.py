"""What the caller gets: the headers that say who served, a provider's answer, or our refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from aiohttp import web

from adapters.gateway.exchange import AttemptResult, ChatRequest, Tools
from adapters.gateway.faults import OWNERS_TURN, Refusal, not_found
from adapters.gateway.transport import Whole
from bot.dialects.history import Edit
from bot.messages.gateway import maker_down
from bot.messages.words import FORMATS
from bot.models import Dialect
from bot.routing.failure import Outcome
from bot.routing.redact import redact, redact_body
from bot.routing.router import Attempts, Candidate, HopOutcome

_PASSED_BACK = (
    "retry-after",
    "request-id",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-should-retry",
)


def headers_of(
    request: ChatRequest,
    candidate: Candidate | None,
    attempts: Attempts,
    number: int,
    edits: Sequence[Edit] = (),
) -> dict[str, str]:
    """Return the headers that say who serves and why, at which attempt; None when no model does."""
    headers = {
        "Server": "changeover",
        "x-request-id": request.id,
        "x-changeover-attempts": str(number),
    }
    if request.arm is not None:
        headers["x-changeover-trial"] = str(request.arm)
    first = request.candidates.first
    if candidate is not None:
        headers["x-changeover-model"] = candidate.name
        if request.conversation is not None and candidate is request.candidates.in_order[0]:
            headers["x-changeover-sticky"] = "cache"
        if edits:
            headers["x-changeover-edited"] = ", ".join(edits)
    if first is not None and (candidate is None or candidate.name != first):
        headers["x-changeover-fallback-from"] = first
        reason = attempts.reason()
        if reason is not None:
            headers["x-changeover-reason"] = str(reason)
    return headers


def response_of(
    tools: Tools, request: ChatRequest, attempts: Attempts, result: AttemptResult, number: int
) -> web.StreamResponse:
    """Give a provider's answer back as it is, what an error echoes of a key blacked out."""
    answer = result.answer
    if isinstance(answer, web.StreamResponse):
        return answer
    assert answer is not None
    kind = answer.headers.get("Content-Type", "")
    headers = headers_of(request, result.candidate, attempts, number, result.edits)
    headers |= passed_back(answer.headers)
    headers["Content-Type"] = kind if _can_be_sent(kind) else "application/json"
    body = answer.body
    if result.verdict.outcome is not Outcome.OK:
        body = without_secrets(tools, answer)
        headers = {name: tools.blackout.clean(value) for name, value in headers.items()}
    return web.Response(status=answer.status, body=body, headers=headers)


def without_secrets(tools: Tools, answer: Whole) -> bytes:
    """Return the body of an error with the keys that it may echo blacked out."""
    return tools.blackout.clean_bytes(redact_body(answer.body, tools.secrets))


def passed_back(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the provider's headers that a caller gets; one that cannot be sent is left out."""
    lowered = ((name.lower(), value) for name, value in headers.items())
    return {
        name: value
        for name, value in lowered
        if name.startswith(_PASSED_BACK) and _can_be_sent(value)
    }


def refusal_of(
    tools: Tools, request: ChatRequest, attempts: Attempts, results: Sequence[AttemptResult]
) -> Refusal:
    """Say for each hop why it did not answer."""
    hops = _each_hop(request, attempts, results)
    blocked = attempts.blocked(tools.clock.now())
    headers = headers_of(request, None, attempts, len(results))
    if request.pinned is not None:
        down = maker_down(request.pinned.param, request.pinned.id, hops)
        return not_found(redact(down, tools.secrets), request.pinned.param, headers)
    if blocked.format:
        name = FORMATS[request.dialect]
        words = f"No model in the chain accepts {name}-format requests. {hops}."
        return Refusal(words, 400, "unsupported_format", headers)
    if request.tail and attempts.all_refused:
        words = f"No model in the chain serves {request.tail}. {hops}."
        return Refusal(redact(words, tools.secrets), 404, "not_found", headers)
    message = redact(f"No model in the chain answered. {hops}.", tools.secrets)
    if blocked.owners:
        # No time to wait either: agents that go by it would hang for hours.
        headers["x-should-retry"] = "false"
        return Refusal(message, 503, OWNERS_TURN, headers)
    if blocked.wait_s is not None:
        headers["retry-after"] = str(math.ceil(blocked.wait_s))
        if blocked.limited:
            return Refusal(message, 429, "rate_limit_exceeded", headers)
    if request.dialect is Dialect.RESPONSES:
        # Its SDK would ask twice more.
        headers["x-should-retry"] = "false"
    return Refusal(message, 503, "chain_exhausted", headers)


def _each_hop(request: ChatRequest, attempts: Attempts, results: Sequence[AttemptResult]) -> str:
    said = {result.candidate.name: result.detail for result in results}
    skipped = request.candidates.skipped
    words = {hop.position: f"{hop.ref or hop.written}: {why}" for hop, why in skipped}
    for candidate, outcome, reason in attempts.ends():
        why = f"cooling down ({reason})" if outcome is HopOutcome.COOLING else str(reason)
        detail = said.get(candidate.name)
        line = f"{candidate.name}: {why}" + (f" ({detail})" if detail else "")
        words[candidate.hop.position] = line
    return "; ".join(words[position] for position in sorted(words)) or "the chain is empty"


def _can_be_sent(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()
