"""Status pages read over real HTTP: unchanged ones, broken ones, and those that hang."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from adapters.main.alerts import Alerts
from adapters.main.status_pages import StatusPageWatch, page_checks, pages_of
from adapters.main.wiring import wire
from adapters.status_pages import MOST_BYTES, HttpxStatusPages, PageError
from bot.alerts.status_pages import StatusPages
from bot.catalog import shipped
from tests.support.fakes_storage import FakeClock
from tests.support.fakes_wire import served

PAGE = shipped().status_pages["anthropic"]
BODY = b'{"incidents": []}'


async def test_a_page_that_has_not_changed_is_not_sent_again():
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("if-none-match", ""))
        if asked[-1] == '"1"':
            return web.Response(status=304)
        return web.Response(body=BODY, headers={"etag": '"1"'})

    app = web.Application()
    app.router.add_get("/", answer)
    async with served(app) as url:
        pages, page = HttpxStatusPages(), replace(PAGE, url=url)
        assert [await pages.read(page), await pages.read(page)] == [BODY, BODY]
    assert asked == ["", '"1"']


async def _failing(request: web.Request) -> web.StreamResponse:
    if request.path == "/large":
        return web.Response(body=b"x" * (MOST_BYTES + 1))
    if request.path == "/hangs":
        await asyncio.sleep(60)
    if request.path == "/loops":
        raise web.HTTPFound("/loops")
    return web.Response(status=502, text="<html>")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/", "HTTP 502"),
        ("/large", "too large"),
        ("/hangs", "no answer within 0.3 s"),
        ("/loops", "TooManyRedirects"),
    ],
)
async def test_a_page_that_does_not_come_is_said_so(path: str, why: str):
    app = web.Application()
    app.router.add_get("/{tail:.*}", _failing)
    async with served(app) as url:
        pages = HttpxStatusPages(timeout_s=0.3 if path == "/hangs" else 10)
        with pytest.raises(PageError, match=why):
            await pages.read(replace(PAGE, url=url + path))


async def test_a_service_reads_the_pages_that_are_due_and_the_doctor_tells(tmp_path: Path):
    bodies = [b'{"incidents": [{"name": "Errors", "status": "identified"}]}', b"<html>", BODY]
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=bodies[asked - 1])

    app = web.Application()
    app.router.add_get("/", answer)
    (tmp_path / "moltbot.json").write_text("{}")
    env = {
        "ANTHROPIC_API_KEY": "sk-ant-x",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}",
        "CHANGEOVER_CONFIG": str(tmp_path / "moltbot.json"),
    }
    clock = FakeClock()
    async with served(app) as url:
        wired = wire(env, clock=clock)
        alerts = Alerts(wired, {})
        watch = StatusPageWatch(wired, alerts.ports, {"anthropic": replace(PAGE, url=url)})
        states = StatusPages(alerts.ports.store, ())
        await watch.run()
        await watch.run()
        assert asked == 1
        (check,) = await page_checks(wired)
        assert check.detail == "Anthropic's status page reports: Errors."
        clock.at += timedelta(minutes=15)
        await watch.run()
        state = await states.state("anthropic")
        assert state is not None
        assert [report.title for report in state.reports] == ["Errors"]
        assert state.error == "it is not JSON"
        clock.at += timedelta(minutes=15)
        await watch.run()
        state = await states.state("anthropic")
        assert state is not None
        assert (state.reports[0].ended_at, state.error, asked) == (clock.at, "", 3)
        await alerts.stop()
        await wired.close()


def test_pages_are_those_of_providers_that_are_asked_at_their_own_host(tmp_path: Path):
    (tmp_path / "moltbot.json").write_text("{}")
    keys = {"ANTHROPIC_API_KEY": "sk-ant-x", "GROQ_API_KEY": "gsk_x", "GEMINI_API_KEY": "g"}
    env = keys | {"CHANGEOVER_CONFIG": str(tmp_path / "moltbot.json")}
    assert list(pages_of(wire(env))) == ["anthropic", "groq"]
    proxied = env | {"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000"}
    assert list(pages_of(wire(proxied))) == ["groq"]
    assert not pages_of(wire(env | {"CHANGEOVER_STATUS_PAGES": "off"}))
