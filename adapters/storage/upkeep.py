"""What keeps the database right over the years: old rows go, sums that are wrong are made anew."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from adapters.storage.codec import micros_of, time_or_none
from adapters.storage.connection import Connection, insert_sql
from adapters.storage.database import Database
from adapters.storage.key_values import put_value, value_at
from adapters.storage.ledger.periods import HOUR, QUARTER_HOUR
from adapters.storage.ledger.rows import FIGURES, HOURLY_KEY, QUARTERLY_KEY
from adapters.storage.ledger.sums import KEPT_SINCE, hour_sums, kept_since

AT_ONCE = 500
"""Rows deleted in one transaction, so that others wait only briefly."""

_DAY = 24 * HOUR
_CHECKED_TO = "sums checked to"
# Beside the attempts: tables whose old rows nobody asks for, by their key and what dates them.
_DATED = (
    ("reprices", "id", "at"),
    ("fallback_events", "id", "at"),
    ("refusals", "id", "at"),
    ("buttons", "id", "made_at"),
)
_ROLLUPS = (("spend_hourly", HOURLY_KEY, HOUR), ("spend_quarterly", QUARTERLY_KEY, QUARTER_HOUR))
_log = logging.getLogger("changeover")


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """How large the database is, and how much a day adds, as far as that can be told."""

    size_bytes: int
    bytes_per_day: int | None
    kept_since: datetime | None


class DatabaseUpkeep:
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
            await self._database.write(partial(put_value, key=_CHECKED_TO, value=done))
        if mended:
            _log.warning("corrected the sums of %d hours that differed from their rows", mended)
        return mended

    async def size(self, now: datetime) -> DatabaseSize:
        """Return how large the database is and how fast it grows."""
        path = self._database.url.path
        return await self._database.read(lambda c: _size(c, path, micros_of(now)))


def _forget(connection: Connection, before: datetime) -> int:
    limit = micros_of(before)
    limit -= limit % HOUR
    gone = _drop(connection, "attempts", "id", "at", limit)
    if gone and kept_since(connection) < limit:
        put_value(connection, KEPT_SINCE, str(limit))
    return gone + sum(_drop(connection, *dated, limit) for dated in _DATED)


def _drop(connection: Connection, table: str, key: str, dated: str, limit: int) -> int:
    old = f"SELECT {key} FROM {table} WHERE {dated} < ? LIMIT {AT_ONCE}"
    return connection.run(f"DELETE FROM {table} WHERE {key} IN ({old})", limit)


def _unchecked(connection: Connection, now: int) -> tuple[int, int]:
    """Return the stretch of whole hours that was not looked at yet."""
    checked = int(value_at(connection, _CHECKED_TO) or 0)
    first = connection.value("SELECT min(at) FROM attempts") or now
    # A little before it again: what was under way then was written later.
    start = max(first - first % HOUR, checked - 2 * HOUR, kept_since(connection))
    return start, max(start, now - now % HOUR + HOUR)


Sums = dict[tuple[Any, ...], list[int]]


def _stored(connection: Connection, table: str, key: Sequence[str], start: int, end: int) -> Sums:
    rows = connection.rows(
        f"SELECT * FROM {table} WHERE {key[0]} >= ? AND {key[0]} < ?", start, end
    )
    found = {tuple(row[k] for k in key): [row[f] for f in FIGURES] for row in rows}
    return {name: figures for name, figures in found.items() if any(figures)}


def _wrong(connection: Connection, start: int, end: int) -> list[int]:
    """List the hours whose sums differ, but for those that have lost rows."""
    hours: set[int] = set()
    for table, key, slot in _ROLLUPS:
        told = _stored(connection, table, key, start, end)
        true = hour_sums(connection, start, end, slot)
        hours |= {
            k[0] - k[0] % HOUR for k in told.keys() | true.keys() if told.get(k) != true.get(k)
        }
    return [hour for hour in sorted(hours) if _complete(connection, hour)]


def _complete(connection: Connection, hour: int) -> bool:
    rows = connection.value(
        "SELECT count(*) FROM attempts WHERE at >= ? AND at < ?", hour, hour + HOUR
    )
    counted = connection.value("SELECT sum(attempts) FROM spend_hourly WHERE hour = ?", hour)
    return int(rows) >= int(counted or 0)


def _make_anew(connection: Connection, hours: Sequence[int]) -> None:
    if connection.postgresql:
        # Writers come after: what they add belongs to what is made here.
        connection.run("LOCK TABLE spend_hourly, spend_quarterly IN EXCLUSIVE MODE")
    for hour in hours:
        for table, key, slot in _ROLLUPS:
            connection.run(
                f"DELETE FROM {table} WHERE {key[0]} >= ? AND {key[0]} < ?", hour, hour + HOUR
            )
            sums = hour_sums(connection, hour, hour + HOUR, slot)
            rows = [(*kin, *figures) for kin, figures in sums.items()]
            connection.run_each(insert_sql(table, (*key, *FIGURES)), rows)


def _size(connection: Connection, path: str | None, now: int) -> DatabaseSize:
    if path is not None:
        files = (path, f"{path}-wal")
        size = sum(os.path.getsize(file) for file in files if os.path.exists(file))
    else:
        size = int(connection.value("SELECT pg_database_size(current_database())"))
    (row,) = connection.rows(
        "SELECT min(id) AS low, max(id) AS high, min(at) AS first_at FROM attempts"
    )
    kept = time_or_none(kept_since(connection) or None)
    if row["first_at"] is None:
        return DatabaseSize(size, None, kept)
    span = min(7 * _DAY, max(now - row["first_at"], HOUR))
    recent = connection.value("SELECT sum(attempts) FROM spend_hourly WHERE hour >= ?", now - span)
    per_day = int(recent or 0) * _DAY // span
    return DatabaseSize(size, size * per_day // max(1, row["high"] - row["low"] + 1), kept)
