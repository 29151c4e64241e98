"""The ports' reads straight from the SQLite file, for commands that only look.

Python's own driver loads in a twentieth of the database library's time. These are the same
queries as in `journal` and `fallback_log`, held to the same contract suites. Each returns None
when it is not this module's to answer: the database then says what is the matter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from adapters.storage.codec import (
    DONE,
    HEAD,
    MUTE_SCOPE,
    PENDING,
    STAYING,
    context_in,
    gaps_in,
    micros_of,
    staying_read,
    time_of,
    touched_in,
    value_of,
)
from bot.models import FailureReason
from bot.ports import (
    Change,
    Cooldown,
    FallbackEvent,
    IncidentRow,
    Json,
    KnownState,
    Revert,
    RevertState,
)
from bot.ports.alerts import ChannelTrouble

T = TypeVar("T")
Rows = list[sqlite3.Row]
_TIMEOUT_S = 5.0


class QuickReads:
    """Reads one SQLite file of the schema that this program knows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def known(self, document: str) -> Sequence[KnownState] | None:
        """Return the known state in a list of at most one."""
        rows = self._rows("SELECT revision, view FROM document_state WHERE document = ?", document)
        return _each(rows, lambda r: KnownState(r["revision"], value_of(r["view"])))

    def changes(self, document: str, limit: int) -> Sequence[Change] | None:
        """Return the newest changes first."""
        rows = self._rows(
            "SELECT * FROM changes WHERE document = ? AND state = ? ORDER BY id DESC LIMIT ?",
            document,
            DONE,
            limit,
        )
        return _each(rows, _change)

    def reverts(self, document: str) -> Sequence[Revert] | None:
        """Return what is pending, soonest first."""
        rows = self._rows(
            "SELECT * FROM reverts WHERE document = ? AND state = ? AND change_id NOT IN "
            "(SELECT id FROM changes WHERE document = ? AND state = ?) ORDER BY due_at, id",
            document,
            PENDING,
            document,
            PENDING,
        )
        return _each(
            rows,
            lambda r: Revert(
                r["id"], r["document"], r["change_id"], time_of(r["due_at"]), RevertState.PENDING
            ),
        )

    def last_beat(self, service: str) -> Sequence[datetime] | None:
        """Return the last beat in a list of at most one."""
        rows = self._rows("SELECT alive_at FROM services WHERE name = ?", service)
        return _each(rows, lambda r: time_of(r["alive_at"]))

    def cooldowns(self, after: datetime) -> Sequence[Cooldown] | None:
        """Return those that end after an instant, the one that ends first first."""
        rows = self._rows(
            "SELECT * FROM cooldowns WHERE until > ? ORDER BY until, scope", micros_of(after)
        )
        return _each(
            rows,
            lambda r: Cooldown(
                r["scope"],
                FailureReason(r["reason"]),
                time_of(r["until"]),
                r["failures"],
                None if r["since"] is None else time_of(r["since"]),
                bool(r["named"]),
            ),
        )

    def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent] | None:
        """Return the newest first."""
        rows = self._rows(
            "SELECT * FROM fallback_events WHERE at >= ? ORDER BY at DESC, id DESC LIMIT ?",
            micros_of(since),
            limit,
        )
        return _each(
            rows,
            lambda r: FallbackEvent(
                time_of(r["at"]),
                r["request_id"],
                r["from_model"],
                r["to_model"],
                FailureReason(r["reason"]),
                r["source"],
                r["detail"] or "",
                r["asked"] != 0,
                **context_in(_json(r["context"])),
            ),
        )

    def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow] | None:
        """Return the newest first."""
        rows = self._rows(
            "SELECT * FROM incidents WHERE NOT ? OR resolved_at IS NULL "
            "ORDER BY opened_at DESC, id DESC LIMIT ?",
            open_only,
            limit,
        )
        return _each(rows, _incident)

    def staying(self, since: datetime) -> Sequence[Mapping[str, int]] | None:
        """Return what gateways reported since, added up, in a list of one."""
        rows = self._rows("SELECT value FROM memory WHERE key GLOB ?", f"{STAYING}*")
        return None if rows is None else [staying_read([r["value"] for r in rows], since)]

    def muted_until(self) -> Sequence[datetime] | None:
        """Return the mute's end in a list of at most one."""
        rows = self._rows("SELECT until FROM mutes WHERE scope = ?", MUTE_SCOPE)
        return _each(rows, lambda r: time_of(r["until"]))

    def troubles(self) -> Sequence[ChannelTrouble] | None:
        """Return the surfaces that take no alerts."""
        rows = self._rows("SELECT * FROM alert_troubles ORDER BY surface")
        return _each(
            rows,
            lambda r: ChannelTrouble(r["surface"], time_of(r["since"]), r["message"], r["hint"]),
        )

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self, sql: str, *values: Any) -> Rows | None:
        try:
            if self._connection is None:
                self._connection = self._open()
            return self._connection.execute(sql, values).fetchall()
        except (sqlite3.Error, _NotOurSchemaError):
            self.close()
            return None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_TIMEOUT_S)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only=ON")
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if version is None or version[0] != HEAD:
                raise _NotOurSchemaError
        except BaseException:
            connection.close()
            raise
        return connection


class _NotOurSchemaError(Exception):
    """Another release made this database."""


def _each(rows: Rows | None, make: Callable[[sqlite3.Row], T]) -> list[T] | None:
    return None if rows is None else [make(row) for row in rows]


def _change(row: sqlite3.Row) -> Change:
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


def _incident(row: sqlite3.Row) -> IncidentRow:
    return IncidentRow(
        row["id"],
        row["state"],
        row["primary_model"],
        row["reason"],
        time_of(row["opened_at"]),
        _time(row["resolved_at"]),
        row["requests"],
        row["served_by"],
        row["acknowledged_by"],
        _time(row["up_since"]),
        gaps_in(_json(row["gaps"])),
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else time_of(micros)


def _json(text: str | None) -> Json:
    return None if text is None else value_of(text)
