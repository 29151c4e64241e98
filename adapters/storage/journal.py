"""The journal in the database: who changed what, what is pending, who was refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, select, update

from adapters.storage import schema
from adapters.storage.codec import DONE, PENDING, touched_in, touched_out
from adapters.storage.database import Database, upsert
from bot.access import Actor
from bot.errors import StorageError
from bot.ports import (
    Change,
    Json,
    KnownState,
    NewChange,
    Revert,
    RevertState,
)
from bot.spans import Command

_changes = schema.changes
_state = schema.document_state
_reverts = schema.reverts


class SqlJournal:
    """The Journal port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def warm(self) -> None:
        """Open the database."""
        await self._database.read(lambda _: None)

    async def begin(self, change: NewChange) -> int:
        """Note what is about to be written, and when it goes back; invisible until `confirm`."""
        return await self._database.write(lambda c: _begin(c, change))

    async def confirm(self, change_id: int) -> None:
        """Make the note history; a second time changes nothing."""
        await self._database.write(lambda c: _confirm(c, change_id))

    async def abandon(self, change_id: int) -> None:
        """Forget the note, and the going back that was planned with it."""
        await self._database.write(lambda c: _forget(c, [change_id]))

    async def notes(self, document: str) -> Sequence[Change]:
        """Return what was begun and neither confirmed nor abandoned, oldest first."""
        query = (
            select(_changes)
            .where(_changes.c.document == document, _changes.c.state == PENDING)
            .order_by(_changes.c.id)
        )
        return [_change(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def settle(self, document: str, revision: str, *, forget: bool = True) -> None:
        """Confirm the note whose bytes are there and forget the others."""
        await self._database.write(lambda c: _settle(c, document, revision, forget=forget))

    async def known(self, document: str) -> KnownState | None:
        """Return the last known state."""
        query = select(_state.c.revision, _state.c.view).where(_state.c.document == document)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else KnownState(row.revision, row.view)

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        """Record an edit from outside, once.

        False as well when a note of ours explains it: its writer is about to confirm it.
        """
        if known_revision is None:
            return await self._database.write(lambda c: _first_seen(c, change))
        return await self._database.write(lambda c: _observe(c, change, known_revision))

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        """Return the newest changes first."""
        query = (
            select(_changes)
            .where(_changes.c.document == document, _changes.c.state == DONE)
            .order_by(_changes.c.id.desc())
            .limit(limit)
        )
        return [_change(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def changes_since(self, document: str, change_id: int) -> Sequence[Change]:
        """Return a change and all that came after it, newest first."""
        query = (
            select(_changes)
            .where(
                _changes.c.document == document,
                _changes.c.state == DONE,
                _changes.c.id >= change_id,
            )
            .order_by(_changes.c.id.desc())
        )
        return [_change(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def reverts(self, document: str) -> Sequence[Revert]:
        """Return what is pending of changes that happened, soonest first."""
        noted = select(_changes.c.id).where(
            _changes.c.document == document, _changes.c.state == PENDING
        )
        query = (
            select(_reverts)
            .where(
                _reverts.c.document == document,
                _reverts.c.state == RevertState.PENDING.value,
                _reverts.c.change_id.not_in(noted),
            )
            .order_by(_reverts.c.due_at, _reverts.c.id)
        )
        return [_revert(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        """Put a pending revert off or forward."""
        await self._set_revert(revert_id, {"due_at": due_at})

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        """End a pending revert; False when another process was first."""
        return await self._set_revert(revert_id, {"state": state.value})

    async def adopt(self, source: str, document: str) -> int:
        """Rename a document that moved, unless the new name is taken."""
        return await self._database.write(lambda c: _adopt(c, source, document))

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        """Keep a refusal in the audit trail."""
        insert = schema.refusals.insert().values(
            at=at,
            actor_key=actor.key,
            actor_name=actor.name,
            surface=actor.surface.value,
            command=command,
            why=why,
        )
        await self._database.write(lambda c: c.execute(insert))

    async def beat(self, service: str, at: datetime) -> None:
        """Note that a service lives: by the clock as it is now, which may have been put back."""
        await self._database.write(lambda c: _beat(c, service, at))

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        query = select(schema.services.c.alive_at).where(schema.services.c.name == service)
        return await self._database.read(lambda c: c.scalar(query))

    async def _set_revert(self, revert_id: int, values: dict[str, Any]) -> bool:
        change = (
            update(_reverts)
            .where(_reverts.c.id == revert_id, _reverts.c.state == RevertState.PENDING.value)
            .values(values)
        )
        return await self._database.write(lambda c: c.execute(change).rowcount == 1)


def _begin(connection: Connection, change: NewChange) -> int:
    change_id = _insert(connection, change, PENDING)
    if change.back_at is not None:
        connection.execute(
            _reverts.insert().values(
                document=change.document,
                change_id=change_id,
                due_at=change.back_at,
                state=RevertState.PENDING.value,
            )
        )
    return change_id


def _insert(connection: Connection, change: NewChange, state: str) -> int:
    insert = (
        _changes.insert()
        .values(
            document=change.document,
            state=state,
            at=change.at,
            actor_key=change.actor.key,
            actor_name=change.actor.name,
            surface=change.actor.surface.value,
            action=change.action,
            reason=change.reason,
            old=change.old,
            new=change.new,
            touched=[touched_out(touched) for touched in change.touched],
            revision_before=change.revision_before,
            revision=change.revision,
            diff=change.diff,
            # Only a note needs it: from there it moves on to the document's state.
            view=change.view if state == PENDING else None,
            reverts=change.reverts,
        )
        .returning(_changes.c.id)
    )
    return int(connection.execute(insert).scalar_one())


def _confirm(connection: Connection, change_id: int) -> None:
    row = connection.execute(select(_changes).where(_changes.c.id == change_id)).one_or_none()
    if row is None:
        raise StorageError(f"History has no pending change {change_id}.", Command("model history"))
    finish = (
        update(_changes)
        .where(_changes.c.id == change_id, _changes.c.state == PENDING)
        .values(state=DONE, view=None)
    )
    if connection.execute(finish).rowcount == 1:
        _move_on(connection, row.document, row.revision, row.view, change_id)


def _move_on(
    connection: Connection, document: str, revision: str, view: Json, change_id: int
) -> None:
    """Set the document's known state."""
    insert = upsert(connection, _state).values(
        document=document, revision=revision, view=view, change_id=change_id
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[_state.c.document],
            set_={
                "revision": insert.excluded.revision,
                "view": insert.excluded.view,
                "change_id": insert.excluded.change_id,
            },
        )
    )


def _forget(connection: Connection, change_ids: Sequence[int]) -> None:
    pending = delete(_changes).where(_changes.c.id.in_(change_ids), _changes.c.state == PENDING)
    dropped = connection.execute(pending.returning(_changes.c.id)).scalars().all()
    if dropped:
        connection.execute(delete(_reverts).where(_reverts.c.change_id.in_(dropped)))


def _settle(connection: Connection, document: str, revision: str, *, forget: bool) -> None:
    notes = connection.execute(
        select(_changes.c.id, _changes.c.revision)
        .where(_changes.c.document == document, _changes.c.state == PENDING)
        .order_by(_changes.c.id)
    ).all()
    if not notes:
        return
    written = max((note.id for note in notes if note.revision == revision), default=None)
    state = connection.execute(select(_state).where(_state.c.document == document)).one_or_none()
    # A later row has told already how the present bytes came about.
    if written and state and state.revision == revision and state.change_id > written:
        written = None
    if forget:
        _forget(connection, [note.id for note in notes if note.id != written])
    if written is not None:
        _confirm(connection, written)


def _first_seen(connection: Connection, change: NewChange) -> bool:
    insert = (
        upsert(connection, _state)
        .values(document=change.document, revision=change.revision, view=change.view, change_id=0)
        .on_conflict_do_nothing(index_elements=[_state.c.document])
        .returning(_state.c.document)
    )
    return connection.execute(insert).one_or_none() is not None


def _adopt(connection: Connection, source: str, document: str) -> int:
    taken = select(_state.c.document).where(_state.c.document == document)
    if source == document or connection.execute(taken).first() is not None:
        return 0
    for table in (_changes, _reverts, _state):
        moved = update(table).where(table.c.document == source)
        connection.execute(moved.values(document=document))
    pending = select(func.count()).where(
        _reverts.c.document == document, _reverts.c.state == RevertState.PENDING.value
    )
    return connection.scalar(pending) or 0


def _observe(connection: Connection, change: NewChange, known_revision: str) -> bool:
    ours = exists().where(
        _changes.c.document == change.document,
        _changes.c.state == PENDING,
        _changes.c.revision == change.revision,
    )
    swap = (
        update(_state)
        .where(_state.c.document == change.document, _state.c.revision == known_revision, ~ours)
        .values(revision=change.revision, view=change.view)
    )
    if connection.execute(swap).rowcount != 1:
        return False
    change_id = _insert(connection, change, DONE)
    connection.execute(
        update(_state).where(_state.c.document == change.document).values(change_id=change_id)
    )
    return True


def _beat(connection: Connection, service: str, at: datetime) -> None:
    table = schema.services
    insert = upsert(connection, table).values(name=service, alive_at=at)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[table.c.name],
            set_={"alive_at": insert.excluded.alive_at},
        )
    )


def _change(row: Row[Any]) -> Change:
    return Change(
        id=row.id,
        document=row.document,
        at=row.at,
        actor_key=row.actor_key,
        actor_name=row.actor_name,
        surface=row.surface,
        action=row.action,
        reason=row.reason,
        old=row.old,
        new=row.new,
        touched=tuple(touched_in(touched) for touched in row.touched),
        revision_before=row.revision_before,
        revision=row.revision,
        diff=row.diff,
        reverts=row.reverts,
    )


def _revert(row: Row[Any]) -> Revert:
    return Revert(row.id, row.document, row.change_id, row.due_at, RevertState(row.state))
