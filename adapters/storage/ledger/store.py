"""The ledger in the database: attempts, their rollups, and what providers bill."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from adapters.storage.codec import time_of, time_or_none
from adapters.storage.connection import Connection, excluded, insert_sql
from adapters.storage.database import Database
from adapters.storage.ledger.rows import (
    FIGURES,
    HOURLY_KEY,
    MOST_NANO_USD,
    QUARTERLY_KEY,
    DbRow,
    attempt_of,
    rollups,
    row_of,
)
from adapters.storage.ledger.sums import kept_since, sums_by, sums_by_day
from bot.ports import Attempt, Bill, GroupBy, Spend

_MOST_BILL = 1000 * MOST_NANO_USD


class DatabaseLedger:
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
        """Add up what lies in [start, end), costliest first."""
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
        return time_or_none(await self._database.read(_first_at))

    async def kept_since(self) -> datetime | None:
        """Since when attempts are still there; None when none were dropped."""
        return time_or_none(await self._database.read(kept_since) or None)

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM attempts WHERE at >= ? AND at < ? "
                "ORDER BY at DESC, request_id DESC, number DESC LIMIT ?",
                start,
                end,
                limit,
            )
        )
        return [attempt_of(row) for row in rows]

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        """Store what providers say; what was fetched later counts."""
        if bills:
            await self._database.write(lambda c: _add_bills(c, bills))

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        """Return the bills of the days in [start, end), by day and provider."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM bills WHERE day >= ? AND day < ? ORDER BY day, provider", start, end
            )
        )
        return [
            Bill(
                row["provider"],
                # SQLite has no dates: there it is ISO's text.
                date.fromisoformat(str(row["day"])),
                row["amount_usd_nano"],
                time_of(row["fetched_at"]),
            )
            for row in rows
        ]


def _first_at(connection: Connection) -> int | None:
    dropped = kept_since(connection)
    first: int | None = connection.value(
        "SELECT min(hour) FROM spend_hourly" if dropped else "SELECT min(at) FROM attempts"
    )
    return first


def _add(connection: Connection, attempts: Sequence[Attempt]) -> None:
    rows: dict[tuple[str, int], DbRow] = {}
    for attempt in attempts:
        row = row_of(attempt)
        rows.setdefault((row["request_id"], row["number"]), row)
    # Writers that meet in the same rows meet in the same order, so none waits in a circle.
    in_order = [rows[key] for key in sorted(rows)]
    sql = insert_sql("attempts", in_order[0], "ON CONFLICT (request_id, number) DO NOTHING")
    made = connection.run_each(sql, [tuple(row.values()) for row in in_order])
    add_up(connection, [row for row, new in zip(in_order, made, strict=True) if new])


def add_up(connection: Connection, rows: Sequence[DbRow], gone: Sequence[DbRow] = ()) -> None:
    """Add rows to the rollups, less those that are gone, within the connection's transaction."""
    hourly, quarterly = rollups(rows, gone)
    for table, key, sums in (
        ("spend_hourly", HOURLY_KEY, hourly),
        ("spend_quarterly", QUARTERLY_KEY, quarterly),
    ):
        more = ", ".join(f"{figure} = {table}.{figure} + excluded.{figure}" for figure in FIGURES)
        sql = insert_sql(
            table, (*key, *FIGURES), f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {more}"
        )
        connection.run_each(sql, [tuple(row.values()) for row in sums])


def _add_bills(connection: Connection, bills: Sequence[Bill]) -> None:
    names = ("provider", "day", "amount_usd_nano", "fetched_at")
    sql = insert_sql(
        "bills",
        names,
        f"ON CONFLICT (provider, day) DO UPDATE SET {excluded(names, 'provider, day')} "
        "WHERE bills.fetched_at <= excluded.fetched_at",
    )
    for bill in sorted(bills, key=lambda bill: bill.fetched_at):
        amount = max(-_MOST_BILL, min(bill.amount_usd_nano, _MOST_BILL))
        connection.run(sql, bill.provider, bill.day, amount, bill.fetched_at)
