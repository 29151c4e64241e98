"""The team's own webhook: every event as JSON, signed as standardwebhooks.com says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

from adapters.receivers.http import WITHIN_S, Endpoint
from adapters.receivers.schema import written
from bot.models import Secret
from bot.ports.receivers import Event

URL = "CHANGEOVER_WEBHOOK_URL"


class WebhookReceiver:
    """Signs events and posts them."""

    incidents_only = False
    restate_every: timedelta | None = None

    def __init__(self, url: Secret, secret: Secret, within_s: float = WITHIN_S) -> None:
        self._endpoint = Endpoint(url.reveal(), "The webhook", URL, within_s)
        self._signer = Webhook(secret.reveal())

    @property
    def address(self) -> str:
        """Tells its URL apart from others."""
        return self._endpoint.digest

    async def send(self, event: Event, now: datetime) -> None:
        """Post an event. Raises ReceiverError."""
        body = written(event)
        # Receivers refuse what was signed minutes ago: `now` may lie behind a long queue.
        signed_at = datetime.now(UTC)
        headers = {
            "webhook-id": event.id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": self._signer.sign(event.id, signed_at, body),
        }
        await self._endpoint.post(body.encode(), headers)

    async def examine(self) -> str:
        """Say that it can be reached, without sending an event. Raises ReceiverError."""
        return await self._endpoint.reach()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._endpoint.aclose()
