"""The Upstream port over real HTTP on loopback: every way an answer can go wrong has its name."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack

import aiohttp
import pytest
from aiohttp import web

from adapters.gateway.lazy import LazyUpstream
from adapters.gateway.upstream import (
    MOST_ANSWER_BYTES,
    AiohttpUpstream,
    named,
    place_of,
)
from adapters.shared.proxy import proxy_for
from bot.models import FailureReason
from bot.ports import HttpAnswer, HttpRequest, Upstream
from tests.support.fakes_wire import free_port, raw_server, reset, served

NETWORK, TIMEOUT, BAD = (
    FailureReason.NETWORK,
    FailureReason.TIMEOUT,
    FailureReason.BAD_RESPONSE,
)
SECRET = "sk-secret-in-the-url"
HEADERS = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}


@pytest.fixture(params=[AiohttpUpstream, LazyUpstream])
async def upstream(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    made: AiohttpUpstream | LazyUpstream = request.param()
    yield made
    await made.aclose()


async def post(
    upstream: Upstream, base: str, path: str = "/", *, timeout_s: float = 10, method: str = "POST"
) -> HttpAnswer:
    url = f"{base}{path}?key={SECRET}"
    answer = await upstream.fetch(
        HttpRequest(url, HEADERS, b"{}" if method == "POST" else b"", method), timeout_s=timeout_s
    )
    assert SECRET not in answer.detail
    assert answer.elapsed_s >= 0
    assert (answer.failure is None) == (answer.status != 0)
    assert bool(answer.detail) == (answer.failure is not None)
    return answer


def app(**handlers: object) -> web.Application:
    made = web.Application()
    for name, handler in handlers.items():
        made.router.add_route("*", f"/{name}", handler)  # type: ignore[arg-type]
    return made


async def test_a_whole_answer(upstream: Upstream) -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    async def chat(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers.get("authorization"), await request.read()))
        return web.json_response({"ok": True}, headers={"Retry-After": "7"})

    async with served(app(chat=chat)) as base:
        answer = await post(upstream, base, "/chat")
        await post(upstream, base, "/chat", method="GET")
    assert (answer.status, answer.body) == (200, b'{"ok": true}')
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"].startswith("application/json")
    assert seen == [
        ("POST", f"Bearer {SECRET}", b"{}"),
        ("GET", f"Bearer {SECRET}", b""),
    ]


async def test_errors_and_pages_come_as_they_are(upstream: Upstream) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>", content_type="text/html")

    async with served(app(page=page)) as base:
        answer = await post(upstream, base, "/page")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        502,
        b"<html>",
        "text/html; charset=utf-8",
    )


async def test_redirects_are_not_followed(upstream: Upstream) -> None:
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async def elsewhere(request: web.Request) -> web.Response:
        raise AssertionError("the key went somewhere else")

    async with served(app(moved=moved, elsewhere=elsewhere)) as base:
        answer = await post(upstream, base, "/moved")
    assert (answer.status, answer.headers["location"]) == (307, "/elsewhere")


async def test_compression(upstream: Upstream) -> None:
    async def packed(request: web.Request) -> web.Response:
        assert "gzip" in request.headers["accept-encoding"]
        return web.Response(body=gzip.compress(b"hello"), headers={"content-encoding": "gzip"})

    async def damaged(request: web.Request) -> web.Response:
        return web.Response(body=b"not gzip at all", headers={"content-encoding": "gzip"})

    async with served(app(packed=packed, damaged=damaged)) as base:
        assert (await post(upstream, base, "/packed")).body == b"hello"
        answer = await post(upstream, base, "/damaged")
    assert (answer.failure, answer.detail) == (BAD, "the response's compression is corrupt")


async def test_an_answer_without_end_is_given_up(upstream: Upstream) -> None:
    async def exact(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * MOST_ANSWER_BYTES)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with served(app(exact=exact, endless=endless)) as base:
        assert len((await post(upstream, base, "/exact")).body) == MOST_ANSWER_BYTES
        answer = await post(upstream, base, "/endless")
    assert (answer.failure, answer.detail) == (BAD, "the response is larger than 1 MiB")


async def test_a_small_body_that_unpacks_to_a_huge_one(upstream: Upstream) -> None:
    packed = gzip.compress(b"\0" * (8 << 20))

    async def bomb(request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"content-encoding": "gzip"})

    async with served(app(bomb=bomb)) as base:
        assert (await post(upstream, base, "/bomb")).failure is BAD


async def test_timeouts_say_which(upstream: Upstream) -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def halting(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(60)
        return response

    async with served(app(silent=silent, halting=halting)) as base:
        answer = await post(upstream, base, "/silent", timeout_s=0.2)
        assert (answer.failure, answer.detail) == (TIMEOUT, "no response within 0.2 s")
        answer = await post(upstream, base, "/halting", timeout_s=0.2)
        assert (answer.failure, answer.detail) == (
            TIMEOUT,
            "the response was incomplete within 0.2 s",
        )


async def test_nobody_accepts_the_connection() -> None:
    upstream = AiohttpUpstream(connect_s=0.2)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        for _ in range(8):
            # They fill the queue of a listener who accepts none.
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(place)
        answer = await post(upstream, f"http://127.0.0.1:{place[1]}")
    await upstream.aclose()
    assert answer.failure is TIMEOUT
    assert answer.detail == f"no connection to 127.0.0.1:{place[1]} within 0.2 s"


async def test_refused(upstream: Upstream) -> None:
    port = free_port()
    answer = await post(upstream, f"http://127.0.0.1:{port}")
    assert (answer.failure, answer.detail) == (NETWORK, f"connection refused at 127.0.0.1:{port}")
    answer = await post(upstream, f"http://user:{SECRET}@127.0.0.1:{port}")
    assert answer.failure is NETWORK


async def test_no_such_host(upstream: Upstream) -> None:
    answer = await post(upstream, "http://nowhere.invalid:1")
    assert (answer.failure, answer.detail) == (
        NETWORK,
        "cannot resolve the host of nowhere.invalid:1",
    )


async def test_no_tls_where_tls_is_asked(upstream: Upstream) -> None:
    async with served(app()) as base:
        answer = await post(upstream, base.replace("http:", "https:"))
    assert answer.failure is NETWORK
    assert "TLS" in answer.detail


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()


async def _half_chunked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel")
    await writer.drain()


async def _reset_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _half(reader, writer)
    await asyncio.sleep(0.1)
    reset(writer)


async def _no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def _bad_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("talk", "reasons", "words"),
    [
        (_hang_up, {NETWORK}, "closed the connection without a response"),
        (_reset, {NETWORK}, "was reset|hung up"),
        (_half, {NETWORK}, "closed the connection mid-response"),
        (_half_chunked, {NETWORK}, "closed the connection mid-response"),
        (_reset_in_the_middle, {NETWORK}, ""),
        (_no_http, {BAD}, "malformed HTTP response"),
        (_bad_chunks, {BAD, NETWORK}, ""),
    ],
)
async def test_broken_conversations(upstream: Upstream, talk, reasons, words) -> None:
    async with raw_server(talk) as base:
        answer = await post(upstream, base)
    assert answer.failure in reasons
    assert re.search(words, answer.detail)
    assert base.removeprefix("http://") in answer.detail


async def test_one_byte_at_a_time_is_bounded_by_the_whole_timeout(upstream: Upstream) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(drip) as base:
        answer = await post(upstream, base, timeout_s=0.3)
    assert (answer.failure, answer.detail) == (
        TIMEOUT,
        "the response was incomplete within 0.3 s",
    )


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://h:99999/", "ftp://h/"])
async def test_addresses_that_are_none(upstream: Upstream, url: str) -> None:
    answer = await upstream.fetch(HttpRequest(url, {}, b"{}"), timeout_s=1)
    assert answer.failure is NETWORK
    assert answer.detail


async def test_a_header_that_cannot_be_sent(upstream: Upstream) -> None:
    request = HttpRequest("http://127.0.0.1:1/", {"x": "a\r\nb"}, b"{}")
    assert (await upstream.fetch(request, timeout_s=1)).failure is NETWORK


async def test_cancelling_is_not_swallowed(upstream: Upstream) -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with served(app(silent=silent)) as base:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post(upstream, base, "/silent"), 0.1)


async def test_it_works_again_after_closing(upstream: AiohttpUpstream | LazyUpstream) -> None:
    await upstream.aclose()

    async def fine(request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async with served(app(fine=fine)) as base:
        for _ in range(2):
            assert (await post(upstream, base, "/fine")).body == b"fine"
            await upstream.aclose()


async def test_a_proxy_of_the_environment_is_used_but_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(request.raw_path if "://" in request.raw_path else str(request.url))
        return web.Response(text="by proxy")

    made = web.Application()
    made.router.add_route("*", "/{any:.*}", proxy)
    upstream = AiohttpUpstream()
    async with served(made) as base:
        monkeypatch.setenv("http_proxy", base)
        monkeypatch.setenv("no_proxy", "direct.invalid")
        answer = await post(upstream, "http://far.invalid:8080", "/v1")
        assert answer.body == b"by proxy"
        assert "far.invalid" in asked[0]
        assert (await post(upstream, "http://direct.invalid")).failure is NETWORK
        port = free_port()
        assert "refused" in (await post(upstream, f"http://127.0.0.1:{port}")).detail
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
        answer = await post(upstream, "http://far.invalid:8080")
        assert "the proxy to far.invalid:8080" in answer.detail
    await upstream.aclose()


def test_which_hosts_go_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for("http://h/") is None
    monkeypatch.setenv("http_proxy", "http://p:1")
    assert proxy_for("http://h/") == "http://p:1"
    assert proxy_for("ws://h/") == "http://p:1"
    assert proxy_for("https://h/") is None
    monkeypatch.setenv("no_proxy", "kept.example")
    assert proxy_for("http://kept.example/") is None
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "x.localhost", "[::1]"):
        assert proxy_for(f"http://{host}:1/") is None


def test_places_hold_no_secret() -> None:
    assert place_of("https://user:pass@h.example/v1?key=k") == "h.example:443"
    assert place_of("http://[::1]:5/") == "[::1]:5"
    assert place_of("http://h:99999/") == "the provider"
    assert place_of("nonsense") == "the provider"


def test_what_is_not_foreseen_has_words_too() -> None:
    reason, words = named(aiohttp.ClientError(), "http://h:1/", 1, answered=False)
    assert (reason, words) == (NETWORK, "the connection to h:1 failed")
