"""Strict receivers on loopback: they take what their protocol allows, and count it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD" + "aaaa"


class ReceiverServer:
    """A server of one path; `answer` is what it answers instead of taking anything.

    0 hangs. `arrivals` are bodies by their ids in the order of their first arrival,
    `copies` counts those that came again, `faults` are what a client must not do.
    """

    path = "/"

    def __init__(self) -> None:
        self.url = ""
        self.answer: int | None = None
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.copies = 0
        self.arrivals: dict[str, Any] = {}
        self.faults: list[str] = []
        self._over = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a free port."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            self._over.set()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.answer == 0:
            await self._over.wait()
        if self.answer is not None:
            return web.Response(status=self.answer, headers=self.headers)
        body = await request.read()
        return self.take(request, body)

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """Check a request, and keep what it says."""
        raise NotImplementedError

    def keep(self, id_: str, said: Any) -> None:
        """Count an event; one that comes again must say the same."""
        if id_ in self.arrivals:
            self.copies += 1
            if self.arrivals[id_] != said:
                self.faults.append(f"{id_} says something else than before")
        self.arrivals.setdefault(id_, said)


class WebhookServer(ReceiverServer):
    """A webhook that verifies signatures with the standard's own library."""

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """Refuse what is not signed."""
        try:
            said = Webhook(SECRET).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            self.faults.append(str(error))
            return web.Response(status=401)
        if request.method != "POST" or request.content_type != "application/json":
            self.faults.append(f"{request.method} {request.content_type}")
        id_ = request.headers["webhook-id"]
        if json.loads(body)["id"] != id_ or "." in id_:
            self.faults.append(f"id {id_}")
        self.keep(id_, said)
        return web.Response(status=204)

    @property
    def types(self) -> list[str]:
        """The types of the events, in order."""
        return [said["type"] for said in self.arrivals.values()]

    @property
    def turns(self) -> list[str]:
        """Those that are no mere news of figures."""
        return [type_ for type_ in self.types if type_ != "incident.updated"]
