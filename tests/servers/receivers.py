"""Strict receivers on loopback: they take what their protocol allows, and count it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
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


class PagerDutyServer(ReceiverServer):
    """Events API v2: its required fields, lengths and words, and alerts by their `dedup_key`."""

    key = "R" * 32

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, str]] = []
        self.states: dict[str, str] = {}

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """Refuse what the API would, and move the alert on."""
        if request.method != "POST" or request.path != "/v2/enqueue":
            return web.Response(status=404)
        said = json.loads(body)
        if said.get("routing_key") != self.key:
            errors = {"status": "invalid event", "errors": ["Invalid routing key"]}
            return web.json_response(errors, status=400)
        action, alert = said.get("event_action"), said.get("dedup_key")
        payload = said.get("payload", {})
        wrong = action not in ("trigger", "acknowledge", "resolve") or not alert or len(alert) > 255
        if action == "trigger":
            severity = payload.get("severity") in ("critical", "error", "warning", "info")
            summary = 0 < len(payload.get("summary", "")) <= 1024
            wrong = wrong or not (severity and summary and payload.get("source"))
        if wrong or len(body) > 512 * 1024:
            self.faults.append(body.decode())
            return web.json_response({"status": "invalid event"}, status=400)
        self.log.append((alert, action))
        before = self.states.get(alert)
        if action == "trigger":
            self.states[alert] = before if before == "acknowledge" else "trigger"
        elif before is not None:
            self.states[alert] = action
        self.keep(f"{alert} {action} {payload.get('severity', '')}", said)
        return web.json_response({"status": "success", "dedup_key": alert}, status=202)


class AlertmanagerServer(ReceiverServer):
    """`/api/v2/alerts` with the checks of Alertmanager's own API, and a clock for what fires."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: dict[str, dict[str, Any]] = {}

    def take(self, request: web.Request, body: bytes) -> web.Response:
        """Keep the newest of each set of labels."""
        if (request.method, request.path) == ("GET", "/am/api/v2/status"):
            return web.json_response({"cluster": {"status": "ready"}})
        if (request.method, request.path) != ("POST", "/am/api/v2/alerts"):
            return web.Response(status=404)
        for alert in json.loads(body):
            texts = [*alert["labels"].values(), *alert["annotations"].values()]
            begins = datetime.fromisoformat(alert["startsAt"])
            ends = datetime.fromisoformat(alert["endsAt"])
            plain = all(isinstance(text, str) and text for text in texts)
            if not plain or not alert["labels"].get("alertname") or ends <= begins:
                self.faults.append(body.decode())
                return web.Response(status=400)
            self.alerts[json.dumps(alert["labels"], sort_keys=True)] = alert
        return web.Response(status=200)

    def firing(self, now: datetime) -> list[str]:
        """The severities of what fires."""
        return [
            alert["labels"]["severity"]
            for alert in self.alerts.values()
            if datetime.fromisoformat(alert["endsAt"]) > now
        ]
