"""What a provider stores of Responses: turns that refer to it, and the paths below an id."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import quote, unquote

from aiohttp import web

from adapters.gateway.exchange import CallerGone, Refusal, Tools, not_found
from adapters.gateway.faults import Unfinished, stream_fault
from adapters.gateway.made_ids import UnknownId
from adapters.gateway.transport import Broken, Incoming, Outgoing, begin
from adapters.gateway.whole import passed_back
from bot.dialects.state import CONVERSATION, PREVIOUS, Reference, references
from bot.errors import SettingsError, UnknownModelError
from bot.messages.gateway import BOTH_GIVEN, kept_nothing
from bot.models import Dialect, ModelRef
from bot.ports import Json
from bot.routing.pins import kept_to
from bot.routing.redact import redact_body
from bot.routing.router import Lane

PREFIX = "/v1/responses/"
_METHODS = {"": ("GET", "DELETE"), "cancel": ("POST",), "input_items": ("GET",)}


@dataclass(frozen=True, slots=True)
class Maker:
    """The model that made what a request refers to."""

    model: ModelRef
    reference: Reference

    def lane(self, tools: Tools, asked: Lane | None = None) -> Lane:
        """Return the hops that know what it made, in the order of what was asked."""
        try:
            own = tools.live.lane(str(self.model), Dialect.RESPONSES, fallbacks=False)
        except UnknownModelError:
            own = None
        return kept_to(asked or Lane((), (), None), self.model, own)


async def maker_of(tools: Tools, caller: str, document: dict[str, Json]) -> Maker | None:
    """Return who alone can go on with a turn, None where anybody can. Raises Refusal."""
    wanted = references(document)
    if not wanted:
        return None
    if {PREVIOUS, CONVERSATION} <= {one.param for one in wanted}:
        raise Refusal(BOTH_GIVEN, 400, "mutually_exclusive_parameters", param=PREVIOUS)
    maker = await _maker(tools, caller, *wanted)
    if maker is None:
        return None
    hops = maker.lane(tools).candidates
    provider = hops[0].hop.provider if hops else None
    if provider and provider.endpoints[Dialect.RESPONSES].stateless and maker.reference.own:
        one = maker.reference
        raise not_found(kept_nothing(one.param, one.id, str(maker.model)), one.param)
    return maker


async def _maker(tools: Tools, caller: str, *wanted: Reference, status: int = 400) -> Maker | None:
    try:
        found = await tools.made_ids.maker(caller, wanted)
    except UnknownId as error:
        raise not_found(error.message, error.param, status=status) from error
    model = ModelRef.parse(found[0]) if found else None
    return Maker(model, found[1]) if found and model else None


def methods_of(path: str) -> tuple[str, ...] | None:
    """Return what may be asked of a path below an id; None where there is none such."""
    id_, _, rest = path.removeprefix(PREFIX).partition("/")
    return _METHODS.get(rest) if id_ and path.startswith(PREFIX) else None


async def ask_maker(
    tools: Tools, request: web.Request, caller: str, request_id: str
) -> web.StreamResponse:
    """Hand a question about a stored response to the hop that made it.

    Raises:
        Refusal: it is not known here, or its hop did not answer.
        CallerGone: the caller takes nothing more.
    """
    path, _, query = request.raw_path.partition("?")
    id_, _, rest = path.removeprefix(PREFIX).partition("/")
    id_ = unquote(id_)
    maker = await _maker(tools, caller, Reference("response_id", id_), status=404)
    candidates = maker.lane(tools).candidates if maker else ()
    if not candidates:
        model = maker.model if maker else "its model"
        words = f"{model} made this response, and is not configured any more."
        raise not_found(words, "response_id", status=404)
    candidate = candidates[0]
    try:
        route = tools.live.route(candidate, Dialect.RESPONSES)
        url = _below(route.url, "/".join(filter(None, (quote(id_, safe=""), rest))), query)
        accept = {"Accept": request.headers.get("Accept", "application/json")}
        outgoing = Outgoing(url, {**route.headers, **accept}, b"", route.proxy, request.method)
        incoming = await begin(tools.session(), outgoing, tools.timeouts.total_s)
    except (Broken, SettingsError) as error:
        words = f"{candidate.name}, which made this response, did not answer: {error}."
        raise Refusal(tools.blackout.clean(words), 503, "maker_down") from error
    try:
        headers = passed_back(incoming.headers) | {
            "Content-Type": incoming.kind or "application/json",
            "Server": "changeover",
            "x-request-id": request_id,
            "x-changeover-model": candidate.name,
        }
        if incoming.status == 200 and "event-stream" in incoming.kind:
            return await _relay(tools, request, incoming, headers, Unfinished(id_, 0))
        answer = await incoming.error(tools.timeouts.total_s)
        body = answer.body
        if answer.status >= 400:
            body = tools.blackout.clean_bytes(redact_body(body, tools.blackout.known))
        return web.Response(status=answer.status, body=body, headers=headers)
    except Broken as error:
        words = f"{candidate.name}, which made this response, broke off: {error}."
        raise Refusal(tools.blackout.clean(words), 503, "maker_down") from error
    finally:
        incoming.close()


async def _relay(
    tools: Tools,
    request: web.Request,
    incoming: Incoming,
    headers: dict[str, str],
    answer: Unfinished,
) -> web.StreamResponse:
    """Hand on the events of a response that is fetched as a stream."""
    response = web.StreamResponse(headers=headers)
    try:
        await response.prepare(request)
        try:
            while chunk := await incoming.chunk():
                async with asyncio.timeout(tools.timeouts.idle_s):
                    await response.write(chunk)
        except Broken as error:
            words = tools.blackout.clean(f"The stream broke off: {error}.")
            last = stream_fault(Dialect.RESPONSES, words, "server_error", "", answer)
            await response.write(last)
        await response.write_eof()
    except (ConnectionError, TimeoutError) as error:
        raise CallerGone from error
    return response


def _below(url: str, tail: str, query: str) -> str:
    address, _, own = url.partition("?")
    query = "&".join(filter(None, (own, query)))
    return f"{address}/{tail}?{query}" if query else f"{address}/{tail}"
