"""In-memory stand-ins for the storage ports, held to the same contract suites."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from adapters.storage.codec import event_key, used_read, used_written
from bot.access import Actor
from bot.errors import (
    ChangeoverError,
    ConfigConflictError,
    ConfigLockedError,
    ConfigMissingError,
    ConfigWriteError,
    StorageError,
)
from bot.ports import (
    ABSENT,
    Ceiling,
    Change,
    Cooldown,
    Document,
    FallbackEvent,
    IncidentRow,
    KeptRevision,
    KnownState,
    MadeId,
    NewChange,
    Revert,
    RevertState,
    StoredLimit,
    StoredLimits,
    Touched,
    revision_of,
)
from bot.ports.approvals import Approval, ApprovalState, Decision
from bot.ports.fallbacks import MADE_KEPT, SKEW
from bot.ports.plans import PlanRun, SwitchPlan


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, at: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> datetime:
        """Go on by the span and return the new present."""
        self.at += span
        return self.at


# How long one waits for the lock, real time; contended tests hold it for a moment only.
LOCK_TIMEOUT_S = 0.2


class FakeConfigStore:
    """A config document in memory.

    `edit_outside` stands for another program's edit, `locked` for another process's lock; an
    error put into `fail_read` or `fail_write` is raised by the next such calls until it is taken
    out. `before_write` is called between the caller's write and the compare-and-swap.
    """

    def __init__(
        self,
        raw: bytes | None = b"{}\n",
        *,
        location: str = "/srv/moltbot.json",
        included: Mapping[str, bytes | str] | None = None,
    ) -> None:
        self.raw = raw
        self.included = dict(included or {})
        self.backups: list[bytes] = []
        self.writes: list[bytes] = []
        self.locked = False
        self.fail_read: ChangeoverError | None = None
        self.fail_write: ChangeoverError | None = None
        self.before_write: Any = None
        self._location = location
        self._lock = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def location(self) -> str:
        return self._location

    async def read(self) -> Document:
        if self.fail_read is not None:
            raise self.fail_read
        if self.raw is None:
            raise ConfigMissingError(f"There is no {self._location}.", "changeover init")
        return Document(self.raw, revision_of(self.raw), dict(self.included))

    async def kept(self) -> Sequence[KeptRevision]:
        present = (await self.read()).raw
        return [
            KeptRevision(datetime(2026, 3, 2, tzinfo=UTC), revision_of(raw), raw)
            for raw in (present, *self.backups)
        ]

    async def create(self, raw: bytes) -> Document:
        """Put a first document where there is none."""
        if self.raw is not None:
            raise ConfigWriteError(f"{self._location} is there already.", "changeover doctor")
        self.edit_outside(raw)
        return await self.read()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self.read()
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_S):
                await self._turn.acquire()
        except TimeoutError:
            raise ConfigLockedError(f"{self._location} is locked.", "Try again.") from None
        try:
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AsyncIterator[_FakeSession]:
        if self.locked:
            raise ConfigLockedError(f"{self._location} is locked by process 4711.", "Try again.")
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_S):
                await self._lock.acquire()
        except TimeoutError:
            raise ConfigLockedError(f"{self._location} is locked.", "Try again.") from None
        session = _FakeSession(self)
        try:
            yield session
        finally:
            session.closed = True
            self._lock.release()

    async def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        seen = since or self._revision()
        while True:
            changed = self._changed
            if self._revision() != seen and self.raw is not None:
                seen = self._revision()
                yield await self.read()
            else:
                await changed.wait()

    def edit_outside(self, raw: bytes | None) -> None:
        """Change (or with None remove) the document as another program would."""
        self.raw = raw
        self._changed.set()
        self._changed = asyncio.Event()

    def _revision(self) -> str | None:
        return None if self.raw is None else revision_of(self.raw)


class _FakeSession:
    def __init__(self, store: FakeConfigStore) -> None:
        self._store = store
        self.closed = False

    async def read(self) -> Document:
        return await self._store.read()

    async def write(
        self, raw: bytes, *, expected_revision: str, into: str | None = None
    ) -> Document:
        if self.closed:
            raise RuntimeError("the lock was given back: this session is over")
        store = self._store
        if store.before_write is not None:
            store.before_write()
        present = await store.read()
        if revision_of(present.bytes_of(into or "")) != expected_revision:
            raise ConfigConflictError(f"{store.location} changed meanwhile.", "Try again.")
        if store.fail_write is not None:
            raise store.fail_write
        if into is not None:
            store.included[into] = raw
            store.edit_outside(store.raw)
            return await store.read()
        store.backups.insert(0, present.raw)
        del store.backups[5:]
        store.writes.append(raw)
        store.edit_outside(raw)
        return await store.read()


@dataclass(slots=True)
class _Note:
    id: int
    change: NewChange
    done: bool = False


@dataclass(slots=True)
class _State:
    known: KnownState
    change_id: int = 0


@dataclass(frozen=True, slots=True)
class FakeRefusal:
    """One line of the fake's audit trail."""

    at: datetime
    actor_key: str
    command: str
    why: str


@dataclass
class FakeJournal:
    """A journal in memory; an error put into `fail` is raised by every method."""

    fail: StorageError | None = None
    refusals: list[FakeRefusal] = field(default_factory=list)
    _notes: dict[int, _Note] = field(default_factory=dict)
    _states: dict[str, _State] = field(default_factory=dict)
    _reverts: dict[int, Revert] = field(default_factory=dict)
    _beats: dict[str, datetime] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(1))
    _revert_ids: Any = field(default_factory=lambda: count(1))

    async def warm(self) -> None:
        self._check()

    async def begin(self, change: NewChange) -> int:
        self._check()
        note = _Note(next(self._ids), _copied(change))
        self._notes[note.id] = note
        if change.back_at is not None:
            self._revert(change.document, note.id, change.back_at)
        return note.id

    async def confirm(self, change_id: int) -> None:
        self._check()
        note = self._notes.get(change_id)
        if note is None:
            raise StorageError(f"The journal has no note {change_id}.", "Run the command again.")
        if not note.done:
            self._finish(note)

    async def abandon(self, change_id: int) -> None:
        self._check()
        note = self._notes.get(change_id)
        if note is not None and not note.done:
            self._forget(note)

    async def notes(self, document: str) -> Sequence[Change]:
        self._check()
        return [
            _row(n) for n in self._notes.values() if not n.done and n.change.document == document
        ]

    async def recover(self, document: str, revision: str, *, forget: bool = True) -> None:
        self._check()
        state = self._states.get(document)
        pending = [n for n in self._notes.values() if not n.done and n.change.document == document]
        written = [n for n in pending if n.change.revision == revision]
        last = written[-1] if written else None
        if last and state and state.known.revision == revision and state.change_id > last.id:
            last = None
        for note in pending:
            if note is last:
                self._finish(note)
            elif forget:
                self._forget(note)

    async def known(self, document: str) -> KnownState | None:
        self._check()
        state = self._states.get(document)
        return None if state is None else KnownState(state.known.revision, _json(state.known.view))

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        self._check()
        state = self._states.get(change.document)
        if known_revision is None:
            if state is None:
                view = _json(change.view)
                self._states[change.document] = _State(KnownState(change.revision, view))
            return state is None
        if state is None or state.known.revision != known_revision:
            return False
        if any(
            not n.done
            and n.change.document == change.document
            and n.change.revision == change.revision
            for n in self._notes.values()
        ):
            return False
        note = _Note(next(self._ids), _copied(change))
        self._notes[note.id] = note
        self._finish(note)
        return True

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        self._check()
        done = [n for n in self._notes.values() if n.done and n.change.document == document]
        return [_row(note) for note in sorted(done, key=lambda n: -n.id)[:limit]]

    async def changes_since(self, document: str, change_id: int) -> Sequence[Change]:
        return [one for one in await self.changes(document, 10**6) if one.id >= change_id]

    def _revert(self, document: str, change_id: int, due_at: datetime) -> None:
        new = Revert(next(self._revert_ids), document, change_id, due_at, RevertState.PENDING)
        self._reverts[new.id] = new

    async def reverts(self, document: str) -> Sequence[Revert]:
        self._check()
        pending = [
            r
            for r in self._reverts.values()
            if r.document == document
            and r.state is RevertState.PENDING
            and self._notes[r.change_id].done
        ]
        return sorted(pending, key=lambda r: (r.due_at, r.id))

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        self._check()
        revert = self._reverts.get(revert_id)
        if revert is not None and revert.state is RevertState.PENDING:
            self._reverts[revert_id] = replace(revert, due_at=due_at)

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        self._check()
        revert = self._reverts.get(revert_id)
        if revert is None or revert.state is not RevertState.PENDING:
            return False
        self._reverts[revert_id] = replace(revert, state=state)
        return True

    async def adopt(self, source: str, document: str) -> int:
        self._check()
        if source == document or document in self._states:
            return 0
        if source in self._states:
            self._states[document] = self._states.pop(source)
        for note in self._notes.values():
            if note.change.document == source:
                note.change = replace(note.change, document=document)
        for id_, revert in self._reverts.items():
            if revert.document == source:
                self._reverts[id_] = replace(revert, document=document)
        return len(await self.reverts(document))

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        self._check()
        self.refusals.append(FakeRefusal(at, actor.key, command, why))

    async def beat(self, service: str, at: datetime) -> None:
        self._check()
        self._beats[service] = at

    async def last_beat(self, service: str) -> datetime | None:
        self._check()
        return self._beats.get(service)

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail

    def _forget(self, note: _Note) -> None:
        del self._notes[note.id]
        self._reverts = {i: r for i, r in self._reverts.items() if r.change_id != note.id}

    def _finish(self, note: _Note) -> None:
        note.done = True
        known = KnownState(note.change.revision, note.change.view)
        self._states[note.change.document] = _State(known, note.id)


def _wins(new: Cooldown, known: Cooldown) -> bool:
    if known.since is not None and known.since > (new.since or new.until) + SKEW:
        return True
    if not new.failures:
        return known.since is None or known.since <= new.until
    if not known.failures:
        return new.since is not None and known.until <= new.since
    return known.until <= new.until


@dataclass
class FakeFallbackLog:
    """Cool-downs, events, incidents and the mute in memory; `incident_rows` is filled by hand."""

    fail: StorageError | None = None
    fail_writes: StorageError | None = None
    incident_rows: list[IncidentRow] = field(default_factory=list)
    _cooldowns: dict[str, Cooldown] = field(default_factory=dict)
    _events: list[FallbackEvent] = field(default_factory=list)
    _muted_until: datetime | None = None
    _used: dict[str, Mapping[str, Mapping[str, date]]] = field(default_factory=dict)
    _made: dict[str, MadeId] = field(default_factory=dict)
    _staying: dict[str, tuple[datetime, Mapping[str, int]]] = field(default_factory=dict)
    _limits: dict[str, StoredLimits] = field(default_factory=dict)

    async def limits(self, config: str) -> StoredLimits:
        self._check()
        return self._limits.get(config, StoredLimits())

    async def set_limit(self, config: str, limit: StoredLimit | None) -> None:
        self._limits[config] = replace(await self.limits(config), limit=limit)

    async def set_ceiling(self, config: str, ceiling: Ceiling | None) -> None:
        self._limits[config] = replace(await self.limits(config), ceiling=ceiling)

    async def staying(self, since: datetime) -> Mapping[str, int]:
        self._check()
        total: Counter[str] = Counter()
        for at, counts in self._staying.values():
            total.update(counts if at >= since else {})
        return total

    async def add_made(self, made: Sequence[MadeId]) -> None:
        self._check()
        self._made |= {one.digest: one for one in made}
        newest = max((one.at for one in made), default=datetime.min.replace(tzinfo=UTC))
        self._made = {d: one for d, one in self._made.items() if newest - one.at <= MADE_KEPT}

    async def makers(self, digests: Sequence[str], since: datetime) -> Mapping[str, str]:
        self._check()
        found = (self._made.get(digest) for digest in digests)
        return {one.digest: one.model for one in found if one and one.at >= since}

    async def used(self, since: date) -> Mapping[str, frozenset[str]]:
        self._check()
        return used_read(map(used_written, self._used.values()), since)

    async def report_used(self, service: str, used: Mapping[str, Mapping[str, date]]) -> None:
        self._check()
        self._used[service] = used

    async def report_staying(self, service: str, at: datetime, counts: Mapping[str, int]) -> None:
        self._check()
        self._staying[service] = (at, counts)

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        """Return those that end after an instant."""
        found = [c for c in self._cooldowns.values() if c.until > after]
        return sorted(found, key=lambda c: (c.until, c.scope))

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start, prolong or (by proof) end some."""
        if self.fail_writes:
            raise self.fail_writes
        for new in cooldowns:
            known = self._cooldowns.get(new.scope)
            if known is None or _wins(new, known):
                self._cooldowns[new.scope] = new

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        self._check()
        recent = [(e.at, i, e) for i, e in enumerate(self._events) if e.at >= since]
        return [e for _, _, e in sorted(recent, reverse=True, key=lambda r: r[:2])[:limit]]

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        self._check()
        known = {event_key(event): n for n, event in enumerate(self._events)}
        for event in events:
            at = known.setdefault(event_key(event), len(self._events))
            if at == len(self._events):
                self._events.append(event)
            elif self._events[at].held_until is not None:
                self._events[at] = event

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        self._check()
        rows = [r for r in self.incident_rows if not (open_only and r.resolved_at)]
        return sorted(rows, key=lambda r: (r.opened_at, r.id), reverse=True)[:limit]

    async def muted_until(self) -> datetime | None:
        self._check()
        return self._muted_until

    async def mute(self, until: datetime | None) -> None:
        self._check()
        self._muted_until = until

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


def _json(value: Any) -> Any:
    return value if value is ABSENT else json.loads(json.dumps(value))


def _copied(change: NewChange) -> NewChange:
    """Take the values as they are now, so that what the caller does to them later is not kept."""
    touched = tuple(Touched(t.path, _json(t.before), _json(t.after)) for t in change.touched)
    return replace(
        change,
        old=_json(change.old),
        new=_json(change.new),
        view=_json(change.view),
        touched=touched,
    )


def _row(note: _Note) -> Change:
    change = _copied(note.change)
    return Change(
        id=note.id,
        document=change.document,
        at=change.at,
        actor_key=change.actor.key,
        actor_name=change.actor.name,
        surface=str(change.actor.surface),
        action=change.action,
        reason=change.reason,
        old=change.old,
        new=change.new,
        touched=change.touched,
        revision_before=change.revision_before,
        revision=change.revision,
        diff=change.diff,
        reverts=change.reverts,
    )


class FakePlans:
    """Plans in memory; an error put into `fail` is raised by every method."""

    def __init__(self) -> None:
        self.fail: StorageError | None = None
        self.kept: dict[tuple[str, int], SwitchPlan] = {}
        self.dealt: dict[tuple[str, int, datetime], PlanRun] = {}

    async def plans(self, document: str, *, ended: bool = False) -> Sequence[SwitchPlan]:
        self._check()
        mine = [plan for (name, _), plan in sorted(self.kept.items()) if name == document]
        return [plan for plan in mine if ended or plan.ended_at is None]

    async def add(self, plan: SwitchPlan) -> bool:
        self._check()
        first = (plan.document, plan.number) not in self.kept
        self.kept.setdefault((plan.document, plan.number), plan)
        return first

    async def end(self, document: str, number: int, by: str, at: datetime) -> bool:
        self._check()
        plan = self.kept.get((document, number))
        if plan is None or plan.ended_at is not None:
            return False
        self.kept[document, number] = replace(plan, ended_at=at, ended_by=by)
        return True

    async def runs(self, document: str, since: datetime) -> Sequence[PlanRun]:
        self._check()
        mine = [run for key, run in self.dealt.items() if key[0] == document]
        return sorted(
            (run for run in mine if run.end_at > since), key=lambda run: (run.start_at, run.number)
        )

    async def keep_run(self, document: str, run: PlanRun) -> bool:
        self._check()
        key = (document, run.number, run.start_at)
        first = key not in self.dealt
        self.dealt.setdefault(key, run)
        return first

    async def drop_run(self, document: str, run: PlanRun) -> None:
        self._check()
        self.dealt.pop((document, run.number, run.start_at), None)

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


class FakeApprovals:
    """Requests in memory; an error put into `fail` is raised by every method."""

    def __init__(self) -> None:
        self.fail: StorageError | None = None
        self.kept: dict[int, Approval] = {}

    async def add(self, approval: Approval) -> Approval:
        self._check()
        facts = json.loads(json.dumps(approval.facts))
        shown = json.loads(json.dumps(approval.shown))
        kept = replace(approval, id=len(self.kept) + 1, facts=facts, shown=shown)
        self.kept[kept.id] = kept
        return kept

    async def get(self, document: str, approval_id: int) -> Approval | None:
        self._check()
        found = self.kept.get(approval_id)
        return found if found and found.document == document else None

    async def recent(self, document: str, limit: int) -> Sequence[Approval]:
        self._check()
        mine = [one for one in self.kept.values() if one.document == document]
        return mine[::-1][:limit]

    async def unsettled(self, document: str) -> Sequence[Approval]:
        self._check()
        mine = [one for one in self.kept.values() if one.document == document]
        return [one for one in mine if one.open or one.posted != one.state]

    async def decide(self, approval_id: int, decision: Decision) -> bool:
        self._check()
        one = self.kept.get(approval_id)
        if one is None or one.state is not ApprovalState.WAITING:
            return False
        self.kept[approval_id] = replace(
            one,
            state=decision.state,
            decided_by=decision.by,
            decided_key=decision.key,
            decided_at=decision.at,
            note=decision.note,
            overridden=decision.overridden,
        )
        return True

    async def finish(
        self,
        approval_id: int,
        state: ApprovalState,
        *,
        change_id: int | None = None,
        note: str | None = None,
    ) -> bool:
        self._check()
        one = self.kept.get(approval_id)
        if one is None or one.state is not ApprovalState.APPROVED:
            return False
        one = replace(
            one, state=state, change_id=change_id, note=one.note if note is None else note
        )
        if state is ApprovalState.WAITING:
            one = replace(one, decided_by=None, decided_key=None, decided_at=None, note="")
            one = replace(one, overridden=False)
        self.kept[approval_id] = one
        return True

    async def set_posted(self, approval_id: int, state: ApprovalState) -> None:
        self._check()
        self.kept[approval_id] = replace(self.kept[approval_id], posted=state)

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail
