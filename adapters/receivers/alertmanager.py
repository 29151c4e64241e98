"""Alertmanager's `/api/v2/alerts`: an alert fires for as long as it is repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.receivers.http import WITHIN_S, Endpoint
from bot.models import Secret
from bot.outage import Severity
from bot.ports.receivers import Event, EventType

RESTATE_EVERY = timedelta(minutes=1)
FIRES_FOR = timedelta(minutes=5)
"""Without a repetition an alert ends by itself: when Changeover is down for longer, it is over."""

_INSTANT = timedelta(milliseconds=1)


class AlertmanagerReceiver:
    """Posts each incident as an alert whose labels stay the same."""

    incidents_only = True
    restate_every: timedelta | None = RESTATE_EVERY

    def __init__(self, url: Secret, within_s: float = WITHIN_S) -> None:
        self._base = url.reveal().removesuffix("/alerts").removesuffix("/api/v2")
        self._endpoint = self._at("alerts", within_s)

    @property
    def address(self) -> str:
        """Tells its URL apart from others."""
        return self._endpoint.digest

    async def send(self, event: Event, now: datetime) -> None:
        """Post an incident as it was; an open one fires until soon after `now`."""
        body = json.dumps(alerts(event, now)).encode()
        await self._endpoint.post(body, {})

    async def examine(self) -> str:
        """Say that its API answers, without an alert. Raises ReceiverError."""
        status = self._at("status")
        try:
            code, headers, said = await status.ask("GET")
            if code != 200:
                raise status.refusal(code, headers, said)
        finally:
            await status.aclose()
        return "Alertmanager answers; no alert was sent."

    async def aclose(self) -> None:
        """Close its connections."""
        await self._endpoint.aclose()

    def _at(self, name: str, within_s: float = WITHIN_S) -> Endpoint:
        url = f"{self._base}/api/v2/{name}"
        return Endpoint(url, "Alertmanager", "ALERTMANAGER_URL", within_s)


def alerts(event: Event, now: datetime) -> list[dict[str, Any]]:
    """Return an incident as alerts: its own, and the end of a milder one that it was before."""
    incident = event.data["incident"]
    over = event.type is EventType.INCIDENT_RESOLVED
    own = _alert(incident, incident["severity"], event.title, event.at if over else now + FIRES_FOR)
    if event.type is not EventType.INCIDENT_ESCALATED:
        return [own]
    return [own, _alert(incident, Severity.WARNING, event.title, event.at)]


def _alert(
    incident: Mapping[str, Any], severity: str, summary: str, ends: datetime
) -> dict[str, Any]:
    started = datetime.fromisoformat(incident["opened_at"])
    annotations = {"summary": summary, "reason": incident["reason"]}
    if incident["acknowledged_by"]:
        annotations["acknowledged_by"] = incident["acknowledged_by"]
    return {
        "labels": {
            "alertname": "ChangeoverIncident",
            "severity": str(severity),
            "incident": incident["key"],
            "model": incident["primary"],
        },
        "annotations": annotations,
        "startsAt": started.astimezone(UTC).isoformat(),
        "endsAt": max(ends, started + _INSTANT).astimezone(UTC).isoformat(),
    }
