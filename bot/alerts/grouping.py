"""Which incident an event belongs to: grouped by what is broken, whatever name was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.alerts.incident import Incident, State, apply_all
from bot.alerts.signals import OWNERS, Signal, provider_of, signals_of
from bot.models import FailureReason
from bot.openclaw.fallback_tracker import HISTORY
from bot.ports import FallbackEvent
from bot.ports.alerts import AlertReason

LATE = timedelta(minutes=5)
"""How far before an incident's first event a late one still counts to it."""


@dataclass(slots=True)
class _Entry:
    """An incident, or one that is about to be opened, and what is new for it."""

    incident: Incident | None
    signals: list[Signal] = field(default_factory=list)

    @property
    def opened_at(self) -> datetime:
        """When the first of it happened."""
        return self.incident.opened_at if self.incident else self.signals[0].event.at

    def only(self, model: str) -> bool:
        """Return whether it is about one model alone."""
        known = self.incident.models or (self.incident.primary,) if self.incident else ()
        return {*known, *(one.event.from_model for one in self.signals)} == {model}


def sort_in(
    known: Sequence[Incident], events: Iterable[FallbackEvent], now: datetime
) -> list[Incident]:
    """Count events in the incidents they belong to; return those that changed, and new ones.

    An event that comes late, after its incident is over, is counted there and opens nothing;
    nor does what happened before we came.
    """
    present = {one.group: _Entry(one) for one in known if one.state is not State.RESOLVED}
    entries = list(present.values())
    past = [one for one in reversed(known) if one.resolved_at and one.resolved_at <= now]
    late = [_Entry(one) for one in past]
    fresh = [event for event in events if event.source != HISTORY]
    signals = [one for e in sorted(fresh, key=lambda e: e.at) for one in signals_of(e)]
    # What opens an incident comes first, so that the rest of the same time counts to it.
    for signal in sorted(signals, key=lambda one: not _alarms(one.event)):
        entry = present.get(signal.group)
        if entry is None or signal.event.at < entry.opened_at:
            entry = _too_late(late, signal) or entry or _taken_over(present, signal)
        if entry is None:
            if not _alarms(signal.event):
                continue
            entry = present[signal.group] = _Entry(None)
            entries.append(entry)
        entry.signals.append(signal)
    changed = []
    for entry in (*late, *entries):
        if entry.signals:
            after = apply_all(entry.incident, entry.signals, now)
            if after is not entry.incident:
                changed.append(after)
    return changed


def _taken_over(present: dict[str, _Entry], signal: Signal) -> _Entry | None:
    """Return the incident that a newer reason of its model takes over, and name it anew."""
    model = signal.event.from_model
    if not signal.event.asked or signal.reason is AlertReason.CHAIN_EXHAUSTED:
        return None
    of_key = signal.reason in OWNERS
    group = model if of_key else provider_of(model)
    if group not in present or not (of_key or present[group].only(model)):
        return None
    entry = present[signal.group] = present.pop(group)
    return entry


def _too_late(late: Sequence[_Entry], signal: Signal) -> _Entry | None:
    """Return the incident of the past that a signal came too late for."""
    for entry in late:
        one = entry.incident
        if one is None or one.group != signal.group or one.resolved_at is None:
            continue
        if one.opened_at - LATE <= signal.event.at <= one.resolved_at:
            return entry
    return None


def _alarms(event: FallbackEvent) -> bool:
    """Return whether an event may open an incident.

    A first hop that does not speak the caller's dialect is passed over at every such request:
    that is how the chain was laid out, and nothing has failed.
    """
    return event.asked or event.reason is not FailureReason.MODEL_NOT_FOUND
