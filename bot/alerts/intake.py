"""Which incident an event belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.alerts.incident import Incident, State, apply_all, reason_of
from bot.models import FailureReason
from bot.openclaw.decisions import HISTORY
from bot.ports import FallbackEvent
from bot.ports.alerts import AlertReason

LATE = timedelta(minutes=5)
"""How far before an incident's first event a late one still counts to it."""

Group = tuple[str, AlertReason]


def sort_in(
    known: Sequence[Incident], events: Iterable[FallbackEvent], now: datetime
) -> list[Incident]:
    """Count events in the incidents they belong to; return those that changed, and new ones.

    An event that comes late, after its incident is over, is counted there and opens nothing;
    nor does what happened before we came.
    """
    groups: dict[Group, list[FallbackEvent]] = {}
    for event in events:
        if event.source == HISTORY:
            continue
        groups.setdefault((event.from_model, reason_of(event)), []).append(event)
    changed: list[Incident] = []
    for group, members in groups.items():
        mine = [one for one in known if (one.primary, one.reason) == group]
        changed += _of_one_kind(mine, members, now)
    return changed


def _of_one_kind(
    known: Sequence[Incident], events: Sequence[FallbackEvent], now: datetime
) -> list[Incident]:
    going_on = next((one for one in known if one.state is not State.RESOLVED), None)
    past = [
        one
        for one in reversed(known)
        if one.resolved_at is not None and one.resolved_at <= now and one is not going_on
    ]
    fresh: list[FallbackEvent] = []
    late: dict[int, list[FallbackEvent]] = {}
    for event in events:
        owner = _past_owner(past, going_on, event)
        if owner is None:
            fresh.append(event)
        else:
            late.setdefault(owner, []).append(event)
    changed = [
        after
        for at, members in late.items()
        if (after := apply_all(past[at], members, now)) is not past[at]
    ]
    if going_on is None and not any(_alarms(event) for event in fresh):
        fresh = []
    if fresh and (present := apply_all(going_on, fresh, now)) is not going_on:
        changed.append(present)
    return changed


def _alarms(event: FallbackEvent) -> bool:
    """Decide whether an event may open an incident.

    A first hop that does not speak the caller's dialect is passed over at every such request:
    that is how the chain was laid out, and nothing has failed.
    """
    return event.asked or event.reason is not FailureReason.MODEL_NOT_FOUND


def _past_owner(
    past: Sequence[Incident], going_on: Incident | None, event: FallbackEvent
) -> int | None:
    """Return the place of the past incident that an event came too late for."""
    if going_on is not None and event.at >= going_on.opened_at:
        return None
    for at, one in enumerate(past):
        if one.resolved_at and one.opened_at - LATE <= event.at <= one.resolved_at:
            return at
    return None
