"""The AlertStore in the database: the outbox of events, incidents, and what stands in channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from adapters.storage import alert_figures
from adapters.storage.alert_posts import AlertPosts, want
from adapters.storage.codec import gaps_in, gaps_out, text_of, time_of, time_or_none, value_of
from adapters.storage.connection import Connection, Row, marks
from adapters.storage.fallback_log import event_of
from adapters.storage.key_values import put_value, value_at
from bot.access import Actor
from bot.models import Usage
from bot.ports.alerts import (
    AlertConflictError,
    ChannelTrouble,
    DesiredMessage,
    GoodAnswers,
    IncidentRecord,
    QueuedEvent,
    Rerouted,
)

_AT_ONCE = 1000


class DatabaseAlertStore(AlertPosts):
    """The AlertStore port on a database that any number of processes share."""

    async def queued(self, limit: int) -> Sequence[QueuedEvent]:
        """Return events that no commit has taken yet, the oldest rows first."""
        query = "SELECT * FROM fallback_events WHERE taken_at IS NULL ORDER BY id LIMIT ?"
        return await self._database.read(
            lambda c: [QueuedEvent(row["id"], event_of(row)) for row in c.rows(query, limit)]
        )

    async def incidents(self, since: datetime) -> Sequence[IncidentRecord]:
        """Return the open incidents and those that were resolved since, by id."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM incidents WHERE resolved_at IS NULL OR resolved_at >= ? ORDER BY id",
                since,
            )
        )
        return [_record(row) for row in rows]

    async def incident(self, incident_id: int) -> IncidentRecord | None:
        """Return one incident."""
        row = await self._database.read(
            lambda c: c.row("SELECT * FROM incidents WHERE id = ?", incident_id)
        )
        return None if row is None else _record(row)

    async def commit(
        self,
        taken: Sequence[int],
        incidents: Sequence[IncidentRecord],
        wants: Sequence[DesiredMessage],
        at: datetime,
    ) -> None:
        """Take events, save incidents and ask for messages, all of it or nothing."""

        def work(connection: Connection) -> None:
            _take(connection, taken, at)
            for record in incidents:
                _save(connection, record)
            for one in wants:
                want(connection, one, at)

        await self._database.write(work)

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        """Note who looks after an open incident; the first stays."""
        who = {
            "acknowledged_by": actor.name,
            "acknowledged_key": actor.key,
            "acknowledged_at": at,
        }
        acknowledged = await self._database.change(
            lambda c: c.update(
                "incidents",
                who,
                "id = ? AND state IN ('pending', 'open') AND acknowledged_by IS NULL",
                incident_id,
            )
        )
        return acknowledged == 1

    async def good_answers(
        self, models: Sequence[str], since: datetime, until: datetime, most: int, *, by_any: bool
    ) -> GoodAnswers:
        """Count the good answers of models, up to `most`."""
        return await self._database.read(
            lambda c: alert_figures.good_answers(c, models, since, until, most, by_any=by_any)
        )

    async def rerouted(self, model: str, start: datetime, end: datetime) -> Sequence[Rerouted]:
        """Add up by model what answered when a model failed."""
        return await self._database.read(lambda c: alert_figures.rerouted(c, model, start, end))

    async def usage_of(self, model: str, start: datetime, end: datetime) -> Usage:
        """Add up what a model's own answers used."""
        return await self._database.read(lambda c: alert_figures.usage_of(c, model, start, end))

    async def set_trouble(self, trouble: ChannelTrouble) -> None:
        """Remember that a surface takes no alerts; the first `since` stays."""
        await self._database.write(
            lambda c: c.insert(
                "alert_troubles",
                asdict(trouble),
                "ON CONFLICT (surface) DO UPDATE "
                "SET message = excluded.message, hint = excluded.hint",
            )
        )

    async def clear_trouble(self, surface: str) -> None:
        """The surface takes alerts again."""
        await self._database.write(
            lambda c: c.run("DELETE FROM alert_troubles WHERE surface = ?", surface)
        )

    async def troubles(self) -> Sequence[ChannelTrouble]:
        """Return the surfaces that take no alerts."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM alert_troubles ORDER BY surface")
        )
        return [
            ChannelTrouble(row["surface"], time_of(row["since"]), row["message"], row["hint"])
            for row in rows
        ]

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        return await self._database.read(lambda c: value_at(c, key))

    async def remember(self, key: str, value: str) -> None:
        """Remember a value in the place of the one before."""
        await self._database.write(lambda c: put_value(c, key, value))

    async def forget(self, before: datetime) -> int:
        """Drop what was over before then, and return how many rows that were.

        An incident's row stays for good, without its details; one that is open keeps everything.
        So does a digest's: by it a week is known to be posted, whatever the clock said meanwhile.
        """
        return await self._database.write(lambda c: _forget(c, before))


def _take(connection: Connection, taken: Sequence[int], at: datetime) -> None:
    ids = sorted(set(taken))
    for first in range(0, len(ids), _AT_ONCE):
        part = ids[first : first + _AT_ONCE]
        where = f"id IN ({marks(part)}) AND taken_at IS NULL"
        if connection.update("fallback_events", {"taken_at": at}, where, *part) != len(part):
            raise _conflict()


def _save(connection: Connection, record: IncidentRecord) -> None:
    values: dict[str, Any] = {
        "state": record.state,
        "primary_model": record.primary,
        "reason": record.reason,
        "opened_at": record.opened_at,
        "resolved_at": record.resolved_at,
        "requests": record.requests,
        "served_by": record.served_by,
        "details": text_of(record.details),
        "up_since": record.up_since,
        "gaps": text_of(gaps_out(record.gaps)),
        "revision": record.revision + 1,
    }
    if not record.id:
        connection.insert("incidents", values)
        return
    as_read = (record.id, record.revision)
    if connection.update("incidents", values, "id = ? AND revision = ?", *as_read) != 1:
        raise _conflict()


def _forget(connection: Connection, before: datetime) -> int:
    return (
        connection.run(
            """DELETE FROM alert_posts WHERE wanted_at < ? AND NOT EXISTS (
                SELECT 1 FROM incidents WHERE resolved_at IS NULL
                AND alert_posts.key LIKE 'incident:' || incidents.id || ':%')""",
            before,
        )
        + connection.run("DELETE FROM alert_notices WHERE at < ? AND kind <> 'digest'", before)
        + connection.update(
            "incidents", {"details": "{}"}, "resolved_at < ? AND details <> '{}'", before
        )
    )


def _conflict() -> AlertConflictError:
    return AlertConflictError("Another process changed the same alerts meanwhile.")


def _record(row: Row) -> IncidentRecord:
    return IncidentRecord(
        id=row["id"],
        state=row["state"],
        primary=row["primary_model"],
        reason=row["reason"],
        opened_at=time_of(row["opened_at"]),
        resolved_at=time_or_none(row["resolved_at"]),
        requests=row["requests"],
        served_by=row["served_by"],
        details=value_of(row["details"]),
        revision=row["revision"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=time_or_none(row["acknowledged_at"]),
        acknowledged_key=row["acknowledged_key"] or "",
        up_since=time_or_none(row["up_since"]),
        gaps=gaps_in(value_of(row["gaps"] or "null")),
    )
