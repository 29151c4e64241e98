"""PagerDuty's Events API v2: an incident is triggered, acknowledged and resolved."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.receivers.http import WITHIN_S, Endpoint
from bot.models import Secret
from bot.ports.receivers import Event, EventType, ReceiverError

KEY = "PAGERDUTY_ROUTING_KEY"
MOST_SUMMARY = 1024
_ACTIONS = {
    EventType.INCIDENT_OPENED: "trigger",
    EventType.INCIDENT_ESCALATED: "trigger",
    EventType.INCIDENT_ACKNOWLEDGED: "acknowledge",
    EventType.INCIDENT_RESOLVED: "resolve",
}


class PagerDutyReceiver:
    """Posts incidents under a `dedup_key` of their own, by which PagerDuty drops what it knows."""

    incidents_only = True
    restate_every: timedelta | None = None

    def __init__(self, routing_key: Secret, api_url: str, within_s: float = WITHIN_S) -> None:
        self._key = routing_key
        self._endpoint = Endpoint(
            f"{api_url}/v2/enqueue", "PagerDuty", "PAGERDUTY_API_URL", within_s
        )

    @property
    def address(self) -> str:
        """Tells its API apart from others."""
        return self._endpoint.digest

    async def send(self, event: Event, now: datetime) -> None:
        """Post what an incident's event means there; figures mean nothing. Raises ReceiverError."""
        action = _ACTIONS.get(event.type)
        if action is None:
            return
        body = json.dumps(enqueued(self._key.reveal(), action, event)).encode()
        status, headers, said = await self._endpoint.ask("POST", body)
        if status == 202:
            return
        if status == 400 and b"routing" in said.lower():
            raise ReceiverError("PagerDuty does not know the routing key (HTTP 400).", _HOW)
        raise self._endpoint.refusal(status, headers, said)

    async def examine(self) -> str:
        """Say that it can be reached; only an event would try the key. Raises ReceiverError."""
        return await self._endpoint.reach()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._endpoint.aclose()


def enqueued(routing_key: str, action: str, event: Event) -> dict[str, Any]:
    """Return what is posted for an event."""
    incident = event.data["incident"]
    body = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": incident["key"],
    }
    if action != "trigger":
        return body
    payload = {
        "summary": event.title[:MOST_SUMMARY],
        "source": "changeover",
        "severity": incident["severity"],
        "timestamp": event.at.astimezone(UTC).isoformat(),
        "component": incident["primary"],
        "group": incident["primary"].partition("/")[0],
        "class": incident["reason"],
        "custom_details": {
            name: incident[name] for name in ("id", "models", "requests", "rerouted", "refused")
        },
    }
    return body | {"client": "Changeover", "payload": payload}


_HOW = f"Copy the Integration Key of an Events API v2 integration into {KEY}."
