"""Costs of the ledger put right later; the rollups move on with them, the old figures stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.storage.codec import plain
from adapters.storage.connection import Connection, Row
from adapters.storage.database import Database
from adapters.storage.ledger.rows import (
    MOST_NANO_USD,
    DbRow,
    attempt_of,
    price_in,
    price_out,
    within,
)
from adapters.storage.ledger.store import add_up
from bot.models import Price
from bot.ports import Amendment, RowPage


class DatabaseCorrections:
    """The Corrections port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        """Return attempts of [start, end) in the order they were written, after a row id."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM attempts WHERE id > ? AND at >= ? AND at < ? ORDER BY id LIMIT ?",
                after,
                start,
                end,
                limit,
            )
        )
        more = rows[-1]["id"] if len(rows) == limit else None
        return RowPage(tuple(attempt_of(row) for row in rows), more)

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        """Write new costs in one transaction; return how many rows were still as they were read."""
        if not amendments:
            return 0
        return await self._database.change(lambda c: _amend(c, amendments, at, why))


def _amend(connection: Connection, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
    wanted = {(plain(a.attempt.request_id), a.attempt.number): a for a in amendments}
    hold = " FOR UPDATE" if connection.postgresql else ""
    as_read = 0
    before: list[DbRow] = []
    after: list[DbRow] = []
    # Locked in the order in which every writer meets them.
    for key in sorted(wanted):
        row = connection.row(
            f"SELECT * FROM attempts WHERE request_id = ? AND number = ?{hold}", *key
        )
        amendment = wanted[key]
        was = amendment.attempt
        if row is None or not _stands(row, was.cost_nano_usd, was.price):
            continue
        as_read += 1
        if not _stands(row, amendment.cost_nano_usd, amendment.price):
            before.append(dict(row))
            after.append(_amended(before[-1], amendment))
    for old, new in zip(before, after, strict=True):
        kept = {name: old[name] for name in ("request_id", "number", "cost_nano_usd", "price")}
        connection.insert("reprices", {"at": at, "why": why, **kept})
        figures = {name: new[name] for name in ("cost_nano_usd", "price")}
        connection.update("attempts", figures, "id = ?", new["id"])
    add_up(connection, after, before)
    return as_read


def _stands(row: Row, cost_nano_usd: int | None, price: Price | None) -> bool:
    """Return whether a row has these figures; 5 and 5.0 are one price."""
    return bool(row["cost_nano_usd"] == cost_nano_usd and price_in(row["price"]) == price)


def _amended(old: DbRow, amendment: Amendment) -> DbRow:
    cost = amendment.cost_nano_usd
    figures = {
        "cost_nano_usd": None if cost is None else within(cost, MOST_NANO_USD),
        "price": price_out(amendment.price),
    }
    return {**old, **figures}
