"""What a provider stores of Responses: turns that refer to it, and the paths below an id."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from adapters.gateway.exchange import Tools
from adapters.gateway.faults import CallerGone, Refusal, Unfinished, not_found, stream_fault
from adapters.gateway.made_ids import UnknownId
from adapters.gateway.response import passed_back, without_secrets
from adapters.gateway.transport import Broken, Incoming, Outgoing, begin
from adapters.gateway.whole import NOT_SERVED
from bot.dialects.state import CONVERSATION, PREVIOUS, Reference, made_by, references
from bot.dialects.wire import load_json, table
from bot.errors import SettingsError, UnknownModelError
from bot.messages.gateway import BOTH_GIVEN, NO_CONVERSATIONS, kept_nothing
from bot.models import Dialect, ModelRef
from bot.ports import Json
from bot.routing.pins import kept_to
from bot.routing.router import Candidate, Candidates

CONVERSATIONS = "/v1/conversations"
_METHODS = {
    ("responses", ""): ("GET", "DELETE"),
    ("responses", "cancel"): ("POST",),
    ("responses", "input_items"): ("GET",),
    ("conversations", ""): ("GET", "POST", "DELETE"),
    ("conversations", "items"): ("GET", "POST"),
}


_OF_AN_ITEM = ("GET", "DELETE")
_ITEM = re.compile(r"items/[\w-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Maker:
    """The model that made what a request refers to."""

    model: ModelRef
    reference: Reference

    def candidates(self, tools: Tools, asked: Candidates | None = None) -> Candidates:
        """Return the hops that know what it made, in the order of what was asked."""
        try:
            now = tools.clock.now()
            own = tools.live.candidates(str(self.model), Dialect.RESPONSES, now, fallbacks=False)
        except UnknownModelError:
            own = None
        return kept_to(asked or Candidates((), (), None), self.model, own)


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
    hops = maker.candidates(tools).in_order
    stateless = bool(hops) and hops[0].provider.endpoints[Dialect.RESPONSES].stateless
    if stateless and maker.reference.own:
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
    kind, id_, rest = _parts(path)
    # A path that climbs would reach whatever else the account's key opens.
    if kind == "conversations" and _ITEM.fullmatch(rest):
        return _OF_AN_ITEM
    return _METHODS.get((kind, rest)) if id_ else None


def _parts(path: str) -> tuple[str, str, str]:
    kind, _, below = path.removeprefix("/v1/").partition("/")
    id_, _, rest = below.partition("/")
    return kind, id_, rest


async def ask_maker(
    tools: Tools, request: web.Request, caller: str, request_id: str, body: bytes
) -> web.StreamResponse:
    """Hand a question about what is stored to the hop that made it.

    Raises:
        Refusal: it is not known here, or its hop did not answer.
        CallerGone: the caller takes nothing more.
    """
    kind, id_, _ = _parts(request.raw_path.partition("?")[0])
    param = "response_id" if kind == "responses" else "conversation_id"
    maker = await _maker(tools, caller, Reference(param, unquote(id_)), status=404)
    candidates = maker.candidates(tools).in_order if maker else ()
    if not candidates:
        words = f"{maker.model if maker else 'Its model'} made it, and is not configured any more."
        raise not_found(words, param, status=404)
    return await _hand_on(tools, request, candidates[0], request_id, body)


async def begin_conversation(
    tools: Tools, request: web.Request, caller: str, request_id: str, body: bytes
) -> web.StreamResponse:
    """Let the first hop of the chain that keeps conversations begin one. Raises Refusal."""
    now = tools.clock.now()
    found = tools.live.candidates("auto", Dialect.RESPONSES, now, fallbacks=True)
    keeping = [
        candidate
        for candidate in found.in_order
        if not candidate.provider.endpoints[Dialect.RESPONSES].stateless
    ]
    for candidate in keeping:
        answer = await _hand_on(tools, request, candidate, request_id, body)
        if answer.status in NOT_SERVED:
            continue
        if answer.status == 200 and isinstance(answer, web.Response):
            tools.made_ids.note(caller, _id_in(answer.body), candidate.name)
        return answer
    raise Refusal(NO_CONVERSATIONS, 404, "not_found")


def _id_in(body: object) -> tuple[str, ...]:
    try:
        return made_by(table(load_json(body))) if isinstance(body, bytes) else ()
    except ValueError:
        return ()


async def _hand_on(
    tools: Tools, request: web.Request, candidate: Candidate, request_id: str, body: bytes
) -> web.StreamResponse:
    """Ask a hop the same as the caller asks us. Raises Refusal, CallerGone."""
    try:
        route = tools.live.route(candidate, Dialect.RESPONSES)
        more = {"Accept": request.headers.get("Accept", "application/json")}
        if body:
            more["Content-Type"] = "application/json"
        url = _beside(route.url, request.raw_path)
        outgoing = Outgoing(url, {**route.headers, **more}, body, route.proxy, request.method)
        incoming = await begin(tools.session(), outgoing, tools.timeouts.total_s)
    except (Broken, SettingsError) as error:
        raise _silent(tools, candidate, error) from error
    try:
        headers = passed_back(incoming.headers) | {
            "Content-Type": incoming.kind or "application/json",
            "Server": "changeover",
            "x-request-id": request_id,
            "x-changeover-model": candidate.name,
        }
        if incoming.status == 200 and "event-stream" in incoming.kind:
            return await _relay(tools, request, incoming, headers, Unfinished(request_id, 0))
        answer = await incoming.error(tools.timeouts.total_s)
    except Broken as error:
        raise _silent(tools, candidate, error) from error
    finally:
        incoming.close()
    said = without_secrets(tools, answer) if answer.status >= 400 else answer.body
    return web.Response(status=answer.status, body=said, headers=headers)


def _silent(tools: Tools, candidate: Candidate, error: Exception) -> Refusal:
    words = f"{candidate.name}, which keeps it, did not answer: {error}."
    return Refusal(tools.blackout.clean(words), 503, "maker_down")


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


def _beside(url: str, asked: str) -> str:
    """Return the address of a path of ours at a provider, by that of its responses."""
    address, _, own = url.partition("?")
    path, _, query = asked.partition("?")
    query = "&".join(filter(None, (own, query)))
    address = address.removesuffix("/responses") + path.removeprefix("/v1")
    return f"{address}?{query}" if query else address
