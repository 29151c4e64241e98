"""Events for receivers: what happened to incidents and to the config, as it was at that moment.

An event is a notice of the outbox. Its key follows from what happened, so that it is kept once
however often a process finds it, and its words stay the same however often it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.alerts.rendering import WriteDigest, draft_of
from bot.incident import Incident, State
from bot.messages.alerts import title_of
from bot.messages.receivers import change_title
from bot.ports import Change, ConfigStore, Journal, Json
from bot.ports.alerts import AlertStore, MessageState, Notice, NoticeKind
from bot.ports.receivers import Event, EventType, Receiver
from bot.spans import plain

UPDATE_EVERY = timedelta(minutes=1)
"""The figures of an open incident are sent so often at most."""

LATEST = timedelta(hours=24)
"""For so long the end of an incident is news to a process that has just started."""

CHANGES_EVERY = timedelta(seconds=2)
MOST_CHANGES = 100
LAST_CHANGE = "receivers.change"

_TYPES: Mapping[NoticeKind, EventType] = {
    NoticeKind.MORNING: EventType.NIGHT_SUMMARY,
    NoticeKind.APPROVAL: EventType.APPROVAL_UPDATED,
    NoticeKind.REVERT: EventType.SWITCH_REVERTED,
    NoticeKind.PLAN: EventType.PLAN_FIRED,
    NoticeKind.TRIAL: EventType.TRIAL_UPDATED,
    NoticeKind.TRIAL_STOPPED: EventType.TRIAL_STOPPED,
    NoticeKind.CHAIN_TEST: EventType.CHAIN_TESTED,
    NoticeKind.BUDGET: EventType.BUDGET_REACHED,
    NoticeKind.BUDGET_SWITCH: EventType.BUDGET_SWITCHED,
    NoticeKind.PRICE: EventType.PRICE_CHANGED,
    NoticeKind.DIGEST: EventType.DIGEST_READY,
    NoticeKind.TROUBLE: EventType.DELIVERY_FAILED,
}
"""A notice of a kind that is not here is no event: an edit from outside is a change as well."""


@dataclass(slots=True)
class _Kept:
    """What a surface is known to have of an incident."""

    loud: bool
    version: int
    at: datetime
    acknowledged_at: datetime | None = None
    over: bool = False


class IncidentEvents:
    """Keeps an event for each turn of an incident that has been announced.

    A receiver that takes more than incidents also gets the figures in between.
    """

    def __init__(self, store: AlertStore, receivers: Mapping[str, Receiver]) -> None:
        self._store = store
        self._receivers = receivers
        self._since: dict[str, datetime] = {}
        self._kept: dict[tuple[str, int], _Kept] = {}

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Look at the incidents that are open or have just ended."""
        if not self._receivers:
            return
        known = [i for i in await self._store.incidents(now - LATEST) if i.announced]
        for surface, receiver in self._receivers.items():
            since = await self._watched_since(surface, now)
            for incident in known:
                await self._turns(surface, incident, since, now, feed=not receiver.incidents_only)
        ids = {incident.id for incident in known}
        self._kept = {place: kept for place, kept in self._kept.items() if place[1] in ids}

    async def _watched_since(self, surface: str, now: datetime) -> datetime:
        """Return since when there is this receiver: what was over by then is no news to it."""
        if surface not in self._since:
            key = f"receiver.since:{surface}"
            written = await self._store.recall(key)
            if written is None:
                await self._store.remember(key, now.isoformat())
            self._since[surface] = datetime.fromisoformat(written) if written else now
        return self._since[surface]

    async def _turns(
        self, surface: str, incident: Incident, since: datetime, now: datetime, *, feed: bool
    ) -> None:
        kept = self._kept.get((surface, incident.id))
        if kept is not None and kept.over:
            return
        kept = kept or await self._opened(surface, incident, since, now)
        if kept is None:
            return
        self._kept[surface, incident.id] = kept
        if incident.reason.loud and not kept.loud:
            await self._add(surface, incident, EventType.INCIDENT_ESCALATED, now)
            kept.loud = True
        if incident.acknowledged_at != kept.acknowledged_at:
            if incident.acknowledged_at is not None:
                at = incident.acknowledged_at
                await self._add(surface, incident, EventType.INCIDENT_ACKNOWLEDGED, at)
            else:
                kept.version = -1
            kept.acknowledged_at = incident.acknowledged_at
        if incident.state is State.RESOLVED:
            at = incident.resolved_at or now
            await self._add(surface, incident, EventType.INCIDENT_RESOLVED, at)
            kept.over = True
        elif feed and incident.version != kept.version and now - kept.at >= UPDATE_EVERY:
            await self._update(surface, incident, now)
            kept.version, kept.at = incident.version, now

    async def _opened(
        self, surface: str, incident: Incident, since: datetime, now: datetime
    ) -> _Kept | None:
        """Keep that it was opened, and return what the surface has of it; None for old news."""
        notice = await self._store.notice(_key(surface, incident, EventType.INCIDENT_OPENED))
        at = incident.announced_at or now
        if notice is None:
            if incident.state is State.RESOLVED and at < since:
                return None
            await self._add(surface, incident, EventType.INCIDENT_OPENED, at)
            return _Kept(incident.reason.loud, incident.version, now)
        first = notice.data
        loud = isinstance(first, Mapping) and first.get("severity") != "warning"
        return _Kept(loud, incident.version, now)

    async def _add(self, surface: str, incident: Incident, kind: EventType, at: datetime) -> None:
        key = _key(surface, incident, kind)
        if kind is EventType.INCIDENT_ACKNOWLEDGED:
            # It can be handed back and acknowledged again.
            key = f"{key}:{_micros(at)}"
        await self._store.add_notice(incident_notice(key, incident, kind, at), [surface])

    async def _update(self, surface: str, incident: Incident, now: datetime) -> None:
        kind = EventType.INCIDENT_UPDATED
        notice = incident_notice(_key(surface, incident, kind), incident, kind, now)
        if not await self._store.add_notice(notice, [surface]):
            await self._store.amend_notice(notice, [surface])


class ConfigChanges:
    """Keeps an event for each change of the config, by whatever hand."""

    def __init__(
        self, journal: Journal, store: AlertStore, config: ConfigStore, surfaces: Sequence[str]
    ) -> None:
        self._journal = journal
        self._store = store
        self._config = config
        self._surfaces = surfaces
        self._read_at: datetime | None = None

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Read the journal every few seconds."""
        read_at = self._read_at
        if not self._surfaces or (read_at and read_at <= now < read_at + CHANGES_EVERY):
            return
        changes = await self._journal.changes(self._config.location, MOST_CHANGES)
        newest = max((change.id for change in changes), default=0)
        written = await self._store.recall(LAST_CHANGE)
        last = int(written) if written else newest
        for change in sorted(changes, key=lambda change: change.id):
            if change.id > last:
                await self._store.add_notice(change_notice(change), self._surfaces)
        if written is None or newest > last:
            await self._store.remember(LAST_CHANGE, str(newest))
        self._read_at = now


def incident_notice(key: str, incident: Incident, kind: EventType, at: datetime) -> Notice:
    """Make the notice of an incident's event, with the incident as it is now."""
    data = {"type": str(kind), "title": plain(title_of(incident)), **incident_data(incident)}
    return Notice(key, NoticeKind.INCIDENT, at, data)


def incident_data(incident: Incident) -> dict[str, Json]:
    """Return an incident in plain values."""
    saving = incident.saving
    return {
        "id": incident.id,
        "key": f"changeover-{incident.id}-{_micros(incident.opened_at)}",
        "state": str(incident.state),
        "severity": str(incident.reason.severity),
        "primary": incident.primary,
        "models": list(incident.asked),
        "reason": str(incident.reason),
        "opened_at": _iso(incident.opened_at),
        "acknowledged_at": _iso(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": _iso(incident.resolved_at),
        "ended_at": _iso(incident.ended_at),
        "end": str(incident.end) if incident.end else None,
        "requests": incident.requests,
        "rerouted": incident.rerouted,
        "refused": incident.refused,
        "cut": incident.cut,
        "served_by": [{"model": model, "requests": n} for model, n in incident.shares],
        "saved_usd": float(-saving.so_far_usd) if saving else None,
    }


def change_notice(change: Change) -> Notice:
    """Make the notice of a change of the config."""
    data: dict[str, Json] = {
        "id": change.id,
        "action": change.action,
        "actor": change.actor_name,
        "actor_key": change.actor_key,
        "surface": change.surface,
        "reason": change.reason or None,
        "old": change.old,
        "new": change.new,
        "paths": [".".join(map(str, touched.path)) for touched in change.touched],
        "reverts": change.reverts,
        "revision_before": change.revision_before,
        "revision": change.revision,
    }
    key = f"change:{_micros(change.at)}:{change.id}"
    return Notice(key, NoticeKind.CHANGE, change.at, data)


async def event_of(row: MessageState, notice: Notice, digest: WriteDigest) -> Event | None:
    """Return the event that a row asks to be sent; None where there is none, or none any more."""
    id_ = event_id(notice.key, row.wanted, notice.at)
    if notice.kind is NoticeKind.INCIDENT:
        data = dict(notice.data) if isinstance(notice.data, Mapping) else {}
        kind, title = EventType(str(data.pop("type"))), str(data.pop("title"))
        return Event(id_, kind, notice.at, title, {"incident": data})
    if notice.kind is NoticeKind.CHANGE:
        data = dict(notice.data) if isinstance(notice.data, Mapping) else {}
        title = change_title(str(data["actor"]), data["old"], data["new"])
        return Event(id_, EventType.CONFIG_CHANGED, notice.at, title, {"change": data})
    known = _TYPES.get(notice.kind)
    if known is None:
        return None
    shown = await digest(notice) if notice.kind is NoticeKind.DIGEST else draft_of(notice)
    if shown is None:
        return None
    return Event(id_, known, notice.at, plain(shown.card.title), shown.card.data)


def event_id(key: str, version: int, at: datetime) -> str:
    """Return the id of an event: the same however often and by whichever process it is sent."""
    digest = hashlib.sha256(f"{key} {version} {_micros(at)}".encode()).hexdigest()
    return f"evt_{digest[:32]}"


def _key(surface: str, incident: Incident, kind: EventType) -> str:
    name = kind.rpartition(".")[2]
    return f"event:{surface}:{incident.id}:{name}"


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
