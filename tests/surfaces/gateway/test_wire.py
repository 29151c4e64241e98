"""What agents need of the wire: patience while a model thinks, histories of several models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest

from adapters.gateway.http import Limits
from tests.servers.chaos import (
    BLOCK,
    DONE,
    START,
    Call,
    Chaos,
    answer,
    chunk,
    delta,
    head,
    http,
    sse,
)
from tests.support.fakes_gateway import CHAT, FLASH, GPT, HI, MESSAGES, OPUS, Gate, config_of
from tests.surfaces.gateway.conftest import Start

PATIENCE = {
    "CHANGEOVER_TIMEOUT_S": "5",
    "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "0.4",
    "CHANGEOVER_IDLE_TIMEOUT_S": "0.4",
    "CHANGEOVER_THINKING_TIMEOUT_S": "5",
}
THINKING = sse(
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    "content_block_start",
)
STOP_BLOCK = sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = sse(
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    },
    "message_delta",
) + sse({"type": "message_stop"}, "message_stop")
Put = Callable[..., Awaitable[tuple[Gate, Chaos]]]


@pytest.fixture
async def put(start: Start) -> AsyncIterator[Put]:
    """Put a scripted server in front of a healthy fallback."""
    running: list[Chaos] = []

    async def go(
        script: Callable[[Call], Awaitable[None]],
        *chain: str,
        keep_alive_s: float = 15.0,
        limits: Limits | None = None,
        **env: str,
    ) -> tuple[Gate, Chaos]:
        chaos = await Chaos(script).__aenter__()
        running.append(chaos)
        place = {"OPENAI_BASE_URL": chaos.url, "ANTHROPIC_BASE_URL": chaos.url}
        more = {"limits": limits or Limits(keep_alive_s=keep_alive_s)}
        config = config_of(*(chain or (OPUS, FLASH)))
        return await start(config, more=more, **{**PATIENCE, **place, **env}), chaos

    yield go
    for chaos in running:
        await chaos.__aexit__()


def plays(*parts: bytes | float) -> Callable[[Call], Awaitable[None]]:
    """Send bytes and wait seconds, in turn."""

    async def script(call: Call) -> None:
        for part in parts:
            if isinstance(part, bytes):
                await call.send(part)
            else:
                await asyncio.sleep(part)

    return script


async def hangs(call: Call) -> None:
    await call.hang()


# --- hidden thinking ----------------------------------------------------------------------------


async def test_a_model_that_thinks_in_hiding_is_waited_for(put: Put):
    script = plays(head(), START, THINKING, PING, 1.0, PING, STOP_BLOCK, BLOCK, delta("42"), STOP)
    gate, _ = await put(script)
    got = await gate.ask(MESSAGES, stream=True)
    assert got.headers["x-changeover-model"] == OPUS
    assert "42" in got.text


async def test_thinking_between_two_texts(put: Put):
    script = plays(
        head(), START, BLOCK, delta("first"), STOP_BLOCK, THINKING, 1.0, STOP_BLOCK, BLOCK,
        delta("then"), STOP,
    )  # fmt: skip
    gate, _ = await put(script)
    got = await gate.ask(MESSAGES, stream=True)
    assert "then" in got.text
    assert "error" not in got.text


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_in_openais_dialect(put: Put, key: str):
    first = chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": None, key: ""}}])
    more = chunk(choices=[{"index": 0, "delta": {"content": None, key: "hm"}}])
    script = plays(head(), first, 0.8, more, 0.8, chunk("42"), chunk(finish="stop"), DONE)
    gate, _ = await put(script, GPT, FLASH)
    got = await gate.ask(CHAT, stream=True)
    assert got.headers["x-changeover-model"] == GPT
    assert "42" in got.text
    assert "error" not in got.text


async def test_thinking_has_an_end_too(put: Put):
    gate, _ = await put(plays(head(), START, THINKING, 3.0), CHANGEOVER_THINKING_TIMEOUT_S="0.6")
    got = await gate.ask(MESSAGES, stream=True)
    assert got.headers["x-changeover-model"] == FLASH
    assert got.headers["x-changeover-reason"] == "timeout"
    event = (await gate.events())[0]
    assert "thought for 0.6 s" in event.detail


async def test_silence_without_thinking_is_no_excuse(put: Put):
    gate, _ = await put(plays(head(), START, PING, 3.0))
    got = await gate.ask(MESSAGES, stream=True)
    assert got.headers["x-changeover-model"] == FLASH


# --- keep-alives --------------------------------------------------------------------------------

ALIVE = {CHAT: b": keep-alive\n\n", MESSAGES: PING}
CHAINS = {CHAT: (GPT, FLASH), MESSAGES: (OPUS, FLASH)}
BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])


@BOTH
async def test_a_waiting_caller_hears_that_we_live_and_the_fallback_serves(put: Put, path: str):
    gate, _ = await put(hangs, *CHAINS[path], keep_alive_s=0.1)
    got = await gate.ask(path, stream=True)
    assert got.status == 200
    assert got.body.startswith(ALIVE[path])
    assert f": x-changeover-attempts=2 x-changeover-model={FLASH}" in got.text
    assert f"x-changeover-fallback-from={CHAINS[path][0]}" in got.text
    assert "error" not in got.text
    assert [one.answered for one in await gate.attempts()] == [False, True]


@BOTH
async def test_a_quick_answer_has_no_keep_alives(put: Put, path: str):
    script = plays(head(), START, BLOCK, delta("42"), STOP)
    if path == CHAT:
        script = plays(head(), chunk("42"), chunk(finish="stop"), DONE)
    gate, _ = await put(script, *CHAINS[path], keep_alive_s=5)
    got = await gate.ask(path, stream=True)
    assert ALIVE[path] not in got.body
    assert "x-changeover-model=" not in got.text


@BOTH
async def test_a_dead_chain_ends_in_an_error_event(put: Put, path: str):
    gate, _ = await put(hangs, CHAINS[path][0], keep_alive_s=0.1)
    got = await gate.ask(path, stream=True)
    assert got.status == 200
    last = json.loads(got.text.strip().rpartition("data: ")[2])
    wanted = "overloaded_error" if path == MESSAGES else "server_error"
    assert last["error"]["type"] == wanted
    assert "No model in the chain answered" in last["error"]["message"]
    assert await gate.figure("changeover_requests_total", status="200") == 0


async def test_a_wrong_request_ends_in_its_own_error(put: Put):
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"tools.0: bad"}}'
    gate, _ = await put(plays(0.3, http(body, "400 Bad Request")), OPUS, keep_alive_s=0.1)
    got = await gate.ask(MESSAGES, stream=True)
    assert got.text.endswith(
        'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error",'
        '"message":"tools.0: bad"}}\n\n'
    )


# --- a history of several models ----------------------------------------------------------------


def refuses_once(words: str, status: str = "400 Bad Request", kind: str = "anthropic"):
    """Refuse the first request, and answer the second well."""
    asked = 0

    async def script(call: Call) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
            await call.send(http(json.dumps(error).encode(), status))
        elif call.json.get("stream") and kind == "anthropic":
            await call.send(head(), START, BLOCK, delta("Hello."), STOP)
        elif call.json.get("stream"):
            await call.send(head(), chunk("Hello."), chunk(finish="stop"), DONE)
        else:
            whole: Any = answer()
            if kind == "anthropic":
                whole = {
                    "type": "message", "role": "assistant", "model": "chaos-1",
                    "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
                    "usage": {"input_tokens": 4, "output_tokens": 2},
                }  # fmt: skip
            await call.send(http(json.dumps(whole).encode()))

    return script


FOREIGN = [
    {"role": "user", "content": "Go."},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "of another"},
            {"type": "text", "text": "Done."},
        ],
    },
    {"role": "user", "content": "And now?"},
]


@pytest.mark.parametrize("stream", [False, True])
async def test_foreign_thinking_is_left_out(put: Put, stream: bool):
    script = refuses_once("messages.1.content.0: Invalid `signature` in `thinking` block")
    gate, chaos = await put(script)
    got = await gate.ask(MESSAGES, messages=FOREIGN, stream=stream)
    assert got.headers["x-changeover-model"] == OPUS
    assert got.headers["x-changeover-edited"] == "foreign-thinking"
    assert got.headers["x-changeover-attempts"] == "1"
    first, second = (call.json for call in chaos.calls)
    assert first["messages"] == FOREIGN
    assert second["messages"][1]["content"] == [{"type": "text", "text": "Done."}]
    del first["messages"], second["messages"]
    assert first == second
    assert await gate.events() == []


@pytest.mark.parametrize("stream", [False, True])
async def test_who_refuses_again_is_passed_over_without_a_cool_down(put: Put, stream: bool):
    async def refuses(call: Call) -> None:
        words = "messages.1.content.0: Invalid `signature` in `thinking` block"
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
        await call.send(http(json.dumps(error).encode(), "400 Bad Request"))

    gate, chaos = await put(refuses, CHANGEOVER_STICKY="off")
    for _ in range(3):
        got = await gate.ask(MESSAGES, messages=FOREIGN, stream=stream)
        assert got.headers["x-changeover-model"] == FLASH
    assert len(chaos.calls) == 6


async def test_a_plain_wrong_request_stays_the_callers(put: Put):
    gate, chaos = await put(refuses_once("messages.0.content: Input should be a valid string"))
    got = await gate.ask(MESSAGES, messages=FOREIGN)
    assert got.status == 400
    assert len(chaos.calls) == 1


async def test_a_refusal_as_the_first_event_of_a_stream(put: Put):
    words = "Corrupted thought signature."
    asked = 0

    async def script(call: Call) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await call.send(head(), sse({"error": {"code": 400, "message": words}}))
        else:
            await call.send(head(), chunk("Hello."), chunk(finish="stop"), DONE)

    gate, chaos = await put(script, GPT, FLASH)
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
    ]
    got = await gate.ask(CHAT, messages=history, stream=True)
    assert got.headers["x-changeover-model"] == GPT
    assert got.headers["x-changeover-edited"] == "thought-signatures"
    signed = chaos.calls[1].json["messages"][1]["tool_calls"][0]["extra_content"]
    assert signed == {"google": {"thought_signature": "skip_thought_signature_validator"}}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_limit_goes_by_its_other_name_on_that_complaint(put: Put, stream: bool):
    words = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead."
    )
    gate, chaos = await put(refuses_once(words, kind="openai"), GPT, FLASH)
    got = await gate.ask(CHAT, max_tokens=50, stream=stream)
    assert got.headers["x-changeover-model"] == GPT
    assert "x-changeover-edited" not in got.headers
    assert "max_tokens" not in chaos.calls[1].json
    assert chaos.calls[1].json["max_completion_tokens"] == 50


# --- the rest of the wire -----------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
async def test_several_choices_are_whole_when_each_has_finished(put: Put, whole: bool):
    def said(index: int, finish: str | None) -> bytes:
        return chunk(choices=[{"index": index, "delta": {"content": "x"}, "finish_reason": finish}])

    parts = [said(0, None), said(1, None), said(0, "stop"), *([said(1, "stop")] if whole else [])]
    gate, _ = await put(plays(head(), *parts), GPT, FLASH)
    got = await gate.ask(CHAT, stream=True, n=2)
    assert ("error" in got.text) is not whole


async def test_one_event_may_be_as_large_as_a_whole_answer(put: Put):
    text = "x" * (5 << 20)
    gate, _ = await put(plays(head(), chunk(text), chunk(finish="stop"), DONE), GPT, FLASH)
    got = await gate.ask(CHAT, stream=True)
    assert got.headers["x-changeover-model"] == GPT
    assert text in got.text


TOOL_RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reason", "more", "good"),
    [
        ("stop_sequence", {}, True),
        ("end_turn", {"stop_sequences": ["END"]}, True),
        ("end_turn", {"messages": [TOOL_RESULT]}, True),
        ("end_turn", {}, False),
    ],
)
async def test_an_empty_answer_may_be_good(
    put: Put, stream: bool, reason: str, more: Any, good: bool
):
    stop = STOP.replace(b"end_turn", reason.encode())
    whole = {
        "type": "message", "role": "assistant", "model": "chaos-1", "content": [],
        "stop_reason": reason, "usage": {"input_tokens": 4, "output_tokens": 2},
    }  # fmt: skip
    script = plays(head(), START, stop) if stream else plays(http(json.dumps(whole).encode()))
    gate, _ = await put(script)
    got = await gate.ask(MESSAGES, stream=stream, **more)
    assert got.headers["x-changeover-model"] == (OPUS if good else FLASH)


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_and_ids_of_the_provider_are_handed_on(put: Put, stream: bool):
    named = (
        "request-id: req_up",
        "anthropic-ratelimit-requests-remaining: 7",
        "x-ratelimit-reset-tokens: 6m0s",
        "set-cookie: secret=1",
    )
    events = [head("text/event-stream", *named), START, BLOCK, delta("Hello."), STOP]
    body = {
        "type": "message", "role": "assistant", "model": "chaos-1",
        "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn",
    }  # fmt: skip
    whole = [http(json.dumps(body).encode(), "200 OK", "application/json", *named)]
    gate, _ = await put(plays(*(events if stream else whole)))
    got = await gate.ask(MESSAGES, stream=stream)
    assert got.headers["request-id"] == "req_up"
    assert got.headers["anthropic-ratelimit-requests-remaining"] == "7"
    assert got.headers["x-ratelimit-reset-tokens"] == "6m0s"
    assert "set-cookie" not in got.headers


async def _raw(gate: Gate, *parts: bytes) -> tuple[bytes, asyncio.StreamWriter, Any]:
    port = int(gate.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
    await writer.drain()
    return await reader.readuntil(b"\r\n\r\n"), writer, reader


def _head(length: int) -> bytes:
    return (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {length}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    ).encode()


async def test_a_caller_who_waits_to_be_asked_for_the_body(gate: Gate):
    body = b'{"model":"auto","messages":[{"role":"user","content":"Hi"}]}'
    first, writer, reader = await _raw(gate, _head(len(body)))
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_too_large_a_body_is_refused_before_it_is_sent(gate: Gate):
    first, writer, _ = await _raw(gate, _head(64 << 20))
    assert first.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_bodies_that_are_too_many_at_once(put: Put):
    waiting, arrived = asyncio.Event(), asyncio.Semaphore(0)

    async def script(call: Call) -> None:
        arrived.release()
        await waiting.wait()
        await call.send(http(json.dumps(answer()).encode()))

    limits = Limits(bodies_bytes=4 << 20)
    gate, _ = await put(script, GPT, limits=limits)
    large = [{"role": "user", "content": "x y" * (700 << 10)}]
    first = asyncio.create_task(gate.ask(CHAT, messages=large))
    await arrived.acquire()
    second = await gate.ask(CHAT, messages=large)
    assert second.status == 503
    assert second.headers["retry-after"] == "1"
    assert second.json["error"]["code"] == "busy"
    # A small one has room still.
    third = asyncio.create_task(gate.ask(CHAT))
    await arrived.acquire()
    waiting.set()
    assert [(await one).status for one in (first, third)] == [200, 200]
    assert (await gate.ask(CHAT, messages=large)).status == 200


# --- a conversation stays -----------------------------------------------------------------------


async def test_a_conversation_stays_with_the_fallback_and_others_do_not(put: Put):
    failing = True

    async def script(call: Call) -> None:
        if failing:
            await call.send(http(b"{}", "500 Internal Server Error"))
        else:
            await call.send(http(json.dumps(answer()).encode()))

    gate, chaos = await put(script, GPT, FLASH)
    mine = {"x-session-id": "s" * 10_000}
    first = await gate.ask(CHAT, headers=mine)
    assert first.headers["x-changeover-reason"] == "server_error"
    failing = False
    second = await gate.ask(CHAT, headers=mine)
    assert second.headers["x-changeover-model"] == FLASH
    assert second.headers["x-changeover-sticky"] == "cache"
    assert "x-changeover-reason" not in second.headers
    assert len(chaos.calls) == 1
    other = await gate.ask(CHAT, headers={"x-session-id": "another"})
    assert other.headers["x-changeover-model"] == GPT
    # Only the first was a failure.
    assert len(await gate.events()) == 1


async def test_off_means_that_the_next_turn_returns(put: Put):
    failing = True

    async def script(call: Call) -> None:
        status = "500 Internal Server Error" if failing else "200 OK"
        await call.send(http(json.dumps(answer()).encode(), status))

    gate, _ = await put(script, GPT, FLASH, CHANGEOVER_STICKY="off")
    assert (await gate.ask(CHAT, prompt_cache_key="a")).headers["x-changeover-model"] == FLASH
    failing = False
    assert (await gate.ask(CHAT, prompt_cache_key="a")).headers["x-changeover-model"] == GPT


# --- the SDKs, while they are kept waiting --------------------------------------------------------


async def test_openais_sdk_reads_a_stream_that_began_with_keep_alives(put: Put):
    gate, _ = await put(hangs, GPT, FLASH, keep_alive_s=0.1)
    client = openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="x", max_retries=0)
    async with client:
        stream = await client.chat.completions.create(model="auto", messages=HI, stream=True)
        said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    assert "".join(said)


async def test_anthropics_sdk_reads_a_stream_that_began_with_keep_alives(put: Put):
    gate, _ = await put(hangs, keep_alive_s=0.1)
    client = anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0)
    async with client, client.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
        assert await stream.get_final_text()


async def _read_all(client: anthropic.AsyncAnthropic) -> str:
    async with client.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
        return await stream.get_final_text()


async def test_the_sdks_raise_what_ends_a_dead_chain(put: Put):
    gate, _ = await put(hangs, OPUS, keep_alive_s=0.1)
    client = anthropic.AsyncAnthropic(base_url=gate.url, api_key="x", max_retries=0)
    async with client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await _read_all(client)
    assert "overloaded_error" in str(raised.value)
    other = openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key="x", max_retries=0)
    async with other:
        stream = await other.chat.completions.create(model="auto", messages=HI, stream=True)
        with pytest.raises(openai.APIError) as failed:
            [chunk async for chunk in stream]
    assert failed.value.type == "server_error"
