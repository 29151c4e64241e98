"""The receivers of events that the environment configures."""

from __future__ import annotations

from typing import Protocol

from adapters.environment.receivers import ReceiverSettings
from bot.commands.doctor import Check, Level
from bot.ports.receivers import Receiver, ReceiverError


class OpenReceiver(Receiver, Protocol):
    """A receiver with connections to close."""

    async def examine(self) -> str:
        """Say what of it works, without sending an event. Raises ReceiverError."""
        ...

    async def aclose(self) -> None:
        """Close them."""
        ...


def open_receivers(settings: ReceiverSettings) -> dict[str, OpenReceiver]:
    """Return them by the names of their surfaces; nothing is connected yet."""
    receivers: dict[str, OpenReceiver] = {}
    if settings.webhook is not None:
        from adapters.receivers.webhook import WebhookReceiver

        receivers["webhook"] = WebhookReceiver(settings.webhook.url, settings.webhook.secret)
    if settings.pagerduty is not None:
        from adapters.receivers.pagerduty import PagerDutyReceiver

        pager = settings.pagerduty
        receivers["pagerduty"] = PagerDutyReceiver(pager.routing_key, pager.api_url)
    if settings.alertmanager is not None:
        from adapters.receivers.alertmanager import AlertmanagerReceiver

        receivers["alertmanager"] = AlertmanagerReceiver(settings.alertmanager)
    return receivers


async def examine_receivers(settings: ReceiverSettings) -> list[Check]:
    """Ask each receiver whether it is there; no event is sent."""
    checks = []
    for name, receiver in open_receivers(settings).items():
        try:
            checks.append(Check(name, True, Level.INFO, await receiver.examine()))
        except ReceiverError as error:
            checks.append(Check(name, False, Level.ERROR, error.said, error.step))
        finally:
            await receiver.aclose()
    return checks
