"""Cool-downs, fallback events, incidents and the mute in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter

from adapters.storage.codec import (
    context_in,
    context_out,
    event_key,
    gaps_in,
    limits_read,
    staying_read,
    staying_written,
    text_of,
    time_of,
    time_or_none,
    used_read,
    used_written,
    value_of,
)
from adapters.storage.connection import Connection, Row, excluded, insert_sql, marks
from adapters.storage.database import Database
from adapters.storage.key_values import put_value
from bot.models import FailureReason
from bot.ports import (
    Ceiling,
    Cooldown,
    FallbackEvent,
    IncidentRow,
    Json,
    MadeId,
    StoredLimit,
    StoredLimits,
    revision_of,
)
from bot.ports.fallbacks import MADE_KEPT, SKEW

_MOST_DETAIL = 2000
_MUTE_SCOPE = "all"
# How the memory's keys begin under which gateways report conversations that stay, and what callers
# send.
_STAYING = "staying."
_USED = "used."
# Under which a config's limits are kept.
_LIMIT = "fallback.limit."
_CEILING = "fallback.ceiling."
_COOLDOWN = ("scope", "reason", "until", "failures", "since", "named")
_KEEP_COOLDOWN = insert_sql(
    "cooldowns",
    _COOLDOWN,
    # Proof ends what began before it; after proof, only what began after it counts. A clock that
    # has been put back must not keep a cool-down of the future alive.
    f"""ON CONFLICT (scope) DO UPDATE SET {excluded(_COOLDOWN, "scope")}
    WHERE (excluded.failures = 0
            AND (cooldowns.since IS NULL OR cooldowns.since <= excluded.until))
        OR (excluded.failures > 0 AND cooldowns.failures = 0
            AND cooldowns.until <= excluded.since)
        OR (excluded.failures > 0 AND cooldowns.failures > 0
            AND cooldowns.until <= excluded.until)
        OR cooldowns.since > ?""",
)
_EVENT = (
    "at",
    "request_id",
    "from_model",
    "to_model",
    "reason",
    "source",
    "detail",
    "asked",
    "context",
    "key",
    "held_until",
)
_ADD_EVENT = insert_sql(
    "fallback_events",
    _EVENT,
    "ON CONFLICT (key) DO UPDATE SET context = excluded.context, held_until = excluded.held_until "
    "WHERE fallback_events.held_until IS NOT NULL AND fallback_events.taken_at IS NULL",
)


class DatabaseFallbackLog:
    """The FallbackLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        """Return those that end after an instant, the one that ends first first."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM cooldowns WHERE until > ? ORDER BY until, scope", after)
        )
        return [_cooldown(row) for row in rows]

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start, prolong or (by proof) end some at once."""
        if cooldowns:
            await self._database.write(lambda c: _cool_down(c, cooldowns))

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM fallback_events WHERE at >= ? ORDER BY at DESC, id DESC LIMIT ?",
                since,
                limit,
            )
        )
        return [event_of(row) for row in rows]

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append, all or none; of those there already, only what is held back is written anew."""
        if events:
            rows = [_event_values(event) for event in events]
            await self._database.write(lambda c: c.run_each(_ADD_EVENT, rows))

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        where = "WHERE resolved_at IS NULL" if open_only else ""
        rows = await self._database.read(
            lambda c: c.rows(
                f"SELECT * FROM incidents {where} ORDER BY opened_at DESC, id DESC LIMIT ?", limit
            )
        )
        return [_incident(row) for row in rows]

    async def add_made(self, made: Sequence[MadeId]) -> None:
        """Keep who made what."""
        if made:
            await self._database.write(lambda c: _keep_made(c, made))

    async def makers(self, digests: Sequence[str], since: datetime) -> Mapping[str, str]:
        """Return the model by digest."""
        if not digests:
            return {}
        query = f"SELECT * FROM made_ids WHERE digest IN ({marks(digests)}) AND at >= ?"
        rows = await self._database.read(lambda c: c.rows(query, *digests, since))
        return {row["digest"]: row["model"] for row in rows}

    async def staying(self, since: datetime) -> Mapping[str, int]:
        """Add up what gateways reported since."""
        return staying_read(await self._reports(_STAYING), since)

    async def report_staying(self, service: str, at: datetime, counts: Mapping[str, int]) -> None:
        """Keep one gateway's count in the place of its last one."""
        value = staying_written(at, counts)
        await self._database.write(lambda c: put_value(c, _STAYING + service, value))

    async def used(self, since: date) -> Mapping[str, frozenset[str]]:
        """Put together what gateways reported."""
        return used_read(await self._reports(_USED), since)

    async def report_used(self, service: str, used: Mapping[str, Mapping[str, date]]) -> None:
        """Keep one gateway's report in the place of its last one."""
        value = used_written(used)
        await self._database.write(lambda c: put_value(c, _USED + service, value))

    async def _reports(self, prefix: str) -> list[str]:
        rows = await self._database.read(
            lambda c: c.rows(f"SELECT value FROM memory WHERE key LIKE '{prefix}%'")
        )
        return [row["value"] for row in rows]

    async def limits(self, config: str) -> StoredLimits:
        """Return what limits the fallbacks of a config."""
        limit, ceiling = _limit_keys(config)
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM memory WHERE key IN (?, ?)", limit, ceiling)
        )
        found = {row["key"]: value_of(row["value"]) for row in rows}
        return limits_read(found.get(limit), found.get(ceiling))

    async def set_limit(self, config: str, limit: StoredLimit | None) -> None:
        """Set or (None) lift the limit of a config's fallbacks."""
        value = limit and {"words": limit.words, "by": limit.set_by, "at": limit.set_at.isoformat()}
        await self._put(_limit_keys(config)[0], value)

    async def set_ceiling(self, config: str, ceiling: Ceiling | None) -> None:
        """Set or (None) lift what a spent budget allows a config's fallbacks."""
        value = ceiling and {"model": ceiling.model, "until": ceiling.until.isoformat()}
        await self._put(_limit_keys(config)[1], value)

    async def _put(self, key: str, value: Json) -> None:
        if value is None:
            await self._database.change(lambda c: c.run("DELETE FROM memory WHERE key = ?", key))
        else:
            await self._database.write(lambda c: put_value(c, key, text_of(value)))

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        return time_or_none(
            await self._database.read(
                lambda c: c.value("SELECT until FROM mutes WHERE scope = ?", _MUTE_SCOPE)
            )
        )

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        if until is None:
            await self._database.change(
                lambda c: c.run("DELETE FROM mutes WHERE scope = ?", _MUTE_SCOPE)
            )
        else:
            row = {"scope": _MUTE_SCOPE, "until": until}
            await self._database.write(lambda c: c.put("mutes", row, "scope"))


def _limit_keys(config: str) -> tuple[str, str]:
    digest = revision_of(config.encode())[:16]
    return _LIMIT + digest, _CEILING + digest


def _cool_down(connection: Connection, cooldowns: Sequence[Cooldown]) -> None:
    latest = max(c.since or c.until for c in cooldowns) + SKEW
    rows = [
        (c.scope, c.reason.value, c.until, c.failures, c.since, c.named, latest)
        # Writers that meet in the same rows meet in the same order, so none waits in a circle.
        for c in sorted(cooldowns, key=attrgetter("scope"))
    ]
    connection.run_each(_KEEP_COOLDOWN, rows)


def _keep_made(connection: Connection, made: Sequence[MadeId]) -> None:
    last = {one.digest: one for one in made}
    names = ("digest", "model", "at")
    sql = insert_sql(
        "made_ids", names, f"ON CONFLICT (digest) DO UPDATE SET {excluded(names, 'digest')}"
    )
    connection.run_each(sql, [(one.digest, one.model, one.at) for _, one in sorted(last.items())])
    too_old = max(one.at for one in made) - MADE_KEPT
    connection.run("DELETE FROM made_ids WHERE at < ?", too_old)


def _cooldown(row: Row) -> Cooldown:
    return Cooldown(
        row["scope"],
        FailureReason(row["reason"]),
        time_of(row["until"]),
        row["failures"],
        time_or_none(row["since"]),
        bool(row["named"]),
    )


def _event_values(event: FallbackEvent) -> tuple[object, ...]:
    return (
        event.at,
        event.request_id,
        event.from_model,
        event.to_model,
        event.reason.value,
        event.source,
        event.detail[:_MOST_DETAIL] or None,
        event.asked,
        text_of(context_out(event)),
        event_key(event),
        event.held_until,
    )


def event_of(row: Row) -> FallbackEvent:
    """Read an event; what an older release wrote has no `asked`."""
    return FallbackEvent(
        time_of(row["at"]),
        row["request_id"],
        row["from_model"],
        row["to_model"],
        FailureReason(row["reason"]),
        row["source"],
        row["detail"] or "",
        row["asked"] is None or bool(row["asked"]),
        held_until=time_or_none(row["held_until"]),
        **context_in(value_of(row["context"] or "null")),
    )


def _incident(row: Row) -> IncidentRow:
    return IncidentRow(
        row["id"],
        row["state"],
        row["primary_model"],
        row["reason"],
        time_of(row["opened_at"]),
        time_or_none(row["resolved_at"]),
        row["requests"],
        row["served_by"],
        row["acknowledged_by"],
        time_or_none(row["up_since"]),
        gaps_in(value_of(row["gaps"] or "null")),
    )
