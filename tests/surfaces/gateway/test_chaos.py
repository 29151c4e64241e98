"""Upstreams that answer with rubbish, with half of it, or with nothing at all."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.models import FailureReason
from bot.ports import Attempt
from tests.servers.chaos import (
    BLOCK,
    DONE,
    START,
    Call,
    Chaos,
    answer,
    chunk,
    delta,
    good,
    head,
    http,
    sse,
    usage_chunk,
)
from tests.support.fakes_gateway import CHAT, FLASH, GPT, MESSAGES, OPUS, Gate, config_of
from tests.surfaces.gateway.conftest import Start

R = FailureReason
LIMITS = {
    "CHANGEOVER_TIMEOUT_S": "0.5",
    "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "0.4",
    "CHANGEOVER_IDLE_TIMEOUT_S": "0.3",
}
Put = Callable[..., Awaitable[tuple[Gate, Chaos]]]


@pytest.fixture
async def put(start: Start) -> AsyncIterator[Put]:
    """Put a misbehaving server in front of a healthy fallback."""
    running: list[Chaos] = []

    async def go(
        script: Callable[[Call], Awaitable[None]], *chain: str, **env: str
    ) -> tuple[Gate, Chaos]:
        chaos = await Chaos(script).__aenter__()
        running.append(chaos)
        place = {"OPENAI_BASE_URL": chaos.url, "ANTHROPIC_BASE_URL": chaos.url}
        return await start(config_of(*(chain or (GPT, FLASH))), **{**LIMITS, **place, **env}), chaos

    yield go
    for chaos in running:
        await chaos.__aexit__()


def says(*parts: bytes, pause_s: float = 0.0, hang: bool = False):
    async def script(call: Call) -> None:
        await call.send(*parts, pause_s=pause_s)
        if hang:
            await call.hang()

    return script


async def resets(call: Call) -> None:
    call.reset()


async def hangs(call: Call) -> None:
    await call.hang()


async def drips(call: Call) -> None:
    """One byte a moment, for ever."""
    for byte in head("application/json") + b" " * 10_000:
        await call.send(bytes([byte]), pause_s=0.02)


async def pads(call: Call) -> None:
    """Blank lines, as DeepSeek sends them, for ever."""
    await call.send(head("application/json"))
    while True:
        await call.send(b"\n", pause_s=0.02)


async def floods(call: Call) -> None:
    """A whole answer without end."""
    await call.send(head("application/json"))
    while True:
        await call.send(b" " * 262_144)


PAGE = b"<!doctype html><html><head><title>Sign in</title></head></html>"
HALF = json.dumps(answer()).encode()[:60]
ZIPPED = http(b"\x1f\x8b\x08rubbish", "200 OK", "application/json", "content-encoding: gzip")
BOMB = http(
    gzip.compress(b" " * (80 << 20)), "200 OK", "application/json", "content-encoding: gzip"
)
REDIRECT = http(b"", "307 Temporary Redirect", "text/plain", "location: http://127.0.0.1:1/steal")
SHORT = http(HALF).replace(b"content-length: 60", b"content-length: 999")
LONG = http(json.dumps(answer()).encode()).replace(b"content-length: 2", b"content-length: 1", 1)
INSIDE = http(b'{"error": {"code": 429, "message": "slow down"}}')

WHOLE = [
    ("html", says(http(PAGE, kind="text/html")), R.BAD_RESPONSE),
    ("html 502", says(http(PAGE, "502 Bad Gateway", "text/html")), R.SERVER_ERROR),
    ("half a body", says(SHORT), R.NETWORK),
    ("cut by its length", says(LONG), R.BAD_RESPONSE),
    ("gzip rubbish", says(ZIPPED), R.BAD_RESPONSE),
    ("gzip bomb", says(BOMB), R.BAD_RESPONSE),
    ("redirect", says(REDIRECT), R.BAD_RESPONSE),
    ("empty", says(http(b"")), R.BAD_RESPONSE),
    ("no content", says(http(b"", "204 No Content")), R.BAD_RESPONSE),
    ("another JSON", says(http(b'{"ok": true}')), R.BAD_RESPONSE),
    ("a list", says(http(b"[]")), R.BAD_RESPONSE),
    ("an empty message", says(http(json.dumps(answer("")).encode())), R.BAD_RESPONSE),
    ("an error inside", says(INSIDE), R.RATE_LIMIT),
    ("no HTTP", says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), R.BAD_RESPONSE),
    ("silence", says(b""), R.NETWORK),
    ("reset", resets, R.NETWORK),
    ("hang", hangs, R.TIMEOUT),
    ("one byte a moment", drips, R.TIMEOUT),
    ("padding without end", pads, R.TIMEOUT),
    ("an answer without end", floods, R.BAD_RESPONSE),
    ("a huge header", says(head("text/plain", "x-big: " + "a" * 70_000)), R.BAD_RESPONSE),
]


@pytest.mark.parametrize(
    ("script", "reason"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE]
)
async def test_whole_answers(put: Put, script: Any, reason: FailureReason):
    gate, chaos = await put(script, CHANGEOVER_TIMEOUT_S="2" if script is floods else "0.5")
    response = await gate.ask()
    assert response.status == 200
    assert response.headers["x-changeover-model"] == FLASH
    assert response.headers["x-changeover-reason"] == reason
    assert len(chaos.calls) == 1
    failed, _ = await gate.attempts()
    assert (failed.reason, failed.answered) == (reason, False)
    (event,) = await gate.events()
    assert event.detail
    assert "demo-openai-key" not in event.detail


@pytest.mark.parametrize("kind", ["text/plain\x01", "application/json; x=\xff"])
async def test_a_header_that_cannot_be_handed_on(put: Put, kind: str):
    raw_answer = http(json.dumps(answer()).encode(), "200 OK", "?").replace(
        b"?", kind.encode("latin-1"), 1
    )
    gate, _ = await put(says(raw_answer))
    response = await gate.ask()
    assert response.status == 200
    assert response.headers["x-changeover-model"] == GPT
    assert response.headers["content-type"].startswith("application/json")


async def test_a_compression_that_is_not_known(put: Put):
    gate, _ = await put(says(http(b"\x0b", "200 OK", "application/json", "content-encoding: br")))
    assert (await gate.ask()).headers["x-changeover-model"] == FLASH
    (event,) = await gate.events()
    assert "Content-Encoding" in event.detail


@pytest.mark.parametrize("status", ["500 Oops", "400 Bad Request"])
async def test_no_prompt_is_stored_that_an_error_repeats(put: Put, status: str):
    said = (
        b'{"error": {"code": "model_not_found", '
        b'"message": "cannot read: my dog Rex-is-ill-again now"}}'
    )
    gate, _ = await put(says(http(said, status)))
    await gate.ask(messages=[{"role": "user", "content": "Help!\nMy dog, my dog Rex-is-ill-again"}])
    (event,) = await gate.events()
    assert "cannot read: … now" in event.detail


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable"])
async def test_a_server_that_minds_counting_is_asked_without(put: Put, status: str):
    async def strict(call: Call) -> None:
        if "stream_options" in call.json:
            said = b'{"detail": [{"loc": ["body", "stream_options"], "msg": "not permitted"}]}'
            await call.send(http(said, status))
        else:
            await call.send(head(), chunk("Hello"), chunk(finish="stop"), DONE)

    gate, chaos = await put(strict)
    response = await gate.ask(stream=True)
    assert response.status == 200
    assert response.headers["x-changeover-model"] == GPT
    assert b"Hello" in response.body
    assert len(chaos.calls) == 2
    (row,) = await gate.attempts()
    assert (row.status, row.answered, row.estimated) == (200, True, True)
    own = await gate.ask(stream=True, stream_options={"include_usage": True})
    assert own.status == int(status[:3])


async def endless_comments(call: Call) -> None:
    await call.send(head())
    while True:
        await call.send(b": keep-alive\n\n" * 50, pause_s=0.01)


async def endless_roles(call: Call) -> None:
    """Events that say nothing, for ever."""
    await call.send(head())
    while True:
        await call.send(chunk(choices=[{"index": 0, "delta": {"role": "assistant"}}]) * 200)


BEFORE = [
    ("html", says(head("text/html"), PAGE), R.BAD_RESPONSE),
    ("html as a stream", says(head(), PAGE), R.BAD_RESPONSE),
    ("html 500", says(http(PAGE, "500 Oops", "text/html")), R.SERVER_ERROR),
    ("an error as JSON", says(INSIDE), R.RATE_LIMIT),
    ("an error that calls itself a stream", says(head(), INSIDE.partition(b"\r\n\r\n")[2]),
     R.RATE_LIMIT),
    ("an error event", says(head(), sse({"error": {"message": "no", "code": 402}})), R.BILLING),
    ("an error behind a role", says(head(), chunk(""), sse({"error": {"message": "x"}})),
     R.BAD_RESPONSE),
    ("a whole answer", says(good()), R.BAD_RESPONSE),
    ("nothing but the end", says(head(), DONE), R.BAD_RESPONSE),
    ("nothing at all", says(head()), R.BAD_RESPONSE),
    ("only usage", says(head(), usage_chunk(), DONE), R.BAD_RESPONSE),
    ("finish without content", says(head(), chunk(finish="stop"), DONE), R.BAD_RESPONSE),
    ("no JSON", says(head(), b"data: {oops\n\n"), R.BAD_RESPONSE),
    ("gzip rubbish", says(ZIPPED.replace(b"application/json", b"text/event-stream")),
     R.BAD_RESPONSE),
    ("reset", resets, R.NETWORK),
    ("silence", says(b""), R.NETWORK),
    ("hang", hangs, R.TIMEOUT),
    ("headers, then nothing", says(head(), hang=True), R.TIMEOUT),
    ("comments without end", endless_comments, R.TIMEOUT),
    ("roles without end", endless_roles, R.BAD_RESPONSE),
    ("an error's body without end", says(head("application/json"), hang=True), R.TIMEOUT),
    ("redirect", says(REDIRECT), R.BAD_RESPONSE),
    ("a huge event", says(head(), b"data: {" + b"x" * (1 << 21)), R.BAD_RESPONSE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "reason"), [case[1:] for case in BEFORE], ids=[case[0] for case in BEFORE]
)
async def test_streams_that_fail_before_their_first_content(
    put: Put, script: Any, reason: FailureReason
):
    gate, chaos = await put(script)
    response = await gate.ask(stream=True)
    assert response.status == 200
    assert response.headers["x-changeover-model"] == FLASH
    # On a slow machine the first-token time is over before an endless stream grows too large.
    allowed = {reason, R.TIMEOUT} if script is endless_roles else {reason}
    assert response.headers["x-changeover-reason"] in allowed
    assert response.text.rstrip().endswith("[DONE]")
    assert "chaos-1" not in response.text
    failed, served = await gate.attempts()
    assert failed.reason in allowed
    assert served.reason is None
    # What may be one caller's mistake is asked once more, by our own probe.
    assert len(chaos.calls) <= (2 if reason is R.BILLING else 1)


def events_of(text: str) -> list[Any]:
    """Read a stream's data lines."""
    return [
        json.loads(line.removeprefix("data: "))
        for line in text.splitlines()
        if line.startswith("data: {")
    ]


async def after_content_comments(call: Call) -> None:
    await call.send(head(), chunk("Hel"), chunk("lo"))
    while True:
        await call.send(b": still here\n\n", pause_s=0.02)


async def after_content_drips(call: Call) -> None:
    await call.send(head(), chunk("Hel"), chunk("lo"))
    while True:
        await call.send(b" ", pause_s=0.02)


async def after_content_reset(call: Call) -> None:
    await call.send(head(), chunk("Hel"), chunk("lo"), pause_s=0.02)
    call.reset()


HELLO = (head(), chunk("Hel"), chunk("lo"))
BROKEN = [
    ("cut", says(*HELLO), R.BAD_RESPONSE),
    ("cut in an event", says(*HELLO, chunk("!")[:40]), R.BAD_RESPONSE),
    ("cut chunks", says(HELLO[0].replace(b"connection: close", b"transfer-encoding: chunked"),
     *(b"%x\r\n%s\r\n" % (len(part), part) for part in HELLO[1:])), R.NETWORK),
    ("reset", after_content_reset, R.BAD_RESPONSE),
    ("stall", says(*HELLO, hang=True), R.TIMEOUT),
    ("comments", after_content_comments, R.TIMEOUT),
    ("drip", after_content_drips, R.TIMEOUT),
    ("an error event", says(*HELLO, sse({"error": {"message": "overloaded", "code": 502}})),
     R.BAD_RESPONSE),
    ("a limit in an event", says(*HELLO, sse({"error": {"message": "slow", "code": 429}})),
     R.RATE_LIMIT),
    ("rubbish", says(*HELLO, b"data: <html>\n\n"), R.BAD_RESPONSE),
    ("finish error", says(*HELLO, chunk(finish="error")), R.BAD_RESPONSE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
async def test_streams_that_break_off(put: Put, script: Any, reason: FailureReason):
    gate, chaos = await put(script)
    response = await gate.ask(stream=True)
    assert response.headers["x-changeover-model"] == GPT
    *said, last = events_of(response.text)
    assert "".join(event["choices"][0]["delta"]["content"] for event in said) == "Hello"
    assert last["error"]["code"] == reason
    assert "stopped mid-response" in last["error"]["message"]
    assert "[DONE]" not in response.text
    (row,) = await gate.attempts()
    assert (row.answered, row.reason, row.status, row.last) == (True, reason, 598, True)
    # What was used by then is booked, and marked as a guess.
    assert (row.usage.output_tokens, row.estimated) == (2, True)
    assert row.usage.input_tokens > 0
    assert row.cost_nano_usd is not None
    assert row.cost_nano_usd > 0
    (event,) = await gate.events()
    assert (event.from_model, event.to_model, event.reason, event.cut) == (GPT, None, reason, True)
    assert len(chaos.calls) == 1


@pytest.mark.parametrize("end", [b"", sse({"type": "error", "error": {"type": "api_error"}})])
async def test_a_break_in_anthropics_dialect(put: Put, end: bytes):
    script = says(head(), START, BLOCK, delta("Hel"), delta("lo"), end)
    gate, _ = await put(script, OPUS, FLASH)
    response = await gate.ask(MESSAGES, stream=True)
    assert response.headers["x-changeover-model"] == OPUS
    name, data = response.text.rstrip().rpartition("\n\n")[2].splitlines()
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))
    assert error["type"] == "error"
    assert "stopped mid-response" in error["error"]["message"]
    assert error["request_id"] == response.headers["x-request-id"]
    (row,) = await gate.attempts()
    # The input was counted by the provider, the output so far is a guess.
    assert (row.usage.input_tokens, row.usage.output_tokens, row.estimated) == (40, 2, True)
    assert row.served == "chaos-1"


async def keeps_open(call: Call) -> None:
    await call.send(head(), chunk("Hello", "stop"), usage_chunk(), DONE)
    await call.hang()


FINE = [
    ("all at once", says(b"".join([head(), chunk("Hello", "stop"), usage_chunk(), DONE]))),
    ("byte by byte", says(*(bytes([b]) for b in
     b"".join([head(), chunk("Hello"), chunk(finish="stop"), usage_chunk(), DONE])))),
    ("left open after its last word", keeps_open),
    ("comments in between", says(head(), b": hi\n\n" * 9, chunk(""), b": x\n\n",
     chunk("Hello", "stop"), usage_chunk(), DONE)),
    ("CRLF", says(*(part.replace(b"\n", b"\r\n") for part in
     (chunk("Hello"), chunk(finish="stop"), usage_chunk(), DONE)))),
    ("no [DONE]", says(head(), chunk("Hello"), chunk(finish="stop"), usage_chunk())),
    ("stalled behind its finish", says(head(), chunk("Hello", "stop"), usage_chunk(), hang=True)),
    ("usage behind the end", says(head(), chunk("Hello", "stop"), DONE, usage_chunk(),
     pause_s=0.05)),
    ("usage behind the end at once", says(b"".join([head(), chunk("Hello", "stop"), DONE,
     usage_chunk()]))),
    ("usage behind the end, not ended", says(head(), chunk("Hello", "stop"), DONE,
     usage_chunk().rstrip())),
]  # fmt: skip


@pytest.mark.parametrize("script", [case[1] for case in FINE], ids=[case[0] for case in FINE])
async def test_odd_streams_that_are_whole(put: Put, script: Any):
    if script is FINE[4][1]:
        inner = script

        async def script(call: Call) -> None:
            await call.send(head())
            await inner(call)

    gate, _ = await put(script)
    response = await gate.ask(stream=True)
    assert response.headers["x-changeover-model"] == GPT
    events = events_of(response.text)
    assert events[0]["choices"][0]["delta"].get("content") in ("Hello", "")
    assert "error" not in response.text
    assert response.text.count("[DONE]") == 1
    assert all(event["choices"] for event in events), "usage that nobody asked for"
    (row,) = await gate.attempts()
    assert (row.reason, row.usage.input_tokens, row.usage.output_tokens) == (None, 12, 3)
    assert not row.estimated


async def test_an_idle_stream_that_goes_on_is_no_stall(put: Put):
    parts = [chunk(word) for word in "one two three four five six".split()]
    gate, _ = await put(says(head(), *parts, chunk(finish="stop"), DONE, pause_s=0.1))
    response = await gate.ask(stream=True)
    assert len(events_of(response.text)) == 7
    assert "error" not in response.text


async def first_row(gate: Gate) -> Attempt:
    """Wait for the one row of a request that nobody waits for any more."""
    for _ in range(6000):
        rows = await gate.attempts()
        if rows:
            assert len(rows) == 1
            return rows[0]
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was written")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_hangs_up_cancels_upstream(put: Put, stream: bool):
    begun = asyncio.Event()

    async def script(call: Call) -> None:
        if stream:
            await call.send(head(), chunk("Hel"))
        begun.set()
        await call.hang()
        chaos.gone.set()

    gate, chaos = await put(
        script, CHANGEOVER_TIMEOUT_S="20", CHANGEOVER_IDLE_TIMEOUT_S="20",
        CHANGEOVER_FIRST_TOKEN_TIMEOUT_S="20",
    )  # fmt: skip
    request = asyncio.create_task(gate.ask(stream=stream))
    await asyncio.wait_for(begun.wait(), 60)
    await asyncio.sleep(0.05)
    request.cancel()
    await asyncio.wait_for(chaos.gone.wait(), 60)
    row = await first_row(gate)
    assert (row.status, row.reason) == (499, None)
    # The provider was at work: it bills what it had read. Who saw nothing got no answer.
    assert (row.answered, row.estimated) == (stream, True)
    assert row.usage.input_tokens > 0
    assert row.cost_nano_usd
    assert await gate.events() == []
    assert len(chaos.calls) == 1
    assert await gate.figure("changeover_requests_total", status="499") == 1
    # It says nothing of the provider: no cool-down, and the next one is asked as ever.
    assert await gate.wired.app.ports.log.cooldowns(gate.wired.clock.now()) == []


async def test_a_whole_answer_that_does_not_come_in_time_is_not_free(put: Put):
    gate, _ = await put(hangs)
    assert (await gate.ask()).status == 200
    late, good_one = await gate.attempts()
    assert (late.reason, late.answered, late.estimated) == (R.TIMEOUT, False, True)
    assert (late.usage.input_tokens > 0, late.usage.output_tokens) == (True, 0)
    assert late.cost_nano_usd
    assert (good_one.answered, good_one.estimated) == (True, False)


async def test_what_never_reached_the_provider_costs_nothing(start: Start):
    # A listener that accepts nothing: its queue is full, so no connection is made.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        place = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}"}
        gate = await start(config_of(GPT, FLASH), **LIMITS, **place)
        assert (await gate.ask()).status == 200
        late, _ = await gate.attempts()
        for one in waiting:
            one.close()
    assert late.reason in (R.TIMEOUT, R.NETWORK)
    assert (late.usage.input_tokens, late.cost_nano_usd or 0) == (0, 0)


@pytest.mark.parametrize(("told", "nano"), [("0.5", 500_000_000), ("0", 2_700), ("x", 2_700)])
async def test_a_proxys_own_word_for_the_cost_is_taken(start: Start, told: str, nano: int):
    body = json.dumps(answer(model="gpt-6-luna")).encode()
    raw = head("application/json", f"x-litellm-response-cost: {told}") + body
    async with Chaos(says(raw)) as chaos:
        proxy = {"baseUrl": f"{chaos.url}/v1", "apiKey": "sk-proxy-123456"}
        gate = await start(config_of("litellm/team-model", providers={"litellm": proxy}))
        assert (await gate.ask()).status == 200
        (row,) = await gate.attempts()
    # Else the list price of what was served: 12 x $0.10 + 3 x $0.50 by the million, a guess.
    assert (row.cost_nano_usd, row.estimated) == (nano, nano == 2_700)


@pytest.mark.parametrize(("told", "nano"), [("0.5", 500_000_000), ("0", 2_700)])
async def test_so_is_a_proxys_in_the_place_of_a_vendor(start: Start, told: str, nano: int):
    body = json.dumps(answer(model="gpt-6-luna")).encode()
    raw = head("application/json", f"x-litellm-response-cost: {told}") + body
    async with Chaos(says(raw)) as chaos:
        gate = await start(config_of("openai/gpt-6-luna"), OPENAI_BASE_URL=chaos.url)
        assert (await gate.ask()).status == 200
        (row,) = await gate.attempts()
    assert (row.cost_nano_usd, row.estimated) == (nano, False)


async def test_a_caller_who_stops_reading_is_let_go(put: Put):
    async def script(call: Call) -> None:
        await call.send(head())
        while True:
            await call.send(chunk("x" * 1000) * 50)

    gate, chaos = await put(script)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.service.port, limit=2**16)
    body = json.dumps({"model": "auto", "messages": [], "stream": True}).encode()
    length = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(length + body)
    await reader.readuntil(b"\r\n\r\n")
    # Nobody reads on: the reader's buffer is full soon.
    await asyncio.wait_for(chaos.gone.wait(), 60)
    row = await first_row(gate)
    writer.transport.abort()
    # Not the provider's fault.
    assert (row.status, row.reason) == (499, None)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells so easily")
async def test_an_endless_stream_takes_no_memory(put: Put):
    enough = 60 << 20
    piece = chunk("x" * 8000) * 20

    async def script(call: Call) -> None:
        await call.send(head())
        while True:
            await call.send(piece)

    gate, _ = await put(script)
    before = resident_mb()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.service.port)
    body = json.dumps({"model": "auto", "messages": [], "stream": True}).encode()
    writer.write(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    got = 0
    while got < enough:
        got += len(await reader.read(1 << 20))
    grown_mb = resident_mb() - before
    writer.transport.abort()
    assert grown_mb < 30


async def test_a_connection_that_died_while_idle_is_replaced(put: Put):
    """The server closes after each answer without saying so."""

    async def script(call: Call) -> None:
        await call.send(good())

    gate, chaos = await put(script)
    for _ in range(3):
        response = await gate.ask()
        assert response.headers["x-changeover-model"] == GPT
    assert len(chaos.calls) == 3
    assert await gate.events() == []


async def test_a_refused_connection(start: Start):
    gate = await start(config_of(GPT, FLASH), OPENAI_BASE_URL="http://127.0.0.1:9")
    response = await gate.ask()
    assert response.headers["x-changeover-reason"] == "network"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("base", "key"), [("ftp://127.0.0.1/x", "k"), ("http://127.0.0.1:9", "no\nkey")]
)
async def test_what_cannot_even_be_sent(start: Start, base: str, key: str, stream: bool):
    mine = {"baseUrl": base, "apiKey": key, "api": "openai-completions"}
    gate = await start(config_of("mine/model", FLASH, providers={"mine": mine}))
    response = await gate.ask(stream=stream)
    assert response.headers["x-changeover-model"] == FLASH
    assert response.headers["x-changeover-reason"] == "network"
    (event,) = await gate.events()
    assert "models.providers.mine" in event.detail
    assert not event.detail.endswith(".")


# --- the caller's own fault --------------------------------------------------------------------

WRONG = b'{ "error": {"message": "temperature must be at most 2", "type":"invalid_request_error"} }'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable"])
async def test_the_callers_own_fault_is_given_back_untouched(put: Put, status: str, stream: bool):
    gate, _ = await put(says(http(WRONG, status)))
    response = await gate.ask(stream=stream)
    assert response.status == int(status[:3])
    assert response.body == WRONG
    assert response.headers["x-changeover-model"] == GPT
    assert "x-changeover-fallback-from" not in response.headers
    (row,) = await gate.attempts()
    assert (row.status, row.reason, row.answered) == (int(status[:3]), None, True)
    assert await gate.events() == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fallback_that_refuses_is_passed_over(put: Put, stream: bool):
    gate, _ = await put(says(http(WRONG, "400 Bad Request")), "ollama/llama3.3", GPT, FLASH,
                        OLLAMA_BASE_URL="http://127.0.0.1:9")  # fmt: skip
    for _ in range(3):
        response = await gate.ask(stream=stream)
        assert response.status == 200
        assert response.headers["x-changeover-model"] == FLASH
    rows = await gate.attempts()
    refused = [row for row in rows if str(row.model) == GPT]
    # It was asked every time: what it does not take is not held against it.
    assert [(row.status, row.reason) for row in refused] == [(400, R.BAD_RESPONSE)] * 3


@pytest.mark.parametrize("stream", [False, True])
async def test_when_the_first_failed_and_the_rest_refuse_nobody_has_answered(
    put: Put, stream: bool
):
    gate, _ = await put(says(http(WRONG, "400 Bad Request")), "ollama/llama3.3", GPT,
                        OLLAMA_BASE_URL="http://127.0.0.1:9")  # fmt: skip
    response = await gate.ask(stream=stream)
    assert response.status == 503
    assert "temperature must be at most 2" in response.json["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_when_all_who_are_asked_refuse_it_is_the_request(put: Put, stream: bool):
    gate, _ = await put(says(http(WRONG, "400 Bad Request")), "ollama/llama3.3", GPT,
                        OLLAMA_API_KEY="")  # fmt: skip
    response = await gate.ask(stream=stream)
    assert (response.status, response.body) == (400, WRONG)
    assert response.headers["x-changeover-fallback-from"] == "ollama/llama3.3"


async def test_moderated_content_inside_a_stream(start: Start):
    said = {"error": {"message": "flagged", "code": 403, "metadata": {"reasons": ["violence"]}}}
    async with Chaos(says(head(), sse(said))) as chaos:
        gate = await start(config_of("openrouter/x/y", FLASH), OPENROUTER_BASE_URL=chaos.url)
        mine = await gate.ask(stream=True)
        other = await gate.ask(stream=True, model=FLASH, headers={"x-changeover-fallback": "none"})
    assert (mine.status, mine.json["error"]["code"]) == (400, "refused")
    assert "flagged" in mine.json["error"]["message"]
    assert other.status == 200
