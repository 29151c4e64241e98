"""What keeps the database right over the years: old rows go, sums that are wrong are made anew."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, text

from adapters.storage import schema
from adapters.storage.codec import micros_of, time_of
from adapters.storage.database import Database, upsert
from adapters.storage.ledger_periods import HOUR, QUARTER
from adapters.storage.ledger_rows import FIGURES, HOURLY_KEY, QUARTERLY_KEY
from adapters.storage.ledger_sums import KEPT_SINCE, hour_sums, kept_since

AT_ONCE = 500
"""Rows deleted in one transaction, so that others wait only briefly."""

_attempts = schema.attempts
_memory = schema.memory
_DAY = 24 * HOUR
_CHECKED_TO = "sums checked to"
# Beside the attempts: tables whose old rows nobody asks for, by the column that dates them.
_DATED = (
    (schema.reprices, schema.reprices.c.at),
    (schema.fallback_events, schema.fallback_events.c.at),
    (schema.refusals, schema.refusals.c.at),
    (schema.buttons, schema.buttons.c.made_at),
)
_log = logging.getLogger("changeover")


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """How large the database is, and how much a day adds, as far as that can be told."""

    size_bytes: int
    bytes_per_day: int | None
    kept_since: datetime | None


class SqlUpkeep:
    """Upkeep of a database that any number of processes share; each may do it at any time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, before: datetime) -> int:
        """Drop some of what is older, and return how many rows that were; 0 when all is gone.

        The sums stay. Whole hours of attempts go, so that no rest of an hour is left without its
        other rows.
        """
        return await self._database.write(lambda c: _forget(c, before))

    async def mend_sums(self, now: datetime) -> int:
        """Make the sums of hours anew that are not what their rows add up to; return how many.

        An older release beside this one writes rows without the sums that it does not know.
        """
        span = await self._database.read(lambda c: _unchecked(c, micros_of(now)))
        mended = 0
        for start in range(*span, _DAY):
            end = min(start + _DAY, span[1])
            if wrong := await self._database.read(partial(_wrong, start=start, end=end)):
                await self._database.write(partial(_make_anew, hours=wrong))
                mended += len(wrong)
            done = str(end - end % HOUR)
            await self._database.write(partial(_put, key=_CHECKED_TO, value=done))
        if mended:
            _log.warning("corrected the sums of %d hours that differed from their rows", mended)
        return mended

    async def size(self, now: datetime) -> DatabaseSize:
        """Return how large the database is and how fast it grows."""
        path = self._database.url.path
        return await self._database.read(lambda c: _size(c, path, micros_of(now)))


def _put(connection: Connection, key: str, value: str) -> None:
    row = upsert(connection, _memory).values(key=key, value=value)
    put = row.on_conflict_do_update(
        index_elements=[_memory.c.key], set_={"value": row.excluded.value}
    )
    connection.execute(put)


def _forget(connection: Connection, before: datetime) -> int:
    limit = micros_of(before)
    limit -= limit % HOUR
    old = select(_attempts.c.id).where(_attempts.c.at < limit).limit(AT_ONCE)
    gone = connection.execute(delete(_attempts).where(_attempts.c.id.in_(old))).rowcount
    if gone and kept_since(connection) < limit:
        _put(connection, KEPT_SINCE, str(limit))
    for table, at in _DATED:
        key = table.primary_key.columns[0]
        old = select(key).where(at < time_of(limit)).limit(AT_ONCE)
        gone += connection.execute(delete(table).where(key.in_(old))).rowcount
    return gone


def _unchecked(connection: Connection, now: int) -> tuple[int, int]:
    """Return the stretch of whole hours that was not looked at yet."""
    query = select(_memory.c.value).where(_memory.c.key == _CHECKED_TO)
    checked = int(connection.scalar(query) or 0)
    first = connection.scalar(select(func.min(_attempts.c.at))) or now
    # A little before it again: what was under way then was written later.
    start = max(first - first % HOUR, checked - 2 * HOUR, kept_since(connection))
    return start, max(start, now - now % HOUR + HOUR)


Sums = dict[tuple[Any, ...], list[int]]


def _stored(connection: Connection, table: Table, key: Sequence[str], start: int, end: int) -> Sums:
    at = table.c[key[0]]
    rows = connection.execute(select(table).where(at >= start, at < end)).mappings()
    found = {tuple(r[k] for k in key): [int(r[f]) for f in FIGURES] for r in rows}
    return {name: figures for name, figures in found.items() if any(figures)}


def _wrong(connection: Connection, start: int, end: int) -> list[int]:
    """List the hours whose sums differ, but for those that have lost rows."""
    hours: set[int] = set()
    for table, key, slot in (
        (schema.spend_hourly, HOURLY_KEY, HOUR),
        (schema.spend_quarterly, QUARTERLY_KEY, QUARTER),
    ):
        told = _stored(connection, table, key, start, end)
        true = hour_sums(connection, start, end, slot)
        hours |= {
            k[0] - k[0] % HOUR for k in told.keys() | true.keys() if told.get(k) != true.get(k)
        }
    return [hour for hour in sorted(hours) if _complete(connection, hour)]


def _complete(connection: Connection, hour: int) -> bool:
    there = _attempts.c.at >= hour, _attempts.c.at < hour + HOUR
    rows = connection.scalar(select(func.count()).select_from(_attempts).where(*there)) or 0
    told = schema.spend_hourly
    counted = connection.scalar(select(func.sum(told.c.attempts)).where(told.c.hour == hour)) or 0
    return rows >= int(counted)


def _make_anew(connection: Connection, hours: Sequence[int]) -> None:
    if connection.dialect.name != "sqlite":
        # Writers come after: what they add belongs to what is made here.
        connection.execute(text("LOCK TABLE spend_hourly, spend_quarterly IN EXCLUSIVE MODE"))
    for hour in hours:
        for table, key, slot in (
            (schema.spend_hourly, HOURLY_KEY, HOUR),
            (schema.spend_quarterly, QUARTERLY_KEY, QUARTER),
        ):
            at = table.c[key[0]]
            connection.execute(delete(table).where(at >= hour, at < hour + HOUR))
            sums = hour_sums(connection, hour, hour + HOUR, slot)
            rows = [
                dict(zip((*key, *FIGURES), (*kin, *figures), strict=True))
                for kin, figures in sums.items()
            ]
            if rows:
                connection.execute(insert(table), rows)


def _size(connection: Connection, path: str | None, now: int) -> DatabaseSize:
    if path is not None:
        files = (path, f"{path}-wal")
        size = sum(os.path.getsize(file) for file in files if os.path.exists(file))
    else:
        size = int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    low, high, first = connection.execute(
        select(func.min(_attempts.c.id), func.max(_attempts.c.id), func.min(_attempts.c.at))
    ).one()
    since = kept_since(connection)
    kept = time_of(since) if since else None
    if first is None:
        return DatabaseSize(size, None, kept)
    span = min(7 * _DAY, max(now - first, HOUR))
    hourly = schema.spend_hourly
    recent = connection.scalar(
        select(func.sum(hourly.c.attempts)).where(hourly.c.hour >= now - span)
    )
    per_day = int(recent or 0) * _DAY // span
    return DatabaseSize(size, size * per_day // max(1, high - low + 1), kept)
