"""The request to a provider: the caller's bytes with another model, key and host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from adapters.gateway.body import USUAL, Body, Wording
from adapters.gateway.exchange import ChatRequest, Tools
from adapters.gateway.transport import Outgoing
from bot.models import Dialect
from bot.routing.router import Candidate

P = ParamSpec("P")
T = TypeVar("T")

_PASSED_ON = {
    Dialect.OPENAI: ("User-Agent",),
    Dialect.RESPONSES: (
        "User-Agent",
        "OpenAI-Beta",
        "originator",
        "session-id",
        "thread-id",
        "x-client-request-id",
    ),
    Dialect.ANTHROPIC: ("User-Agent", "anthropic-version", "anthropic-beta"),
}


async def outgoing(
    tools: Tools, request: ChatRequest, candidate: Candidate, wording: Wording = USUAL
) -> Outgoing:
    """Return the request for a candidate. Raises SettingsError."""
    dialect, body = request.dialect, request.body
    route = tools.live.route(candidate, dialect)
    headers = dict(route.headers)
    for name in _PASSED_ON[dialect]:
        # A list may stand in several lines of one name.
        lines = request.headers.getall(name, None)
        if lines:
            headers[name] = ", ".join(lines)
    headers["Content-Type"] = "application/json"
    headers["Accept"] = "text/event-stream" if body.stream else "application/json"
    # The Anthropic SDK's beta calls say so in the query, and only there.
    beta = request.query == "beta=true" and dialect is Dialect.ANTHROPIC
    url = _url(route.url, request.tail, beta=beta)
    raw = await off_loop(body, body.for_model, candidate.ref.name, dialect, wording)
    return Outgoing(url, headers, raw, route.proxy)


async def off_loop(body: Body, work: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
    """Do work on the body, in a thread where it is so large that all others would wait."""
    if body.large:
        return await asyncio.to_thread(work, *args, **kw)
    return work(*args, **kw)


def _url(url: str, tail: str, *, beta: bool) -> str:
    if not tail and not beta:
        return url
    address, _, query = url.partition("?")
    query = "&".join(part for part in (query, "beta=true" if beta else "") if part)
    return f"{address}{tail}?{query}" if query else f"{address}{tail}"
