"""The AlertStore in the database: the outbox of events, incidents, and what stands in channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from adapters.storage import alert_figures, schema
from adapters.storage.alert_posts import SqlPosts, want
from adapters.storage.alerts_forget import forget
from adapters.storage.codec import gaps_in, gaps_out
from adapters.storage.database import Database, upsert
from adapters.storage.fallback_log import event_of
from bot.access import Actor
from bot.models import Usage
from bot.ports.alerts import (
    AlertConflictError,
    ChannelTrouble,
    GoodAnswers,
    IncidentRecord,
    QueuedEvent,
    Rerouted,
    Want,
)

_events = schema.fallback_events
_incidents = schema.incidents
_troubles = schema.alert_troubles
_memory = schema.memory
_AT_ONCE = 1000
_OPEN = ("pending", "open")


class SqlAlertStore(SqlPosts):
    """The AlertStore port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    async def queued(self, limit: int) -> Sequence[QueuedEvent]:
        """Return events that no commit has taken yet, the oldest rows first."""
        query = select(_events).where(_events.c.taken_at.is_(None))
        query = query.order_by(_events.c.id).limit(limit)
        return await self._database.read(
            lambda c: [QueuedEvent(row.id, event_of(row)) for row in c.execute(query)]
        )

    async def incidents(self, since: datetime) -> Sequence[IncidentRecord]:
        """Return the open incidents and those that were resolved since, by id."""
        query = (
            select(_incidents)
            .where(or_(_incidents.c.resolved_at.is_(None), _incidents.c.resolved_at >= since))
            .order_by(_incidents.c.id)
        )
        return [_record(row) for row in await self._database.read(lambda c: c.execute(query).all())]

    async def incident(self, incident_id: int) -> IncidentRecord | None:
        """Return one incident."""
        query = select(_incidents).where(_incidents.c.id == incident_id)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _record(row)

    async def commit(
        self,
        taken: Sequence[int],
        incidents: Sequence[IncidentRecord],
        wants: Sequence[Want],
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
        change = (
            update(_incidents)
            .where(
                _incidents.c.id == incident_id,
                _incidents.c.state.in_(_OPEN),
                _incidents.c.acknowledged_by.is_(None),
            )
            .values(acknowledged_by=actor.name, acknowledged_key=actor.key, acknowledged_at=at)
        )
        return await self._database.write(lambda c: c.execute(change).rowcount == 1)

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

        def work(connection: Connection) -> None:
            row = upsert(connection, _troubles).values(asdict(trouble))
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=[_troubles.c.surface],
                    set_={"message": row.excluded.message, "hint": row.excluded.hint},
                )
            )

        await self._database.write(work)

    async def clear_trouble(self, surface: str) -> None:
        """The surface takes alerts again."""
        gone = _troubles.delete().where(_troubles.c.surface == surface)
        await self._database.write(lambda c: c.execute(gone))

    async def troubles(self) -> Sequence[ChannelTrouble]:
        """Return the surfaces that take no alerts."""
        query = select(_troubles).order_by(_troubles.c.surface)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [ChannelTrouble(row.surface, row.since, row.message, row.hint) for row in rows]

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        query = select(_memory.c.value).where(_memory.c.key == key)
        return await self._database.read(lambda c: c.scalar(query))

    async def remember(self, key: str, value: str) -> None:
        """Remember a value in the place of the one before."""

        def work(connection: Connection) -> None:
            row = upsert(connection, _memory).values(key=key, value=value)
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=[_memory.c.key], set_={"value": row.excluded.value}
                )
            )

        await self._database.write(work)

    async def forget(self, before: datetime) -> int:
        """Drop what was over before then, and return how many rows that were."""
        return await self._database.write(lambda c: forget(c, before))


def _take(connection: Connection, taken: Sequence[int], at: datetime) -> None:
    ids = sorted(set(taken))
    for first in range(0, len(ids), _AT_ONCE):
        part = ids[first : first + _AT_ONCE]
        change = (
            update(_events)
            .where(_events.c.id.in_(part), _events.c.taken_at.is_(None))
            .values(taken_at=at)
        )
        if connection.execute(change).rowcount != len(part):
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
        "details": record.details,
        "up_since": record.up_since,
        "gaps": gaps_out(record.gaps),
        "revision": record.revision + 1,
    }
    if not record.id:
        connection.execute(insert(_incidents).values(values))
        return
    change = (
        update(_incidents)
        .where(_incidents.c.id == record.id, _incidents.c.revision == record.revision)
        .values(values)
    )
    if connection.execute(change).rowcount != 1:
        raise _conflict()


def _conflict() -> AlertConflictError:
    return AlertConflictError("Another process changed the same alerts meanwhile.")


def _record(row: Row[Any]) -> IncidentRecord:
    return IncidentRecord(
        id=row.id,
        state=row.state,
        primary=row.primary_model,
        reason=row.reason,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        requests=row.requests,
        served_by=row.served_by,
        details=row.details,
        revision=row.revision,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        acknowledged_key=row.acknowledged_key or "",
        up_since=row.up_since,
        gaps=gaps_in(row.gaps),
    )
