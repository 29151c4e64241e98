"""`POST /v1/messages/count_tokens`: asked of the model the caller means, and of no other."""

from __future__ import annotations

from aiohttp import web

from adapters.gateway.exchange import Exchange, Refusal
from adapters.gateway.transport import Broken, fetch_whole
from adapters.gateway.whole import passed_back
from bot.errors import SettingsError
from bot.routing.redact import redact_body

_WITHIN_S = 10.0


async def count_tokens(exchange: Exchange) -> web.Response:
    """Hand the question to the first who could answer; others count by another tokeniser.

    Raises:
        Refusal: nobody can be asked, or who could answer cannot count tokens.
    """
    lane = exchange.lane
    if not lane.candidates:
        raise Refusal("No available model can count tokens.", 404, "not_found")
    candidate = lane.candidates[0]
    try:
        outgoing = await exchange.outgoing(candidate, "/count_tokens")
        answer = await fetch_whole(exchange.tools.session(), outgoing, _WITHIN_S)
    except (Broken, SettingsError) as error:
        raise Refusal(f"{candidate.name} did not count the tokens.", 503, "no_count") from error
    if answer.status in (404, 405, 501):
        raise Refusal(f"{candidate.name} cannot count tokens.", 404, "not_found")
    body = answer.body
    if answer.status != 200:
        blackout = exchange.tools.blackout
        body = blackout.clean_bytes(redact_body(body, exchange.secrets))
    headers = passed_back(answer.headers) | {
        "Content-Type": "application/json",
        "x-request-id": exchange.request_id,
    }
    return web.Response(status=answer.status, body=body, headers=headers)
