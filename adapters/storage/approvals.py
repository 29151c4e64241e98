"""Changes that wait for approval, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.storage.codec import text_of, time_of, time_or_none, value_of
from adapters.storage.connection import Connection, Row
from adapters.storage.database import Database
from bot.access import Actor, Permission, Surface
from bot.ports.approvals import Approval, ApprovalState, Decision

_OPEN = (ApprovalState.WAITING.value, ApprovalState.APPROVED.value)


class DatabaseApprovals:
    """The Approvals port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, approval: Approval) -> Approval:
        """Keep a new request and return it with its id."""
        row = _row(approval)
        return replace(
            approval, id=await self._database.write(lambda c: c.insert_new("approvals", row))
        )

    async def get(self, document: str, approval_id: int) -> Approval | None:
        """Return one request."""
        row = await self._database.read(
            lambda c: c.row(
                "SELECT * FROM approvals WHERE document = ? AND id = ?", document, approval_id
            )
        )
        return None if row is None else _approval(row)

    async def recent(self, document: str, limit: int) -> Sequence[Approval]:
        """Return the newest requests first."""
        return await self._rows("document = ? ORDER BY id DESC LIMIT ?", document, limit)

    async def unsettled(self, document: str) -> Sequence[Approval]:
        """Return what is open, or not yet posted as it stands, the oldest first."""
        where = "document = ? AND (state IN (?, ?) OR posted <> state) ORDER BY id"
        return await self._rows(where, document, *_OPEN)

    async def decide(self, approval_id: int, decision: Decision) -> bool:
        """Decide a waiting request; of many at once one does."""
        values = {
            "state": decision.state.value,
            "decided_by": decision.by,
            "decided_key": decision.key,
            "decided_at": decision.at,
            "overridden": decision.overridden,
            "note": decision.note,
        }
        return await self._from(approval_id, ApprovalState.WAITING, values)

    async def finish(
        self,
        approval_id: int,
        state: ApprovalState,
        *,
        change_id: int | None = None,
        note: str | None = None,
    ) -> bool:
        """Say what became of an approved request."""
        values: dict[str, Any] = {"state": state.value, "change_id": change_id}
        if note is not None:
            values["note"] = note
        if state is ApprovalState.WAITING:
            undecided = dict.fromkeys(("decided_by", "decided_key", "decided_at"))
            values |= {**undecided, "overridden": False, "note": ""}
        return await self._from(approval_id, ApprovalState.APPROVED, values)

    async def set_posted(self, approval_id: int, state: ApprovalState) -> None:
        """Remember that the channel is given a state."""
        await self._database.change(
            lambda c: c.update("approvals", {"posted": state.value}, "id = ?", approval_id)
        )

    async def _from(self, approval_id: int, state: ApprovalState, values: dict[str, Any]) -> bool:
        def work(connection: Connection) -> int:
            where = "id = ? AND state = ?"
            return connection.update("approvals", values, where, approval_id, state.value)

        return await self._database.change(work) == 1

    async def _rows(self, where: str, *values: Any) -> list[Approval]:
        rows = await self._database.read(
            lambda c: c.rows(f"SELECT * FROM approvals WHERE {where}", *values)
        )
        return [_approval(row) for row in rows]


def _row(one: Approval) -> dict[str, Any]:
    return {
        "document": one.document,
        "words": one.words,
        "actor_name": one.by.name,
        "actor_id": one.by.id,
        "surface": one.by.surface.value,
        "groups": text_of(sorted(one.by.groups)),
        "home": one.by.home,
        "role": one.role.value,
        "at": one.at,
        "expires_at": one.expires_at,
        "reason": one.reason,
        "rules": text_of(list(one.rules)),
        "facts": text_of(one.facts),
        "shown": text_of(one.shown),
        "state": one.state.value,
        "decided_by": one.decided_by,
        "decided_key": one.decided_key,
        "decided_at": one.decided_at,
        "overridden": one.overridden,
        "note": one.note,
        "change_id": one.change_id,
        "posted": one.posted,
    }


def _approval(row: Row) -> Approval:
    by = Actor(
        Surface(row["surface"]),
        row["actor_id"],
        row["actor_name"],
        frozenset(value_of(row["groups"])),
        home=row["home"],
    )
    return Approval(
        document=row["document"],
        words=row["words"],
        by=by,
        role=Permission(row["role"]),
        at=time_of(row["at"]),
        expires_at=time_of(row["expires_at"]),
        reason=row["reason"],
        rules=tuple(value_of(row["rules"])),
        facts=value_of(row["facts"]),
        shown=value_of(row["shown"]),
        state=ApprovalState(row["state"]),
        decided_by=row["decided_by"],
        decided_key=row["decided_key"],
        decided_at=time_or_none(row["decided_at"]),
        overridden=bool(row["overridden"]),
        note=row["note"],
        change_id=row["change_id"],
        posted=row["posted"],
        id=row["id"],
    )
