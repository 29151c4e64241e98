"""State of Responses: a turn goes to the hop that made what it refers to, and to no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.gateway.stored import methods_of
from tests.servers.chaos import Call, Chaos, head, http
from tests.support.fakes_gateway import Answer, Gate, config_of, gateway
from tests.unit.test_responses import COUNTS, DONE, delta, event, response, said

PATH = "/v1/responses"
NOT_FOUND = "previous_response_not_found"
ANNE, BO = {"Authorization": "Bearer ta"}, {"Authorization": "Bearer tb"}


class Provider:
    """One account: knows its own responses, fails on demand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.calls: list[Call] = []
        self.lacks: tuple[str, ...] = ()

    async def __call__(self, call: Call) -> None:
        self.calls.append(call)
        if any(part in call.path for part in self.lacks):
            await call.send(http(b"Not Found", "404 Not Found", "text/plain"))
        elif self.status != 200:
            error = {"message": "no", "code": None}
            await call.send(http(json.dumps({"error": error}).encode(), f"{self.status} No"))
        elif not call.body or call.path.endswith("/cancel"):
            if "stream=true" in call.path:
                await call.send(head(), delta("Hi"), DONE)
            else:
                await call.send(http(json.dumps({"path": call.path}).encode()))
        elif "/conversations" in call.path:
            await call.send(http(json.dumps({"id": f"conv_{self.name}"}).encode()))
        elif call.path.endswith("input_tokens"):
            await call.send(http(b'{"object":"response.input_tokens","input_tokens":7}'))
        else:
            await self._respond(call)

    async def _respond(self, call: Call) -> None:
        n, body = len(self.calls), call.json
        sealed = {"type": "compaction", "id": f"c_{n}", "encrypted_content": f"sealed-{self.name}"}
        item = said(self.name) | {"id": f"msg_{self.name}{n}"}
        output = [sealed] if call.path.endswith("/compact") else [item]
        answer = response("completed", output=output, usage=COUNTS) | {
            "id": f"resp_{self.name}{n}",
            "store": body.get("store", True),
        }
        if body.get("background"):
            answer |= {"status": "queued", "output": [], "usage": None, "background": True}
        if body.get("stream"):
            begun = response(background=bool(body.get("background"))) | {"id": answer["id"]}
            await call.send(head(), event("response.created", response=begun))
            over = event("response.completed", response=answer)
            await call.send(delta(self.name), over)
        else:
            await call.send(http(json.dumps(answer).encode()))


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Provider, Provider, dict[str, Any]]]:
    async with AsyncExitStack() as stack:
        a, b = Provider("a"), Provider("b")
        urls = [(await stack.enter_async_context(Chaos(one))).url for one in (a, b)]
        entries = {
            one.name: {"baseUrl": url, "apiKey": "k", "api": "openai-responses"}
            for one, url in zip((a, b), urls, strict=True)
        }
        yield a, b, entries


Open = Callable[..., Awaitable[Gate]]


@pytest.fixture
async def up(
    pair: tuple[Provider, Provider, dict[str, Any]], tmp_path: Path, empty_database: bytes
) -> AsyncIterator[Open]:
    """Start gateways on one database, in front of both."""
    config = config_of("a/x", "b/y", "a/z", providers=pair[2])
    env = {"GATEWAY_TOKENS": "anne:ta,bo:tb", "CHANGEOVER_TIMEOUT_S": "5"}
    async with AsyncExitStack() as stack:

        async def go() -> Gate:
            running = gateway(tmp_path, env, config, database=empty_database)
            return await stack.enter_async_context(running)

        yield go


async def ask(gate: Gate, path: str = PATH, who: Any = None, **more: Any) -> Answer:
    body = {"model": "auto", "input": "Hi", **more}
    return await gate.ask(path, body, ANNE if who is None else who)


def refused(got: Answer, code: str, *words: str) -> None:
    assert got.status == 400
    assert got.json["error"]["code"] == code
    assert all(word in got.json["error"]["message"] for word in words)


async def fallen(gate: Gate, a: Provider, **more: Any) -> Answer:
    """Return an answer of the second provider, and mend the first."""
    a.status = 500
    got = await ask(gate, **more)
    assert got.headers["x-changeover-model"] == "b/y"
    a.status = 200
    return got


async def test_a_turn_goes_to_who_made_the_last_one(up: Open, pair: Any):
    a, b, _ = pair
    gate = await up()
    first = await fallen(gate, a)
    second = await ask(gate, previous_response_id=first.json["id"])
    assert second.headers["x-changeover-model"] == "b/y"
    assert "x-changeover-fallback-from" not in second.headers
    assert b.calls[-1].json["previous_response_id"] == first.json["id"]
    assert (await ask(gate)).headers["x-changeover-model"] == "a/x"
    streamed = await fallen(gate, a, stream=True)
    (id_,) = {
        json.loads(line[6:])["response"]["id"]
        for line in streamed.text.splitlines()
        if line.startswith("data: ") and '"response":' in line
    }
    third = await ask(gate, previous_response_id=id_, stream=True)
    assert third.headers["x-changeover-model"] == "b/y"


async def test_models_of_one_account_know_it_too(up: Open, pair: Any):
    gate = await up()
    first = await ask(gate)
    other = await ask(gate, model="a/z", previous_response_id=first.json["id"])
    assert other.headers["x-changeover-model"] == "a/z"
    elsewhere = await ask(gate, model="b/y", previous_response_id=first.json["id"])
    assert elsewhere.headers["x-changeover-model"].startswith("a/")


@pytest.mark.parametrize("status", [500, 429, 401, 402])
@pytest.mark.parametrize("stream", [True, False])
async def test_no_other_goes_on_when_its_maker_is_down(
    up: Open, pair: Any, status: int, stream: bool
):
    a, b, _ = pair
    gate = await up()
    first = await ask(gate)
    a.status = status
    got = await ask(gate, previous_response_id=first.json["id"], stream=stream)
    refused(got, NOT_FOUND, first.json["id"], "a/x", "Send the whole conversation in input")
    assert got.json["error"]["param"] == "previous_response_id"
    assert not b.calls
    # Nothing is said of the chain by that.
    assert all(row.alone for row in await gate.events())
    # Sent whole, it falls back freely.
    assert (await ask(gate, stream=stream)).headers["x-changeover-model"] == "b/y"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_none"}, "previous_response_id"),
        ({"conversation": "conv_none"}, "conversation"),
        ({"conversation": {"id": "conv_none"}}, "conversation"),
        ({"input": [{"type": "item_reference", "id": "msg_none"}]}, "input"),
        ({"previous_response_id": "x" * 100_000}, "previous_response_id"),
    ],
)
async def test_what_nobody_has_made_is_refused_unasked(up: Open, pair: Any, more: Any, param: str):
    gate = await up()
    got = await ask(gate, **more)
    refused(got, NOT_FOUND, "is unknown", "Send the whole conversation")
    assert got.json["error"]["param"] == param
    assert len(got.body) < 1000
    assert not pair[0].calls


async def test_a_caller_reaches_his_own_ids_alone(up: Open, pair: Any):
    a, _, _ = pair
    gate = await up()
    id_ = (await ask(gate)).json["id"]
    refused(await ask(gate, who=BO, previous_response_id=id_), NOT_FOUND, "is unknown")
    for method, tail in [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")]:
        got = await gate.ask(f"{PATH}/{id_}{tail}", b"", BO, method)
        assert (got.status, got.json["error"]["code"]) == (404, "not_found")
    assert len(a.calls) == 1
    assert (await gate.ask(f"{PATH}/{id_}", method="GET")).status == 401
    # Two callers with the same id have each their own.
    assert (await gate.ask(f"{PATH}/{id_}", b"", ANNE, "GET")).status == 200


async def test_both_ways_to_go_on_exclude_each_other(up: Open):
    got = await ask(await up(), previous_response_id="r", conversation="c")
    refused(got, "mutually_exclusive_parameters", "exclude each other")


async def test_parts_of_two_makers_suit_nobody(up: Open, pair: Any):
    gate = await up()
    one = (await ask(gate)).json["output"][0]["id"]
    other = (await fallen(gate, pair[0])).json["output"][0]["id"]
    items = [{"type": "item_reference", "id": id_} for id_ in (one, other)]
    refused(await ask(gate, input=items), NOT_FOUND, "a/x and b/y", "Send the whole")
    assert (await ask(gate, input=items[1:])).headers["x-changeover-model"] == "b/y"
    # What is not stored can only be carried along whole.
    unstored = (await ask(gate, store=False)).json["output"][0]["id"]
    item = {"type": "item_reference", "id": unstored}
    refused(await ask(gate, input=[item]), NOT_FOUND, "is unknown")


async def test_compactions_go_back_to_their_maker(up: Open, pair: Any):
    a, b, _ = pair
    gate = await up()
    a.lacks = ("/compact",)
    compacted = await ask(gate, f"{PATH}/compact")
    assert compacted.headers["x-changeover-model"] == "b/y"
    assert b.calls[-1].path == f"{PATH}/compact"
    row = (await gate.attempts())[-1]
    assert (row.model.provider, row.usage.input_tokens) == ("b", 100)
    turn = await ask(gate, input=compacted.json["output"], store=False)
    assert turn.headers["x-changeover-model"] == "b/y"
    # Nobody knows where this one is from; whoever is asked will say.
    strange = [{"type": "compaction", "encrypted_content": "from elsewhere"}]
    assert (await ask(gate, input=strange)).headers["x-changeover-model"] == "a/x"
    assert all(row.unfit for row in await gate.events())


async def test_paths_that_a_provider_lacks_cool_nothing_down(up: Open, pair: Any):
    a, b, _ = pair
    a.lacks = ("/compact", "/input_tokens")
    gate = await up()
    for _ in range(3):
        assert (await ask(gate, f"{PATH}/compact")).headers["x-changeover-model"] == "b/y"
        assert (await ask(gate, f"{PATH}/input_tokens")).json["input_tokens"] == 7
    assert (await ask(gate)).headers["x-changeover-model"] == "a/x"
    b.lacks = a.lacks
    for tail in ("/input_tokens", "/compact"):
        got = await ask(gate, PATH + tail)
        assert (got.status, got.json["error"]["code"]) == (404, "not_found")
    assert (await ask(gate)).headers["x-changeover-model"] == "a/x"


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("GET", ""),
        ("GET", "?include%5B%5D=x&starting_after=3"),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/input_items?limit=5"),
    ],
)
async def test_a_stored_response_is_asked_of_its_maker(up: Open, pair: Any, method: str, tail: str):
    a, b, _ = pair
    gate = await up()
    id_ = (await fallen(gate, a)).json["id"]
    got = await gate.ask(f"{PATH}/{id_}{tail}", b"", ANNE, method)
    assert (got.status, got.headers["x-changeover-model"]) == (200, "b/y")
    assert got.json["path"] == f"{PATH}/{id_}{tail}"
    assert b.calls[-1].head.startswith(f"{method} ".encode())
    assert b.calls[-1].header("authorization") == "Bearer k"
    b.status = 404
    assert (await gate.ask(f"{PATH}/{id_}{tail}", b"", ANNE, method)).status == 404


async def test_a_background_response_is_fetched_as_a_stream(up: Open, pair: Any):
    gate = await up()
    for stream in (False, True):
        got = await ask(gate, background=True, stream=stream)
        assert got.status == 200
    queued = await ask(gate, background=True)
    assert queued.json["status"] == "queued"
    url = f"{PATH}/{queued.json['id']}?stream=true"
    got = await gate.ask(url, b"", ANNE, "GET")
    assert got.body == delta("Hi") + DONE
    assert got.headers["content-type"].startswith("text/event-stream")


async def test_a_conversation_stays_where_it_was_begun(up: Open, pair: Any):
    a, b, _ = pair
    gate, path = await up(), "/v1/conversations"
    a.lacks = ("/conversations",)
    begun = await gate.ask(path, {"metadata": {"x": "y"}}, ANNE)
    assert begun.json == {"id": "conv_b"}
    assert b.calls[-1].json == {"metadata": {"x": "y"}}
    turn = await ask(gate, conversation="conv_b")
    assert turn.headers["x-changeover-model"] == "b/y"
    for method, tail in [("GET", ""), ("POST", ""), ("GET", "/items?limit=2"), ("POST", "/items")]:
        got = await gate.ask(f"{path}/conv_b{tail}", b"{}", ANNE, method)
        assert got.headers["x-changeover-model"] == "b/y"
        assert b.calls[-1].path == f"{path}/conv_b{tail}"
    assert (await gate.ask(f"{path}/conv_b/items/msg_1", b"", ANNE, "DELETE")).status == 200
    for tail in ("../../models", "..%2f..%2fmodels", "%2e%2e", "x/y", ""):
        assert methods_of(f"{path}/conv_b/items/{tail}") is None
    b.status = 500
    refused(await ask(gate, conversation="conv_b"), NOT_FOUND, "b/y", "Send the whole")
    assert (await gate.ask(f"{path}/conv_b", b"", BO, "GET")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/r", 405), ("GET", "/r/other", 404), ("GET", "/r/cancel", 405), ("GET", "/", 404)],
)
async def test_other_paths_below_an_id(up: Open, method: str, path: str, status: int):
    assert (await (await up()).ask(PATH + path, b"", ANNE, method)).status == status


async def test_other_processes_and_later_ones_know_it(up: Open, pair: Any):
    one, other = await up(), await up()
    id_ = (await fallen(one, pair[0])).json["id"]
    got = await ask(other, previous_response_id=id_)
    assert got.headers["x-changeover-model"] == "b/y"
    third = await up()
    assert (await third.ask(f"{PATH}/{id_}", b"", ANNE, "GET")).json["path"].endswith(id_)


async def test_providers_that_store_nothing_say_so(
    pair: Any, tmp_path: Path, empty_database: bytes
):
    env = {"GROQ_API_KEY": "k", "GROQ_BASE_URL": pair[2]["a"]["baseUrl"]}
    config = config_of("groq/m")
    async with gateway(tmp_path, env, config, database=empty_database) as gate:
        first = await ask(gate, who={})
        got = await ask(gate, who={}, previous_response_id=first.json["id"])
    refused(got, NOT_FOUND, "groq/m", "stores no responses")


async def test_ids_at_once_do_not_mix(up: Open, pair: Any):
    gate = await up()
    firsts = await asyncio.gather(*(ask(gate, who=who) for who in (ANNE, BO) * 8))
    ids = [got.json["id"] for got in firsts]
    assert len(set(ids)) == 16
    again = await asyncio.gather(
        *(ask(gate, who=(ANNE, BO)[n % 2], previous_response_id=id_) for n, id_ in enumerate(ids))
    )
    assert {got.status for got in again} == {200}
