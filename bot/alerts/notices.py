"""Messages that are no incident's: edits from outside, the night's summary, a deaf channel.

A row is kept before anything is said; `rendering` says what its message shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.access import Surface
from bot.alerts.mute import QuietHours
from bot.incident import Incident
from bot.messages.alert_notes import HopNews
from bot.messages.elsewhere import pins_left
from bot.ports import Change, ConfigStore, Journal, Json, Revert, revision_of
from bot.ports.alerts import AlertStore, ChannelTrouble, Notice, NoticeKind
from bot.ports.reloads import PinResult

MOST_CHANGES = 100
OUTSIDE_EVERY = timedelta(seconds=5)
LAST_OUTSIDE = "alerts.outside"

REPORT_AFTER = timedelta(minutes=1)
"""A surface that is back sooner is not worth a word on the other."""


@dataclass(frozen=True, slots=True)
class StoredOutbox:
    """The Outbox of the database, for the surfaces that are configured."""

    store: AlertStore
    surfaces: Sequence[str]

    async def find(self, key: str) -> Notice | None:
        """Return a notice that was put."""
        return await self.store.notice(key)

    async def put(self, notice: Notice) -> bool:
        """Keep a notice, to be posted once; False when its key is known already."""
        return await self.store.add_notice(notice, self.surfaces)

    async def amend(self, notice: Notice) -> None:
        """Let a notice's message say something else from now on."""
        await self.store.amend_notice(notice, self.surfaces)


class OutsideEdits:
    """Reports edits of the config by other hands, which the journal keeps."""

    def __init__(
        self, journal: Journal, store: AlertStore, outbox: StoredOutbox, config: ConfigStore
    ) -> None:
        self._journal = journal
        self._store = store
        self._outbox = outbox
        self._config = config
        self._read_at: datetime | None = None

    def poke(self) -> None:
        """Read the journal at the next run: the config has just changed."""
        self._read_at = None

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Read it every few seconds."""
        if self._read_at is not None and self._read_at <= now < self._read_at + OUTSIDE_EVERY:
            return
        place = self._config.location
        changes = await self._journal.changes(place, MOST_CHANGES)
        newest = max((change.id for change in changes), default=0)
        written = await self._store.recall(LAST_OUTSIDE)
        reported = int(written) if written else newest
        for change in from_outside(changes, reported):
            await self._outbox.put(outside_notice(change, place, now))
        if written is None or newest > reported:
            await self._store.remember(LAST_OUTSIDE, str(newest))
        self._read_at = now


class MorningSummary:
    """Reports in the morning what the quiet hours kept back."""

    def __init__(self, store: AlertStore, outbox: StoredOutbox, quiet: QuietHours | None) -> None:
        self._store = store
        self._outbox = outbox
        self._quiet = quiet
        self._last = ""

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Report each night once."""
        quiet = self._quiet
        if quiet is None or quiet.at(now) or self._last == quiet.latest(now).name:
            return
        night = quiet.latest(now)
        known = await self._store.incidents(night.start)
        notice = morning_notice(known, quiet, now)
        if notice is not None:
            await self._outbox.put(notice)
        self._last = night.name


class ChannelWatch:
    """Reports on the other surfaces that alerts do not reach one of those `watched`."""

    def __init__(self, store: AlertStore, surfaces: Sequence[str], watched: Sequence[str]) -> None:
        self._store = store
        self._surfaces = surfaces
        self._watched = watched

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Report what has lasted for long enough."""
        if len(self._watched) < 2:
            return
        for trouble in await self._store.troubles():
            if now - trouble.since >= REPORT_AFTER:
                others = [surface for surface in self._surfaces if surface != trouble.surface]
                await self._store.add_notice(trouble_notice(trouble), others)


def outside_notice(change: Change, place: str, now: datetime) -> Notice:
    """Make the notice of an edit by other hands."""
    what = str(change.touched[0].path[-1]) if change.touched else "config"
    data = {"id": change.id, "what": what, "old": change.old, "new": change.new, "place": place}
    return Notice(f"outside:{change.id}", NoticeKind.OUTSIDE, now, data)


def from_outside(changes: Sequence[Change], after: int) -> list[Change]:
    """Return the edits by other hands with a higher id, oldest first."""
    found = [c for c in changes if c.id > after and c.surface == Surface.OUTSIDE]
    return sorted(found, key=lambda change: change.id)


def trouble_notice(trouble: ChannelTrouble, until: datetime | None = None) -> Notice:
    """Make the notice that a surface takes no alerts, or takes them again."""
    micros = round(trouble.since.timestamp() * 1_000_000)
    data = {
        "surface": trouble.surface,
        "since": trouble.since.isoformat(),
        "says": [trouble.message, trouble.hint],
        "until": until.isoformat() if until else None,
    }
    key = f"trouble:{trouble.surface}:{micros}"
    return Notice(key, NoticeKind.TROUBLE, until or trouble.since, data)


def undelivered_notice(
    surface: str, event: str, at: datetime, says: tuple[str, str], now: datetime
) -> Notice:
    """Make the notice that a receiver will not be sent an event; the same refusal once a day."""
    digest = hashlib.sha256(says[0].encode()).hexdigest()[:12]
    data = {"surface": surface, "event": event, "at": at.isoformat(), "says": list(says)}
    key = f"undelivered:{surface}:{now.date().isoformat()}:{digest}"
    return Notice(key, NoticeKind.UNDELIVERED, now, data)


def morning_notice(
    incidents: Sequence[Incident], quiet: QuietHours, now: datetime
) -> Notice | None:
    """Make the summary of the night that ended last; None when there was nothing in it."""
    night = quiet.latest(now)
    mine = [incident for incident in incidents if incident.night == night.name]
    if not mine or now < night.end:
        return None
    rows = [
        {
            "id": incident.id,
            "primary": incident.primary,
            "reason": str(incident.reason),
            "opened_at": incident.opened_at.isoformat(),
            "ended_at": incident.ended_at.isoformat() if incident.ended_at else None,
            "requests": incident.requests,
        }
        for incident in mine
    ]
    data = {"night": night.name, "rows": rows}
    return Notice(f"morning:{night.name}", NoticeKind.MORNING, now, data)


def chain_test_notice(
    hops: Sequence[HopNews],
    would_serve: str | None,
    gone: Sequence[str],
    trouble: tuple[str, str] | None,
    now: datetime,
) -> Notice:
    """Make the notice of a scheduled chain test."""
    data = {
        "hops": [[hop.model, hop.verdict, hop.before, hop.hint] for hop in hops],
        "would_serve": would_serve,
        "gone": list(gone),
        "trouble": list(trouble) if trouble else None,
    }
    return Notice(f"test:{now.isoformat()}", NoticeKind.CHAIN_TEST, now, data)


def revert_notice(
    revert: Revert,
    change: Change,
    change_id: int | None,
    why: str,
    place: str,
    now: datetime,
    pins: Sequence[PinResult] = (),
) -> Notice:
    """Make the notice that a timed switch went back, as a change; or `why` it did not."""
    data = {
        "change": change.id,
        "old": change.old,
        "new": change.new,
        "actor": change.reason.partition(":")[0] if change.action == "plan" else change.actor_name,
        "place": place,
        "change_id": change_id,
        "why": why,
        "left": pins_left(pins),
    }
    return Notice(f"revert:{revert.id}", NoticeKind.REVERT, now, data)


def plan_notice(place: str, start: datetime, data: Json, now: datetime) -> Notice:
    """Make the notice of what became of a plan's window."""
    config = revision_of(place.encode())[:8]
    key = f"plan:{config}:{data['plan']}:{int(start.timestamp())}"
    return Notice(key, NoticeKind.PLAN, now, data)


def approval_notice(place: str, data: Json, now: datetime) -> Notice:
    """Make the notice of a request as it stands, or, if `loud`, of its override."""
    config = revision_of(place.encode())[:8]
    loud = ":override" if data.get("loud") else ""
    return Notice(f"approval:{config}:{data['id']}{loud}", NoticeKind.APPROVAL, now, data)


def unknown_model_notice(
    change: Change,
    change_id: int | None,
    model: str,
    place: str,
    now: datetime,
    pins: Sequence[PinResult] = (),
) -> Notice:
    """Make the notice that a change was reverted since OpenClaw does not know its model."""
    data = {
        "change": change.id,
        "old": change.old,
        "new": change.new,
        "actor": change.actor_name,
        "place": place,
        "change_id": change_id,
        "why": "",
        "unknown": model,
        "left": pins_left(pins),
    }
    return Notice(f"unknown:{change.id}", NoticeKind.REVERT, now, data)
