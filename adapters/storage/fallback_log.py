"""Cool-downs, fallback events, incidents and the mute in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from adapters.storage import schema
from adapters.storage.codec import MUTE_SCOPE, context_in, context_out, event_key, gaps_in
from adapters.storage.database import Database, upsert
from bot.models import FailureReason
from bot.ports import Cooldown, FallbackEvent, IncidentRow

_cooldowns = schema.cooldowns
_events = schema.fallback_events
_incidents = schema.incidents
_mutes = schema.mutes
_MOST_DETAIL = 2000


class SqlFallbackLog:
    """The FallbackLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cooldowns(self, now: datetime) -> Sequence[Cooldown]:
        """Return those still in force, the one that ends first first."""
        query = (
            select(_cooldowns)
            .where(_cooldowns.c.until > now)
            .order_by(_cooldowns.c.until, _cooldowns.c.scope)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [
            Cooldown(row.scope, FailureReason(row.reason), row.until, row.failures) for row in rows
        ]

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start or prolong some at once; one that lasts longer already stays."""
        if cooldowns:
            await self._database.write(lambda c: _cool_down(c, cooldowns))

    async def clear_cooldown(self, *scopes: str) -> None:
        """End some at once."""
        await self._database.write(
            lambda c: c.execute(delete(_cooldowns).where(_cooldowns.c.scope.in_(scopes)))
        )

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        query = (
            select(_events)
            .where(_events.c.at >= since)
            .order_by(_events.c.at.desc(), _events.c.id.desc())
            .limit(limit)
        )
        return [
            event_of(row) for row in await self._database.read(lambda c: c.execute(query).all())
        ]

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append, all of them or none; those that are there already are left out."""
        if not events:
            return
        rows = [
            {
                "at": event.at,
                "request_id": event.request_id,
                "from_model": event.from_model,
                "to_model": event.to_model,
                "reason": event.reason.value,
                "source": event.source,
                "detail": event.detail[:_MOST_DETAIL] or None,
                "asked": event.asked,
                "context": context_out(event),
                "key": event_key(event),
            }
            for event in events
        ]

        def work(connection: Connection) -> None:
            connection.execute(upsert(connection, _events).on_conflict_do_nothing(), rows)

        await self._database.write(work)

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        query = select(_incidents)
        if open_only:
            query = query.where(_incidents.c.resolved_at.is_(None))
        query = query.order_by(_incidents.c.opened_at.desc(), _incidents.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [_incident(row) for row in rows]

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        query = select(_mutes.c.until).where(_mutes.c.scope == MUTE_SCOPE)
        return await self._database.read(lambda c: c.scalar(query))

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        await self._database.write(lambda c: _mute(c, until))


def _cool_down(connection: Connection, cooldowns: Sequence[Cooldown]) -> None:
    row = upsert(connection, _cooldowns)
    rows = [
        {"scope": c.scope, "reason": c.reason.value, "until": c.until, "failures": c.failures}
        # Writers that meet in the same rows meet in the same order, so none waits in a circle.
        for c in sorted(cooldowns, key=lambda c: c.scope)
    ]
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[_cooldowns.c.scope],
            set_={
                "reason": row.excluded.reason,
                "until": row.excluded.until,
                "failures": row.excluded.failures,
            },
            where=_cooldowns.c.until <= row.excluded.until,
        ),
        rows,
    )


def _mute(connection: Connection, until: datetime | None) -> None:
    if until is None:
        connection.execute(delete(_mutes).where(_mutes.c.scope == MUTE_SCOPE))
        return
    row = upsert(connection, _mutes).values(scope=MUTE_SCOPE, until=until)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[_mutes.c.scope], set_={"until": row.excluded.until}
        )
    )


def event_of(row: Row[Any]) -> FallbackEvent:
    """Read an event."""
    return FallbackEvent(
        row.at,
        row.request_id,
        row.from_model,
        row.to_model,
        FailureReason(row.reason),
        row.source,
        row.detail or "",
        row.asked is not False,
        **context_in(row.context),
    )


def _incident(row: Row[Any]) -> IncidentRow:
    return IncidentRow(
        row.id,
        row.state,
        row.primary_model,
        row.reason,
        row.opened_at,
        row.resolved_at,
        row.requests,
        row.served_by,
        row.acknowledged_by,
        row.up_since,
        gaps_in(row.gaps),
    )
