"""The ModelLists port over real HTTP on loopback: shapes, pages, and reasons to say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from adapters.providers.lazy import LazyModelLists
from adapters.providers.model_lists import MOST_PAGE_BYTES, MOST_PAGES, HttpxModelLists
from bot.catalog import shipped
from bot.dialects.custom import custom_provider
from bot.models import Secret
from bot.ports import ModelLists
from tests.support.fakes_wire import free_port, served, seven

PROVIDERS = shipped().providers
KEY = Secret("good-key")


@pytest.fixture(params=[HttpxModelLists, LazyModelLists])
def lists(request: pytest.FixtureRequest) -> ModelLists:
    made: ModelLists = request.param()
    return made


def listing(path: str, answer: Callable[[web.Request], Any]) -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        found = answer(request)
        if isinstance(found, web.StreamResponse):
            return found
        return web.json_response(found)

    app = web.Application()
    app.router.add_get(path, handle)
    return app


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_every_providers_list(lists: ModelLists, provider: str) -> None:
    async with served(seven()[provider].app()) as base:
        found = await lists.models(PROVIDERS[provider], base, KEY)
    assert list(found) == (["known:latest"] if provider == "ollama" else ["known"])


async def test_the_key_travels_as_the_list_wants_it(lists: ModelLists) -> None:
    seen: dict[str, Any] = {}

    def note(request: web.Request) -> Any:
        seen.update({name.lower(): value for name, value in request.headers.items()})
        seen["query"] = dict(request.query)
        return {"data": []}

    async with served(listing("/v1/models", note)) as base:
        await lists.models(PROVIDERS["anthropic"], base, KEY)
        assert (seen["x-api-key"], seen["anthropic-version"]) == ("good-key", "2023-06-01")
        assert seen["query"] == {"limit": "1000"}
        await lists.models(PROVIDERS["openai"], base, KEY)
        assert seen["authorization"] == "Bearer good-key"
    async with served(listing("/v1beta/models", note)) as base:
        await lists.models(PROVIDERS["gemini"], f"{base}/v1beta/openai", KEY)
        assert seen["x-goog-api-key"] == "good-key"
        assert "key" not in seen["query"]


async def test_anthropics_pages(lists: ModelLists) -> None:
    def page(request: web.Request) -> Any:
        after = int(request.query.get("after_id", "0"))
        ids = [str(n) for n in range(after + 1, min(after + 3, 6))]
        return {"data": [{"id": i} for i in ids], "has_more": after < 4, "last_id": ids[-1]}

    async with served(listing("/v1/models", page)) as base:
        assert list(await lists.models(PROVIDERS["anthropic"], base, KEY)) == list("12345")


async def test_geminis_pages(lists: ModelLists) -> None:
    def page(request: web.Request) -> Any:
        assert request.query["pageSize"] == "1000"
        token = request.query.get("pageToken", "")
        return {"models": [{"name": f"models/m{token}"}], "nextPageToken": "" if token else "2"}

    async with served(listing("/v1beta/models", page)) as base:
        assert list(await lists.models(PROVIDERS["gemini"], base, KEY)) == ["m", "m2"]


@pytest.mark.parametrize(
    ("provider", "path"), [("anthropic", "/v1/models"), ("gemini", "/v1beta/models")]
)
async def test_pages_without_end_are_bounded(lists: ModelLists, provider: str, path: str) -> None:
    asked = 0

    def fresh(request: web.Request) -> Any:
        nonlocal asked
        asked += 1
        rows = [{"id": f"m{asked}"}]
        return {"data": rows, "has_more": True, "last_id": f"m{asked}", "nextPageToken": "t"}

    async with served(listing(path, fresh)) as base:
        assert len(await lists.models(PROVIDERS[provider], base, KEY)) == MOST_PAGES
    assert asked == MOST_PAGES


async def test_a_server_that_repeats_its_first_page_is_asked_twice(lists: ModelLists) -> None:
    asked = 0

    def same(request: web.Request) -> Any:
        nonlocal asked
        asked += 1
        return {"data": [{"id": "m"}], "has_more": True, "last_id": "m"}

    async with served(listing("/v1/models", same)) as base:
        assert list(await lists.models(PROVIDERS["anthropic"], base, KEY)) == ["m"]
    assert asked == 2


async def test_what_came_before_a_broken_page_counts(lists: ModelLists) -> None:
    def page(request: web.Request) -> Any:
        if "after_id" in request.query:
            return web.Response(status=500)
        return {"data": [{"id": "m"}], "has_more": True, "last_id": "m"}

    async with served(listing("/v1/models", page)) as base:
        assert list(await lists.models(PROVIDERS["anthropic"], base, KEY)) == ["m"]


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=401, text="{}"),
        web.Response(status=302, headers={"location": "/elsewhere"}),
        web.Response(text="<html>"),
        web.Response(body=b"\xff"),
        web.Response(body=b""),
        web.Response(body=b"[" * 50_000),
        web.Response(body=b"rubbish", headers={"content-encoding": "gzip"}),
        {"data": None},
        {"data": [None, 7, {}, {"id": 5}, {"id": ""}, {"id": "a\x00b"}, {"id": "x" * 300}]},
        [],
        "hello",
    ],
)
async def test_what_is_no_list(answer: Any) -> None:
    async with served(listing("/v1/models", lambda _: answer)) as base:
        assert list(await HttpxModelLists().models(PROVIDERS["openai"], base, KEY)) == []


async def test_servers_that_do_not_answer() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        sent = 0
        while sent < MOST_PAGE_BYTES * 2:
            await response.write(b" " * (1 << 20))
            sent += 1 << 20
        raise AssertionError("all of it was read")

    lists = HttpxModelLists(timeout_s=0.2)
    refused = f"http://127.0.0.1:{free_port()}"
    assert list(await lists.models(PROVIDERS["openai"], refused, KEY)) == []
    for handler in (silent, endless):
        app = web.Application()
        app.router.add_get("/v1/models", handler)
        async with served(app) as base:
            assert list(await lists.models(PROVIDERS["openai"], base, KEY)) == []


async def test_what_cannot_be_asked(lists: ModelLists) -> None:
    assert list(await lists.models(PROVIDERS["openai"], "nowhere", KEY)) == []
    assert list(await lists.models(PROVIDERS["openai"], "http://h:1", Secret("a b"))) == []
    unspoken = custom_provider("x", {"baseUrl": "http://h:1", "api": "openai-codex-responses"})
    assert list(await lists.models(unspoken, "", None)) == []


async def test_a_custom_provider_by_its_own_base(lists: ModelLists) -> None:
    async with served(listing("/v1/models", lambda _: {"data": [{"id": "mine"}]})) as base:
        mine = custom_provider("mine", {"baseUrl": f"{base}/v1"})
        assert list(await lists.models(mine, "", None)) == ["mine"]


async def test_this_machine_needs_no_proxy(
    lists: ModelLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with served(listing("/v1/models", lambda _: {"data": [{"id": "m"}]})) as base:
        assert list(await lists.models(PROVIDERS["openai"], base, KEY)) == ["m"]
