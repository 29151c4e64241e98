"""The journal in the database: who changed what, what is pending, who was refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.storage.codec import (
    DONE,
    PENDING,
    text_of,
    time_of,
    time_or_none,
    touched_in,
    touched_out,
    value_of,
)
from adapters.storage.connection import Connection, Row, marks
from adapters.storage.database import Database
from bot.access import Actor
from bot.errors import StorageError
from bot.ports import Change, KnownState, NewChange, Revert, RevertState
from bot.spans import Command

_IS_PENDING = "id = ? AND state = 'pending'"


class DatabaseJournal:
    """The Journal port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def warm(self) -> None:
        """Open the database."""
        await self._database.open()

    async def begin(self, change: NewChange) -> int:
        """Note what is about to be written, and when it goes back; invisible until `confirm`."""
        return await self._database.write(lambda c: _begin(c, change))

    async def confirm(self, change_id: int) -> None:
        """Make the note history; a second time changes nothing."""
        await self._database.write(lambda c: _confirm(c, change_id))

    async def abandon(self, change_id: int) -> None:
        """Forget the note, and the going back that was planned with it."""
        await self._database.change(lambda c: _forget(c, [change_id]))

    async def notes(self, document: str) -> Sequence[Change]:
        """Return what was begun and neither confirmed nor abandoned, oldest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM changes WHERE document = ? AND state = 'pending' ORDER BY id",
                document,
            )
        )
        return [_change(row) for row in rows]

    async def recover(self, document: str, revision: str, *, forget: bool = True) -> None:
        """Confirm the note whose bytes are there and forget the others."""
        await self._database.change(lambda c: _recover(c, document, revision, forget=forget))

    async def known(self, document: str) -> KnownState | None:
        """Return the last known state."""
        row = await self._database.read(
            lambda c: c.row(
                "SELECT revision, view FROM document_state WHERE document = ?", document
            )
        )
        return None if row is None else KnownState(row["revision"], value_of(row["view"]))

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        """Record an edit from outside, once.

        False as well when a note of ours explains it: its writer is about to confirm it.
        """
        if known_revision is None:
            return await self._database.write(lambda c: _first_seen(c, change))
        return await self._database.change(lambda c: _observe(c, change, known_revision))

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        """Return the newest changes first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM changes WHERE document = ? AND state = 'done' "
                "ORDER BY id DESC LIMIT ?",
                document,
                limit,
            )
        )
        return [_change(row) for row in rows]

    async def changes_since(self, document: str, change_id: int) -> Sequence[Change]:
        """Return a change and all that came after it, newest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM changes WHERE document = ? AND state = 'done' AND id >= ? "
                "ORDER BY id DESC",
                document,
                change_id,
            )
        )
        return [_change(row) for row in rows]

    async def reverts(self, document: str) -> Sequence[Revert]:
        """Return what is pending of changes that happened, soonest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM reverts WHERE document = ? AND state = 'pending' "
                "AND change_id NOT IN "
                "(SELECT id FROM changes WHERE document = ? AND state = 'pending') "
                "ORDER BY due_at, id",
                document,
                document,
            )
        )
        return [_revert(row) for row in rows]

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        """Put a pending revert off or forward."""
        await self._database.change(
            lambda c: c.update("reverts", {"due_at": due_at}, _IS_PENDING, revert_id)
        )

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        """End a pending revert; False when another process was first."""
        closed = await self._database.change(
            lambda c: c.update("reverts", {"state": state.value}, _IS_PENDING, revert_id)
        )
        return closed == 1

    async def adopt(self, source: str, document: str) -> int:
        """Rename a document that moved, unless the new name is taken."""
        return await self._database.change(lambda c: _adopt(c, source, document))

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        """Keep a refusal in the audit trail."""
        values = {
            "at": at,
            "actor_key": actor.key,
            "actor_name": actor.name,
            "surface": actor.surface.value,
            "command": command,
            "why": why,
        }
        await self._database.write(lambda c: c.insert("refusals", values))

    async def beat(self, service: str, at: datetime) -> None:
        """Note that a service lives: by the clock as it is now, which may have been put back."""
        await self._database.write(
            lambda c: c.put("services", {"name": service, "alive_at": at}, "name")
        )

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        return time_or_none(
            await self._database.read(
                lambda c: c.value("SELECT alive_at FROM services WHERE name = ?", service)
            )
        )


def _begin(connection: Connection, change: NewChange) -> int:
    change_id = _insert(connection, change, PENDING)
    if change.back_at is not None:
        revert = {
            "document": change.document,
            "change_id": change_id,
            "due_at": change.back_at,
            "state": RevertState.PENDING.value,
        }
        connection.insert("reverts", revert)
    return change_id


def _insert(connection: Connection, change: NewChange, state: str) -> int:
    row = {
        "document": change.document,
        "state": state,
        "at": change.at,
        "actor_key": change.actor.key,
        "actor_name": change.actor.name,
        "surface": change.actor.surface.value,
        "action": change.action,
        "reason": change.reason,
        "old": text_of(change.old),
        "new": text_of(change.new),
        "touched": text_of([touched_out(touched) for touched in change.touched]),
        "revision_before": change.revision_before,
        "revision": change.revision,
        "diff": change.diff,
        # Only a note needs it: from there it moves on to the document's state.
        "view": text_of(change.view if state == PENDING else None),
        "reverts": change.reverts,
    }
    return connection.insert_new("changes", row)


def _confirm(connection: Connection, change_id: int) -> None:
    row = connection.row("SELECT * FROM changes WHERE id = ?", change_id)
    if row is None:
        raise StorageError(f"History has no pending change {change_id}.", Command("model history"))
    if connection.update("changes", {"state": DONE, "view": "null"}, _IS_PENDING, change_id) == 1:
        state = {name: row[name] for name in ("document", "revision", "view")}
        connection.put("document_state", {**state, "change_id": change_id}, "document")


def _forget(connection: Connection, change_ids: Sequence[int]) -> None:
    ids = marks(change_ids)
    dropped = connection.rows(
        f"DELETE FROM changes WHERE id IN ({ids}) AND state = 'pending' RETURNING id", *change_ids
    )
    for row in dropped:
        connection.run("DELETE FROM reverts WHERE change_id = ?", row["id"])


def _recover(connection: Connection, document: str, revision: str, *, forget: bool) -> None:
    notes = connection.rows(
        "SELECT id, revision FROM changes WHERE document = ? AND state = 'pending' ORDER BY id",
        document,
    )
    if not notes:
        return
    written = max((note["id"] for note in notes if note["revision"] == revision), default=None)
    state = connection.row("SELECT * FROM document_state WHERE document = ?", document)
    # A later row has told already how the present bytes came about.
    if written and state and state["revision"] == revision and state["change_id"] > written:
        written = None
    dropped = [note["id"] for note in notes if note["id"] != written]
    if forget and dropped:
        _forget(connection, dropped)
    if written is not None:
        _confirm(connection, written)


def _first_seen(connection: Connection, change: NewChange) -> bool:
    state = {
        "document": change.document,
        "revision": change.revision,
        "view": text_of(change.view),
        "change_id": 0,
    }
    return connection.insert("document_state", state, "ON CONFLICT (document) DO NOTHING") == 1


def _adopt(connection: Connection, source: str, document: str) -> int:
    taken = connection.row("SELECT 1 FROM document_state WHERE document = ?", document)
    if source == document or taken is not None:
        return 0
    for table in ("changes", "reverts", "document_state", "plans", "plan_runs", "approvals"):
        connection.update(table, {"document": document}, "document = ?", source)
    return int(
        connection.value(
            "SELECT count(*) FROM reverts WHERE document = ? AND state = 'pending'", document
        )
    )


def _observe(connection: Connection, change: NewChange, known_revision: str) -> bool:
    swapped = connection.update(
        "document_state",
        {"revision": change.revision, "view": text_of(change.view)},
        "document = ? AND revision = ? AND NOT EXISTS (SELECT 1 FROM changes "
        "WHERE document = ? AND state = 'pending' AND revision = ?)",
        change.document,
        known_revision,
        change.document,
        change.revision,
    )
    if swapped != 1:
        return False
    change_id = _insert(connection, change, DONE)
    connection.update("document_state", {"change_id": change_id}, "document = ?", change.document)
    return True


def _change(row: Row) -> Change:
    return Change(
        id=row["id"],
        document=row["document"],
        at=time_of(row["at"]),
        actor_key=row["actor_key"],
        actor_name=row["actor_name"],
        surface=row["surface"],
        action=row["action"],
        reason=row["reason"],
        old=value_of(row["old"]),
        new=value_of(row["new"]),
        touched=tuple(touched_in(touched) for touched in value_of(row["touched"])),
        revision_before=row["revision_before"],
        revision=row["revision"],
        diff=row["diff"],
        reverts=row["reverts"],
    )


def _revert(row: Row) -> Revert:
    return Revert(
        row["id"],
        row["document"],
        row["change_id"],
        time_of(row["due_at"]),
        RevertState(row["state"]),
    )
