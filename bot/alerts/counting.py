"""Counts in an incident what happened to it: failures, good answers, a broken config, time off.

A newer reason of the same model takes its incident over. Events may come late, out of order or
twice, and clocks may jump. Everything here is a pure function of the incident, the event and the
present; the same events in any order make the same incident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from bot.incident import DownHop, Incident, Sample, group_of
from bot.models import FailureReason
from bot.outage import AlertReason, Gap, with_gap
from bot.ports import FallbackEvent

MOST_SAMPLES = 5
MOST_MODELS = 40
MOST_SEEN = 256
"""Requests remembered by id. The store keeps doubles out; this is for what it hands over twice."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What an event says of one thing that is broken."""

    event: FallbackEvent
    reason: AlertReason

    @property
    def group(self) -> str:
        """The group of the incident it belongs to."""
        return group_of(self.event.from_model, self.reason)


def signals_of(event: FallbackEvent) -> list[Signal]:
    """Return what an event says: of the chain or its first hop, and of each key refused.

    A request that went past a first hop in order says nothing of either.
    """
    passed = event.unfit and not event.exhausted
    dead = event.to_model is None and not (event.cut or event.alone or passed)
    found = [Signal(event, AlertReason.CHAIN_EXHAUSTED)] if dead else []
    reason = AlertReason(event.reason)
    if not dead and not event.unfit and (event.cut or not event.hops or not reason.of_provider):
        found.append(Signal(event, reason))
    for hop in () if event.cut else event.hops:
        counts = hop.asked or hop.model == event.from_model
        if hop.reason in (FailureReason.AUTH, FailureReason.BILLING) and counts:
            of_hop = replace(
                event, from_model=hop.model, reason=hop.reason, asked=hop.asked, detail=hop.detail
            )
            found.append(Signal(of_hop, AlertReason(hop.reason)))
    return found


def apply_all(incident: Incident | None, signals: Iterable[Signal], now: datetime) -> Incident:
    """Count what belongs to one incident; at least one signal where there is none yet."""
    signals = sorted(signals, key=lambda one: one.event.at)
    if incident is None:
        first = signals[0]
        at = min(first.event.at, now)
        incident = Incident(first.event.from_model, first.reason, at, at, first_reason=first.reason)
    incident = _named(incident, signals)
    events = [one.event for one in signals]
    known, order = set(incident.seen), list(incident.seen)
    fresh = []
    for event in events:
        mark = _mark(event)
        if mark not in known:
            known.add(mark)
            order.append(mark)
            fresh.append(event)
    if not fresh:
        return incident
    return replace(_counted(incident, fresh, now), seen=tuple(order[-MOST_SEEN:]))


def _named(incident: Incident, signals: list[Signal]) -> Incident:
    """Note which models were asked for, and let the newest reason take the incident over."""
    models = {*incident.models, incident.primary, *(one.event.from_model for one in signals)}
    since = incident.failed_at or incident.opened_at
    asked = [one for one in signals if one.event.asked and one.event.at >= since]
    reason = asked[-1].reason if asked else incident.reason
    known = tuple(sorted(models)[:MOST_MODELS])
    if (known, reason) == (incident.models, incident.reason):
        return incident
    changed = incident.changed + (reason is not incident.reason)
    return replace(incident, models=known, reason=reason, changed=changed)


def _mark(event: FallbackEvent) -> int:
    name = event.request_id or f"{event.at.isoformat()} {event.to_model}"
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def _counted(incident: Incident, fresh: list[FallbackEvent], now: datetime) -> Incident:
    served = dict(incident.served)
    rerouted = 0
    cut = sum(event.cut for event in fresh)
    for event in fresh:
        if event.to_model:
            rerouted += 1
            served[event.to_model] = served.get(event.to_model, 0) + 1
    failed_at = _latest_failure(incident, fresh, now)
    moved = failed_at != incident.failed_at
    return replace(
        incident,
        opened_at=min(incident.opened_at, *(event.at for event in fresh)),
        last_event_at=max(incident.last_event_at, min(max(event.at for event in fresh), now)),
        failed_at=failed_at,
        rerouted=incident.rerouted + rerouted,
        refused=incident.refused + len(fresh) - rerouted - cut,
        cut=incident.cut + cut,
        hops=_hops(incident, fresh),
        gaps=_gaps(incident, failed_at) if moved else incident.gaps,
        served=tuple(sorted(served.items())),
        samples=_samples(incident, fresh),
        changed=incident.changed + len(fresh),
        good=0 if moved else incident.good,
        good_since=None if moved else incident.good_since,
    )


def _hops(incident: Incident, fresh: list[FallbackEvent]) -> tuple[DownHop, ...]:
    """Return what became of each hop of a dead chain last, in the newest request's order."""
    if incident.reason is not AlertReason.CHAIN_EXHAUSTED or not any(e.hops for e in fresh):
        return incident.hops
    known = {hop.model: hop for hop in incident.hops}
    order: list[str] = []
    for event in sorted(fresh, key=lambda event: event.at):
        order = [*(hop.model for hop in event.hops), *order]
        for hop in event.hops:
            before = known.get(hop.model)
            if before is None or before.at <= event.at:
                known[hop.model] = DownHop(hop.model, hop.reason or "", event.at, hop.detail)
    names = list(dict.fromkeys([*order, *known]))
    return tuple(known[name] for name in names[:MOST_MODELS])


def _gaps(incident: Incident, failed_at: datetime | None) -> tuple[Gap, ...]:
    """Add the time in which it answered before it failed again."""
    if not incident.good or incident.good_since is None or failed_at is None:
        return incident.gaps
    return with_gap(incident.gaps, incident.good_since, failed_at)


def off_duty(incident: Incident, start: datetime, end: datetime) -> Incident:
    """Leave out of the outage a time in which Changeover was off."""
    if incident.up_since is not None:
        return incident
    return replace(incident, gaps=with_gap(incident.gaps, max(start, incident.opened_at), end))


def _latest_failure(
    incident: Incident, fresh: list[FallbackEvent], now: datetime
) -> datetime | None:
    dead = incident.reason is AlertReason.CHAIN_EXHAUSTED
    times = [min(event.at, now) for event in fresh if event.asked or dead]
    times += [incident.failed_at] if incident.failed_at else []
    return max(times, default=None)


def _samples(incident: Incident, fresh: list[FallbackEvent]) -> tuple[Sample, ...]:
    full = len(incident.samples) == MOST_SAMPLES
    if full and min(event.at for event in fresh) > incident.samples[-1].at:
        return incident.samples
    new = [
        Sample(event.at, event.request_id, event.to_model or "", str(event.reason), event.detail)
        for event in fresh
    ]
    return tuple(sorted([*incident.samples, *new])[:MOST_SAMPLES])


def answered(incident: Incident, count: int, first_at: datetime | None) -> Incident:
    """Note how many good answers there were since the last failure."""
    if (count, first_at) == (incident.good, incident.good_since):
        return incident
    turned = bool(count) != bool(incident.good)
    return replace(
        incident, good=count, good_since=first_at, changed=incident.changed + int(turned)
    )


def in_place(incident: Incident, primaries: frozenset[str] | None) -> Incident:
    """Note whether it is still a primary, which is news when it changes; None: nobody knows."""
    if primaries is None:
        return incident
    stands = not primaries.isdisjoint(incident.asked)
    if incident.was_primary is None:
        return replace(incident, was_primary=stands)
    replaced = incident.was_primary and not stands
    if replaced == incident.replaced:
        return incident
    return replace(incident, replaced=replaced, changed=incident.changed + 1)


def broke(
    incident: Incident | None, place: str, says: tuple[str, str], at: datetime, now: datetime
) -> Incident:
    """Note that the config cannot be used; `says` is the error and the step that fixes it."""
    at = min(at, now)
    if incident is None:
        return Incident(place, AlertReason.CONFIG_INVALID, at, at, changed=1, says=says)
    if incident.says == says and not incident.good:
        return incident
    return replace(
        incident,
        says=says,
        last_event_at=max(incident.last_event_at, at),
        changed=incident.changed + 1,
        good=0,
        good_since=None,
    )


def in_step(incident: Incident, now: datetime) -> Incident:
    """Pull what lies in the future back to the present, after a clock was put back."""

    def by_now(at: datetime | None) -> datetime | None:
        return now if at is not None and at > now else at

    moved = replace(
        incident,
        opened_at=min(incident.opened_at, now),
        last_event_at=min(incident.last_event_at, now),
        failed_at=by_now(incident.failed_at),
        announced_at=by_now(incident.announced_at),
        last_edit_at=by_now(incident.last_edit_at),
        last_repeat_at=by_now(incident.last_repeat_at),
        good_since=by_now(incident.good_since),
        costs_until=by_now(incident.costs_until),
    )
    return incident if moved == incident else moved
