"""Tokens of a request, counted before it is sent: by the model that would answer it."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from adapters.gateway.exchange import ChatRequest, Tools
from adapters.gateway.faults import Refusal
from adapters.gateway.outgoing import outgoing
from adapters.gateway.response import passed_back, without_secrets
from adapters.gateway.transport import Broken, Whole, fetch_whole
from adapters.gateway.whole import NOT_SERVED
from bot.errors import SettingsError
from bot.models import Dialect
from bot.routing.cooldown import CooldownBook, Gate
from bot.routing.router import Candidate

_WITHIN_S = 10.0


async def count_tokens(tools: Tools, request: ChatRequest, book: CooldownBook) -> web.Response:
    """Hand the question to who would answer now; others count by another tokeniser.

    In Responses any of them may count. Nothing is held against a hop that does not.

    Raises:
        Refusal: nobody can be asked, or nobody counts.
    """
    refusal = Refusal("No available model can count tokens.", 404, "not_found")
    for candidate in _would_answer(tools, request, book):
        try:
            asked = await outgoing(tools, request, candidate)
            answer = await fetch_whole(tools.session(), asked, _WITHIN_S)
        except (Broken, SettingsError):
            refusal = Refusal(f"{candidate.name} did not count the tokens.", 503, "no_count")
            continue
        if answer.status not in NOT_SERVED:
            return _handed_on(tools, request, answer)
        refusal = Refusal(f"{candidate.name} cannot count tokens.", 404, "not_found")
    raise refusal


def _would_answer(tools: Tools, request: ChatRequest, book: CooldownBook) -> Sequence[Candidate]:
    """Return who may count: those that are not cooling down, the one that answers first first."""
    candidates, now = request.candidates.in_order, tools.clock.now()
    ready = [c for c in candidates if book.gate(c.scope, now) is Gate.OPEN]
    found = ready or candidates
    return found if request.dialect is Dialect.RESPONSES else found[:1]


def _handed_on(tools: Tools, request: ChatRequest, answer: Whole) -> web.Response:
    body = answer.body if answer.status == 200 else without_secrets(tools, answer)
    headers = passed_back(answer.headers) | {
        "Content-Type": "application/json",
        "x-request-id": request.id,
    }
    return web.Response(status=answer.status, body=body, headers=headers)
