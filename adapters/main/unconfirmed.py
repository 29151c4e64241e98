"""Fallback events that wait for our own probe: is what one request was told true of all?

They are written at once, held back, and written anew when the probe is back: a process that dies
meanwhile loses none, and then they are told as they were.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.gateway.record import Queue
from bot.models import FailureReason
from bot.ports import Attempt, FallbackEvent
from bot.routing.cooldown import DISPROVED, OWNERS

Claim = tuple[str, FailureReason]
"""What is said to be out: a model, or a provider whose key or account is."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class Unconfirmed:
    """Holds events back while their claim is being probed, and marks what a probe disproves."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._open: list[tuple[Claim, datetime]] = []
        self._waiting: list[FallbackEvent] = []
        self._disproved: dict[Claim, datetime] = {}

    def put(self, attempt: Attempt) -> None:
        """Take an attempt, which never waits."""
        self._queue.put(attempt)

    def put_event(self, event: FallbackEvent) -> None:
        """Take a fallback event."""
        claims = _claims(event)
        until = max((until for claim, until in self._open if claim in claims), default=None)
        if until is None:
            self._queue.put_event(self._judged(event))
            return
        self._queue.put_event(replace(event, held_until=until))
        self._waiting.append(event)

    def claimed(self, model: str, reason: FailureReason, until: datetime) -> None:
        """Hold events of this claim back until it is settled, which it is by `until`."""
        self._open.append((_claim(model, reason), until))

    def settled(self, model: str, reason: FailureReason, disproved_at: datetime | None) -> None:
        """Let go what waited for a probe; None where it did not disprove the claim."""
        claim = _claim(model, reason)
        known = next((one for one in self._open if one[0] == claim), None)
        if known is None:
            return
        self._open.remove(known)
        if disproved_at is None:
            self._disproved.pop(claim, None)
        else:
            self._disproved[claim] = disproved_at
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self.put_event(event)

    def _judged(self, event: FallbackEvent) -> FallbackEvent:
        """Return the event without the claims that a probe has found wrong."""
        known = self._disproved
        wrong = {c for c in _claims(event) if event.at - known.get(c, _NEVER) < DISPROVED}
        if not wrong:
            return event
        hops = tuple(
            replace(hop, reason=None)
            if hop.reason and _claim(hop.model, hop.reason) in wrong
            else hop
            for hop in event.hops
        )
        alone = _claim(event.from_model, event.reason) in wrong and event.to_model is not None
        if alone and all(hop.reason not in OWNERS for hop in hops):
            return replace(event, hops=hops, unfit=True)
        return replace(event, hops=hops)


def _claims(event: FallbackEvent) -> set[Claim]:
    hops = {_claim(hop.model, hop.reason) for hop in event.hops if hop.reason}
    return {_claim(event.from_model, event.reason)} | hops


def _claim(model: str, reason: FailureReason) -> Claim:
    return (model.partition("/")[0] if reason in OWNERS else model), reason
