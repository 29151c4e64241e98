"""Tokens, paths, health, figures, bad input; and that no key gets out."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.gateway.http import Limits
from adapters.main.gateway import GatewayService
from adapters.simulated import SimulatedProviders
from adapters.storage.alerts import DatabaseAlertStore
from bot.errors import SettingsError
from bot.ports.alerts import ChannelTrouble
from tests.servers.chaos import Call, Chaos, http
from tests.support.fakes_gateway import CHAT, GPT, MESSAGES, OPUS, Gate, config_of, gateway
from tests.surfaces.gateway.conftest import Start

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])


def shape_of(path: str, document: Any) -> str:
    """Check an error's shape and return its message."""
    if path.startswith(MESSAGES):
        assert set(document) == {"type", "error", "request_id"}
        assert set(document["error"]) == {"type", "message"}
    else:
        assert set(document) == {"error"}
        assert set(document["error"]) == {"message", "type", "param", "code"}
    message: str = document["error"]["message"]
    return message


# --- tokens ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("headers", "label"),
    [
        ({"authorization": "Bearer token-a"}, "ana"),
        ({"Authorization": "bearer token-b"}, "bo"),
        ({"x-api-key": "token-b"}, "bo"),
        ({"x-api-key": "token-main"}, "default"),
        ({"authorization": "Bearer wrong", "x-api-key": "token-a"}, "ana"),
        ({"authorization": "Bearer wrong"}, None),
        ({"authorization": "Basic token-a"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": "Bearer tökén"}, None),
        ({"x-api-key": ""}, None),
        ({"x-api-key": "token-"}, None),
        ({}, None),
    ],
)
async def test_tokens(start: Start, path: str, headers: dict[str, str], label: str | None):
    gate = await start(GATEWAY_TOKENS="ana:token-a,bo:token-b", GATEWAY_TOKEN="token-main")
    answer = await gate.ask(path, headers=headers)
    if label is None:
        assert answer.status == 401
        assert "token is missing or wrong" in shape_of(path, answer.json)
        assert await gate.attempts() == []
    else:
        assert answer.status == 200
        assert [row.caller for row in await gate.attempts()] == [label]


async def test_a_token_for_the_lists_too(start: Start):
    gate = await start(GATEWAY_TOKEN="t")
    for path in ("/v1/models", f"/v1/models/{OPUS}", f"{MESSAGES}/count_tokens"):
        method = "POST" if path.startswith(MESSAGES) else "GET"
        assert (await gate.ask(path, method=method)).status == 401
    mine = {"authorization": "Bearer t"}
    assert (await gate.ask("/v1/models", method="GET", headers=mine)).status == 200


async def test_health_needs_none(start: Start):
    gate = await start(GATEWAY_TOKEN="t")
    for path in ("/healthz", "/readyz", "/metrics", "/"):
        assert (await gate.ask(path, method="GET")).status == 200
        assert (await gate.ask(path, method="HEAD")).body == b""


async def asked(gate: Gate, *lines: str, path: str = "/v1/models", version: str = "1.1") -> int:
    """Send header lines as they are and return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.service.port)
    head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/{version}", *lines))
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    status = (await reader.read()).split(b" ", 2)[1]
    writer.close()
    await writer.wait_closed()
    return int(status)


OURS = ["localhost", "LocalHost:8787", "127.0.0.1", "127.0.0.1:1", "127.8.9.254:80", "[::1]:8787"]
FOREIGN = [
    "localhost.evil.com",
    "127.0.0.1.nip.io",
    "evil.com:8787",
    "bot.example.com",
    "localhost@evil.com",
    "evil.com#localhost",
    "localhost:evil",
    "localhost.",
    "127.0.0.1.",
    "127.0.0.256",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::1",
    "[::2]:80",
    "::1",
    "0.0.0.0:8787",
    "10.0.0.5:8787",
    "localhost, evil.com",
    "http://localhost",
    "",
]


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
async def test_an_open_gateway_and_hosts(gate: Gate, path: str):
    for host in OURS:
        assert await asked(gate, f"Host: {host}", path=path) == 200, host
    for host in FOREIGN:
        assert await asked(gate, f"Host: {host}", path=path) in (400, 401), host
    assert await asked(gate, path=path) in (400, 401)
    two = ("Host: localhost", "Host: evil.com")
    assert await asked(gate, *two, path=path) in (400, 401)
    assert await asked(gate, *reversed(two), path=path) in (400, 401)
    absolute = f"http://localhost{path}"
    assert await asked(gate, "Host: localhost", path=absolute) == 401
    # What nginx sends to 127.0.0.1 unless it is told more.
    assert await asked(gate, "Host: 127.0.0.1:8787", path=path, version="1.0") == 401


PROXIED = [
    "Forwarded: for=192.0.2.1",
    "X-Forwarded-For: 192.0.2.1",
    "x-forwarded-proto: https",
    "X-Forwarded-Host:",
    "Via: 1.1 varnish",
    "CF-Connecting-IP: 192.0.2.1",
    "CF-Ray: 1",
    "X-Real-IP: 127.0.0.1",
    "True-Client-IP: 192.0.2.1",
    "Client-IP: 192.0.2.1",
    "X-Original-Host: bot.example.com",
    "X-Envoy-External-Address: 192.0.2.1",
    "Tailscale-User-Login: ana@example.com",
]


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
async def test_an_open_gateway_behind_a_proxy(gate: Gate, path: str):
    for header in PROXIED:
        assert await asked(gate, "Host: localhost", header, path=path) == 401, header


async def test_an_open_gateway_says_what_to_set(gate: Gate):
    for path in (CHAT, MESSAGES):
        answer = await gate.ask(path, headers={"x-forwarded-for": "192.0.2.1"})
        assert answer.status == 401
        assert "Set GATEWAY_TOKEN" in shape_of(path, answer.json)
    assert not await gate.attempts()


async def test_an_open_gateway_and_web_pages(gate: Gate):
    ours = ("http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]", "https://localhost")
    for origin in ours:
        page = {"origin": origin, "sec-fetch-site": "same-site"}
        assert (await gate.ask(headers=page)).status == 200
    for origin in (
        "https://evil.example",
        "null",
        "",
        "http://[",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://evil.example/localhost",
        "file://",
        "chrome-extension://abcdef",
    ):
        page = {"origin": origin, "content-type": "text/plain"}
        assert (await gate.ask(headers=page)).status == 401, origin
    for site, status in {
        "none": 200,
        "same-origin": 200,
        "cross-site": 401,
        "same-site": 401,
    }.items():
        page = {"sec-fetch-site": site}
        assert (await gate.ask("/v1/models", method="GET", headers=page)).status == status
    # A name that was made to point here: its page is of the same origin, and says so.
    rebound = {"host": "rebound.example:8787", "sec-fetch-site": "same-origin"}
    assert (await gate.ask("/v1/models", method="GET", headers=rebound)).status == 401


async def test_the_figures_of_a_guarded_gateway(start: Start):
    gate = await start(GATEWAY_TOKEN="t")
    token = "Authorization: Bearer t"
    assert await asked(gate, "Host: localhost", path="/metrics") == 200
    for lines in (("Host: bot.example.com",), ("Host: localhost", "X-Forwarded-For: 192.0.2.1")):
        assert await asked(gate, *lines, path="/metrics") == 401
        assert await asked(gate, *lines, token, path="/metrics") == 200
        assert await asked(gate, *lines, token) == 200


async def test_a_guarded_gateway_takes_web_pages_with_the_token(start: Start):
    gate = await start(GATEWAY_TOKEN="t")
    headers = {"origin": "https://app.example", "authorization": "Bearer t"}
    assert (await gate.ask(headers=headers)).status == 200


async def test_no_token_and_beyond_loopback(start: Start):
    with pytest.raises(SettingsError, match=r"0\.0\.0\.0"):
        await start(GATEWAY_HOST="0.0.0.0")
    gate = await start(GATEWAY_HOST="0.0.0.0", GATEWAY_TOKEN="t")
    assert (await gate.ask("/healthz", method="GET")).status == 200


# --- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("POST", "/v1/embeddings", 404),
        ("POST", "/v1/messages/batches", 404),
        ("GET", CHAT, 405),
        ("DELETE", MESSAGES, 405),
        ("POST", "/v1/models", 405),
        ("POST", "/healthz", 405),
        ("GET", "/v1/models/no-such-model", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/../../etc/passwd", 404),
    ],
)
async def test_paths_that_lead_nowhere(gate: Gate, method: str, path: str, status: int):
    answer = await gate.ask(path, b"{}", method=method)
    assert answer.status == status
    assert shape_of(path, answer.json)
    if status == 405:
        assert answer.headers["allow"]


async def test_an_anthropic_client_gets_its_shape_everywhere(gate: Gate):
    headers = {"anthropic-version": "2023-06-01"}
    answer = await gate.ask("/v1/models/nope", method="GET", headers=headers)
    assert answer.json["type"] == "error"


async def test_routes_of_others(tmp_path: Path, providers: SimulatedProviders):
    """What `changeover run` mounts for Slack stands beside the gateway's own paths."""

    async def events(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async def mounted(service: GatewayService) -> None:
        service.gateway.app.router.add_post("/slack/events", events)

    async with gateway(tmp_path, providers.env(), config_of(GPT), before=mounted) as gate:
        assert (await gate.ask("/slack/events", b"hello")).text == "hello"
        assert (await gate.ask("/slack/events", method="GET")).status == 404


# --- bodies ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{oops", "not JSON"),
        (b'{"model": "auto", "messages": [', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"messages": "hi"}', "messages must be a list"),
        (b'{"model": "auto"}', "messages must be a list"),
        (b'{"messages": [], "model": 5}', "model must be a string"),
        (b'{"messages": [], "model": null}', "model must be a string"),
        (b'{"messages": [], "stream": "yes"}', "stream must be true or false"),
    ],
)
async def test_bodies_that_are_no_request(gate: Gate, path: str, body: bytes, words: str):
    answer = await gate.ask(path, body)
    assert answer.status == 400
    assert words in shape_of(path, answer.json)
    assert await gate.attempts() == []


@BOTH
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("chaep", "Did you mean cheap?"),
        ("claud-opus-4-5", f"Did you mean {OPUS}?"),
        ("antropic/claude-opus-4-5", "Unknown provider 'antropic'"),
        ("x" * 100_000, "Unknown model"),
        ("../../etc", "Unknown provider"),
        ("openai/gpt\x00\x7f", "Unknown model"),
        ("openai/gpt\r\nx-evil: 1", "Unknown model"),
        ("openai/" + "x" * 100_000, "Unknown model"),
    ],
)
async def test_unknown_models(gate: Gate, path: str, asked: str, words: str):
    answer = await gate.ask(path, model=asked)
    assert answer.status == 404
    message = shape_of(path, answer.json)
    assert words in message
    assert len(message) < 1000


@BOTH
async def test_a_body_of_50_mb(gate: Gate, path: str):
    answer = await gate.ask(path, b" " * (50 << 20))
    assert answer.status == 413
    assert "32 MiB" in shape_of(path, answer.json)


async def test_a_large_body_without_a_length(gate: Gate):
    async def pieces() -> Any:
        for _ in range(40):
            yield b" " * (1 << 20)

    async with (
        aiohttp.ClientSession() as session,
        session.post(gate.url + CHAT, data=pieces()) as response,
    ):
        assert response.status == 413


async def test_bodies_of_a_few_megabytes_pass(start: Start):
    async def script(call: Call) -> None:
        sizes.append(len(call.body))
        await call.send(http(b'{"error": {"message": "fine"}}', "400 Bad Request"))

    sizes: list[int] = []
    async with Chaos(script) as chaos:
        gate = await start(config_of(GPT), OPENAI_BASE_URL=chaos.url)
        body = {"model": "auto", "messages": [{"role": "user", "content": "x" * (5 << 20)}]}
        assert (await gate.ask(body=body)).status == 400
    assert sizes == [len(json.dumps(body)) - len("auto") + len("gpt-5")]


@BOTH
async def test_zipped_bodies(gate: Gate, path: str):
    body = json.dumps(
        {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    ).encode()
    zipped = {"content-encoding": "gzip"}
    assert (await gate.ask(path, gzip.compress(body), zipped)).status == 200
    assert (await gate.ask(path, b"\x1f\x8brubbish", zipped)).status == 400
    bomb = await gate.ask(path, gzip.compress(b" " * (34 << 20), 1), zipped)
    assert bomb.status == 413


async def test_a_bomb_is_not_unpacked(start: Start):
    gate = await start(more={"limits": Limits(body_bytes=8 << 20)})
    bomb = gzip.compress(b" " * (64 << 20), 1)
    tracemalloc.start()
    try:
        answer = await gate.ask(body=bomb, headers={"content-encoding": "gzip"})
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert most_bytes < 16 << 20


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("x-big: " + "a" * 20_000, "header is too long"),
        ("content-encoding: br", "Unsupported Content-Encoding"),
    ],
)
async def test_requests_that_cannot_be_read(gate: Gate, header: str, words: str):
    answer = await raw(
        gate,
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n"
        f"content-length: 1\r\n{header}\r\n\r\n!".encode(),
    )
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert words.encode() in answer


async def raw(gate: Gate, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Write bytes to the gateway and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.service.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /%zz HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-big: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: abc\r\n\r\n",
    ],
)
async def test_what_is_no_http(gate: Gate, request_bytes: bytes, caplog: pytest.LogCaptureFixture):
    answer = await raw(gate, request_bytes)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert shape_of(CHAT, json.loads(answer.partition(b"\r\n\r\n")[2]))
    assert "Traceback" not in caplog.text
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert (await gate.ask("/healthz", method="GET")).status == 200


SLOW = Limits(body_s=0.2, idle_s=0.4, linger_s=0.1)


@BOTH
async def test_a_body_that_takes_its_time(start: Start, path: str):
    gate = await start(more={"limits": SLOW})
    begin = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n".encode()
    answer = await raw(gate, begin, *[b" "] * 4, pause_s=0.02)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "did not arrive" in shape_of(path, json.loads(answer.partition(b"\r\n\r\n")[2]))


async def test_headers_that_take_their_time(start: Start):
    gate = await start(more={"limits": SLOW})
    assert await raw(gate, b"POST /v1/messages HTTP/1.1\r\n", *[b"x-a: 1\r\n"] * 30) == b""
    assert await raw(gate, b"") == b""
    answer = await raw(
        gate, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /heal", pause_s=0.01
    )
    assert answer.count(b"HTTP/1.1 200") == 1


# --- figures and secrets -----------------------------------------------------------------------


async def test_figures(gate: Gate, providers: SimulatedProviders):
    await gate.ask()
    await gate.ask(MESSAGES, stream=True)
    await gate.ask(body=b"no")
    providers.break_provider("anthropic", "rate_limit")
    await gate.ask()
    await gate.attempts()
    assert await gate.figure("changeover_requests_total", dialect="openai", status="200") == 2
    assert await gate.figure("changeover_requests_total", dialect="openai", status="400") == 1
    assert await gate.figure("changeover_requests_total", dialect="anthropic", status="200") == 1
    assert await gate.figure("changeover_attempts_total", model=OPUS, reason="") == 2
    assert await gate.figure("changeover_attempts_total", reason="rate_limit") == 1
    assert await gate.figure("changeover_request_seconds_count", dialect="openai") == 3
    assert await gate.figure("changeover_attempt_seconds_count", provider="anthropic") == 3
    assert await gate.figure("changeover_first_token_seconds_count", provider="anthropic") == 1
    page = await gate.metrics()
    for name in ("changeover_ledger_queue", "changeover_ledger_dropped", "changeover_fallbacks"):
        assert f"# HELP {name}" in page
    assert all(line.startswith(("#", "changeover_")) for line in page.splitlines()), (
        "names begin with changeover_"
    )


async def test_a_channel_in_trouble_and_a_cooldown_are_figures(
    gate: Gate, providers: SimulatedProviders
):
    store = DatabaseAlertStore(gate.wired.database)
    await store.set_trouble(ChannelTrouble("slack", NOON, "not in the channel"))
    providers.break_provider("anthropic", "rate_limit")
    await gate.ask()
    assert await gate.figure("changeover_channel_trouble", channel="slack") == 1
    assert await gate.figure("changeover_failures_total", reason="rate_limit") == 1
    until = await gate.figure("changeover_cooldown_until_seconds", scope="anthropic")
    assert until > datetime.now(UTC).timestamp()
    await store.clear_trouble("slack")
    assert "channel_trouble{" not in await gate.metrics()


@pytest.mark.parametrize("stream", [False, True])
@BOTH
async def test_no_key_gets_out(
    start: Start, caplog: pytest.LogCaptureFixture, path: str, stream: bool
):
    """A provider that quotes the key in its refusals and headers."""
    keys = {"OPENAI_API_KEY": "sk-proj-TOPSECRETKEY1234567890", "ANTHROPIC_API_KEY": "weird.KEY=77"}

    async def script(call: Call) -> None:
        seen = call.header("authorization") or call.header("x-api-key") or ""
        key = seen.removeprefix("Bearer ")
        assert key in keys.values()
        document = {"error": {"type": "x", "message": f"Incorrect key {key} ({key[:8]}***)"}}
        status = statuses[len(chaos.calls) % len(statuses)]
        body = json.dumps(document).encode()
        await call.send(http(body, status, "application/json", f"x-k: {key}"))

    statuses = ["400 Bad Request", "401 Unauthorized", "500 Oops", "429 Slow", "404 model"]
    with caplog.at_level(logging.DEBUG):
        async with Chaos(script) as chaos:
            gate = await start(
                config_of(OPUS, GPT),
                OPENAI_BASE_URL=chaos.url,
                ANTHROPIC_BASE_URL=chaos.url,
                **keys,
            )
            seen = []
            for _ in range(8):
                answer = await gate.ask(path, stream=stream)
                seen.append(answer.text + str(answer.headers))
            events = await gate.events()
            seen += [str(events), str(await gate.attempts()), await gate.metrics()]
            seen.append(str(await gate.wired.app.ports.log.cooldowns(gate.wired.clock.now())))
    seen.append(caplog.text)
    everything = "\n".join(seen)
    assert len(chaos.calls) > 3
    for key in keys.values():
        assert key not in everything
    assert "TOPSECRET" not in everything
