"""Cool-downs, fallback events, incidents and the mute in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select

from adapters.storage import schema
from adapters.storage.codec import (
    MUTE_SCOPE,
    STAYING,
    USED,
    context_in,
    context_out,
    event_key,
    gaps_in,
    staying_read,
    staying_written,
    used_read,
    used_written,
)
from adapters.storage.database import Database, upsert
from adapters.storage.sync_memory import put
from bot.models import FailureReason
from bot.ports import Cooldown, FallbackEvent, IncidentRow, MadeId
from bot.ports.fallbacks import MADE_KEPT, SKEW

_cooldowns = schema.cooldowns
_events = schema.fallback_events
_incidents = schema.incidents
_made = schema.made_ids
_memory = schema.memory
_mutes = schema.mutes
_MOST_DETAIL = 2000


class SqlFallbackLog:
    """The FallbackLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        """Return those that end after an instant, the one that ends first first."""
        query = (
            select(_cooldowns)
            .where(_cooldowns.c.until > after)
            .order_by(_cooldowns.c.until, _cooldowns.c.scope)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [
            Cooldown(
                row.scope,
                FailureReason(row.reason),
                row.until,
                row.failures,
                row.since,
                bool(row.named),
            )
            for row in rows
        ]

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start, prolong or (by proof) end some at once."""
        if cooldowns:
            await self._database.write(lambda c: _cool_down(c, cooldowns))

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
        """Append, all or none; of those there already, only what is held back is written anew."""
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
                "held_until": event.held_until,
            }
            for event in events
        ]

        def work(connection: Connection) -> None:
            row = upsert(connection, _events)
            held = and_(_events.c.held_until.is_not(None), _events.c.taken_at.is_(None))
            known = row.on_conflict_do_update(
                index_elements=[_events.c.key],
                set_={name: row.excluded[name] for name in ("context", "held_until")},
                where=held,
            )
            connection.execute(known, rows)

        await self._database.write(work)

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        query = select(_incidents)
        if open_only:
            query = query.where(_incidents.c.resolved_at.is_(None))
        query = query.order_by(_incidents.c.opened_at.desc(), _incidents.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [_incident(row) for row in rows]

    async def add_made(self, made: Sequence[MadeId]) -> None:
        """Keep who made what."""
        if made:
            await self._database.write(lambda c: _keep_made(c, made))

    async def makers(self, digests: Sequence[str], since: datetime) -> Mapping[str, str]:
        """Return the model by digest."""
        asked = _made.c.digest.in_(digests), _made.c.at >= since
        query = select(_made.c.digest, _made.c.model).where(*asked)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {row.digest: row.model for row in rows}

    async def staying(self, since: datetime) -> Mapping[str, int]:
        """Add up what gateways reported since."""
        query = select(_memory.c.value).where(_memory.c.key.startswith(STAYING))
        return staying_read(await self._database.read(lambda c: c.scalars(query).all()), since)

    async def report_staying(self, service: str, at: datetime, counts: Mapping[str, int]) -> None:
        """Keep one gateway's count in the place of its last one."""
        value = staying_written(at, counts)
        await self._database.write(lambda c: put(c, STAYING + service, value))

    async def used(self, since: date) -> Mapping[str, frozenset[str]]:
        """Put together what gateways reported."""
        query = select(_memory.c.value).where(_memory.c.key.startswith(USED))
        return used_read(await self._database.read(lambda c: c.scalars(query).all()), since)

    async def report_used(self, service: str, used: Mapping[str, Mapping[str, date]]) -> None:
        """Keep one gateway's report in the place of its last one."""
        value = used_written(used)
        await self._database.write(lambda c: put(c, USED + service, value))

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
        {
            "scope": c.scope,
            "reason": c.reason.value,
            "until": c.until,
            "failures": c.failures,
            "since": c.since,
            "named": c.named,
        }
        # Writers that meet in the same rows meet in the same order, so none waits in a circle.
        for c in sorted(cooldowns, key=lambda c: c.scope)
    ]
    known, new = _cooldowns.c, row.excluded
    latest = max(c.since or c.until for c in cooldowns)
    wins = or_(
        # Proof ends what began before it; after proof, only what began after it counts.
        and_(new.failures == 0, or_(known.since.is_(None), known.since <= new.until)),
        and_(new.failures > 0, known.failures == 0, known.until <= new.since),
        and_(new.failures > 0, known.failures > 0, known.until <= new.until),
        # A clock that has been put back must not keep a cool-down of the future alive.
        known.since > latest + SKEW,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[known.scope],
            set_={name: new[name] for name in rows[0] if name != "scope"},
            where=wins,
        ),
        rows,
    )


def _keep_made(connection: Connection, made: Sequence[MadeId]) -> None:
    last = {one.digest: one for one in made}
    rows = [
        {"digest": one.digest, "model": one.model, "at": one.at} for _, one in sorted(last.items())
    ]
    new = upsert(connection, _made)
    put = new.on_conflict_do_update(
        index_elements=[_made.c.digest],
        set_={"model": new.excluded.model, "at": new.excluded.at},
    )
    connection.execute(put, rows)
    too_old = max(one.at for one in made) - MADE_KEPT
    connection.execute(delete(_made).where(_made.c.at < too_old))


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
        held_until=row.held_until,
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
