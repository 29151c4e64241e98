"""What happened, counted in the incidents it belongs to, whatever name was asked for.

An incident groups by what is broken. It counts failures and good answers, leaves out the time in
which nothing of Changeover ran, and there is one for a config that cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bot.alerts.counting import (
    Signal,
    answered,
    apply_all,
    broke,
    in_step,
    off_duty,
    signals_of,
)
from bot.errors import ErrorInfo
from bot.incident import Incident, State, provider_of
from bot.models import FailureReason
from bot.openclaw.fallback_tracker import HISTORY
from bot.outage import AlertReason
from bot.ports import Cooldown, FallbackEvent, FallbackLog
from bot.ports.alerts import AlertStore
from bot.spans import kept

BATCH = 2000
MOST_BATCHES = 50
HEARTBEAT = "alerts.alive"
HEARTBEAT_EVERY = timedelta(seconds=15)
OFF_AFTER = timedelta(minutes=1)
"""Restarts take less, and what is not written down by then is seldom more."""

LATE = timedelta(minutes=5)
"""How far before an incident's first event a late one still counts to it."""

MOST_HELD = timedelta(hours=1)
"""No probe takes so long: what is held longer comes from a clock that has been put back."""

CONFIG_STATE = "alerts.config"


class Uptime:
    """Leaves out of outages the time in which nothing of Changeover ran.

    A gateway that went on without us has written events meanwhile.
    """

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._beat_at: datetime | None = None

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Keep the heartbeat; at the first one, look how long there was none."""
        first = self._beat_at is None
        if self._beat_at is not None and self._beat_at <= now < self._beat_at + HEARTBEAT_EVERY:
            return
        last = await self._store.recall(HEARTBEAT) if first else None
        if last is not None:
            await self._leave_out(datetime.fromisoformat(last).astimezone(UTC), now)
        await self._store.remember(HEARTBEAT, now.isoformat())
        self._beat_at = now

    async def _leave_out(self, last: datetime, now: datetime) -> None:
        seen = [queued.event.at for queued in await self._store.queued(BATCH)]
        signs = [last, *sorted(at for at in seen if last < at < now), now]
        off = [(a, b) for a, b in pairwise(signs) if b - a > OFF_AFTER]
        changed = []
        for incident in await self._store.incidents(now):
            known = after = in_step(incident, now)
            for start, end in off if known.state is not State.RESOLVED else ():
                after = off_duty(after, start, end)
            if after != known:
                changed.append(after)
        if changed:
            await self._store.commit((), changed, (), now)


class Answers:
    """Counts the good answers since an incident's last failure."""

    def __init__(self, store: AlertStore, log: FallbackLog, enough: int) -> None:
        self._store = store
        self._log = log
        self._enough = enough

    async def counted(self, incident: Incident, now: datetime) -> Incident:
        """Return the incident with them; a key's probe that went well is enough of them."""
        if incident.state is State.RESOLVED or incident.reason is AlertReason.CONFIG_INVALID:
            return incident
        of_key = incident.reason.of_provider
        found = await self._store.good_answers(
            (incident.group,) if of_key else incident.asked,
            incident.bad_at,
            now,
            self._enough,
            by_any=incident.reason is AlertReason.CHAIN_EXHAUSTED,
        )
        if of_key and found.count < self._enough:
            proved_at = _proved_at(incident, await self._log.cooldowns(incident.bad_at), now)
            if proved_at is not None:
                return answered(incident, self._enough, proved_at)
        return answered(incident, found.count, found.first_at)


def _proved_at(incident: Incident, rows: Sequence[Cooldown], now: datetime) -> datetime | None:
    """Return when a probe or a trial last found a provider's key in order."""
    key = f"{incident.group.removesuffix('/')}#"
    proofs = (row for row in rows if row.scope.startswith(key) and not row.failures)
    return max((row.until for row in proofs if not row.named and row.until <= now), default=None)


class Grouping:
    """Counts the events that came in since the last run, each in its incident."""

    def __init__(self, store: AlertStore, answers: Answers, longest: timedelta) -> None:
        self._store = store
        self._answers = answers
        self._longest = longest

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Take them in batches; what is older than `longest` counts nowhere."""
        for _ in range(MOST_BATCHES):
            waiting = await self._store.queued(BATCH)
            queued = [row for row in waiting if not _held(row.event, now)]
            if not queued:
                return
            recent = [row.event for row in queued if now - row.event.at < self._longest]
            known = [
                await self._answers.counted(in_step(incident, now), now)
                for incident in await self._store.incidents(now - self._longest)
            ]
            changed = sort_in(known, recent, now)
            await self._store.commit([row.id for row in queued], changed, (), now)
            if len(waiting) < BATCH:
                return


def _held(event: FallbackEvent, now: datetime) -> bool:
    """Return whether a probe may still prove an event wrong."""
    return event.held_until is not None and now < event.held_until <= now + MOST_HELD


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
    of_key = signal.reason.of_provider
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


class ConfigWatch:
    """Opens or ends the incident of a config that cannot be used."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Do as the state says that `note_config` kept."""
        written = await self._store.recall(CONFIG_STATE)
        if written is None:
            return
        state = json.loads(written)
        at = datetime.fromisoformat(state["at"]).astimezone(UTC)
        known = [
            in_step(incident, now)
            for incident in await self._store.incidents(now)
            if incident.reason is AlertReason.CONFIG_INVALID and incident.resolved_at is None
        ]
        if state["says"] is None:
            after = [answered(incident, 1, min(at, now)) for incident in known]
        else:
            says = (state["says"][0], state["says"][1])
            after = [broke(known[0] if known else None, state["place"], says, at, now)]
        changed = [incident for incident in after if incident not in known]
        if changed:
            await self._store.commit((), changed, (), now)


async def note_config(store: AlertStore, place: str, error: ErrorInfo | None, at: datetime) -> None:
    """Keep whether the config can be used; whichever process sees it first may say so.

    Raises:
        StorageError: it could not be kept.
    """
    before = await store.recall(CONFIG_STATE)
    says = [error.message, kept(error.step)] if error else None
    known = json.loads(before) if before else {"place": place, "says": None}
    if (known["place"], known["says"]) == (place, says):
        return
    state = {"place": place, "says": says, "at": at.isoformat()}
    await store.remember(CONFIG_STATE, json.dumps(state))
