"""A Slack of our own on loopback, and surfaces that are connected to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.slack.app import SlackSurface
from tests.servers.slack import SlackServer, as_form, signed
from tests.support.fakes_slack import HTTP, Setup

PACE_S = 0.01
WAIT_S = 0.02


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """A workspace."""
    server = SlackServer()
    await server.start()
    yield server
    await server.stop()


Start = Callable[..., Awaitable[SlackSurface]]


@pytest.fixture
async def start(slack: SlackServer) -> AsyncIterator[Start]:
    """Start surfaces in Socket Mode; `wait=False` does not wait until they are connected."""
    running: list[SlackSurface] = []

    async def go(
        core: Any, *, wait: bool = True, draw: Any = None, memory: Any = None, **told: Any
    ) -> SlackSurface:
        setup = Setup(**{"api_url": slack.api_url, **told})
        surface = SlackSurface(core, setup, draw, memory=memory, pace_s=PACE_S, first_wait_s=WAIT_S)
        surface.outbox.picture_waits_s = (0.01, 0.01)
        running.append(surface)
        await surface.start()
        if wait:
            await surface.ready()
        return surface

    yield go
    for surface in running:
        await surface.stop()


class Http:
    """A surface in HTTP mode behind a port, and Slack's requests to it."""

    surface: SlackSurface

    def __init__(self, slack: SlackServer, url: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession()
        self.slack = slack

    async def post(self, payload: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a payload as Slack does; returns status and body."""
        if isinstance(payload, str):
            body, kind = payload, "application/json"
        elif payload.get("type") in ("event_callback", "url_verification"):
            body, kind = json.dumps(payload), "application/json"
        else:
            body, kind = as_form(payload), "application/x-www-form-urlencoded"
        sent = {"Content-Type": kind, **(signed(body) if headers is None else headers)}
        async with self.session.post(self.url, data=body.encode(), headers=sent) as answer:
            return answer.status, await answer.text()

    async def close(self) -> None:
        await self.session.close()


@pytest.fixture
async def http(slack: SlackServer) -> AsyncIterator[Callable[[Any], Awaitable[Http]]]:
    """Mount surfaces in HTTP mode."""
    closing: list[Any] = []

    async def go(core: Any, triggers: Any = None) -> Http:
        setup = replace(HTTP, api_url=slack.api_url)
        surface = SlackSurface(core, setup, triggers=triggers, pace_s=PACE_S, first_wait_s=WAIT_S)
        application = web.Application()
        surface.mount(application)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await surface.start()
        await surface.ready()
        client = Http(slack, f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
        client.surface = surface
        closing.extend([client.close, surface.stop, runner.cleanup])
        return client

    yield go
    for close in closing:
        await close()
