"""The ledger in the database: attempts, their rollups, and what providers bill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Table, func, select

from adapters.storage import schema
from adapters.storage.codec import micros_of, time_of
from adapters.storage.database import Database, upsert, upsert_for
from adapters.storage.ledger_rows import (
    FIGURES,
    HOURLY_KEY,
    MOST_NANO_USD,
    QUARTERLY_KEY,
    DbRow,
    attempt_of,
    clean,
    rollups,
    row_of,
)
from adapters.storage.ledger_sums import kept_since, sums_by, sums_by_day
from bot.ports import Attempt, Bill, GroupBy, Spend

_attempts = schema.attempts
_bills = schema.bills
_KEY = (_attempts.c.request_id, _attempts.c.number)
_MOST_BILL = 1000 * MOST_NANO_USD


class SqlLedger:
    """The Ledger port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts and their rollups in one transaction; known ones are left out."""
        if attempts:
            await self._database.write(lambda c: _add(c, attempts))

    async def spend(
        self, start: datetime, end: datetime, by: GroupBy, *, zone: str = "UTC"
    ) -> Sequence[Spend]:
        """Add up what lies in [start, end), dearest first."""
        sums = await self._database.read(
            lambda c: (
                sums_by_day(c, start, end, zone)
                if by is GroupBy.DAY
                else sums_by(c, start, end, by)
            )
        )
        groups = [Spend(key, *figures) for key, figures in sums.items()]
        return sorted(groups, key=lambda group: (-group.cost_nano_usd, group.key))

    async def first_at(self) -> datetime | None:
        """When the oldest attempt was made."""
        first = await self._database.read(_first_at)
        return None if first is None else time_of(first)

    async def kept_since(self) -> datetime | None:
        """Since when attempts are still there; None when none were dropped."""
        since = await self._database.read(kept_since)
        return time_of(since) if since else None

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        query = (
            select(_attempts)
            .where(_attempts.c.at >= micros_of(start), _attempts.c.at < micros_of(end))
            .order_by(_attempts.c.at.desc(), *(column.desc() for column in _KEY))
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [attempt_of(row) for row in rows]

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        """Store what providers say; what was fetched later counts."""
        if bills:
            await self._database.write(lambda c: _add_bills(c, bills))

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        """Return the bills of the days in [start, end), by day and provider."""
        query = (
            select(_bills)
            .where(_bills.c.day >= start, _bills.c.day < end)
            .order_by(_bills.c.day, _bills.c.provider)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [Bill(row.provider, row.day, row.amount_usd_nano, row.fetched_at) for row in rows]


def _first_at(connection: Connection) -> int | None:
    first: int | None = connection.scalar(select(func.min(_attempts.c.at)))
    if kept_since(connection):
        first = connection.scalar(select(func.min(schema.spend_hourly.c.hour)))
    return first


def _add(connection: Connection, attempts: Sequence[Attempt]) -> None:
    rows: dict[tuple[str, int], DbRow] = {}
    for attempt in attempts:
        row = row_of(attempt)
        rows.setdefault((row["request_id"], row["number"]), row)
    # Writers that meet in the same rows meet in the same order, so none waits in a circle.
    fresh = _insert_new(connection, [rows[key] for key in sorted(rows)])
    add_up(connection, fresh)


def _insert_new(connection: Connection, rows: Sequence[DbRow]) -> Sequence[DbRow]:
    """Insert the rows that are not there yet and return them."""
    sql, in_order = _insert_sql(connection.dialect)
    values: Sequence[Any] = rows if in_order is None else list(map(in_order, rows))
    counted = {"preserve_rowcount": True}
    with connection.begin_nested() as mark:
        # The driver alone is several times faster than asking which rows were new.
        if connection.exec_driver_sql(sql, values, counted).rowcount == len(rows):
            return rows
        mark.rollback()
    insert = upsert(connection, _attempts).on_conflict_do_nothing(index_elements=_KEY)
    written = connection.execute(insert.returning(*_KEY), rows).all()
    keys = {(row.request_id, row.number) for row in written}
    return [row for row in rows if (row["request_id"], row["number"]) in keys]


@lru_cache(maxsize=4)
def _insert_sql(dialect: Dialect) -> tuple[str, Callable[[DbRow], tuple[Any, ...]] | None]:
    """Return the INSERT as its driver takes it, and what puts a row in order for one by places."""
    columns = [column.name for column in _attempts.c if column.name != "id"]
    insert = (
        upsert_for(dialect.name, _attempts).on_conflict_do_nothing(index_elements=_KEY).inline()
    )
    compiled = insert.compile(dialect=dialect, column_keys=columns)
    places = compiled.positiontup
    return str(compiled), itemgetter(*places) if places else None


def add_up(connection: Connection, rows: Sequence[DbRow], gone: Sequence[DbRow] = ()) -> None:
    """Add rows to the rollups, less those that are gone, within the connection's transaction."""
    hourly, quarterly = rollups(rows, gone)
    _add_to(connection, schema.spend_hourly, HOURLY_KEY, hourly)
    _add_to(connection, schema.spend_quarterly, QUARTERLY_KEY, quarterly)


def _add_to(
    connection: Connection, table: Table, key: Sequence[str], sums: Sequence[DbRow]
) -> None:
    if sums:
        connection.execute(_adding(connection.dialect.name, table, tuple(key)), sums)


@cache
def _adding(dialect: str, table: Table, key: tuple[str, ...]) -> Executable:
    """Write the statement once: for a small batch that takes longer than to carry it out."""
    add = upsert_for(dialect, table)
    more = {name: table.c[name] + add.excluded[name] for name in FIGURES}
    return add.on_conflict_do_update(index_elements=[table.c[name] for name in key], set_=more)


def _add_bills(connection: Connection, bills: Sequence[Bill]) -> None:
    newest: dict[tuple[str, date], Bill] = {}
    for bill in sorted(bills, key=lambda bill: bill.fetched_at):
        newest[bill.provider, bill.day] = bill
    put = upsert(connection, _bills)
    connection.execute(
        put.on_conflict_do_update(
            index_elements=[_bills.c.provider, _bills.c.day],
            set_={
                "amount_usd_nano": put.excluded.amount_usd_nano,
                "fetched_at": put.excluded.fetched_at,
            },
            where=_bills.c.fetched_at <= put.excluded.fetched_at,
        ),
        [
            {
                "provider": clean(bill.provider),
                "day": bill.day,
                "amount_usd_nano": max(-_MOST_BILL, min(bill.amount_usd_nano, _MOST_BILL)),
                "fetched_at": bill.fetched_at,
            }
            for bill in newest.values()
        ],
    )
