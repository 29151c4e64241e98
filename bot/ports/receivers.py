"""Receivers: programs that are sent events, as a webhook or a pager is, where chats show cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from bot.errors import ChangeoverError
from bot.spans import Phrase


class EventType(StrEnum):
    """What happened; those of an incident in the order in which they come."""

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_ESCALATED = "incident.escalated"
    INCIDENT_ACKNOWLEDGED = "incident.acknowledged"
    INCIDENT_UPDATED = "incident.updated"
    INCIDENT_RESOLVED = "incident.resolved"
    NIGHT_SUMMARY = "night.summary"
    CONFIG_CHANGED = "config.changed"
    APPROVAL_UPDATED = "approval.updated"
    SWITCH_REVERTED = "switch.reverted"
    PLAN_FIRED = "plan.fired"
    TRIAL_UPDATED = "trial.updated"
    TRIAL_STOPPED = "trial.stopped"
    CHAIN_TESTED = "chain.tested"
    BUDGET_REACHED = "budget.reached"
    BUDGET_SWITCHED = "budget.switched"
    PRICE_CHANGED = "price.changed"
    DIGEST_READY = "digest.ready"
    DELIVERY_FAILED = "delivery.failed"

    @property
    def of_incident(self) -> bool:
        """True for what happens to an incident."""
        return self.startswith("incident.")


@dataclass(frozen=True, slots=True)
class Event:
    """What a receiver is sent; `id` is the same however often it is sent.

    `title` says it in words. `data` holds plain values and our own (Decimal, datetime, enums).
    """

    id: str
    type: EventType
    at: datetime
    title: str
    data: Mapping[str, Any]


class ReceiverError(ChangeoverError):
    """A receiver did not take an event.

    `rejected`: this event alone, so that the next may pass. `gone`: it wants no more events.
    `retry_after` is how long it asks to be left alone.
    """

    code = "receiver"

    def __init__(
        self,
        message: Phrase,
        hint: Phrase = "",
        *,
        rejected: bool = False,
        gone: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.rejected = rejected
        self.gone = gone
        self.retry_after = retry_after


class Receiver(Protocol):
    """A program that is sent events."""

    @property
    def address(self) -> str:
        """What tells it apart from another in its place: a digest, never a secret."""
        ...

    @property
    def incidents_only(self) -> bool:
        """True where it takes no events but those of incidents, and only what is still news."""
        ...

    @property
    def restate_every(self) -> timedelta | None:
        """How often it has to hear of an open incident, where silence means that it is over."""
        ...

    async def send(self, event: Event, now: datetime) -> None:
        """Send an event. It may have been sent before. Raises ReceiverError."""
        ...
