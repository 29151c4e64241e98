"""`POST /v1/responses` over real HTTP: held, handed on, broken off, refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from adapters.simulated import SimulatedProviders
from bot.dialects.options import REMEMBERED
from bot.models import FailureReason
from tests.servers import chaos
from tests.servers.chaos import BLOCK, START, Call, chunk, head, http
from tests.support.fakes_core import OWNER
from tests.support.fakes_gateway import (
    CHAT,
    FLASH,
    GPT,
    HI,
    MESSAGES,
    OPUS,
    ROUTER,
    Answer,
    Gate,
    config_of,
)
from tests.surfaces.gateway.conftest import Start
from tests.surfaces.gateway.test_wire import Put, hangs, plays, put
from tests.unit.test_responses import COUNTS, CREATED, DONE, delta, event, response, said

__all__ = ["put"]
PATH = "/v1/responses"
CODEX = {"originator": "codex_exec"}
FAILED = "response.failed"


async def ask(gate: Gate, headers: Any = None, **more: Any) -> Answer:
    return await gate.ask(PATH, {"model": "auto", "input": "Hi", **more}, headers)


def events(got: Answer) -> list[Any]:
    lines = (line[6:] for line in got.text.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines]


def whole(**more: Any) -> bytes:
    return http(json.dumps(response("completed", output=[said()], usage=COUNTS, **more)).encode())


async def test_bytes_pass_through_with_model_and_key_changed(put: Put):
    raw = b'{"model" : "auto", "input":"Hi","x_new": [1, 2.50],"stream":false}'
    gate, upstream = await put(plays(whole()), GPT)
    got = await gate.ask(PATH, raw)
    assert (got.status, got.headers["x-changeover-model"]) == (200, GPT)
    (call,) = upstream.calls
    assert call.path == PATH
    assert call.body == raw.replace(b'"auto"', b'"gpt-5"')
    (row,) = await gate.attempts()
    assert (row.dialect, row.usage.cached_input_tokens) == ("responses", 60)
    assert row.usage.reasoning_tokens == 30


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_without_the_path_is_passed_over_and_goes_on_to_chat(
    put: Put, stream: bool
):
    async def script(call: Call) -> None:
        nothing = http(b'{"detail": "Not Found"}', "404 Not Found")
        await call.send(nothing if call.path == PATH else chaos.good())

    gate, _ = await put(script, GPT, FLASH)
    for _ in range(3):
        got = await ask(gate, stream=stream)
        assert (got.status, got.headers["x-changeover-model"]) == (200, FLASH)
        assert (await gate.ask(CHAT)).headers["x-changeover-model"] == GPT
    got = await ask(gate, {"x-changeover-fallback": "none"}, stream=stream)
    assert got.status == 503
    assert f"{GPT}: bad_response (HTTP 404: not served)" in got.text


async def test_a_stream_passes_through_and_is_counted(put: Put):
    stream = [CREATED, delta("Hel", 1), delta("lo", 2), DONE]
    gate, _ = await put(plays(head(), *stream), GPT)
    got = await ask(gate, stream=True)
    assert got.body == b"".join(stream)
    (row,) = await gate.attempts()
    assert (row.usage.output_tokens, row.usage.cache_write_tokens) == (40, 10)
    assert await gate.figure("changeover_requests_total", dialect="responses", status="200") == 1


@pytest.mark.parametrize(
    "script",
    [
        plays(http(b'{"error":{"message":"busy","code":null}}', "503 Busy")),
        plays(head(), CREATED, event(FAILED, 1, response=response("failed", error={"code": "x"}))),
        plays(head(), CREATED, event("error", 1, code="server_error", message="gone")),
        plays(head(), CREATED),
        plays(head(), CREATED, b"data: [DONE]\n\n"),
        plays(head(), CREATED, event("response.completed", response=response("completed"))),
        plays(head(), b"data: {"),
        hangs,
    ],
)
async def test_what_fails_before_its_content_is_not_seen(put: Put, script: Any):
    gate, _ = await put(script, GPT, FLASH)
    got = await ask(gate, stream=True)
    assert got.headers["x-changeover-model"] == FLASH
    assert [e["type"] for e in events(got)][-1] == "response.completed"
    assert "gpt-x" not in got.text


async def test_a_break_ends_with_the_event_that_codex_understands(put: Put):
    gate, _ = await put(plays(head(), CREATED, delta("Hel", 7)), GPT, FLASH)
    got = await ask(gate, stream=True)
    last = events(got)[-1]
    assert got.text.rstrip().rpartition("event: ")[2].startswith(FAILED)
    assert (last["type"], last["sequence_number"]) == (FAILED, 8)
    assert (last["response"]["id"], last["response"]["status"]) == ("resp_1", "failed")
    assert "stopped mid-response" in last["response"]["error"]["message"]
    assert FLASH not in got.text
    (row,) = await gate.attempts()
    assert (row.reason, row.estimated) == (FailureReason.BAD_RESPONSE, True)


@pytest.mark.parametrize(
    ("path", "model", "begun"),
    [
        (PATH, GPT, CREATED + delta("Hel", 1)),
        (CHAT, GPT, chunk("Hel")),
        (MESSAGES, OPUS, START + BLOCK + chaos.delta("Hel")),
    ],
)
async def test_who_breaks_off_twice_in_a_row_is_passed_over(
    put: Put, path: str, model: str, begun: bytes
):
    gate, upstream = await put(plays(head(), begun), model, FLASH)
    said = {"input": "Hi"} if path == PATH else {"messages": HI}
    asked = {"model": "auto", "stream": True, "max_tokens": 9, **said}
    served = [(await gate.ask(path, asked)).headers["x-changeover-model"] for _ in range(3)]
    assert served == [model, model, FLASH]
    assert len(upstream.calls) == 2


async def test_a_code_that_agents_act_on_is_kept(put: Put):
    error = {"code": "context_length_exceeded", "message": "Too long for gpt-x"}
    failure = event(FAILED, 3, response=response("failed", error=error))
    gate, _ = await put(plays(head(), CREATED, delta("Hel"), 0.1, failure), GPT)
    got = await ask(gate, stream=True)
    assert events(got)[-1]["response"]["error"]["code"] == "context_length_exceeded"
    gate, _ = await put(plays(head(), CREATED, failure), GPT)
    assert (await ask(gate, stream=True)).json["error"]["code"] == "context_length_exceeded"


async def test_incomplete_is_good(put: Put):
    why = {"reason": "max_output_tokens"}
    over = event("response.incomplete", 1, response=response("incomplete", incomplete_details=why))
    gate, _ = await put(plays(head(), CREATED, over), GPT, FLASH)
    got = await ask(gate, stream=True)
    assert got.headers["x-changeover-model"] == GPT
    assert events(got)[-1]["type"] == "response.incomplete"


async def test_upgrades_are_refused_so_that_http_is_used(start: Start):
    gate = await start()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    got = await gate.ask(PATH, method="GET", headers=upgrade)
    assert got.status == 426
    assert "HTTP POST" in got.json["error"]["message"]
    assert (await gate.ask(PATH, method="GET")).status == 405


async def test_a_dead_chain_stops_each_client(put: Put):
    refused = plays(http(b'{"error":{"message":"no","code":null}}', "500 Oops"))
    gate, _ = await put(refused, GPT)
    for stream in (True, False):
        got = await ask(gate, stream=stream)
        assert (got.status, got.headers["x-should-retry"]) == (503, "false")
        assert got.json["error"]["code"] == "chain_exhausted"
        stopped = await ask(gate, CODEX, stream=stream)
        assert stopped.status == 400
        assert f"{GPT}: server_error" in stopped.json["error"]["message"]
    unknown = await gate.ask(PATH, {"model": "nonesuch", "input": "Hi"}, CODEX)
    assert (unknown.status, unknown.json["error"]["code"]) == (400, "model_not_found")


@pytest.mark.parametrize(
    ("headers", "sign", "code"),
    [(CODEX, "event: keepalive", "invalid_prompt"), ({}, ": keep-alive", "chain_exhausted")],
)
async def test_who_waits_hears_keep_alives_and_how_it_ended(put: Put, headers, sign, code):
    gate, _ = await put(hangs, GPT, keep_alive_s=0.05)
    got = await ask(gate, headers, stream=True)
    assert got.status == 200
    assert got.text.startswith(sign)
    last = events(got)[-1]
    assert (last["type"], last["response"]["error"]["code"]) == (FAILED, code)
    assert f"{GPT}: timeout" in last["response"]["error"]["message"]


UNVERIFIED = {
    "message": "The encrypted content gAAA could not be verified.",
    "code": "invalid_encrypted_content",
}
NOT_KEPT = {"message": "Item with id 'rs_1' not found. Items are not persisted.", "code": None}
FOREIGN = [
    http(json.dumps({"error": UNVERIFIED}).encode(), "400 Bad"),
    http(json.dumps({"error": NOT_KEPT}).encode(), "404 Not Found"),
    head() + event(FAILED, response=response("failed", error=UNVERIFIED)),
]


@pytest.mark.parametrize("failure", FOREIGN)
@pytest.mark.parametrize("stream", [True, False])
async def test_foreign_reasoning_is_left_out_once(put: Put, failure: bytes, stream: bool):
    if not stream and b"event-stream" in failure:
        failure = http(json.dumps(response("failed", error=UNVERIFIED)).encode(), "400 Bad")
    good = head() + CREATED + delta("Hi") + DONE if stream else whole()

    async def script(call: Call) -> None:
        kinds = [item.get("type") for item in call.json["input"]]
        await call.send(failure if "reasoning" in kinds else good)

    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    gate, upstream = await put(script, GPT)
    turns = [{"role": "user", "content": "Hi"}, sealed]
    got = await ask(gate, input=turns, store=False, stream=stream)
    assert (got.status, got.headers["x-changeover-edited"]) == (200, "foreign-thinking")
    assert len(upstream.calls) == 2


async def test_only_hops_that_speak_it(start: Start):
    gate = await start(config_of(OPUS, ROUTER))
    assert (await ask(gate)).headers["x-changeover-model"] == ROUTER
    refused = await ask(gate, {"x-changeover-fallback": "none"})
    assert (refused.status, refused.json["error"]["code"]) == (400, "unsupported_format")


@pytest.mark.parametrize(
    ("more", "words"),
    [({"input": 7}, "input must be"), ({"model": 7}, "model must be"), ({"stream": "x"}, "stream")],
)
async def test_bad_bodies(start: Start, more: Any, words: str):
    got = await ask(await start(), **more)
    assert got.status == 400
    assert words in got.json["error"]["message"]


async def test_unknown_items_and_large_images_go_through(put: Put):
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * (29 << 20)}
    items = [{"type": "of_next_year", "x": 1}, {"role": "user", "content": [image]}]
    gate, upstream = await put(plays(whole()), GPT)
    got = await ask(gate, input=items)
    assert got.status == 200
    assert upstream.calls[0].json["input"] == items
    (row,) = await gate.attempts()
    assert row.usage.input_tokens == 100


async def test_events_of_megabytes(put: Put):
    echo = "x" * (3 << 20)
    created = event("response.created", response=response(output=[], instructions=echo))
    picture = event("response.image_generation_call.partial_image", 1, partial_image_b64=echo)
    gate, _ = await put(plays(head(), created, picture, DONE), GPT)
    got = await ask(gate, stream=True, instructions=echo)
    assert got.body == created + picture + DONE
    # What nobody asked for is not held.
    small = await ask(gate, stream=True)
    assert "too much data" in small.json["error"]["message"]


async def test_the_simulated_providers_speak_it(start: Start, providers: SimulatedProviders):
    gate = await start(config_of(GPT, ROUTER, FLASH, "groq/llama-3.3-70b-versatile"))
    got = await ask(gate, stream=True)
    assert got.headers["x-changeover-model"] == GPT
    assert providers.last_request("openai").path == PATH
    assert events(got)[-1]["response"]["usage"]["output_tokens"]


async def test_the_chain_test_asks_as_callers_asked(start: Start):
    gate = await start(config_of(GPT, OPUS, FLASH))
    await ask(gate, stream=True, tools=[], instructions="secret words")
    since = (gate.wired.clock.now() - REMEMBERED).date()
    for _ in range(200):
        if await gate.wired.app.ports.log.used(since):
            break
        await asyncio.sleep(0.05)
    data = (await gate.wired.app.handle(OWNER, "fallback test")).data
    (found,) = data["dialects"]
    assert (found["dialect"], found["options"]) == ("responses", ["instructions", "tools"])
    assert [hop["verdict"] for hop in found["hops"]] == ["ok", "skipped", "ok"]
    assert found["would_serve"] == GPT
    assert "secret" not in json.dumps(data, default=str)


@pytest.fixture
async def client(start: Start) -> AsyncIterator[openai.AsyncOpenAI]:
    gate = await start(config_of(GPT, FLASH))
    async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="k", max_retries=2) as client:
        yield client


async def test_the_official_sdk(client: openai.AsyncOpenAI):
    answer = await client.responses.create(model="auto", input="Hi")
    assert answer.output_text
    async with client.responses.stream(model="auto", input="Hi") as stream:
        kinds = [one.type async for one in stream]
        final = await stream.get_final_response()
    assert "response.output_text.delta" in kinds
    assert final.output_text
    assert (await client.models.list()).data


async def test_the_official_sdk_before_a_dead_chain(start: Start, providers: SimulatedProviders):
    gate = await start(config_of(GPT))
    providers.break_provider("openai", FailureReason.SERVER_ERROR)
    async with openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="k", max_retries=2) as client:
        with pytest.raises(openai.APIStatusError, match="No model in the chain answered"):
            await client.responses.create(model="auto", input="Hi")
    assert len(await gate.events()) == 1
