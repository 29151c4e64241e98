"""An incident: something that is broken, counted from events however they come.

What is broken is a model, a provider's key or account, a whole chain, or the config. A newer
reason of the same model takes its incident over.

Events may come late, out of order or twice, and clocks may jump. Everything here is a pure
function of the incident, the event and the present; the same events in any order make the same
incident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b

from bot.alerts.signals import Signal, group_of
from bot.outage import Gap, with_gap
from bot.ports import FallbackEvent
from bot.ports.alerts import AlertReason

MOST_SAMPLES = 5
MOST_MODELS = 40
MOST_SEEN = 256
"""Requests remembered by id. The store keeps doubles out; this is for what it hands over twice."""


class State(StrEnum):
    """Where an incident stands: not told yet, told and going on, over."""

    PENDING = "pending"
    OPEN = "open"
    RESOLVED = "resolved"


class End(StrEnum):
    """How an incident ended.

    `recovered`: it answers again; `blip`: so soon that nothing was said; `moved_on`: another
    model is the primary now; `silence`: nobody asked it any more.
    """

    RECOVERED = "recovered"
    BLIP = "blip"
    MOVED_ON = "moved_on"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One of the first events, for the thread; `detail` is what the provider said, redacted."""

    at: datetime
    request_id: str
    to_model: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DownHop:
    """A hop of a dead chain: what became of it last, and the provider's words."""

    model: str
    reason: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of an outage.

    `models` are those that were asked for, `primary` is the first of them. `cut` counts answers
    that were broken off, `hops` are a dead chain's. `first_reason` is what it began with; `pinged`
    is True once it called somebody, `pinged_at` when last. `gaps` do not count as down.

    `failed_at` is when the primary itself was last asked and failed; later events may only have
    passed it over. `changed` counts what happened to it, `told` is that count when it was last
    told, and `version` counts the tellings. `served` is by model, in the models' order. `good`
    answers are those since `failed_at`. `messages` counts the messages that were opened for it.
    `opens` are the openings within the hour that made it unstable, else 0. `night` names the
    quiet hours in which its first word fell. `replaced` is True while another model stands in its
    place as the primary. `costs_nano_usd` is what rerouting cost more (or less) until
    `costs_until`; None once that cannot be known. `lost_cache_nano_usd` estimates what it
    cost that the fallbacks had no cache of what the primary had. `says` is why a config cannot be
    used, and the step that fixes it.
    """

    primary: str
    reason: AlertReason
    opened_at: datetime
    last_event_at: datetime
    failed_at: datetime | None = None
    id: int = 0
    revision: int = 0
    state: State = State.PENDING
    rerouted: int = 0
    refused: int = 0
    cut: int = 0
    models: tuple[str, ...] = ()
    hops: tuple[DownHop, ...] = ()
    first_reason: AlertReason | None = None
    pinged: bool = False
    gaps: tuple[Gap, ...] = ()
    served: tuple[tuple[str, int], ...] = ()
    samples: tuple[Sample, ...] = ()
    seen: tuple[int, ...] = field(default=(), compare=False, repr=False)
    changed: int = 0
    told: int = 0
    version: int = 0
    good: int = 0
    good_since: datetime | None = None
    held: bool = False
    night: str = ""
    announced_at: datetime | None = None
    last_edit_at: datetime | None = None
    last_repeat_at: datetime | None = None
    messages: int = 0
    acknowledged_by: str | None = None
    acknowledged_key: str = ""
    acknowledged_at: datetime | None = None
    opens: int = 0
    was_primary: bool | None = None
    replaced: bool = False
    resolved_at: datetime | None = None
    ended_at: datetime | None = None
    end: End | None = None
    costs_nano_usd: int | None = 0
    costs_until: datetime | None = None
    lost_cache_nano_usd: int = 0
    says: tuple[str, str] = ("", "")

    @property
    def requests(self) -> int:
        """How many requests it touched."""
        return self.rerouted + self.refused + self.cut

    @property
    def group(self) -> str:
        """What is broken; of two incidents that go on, no two have the same."""
        return group_of(self.primary, self.reason)

    @property
    def up_since(self) -> datetime | None:
        """Since when it answers again; None while it is down."""
        if self.state is State.RESOLVED:
            return self.ended_at
        return self.good_since if self.good else None

    @property
    def served_by(self) -> str | None:
        """The model that answered most of them."""
        return max(self.served, key=lambda pair: (pair[1], pair[0]))[0] if self.served else None

    @property
    def bad_at(self) -> datetime:
        """When it failed last, as far as that is known."""
        return self.failed_at or self.opened_at

    @property
    def unstable(self) -> bool:
        """True when it stands for the ups and downs of an hour."""
        return bool(self.opens)

    @property
    def announced(self) -> bool:
        """True when a first word was said."""
        return self.announced_at is not None


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
    stands = not primaries.isdisjoint(incident.models or (incident.primary,))
    if incident.was_primary is None:
        return replace(incident, was_primary=stands)
    replaced = incident.was_primary and not stands
    if replaced == incident.replaced:
        return incident
    return replace(incident, replaced=replaced, changed=incident.changed + 1)


def broke(
    incident: Incident | None, place: str, says: tuple[str, str], at: datetime, now: datetime
) -> Incident:
    """Note that the config cannot be used; `says` is the error and the step that mends it."""
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
