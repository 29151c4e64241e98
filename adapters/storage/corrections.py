"""Costs of the ledger put right later; the rollups move on with them, the old figures stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, tuple_, update

from adapters.storage import schema
from adapters.storage.codec import micros_of
from adapters.storage.database import Database
from adapters.storage.ledger import add_up
from adapters.storage.ledger_rows import (
    MOST_NANO_USD,
    DbRow,
    attempt_of,
    clean,
    price_in,
    price_out,
    within,
)
from bot.models import Price
from bot.ports import Amendment, RowPage

_attempts = schema.attempts
_reprices = schema.reprices
_KEY = (_attempts.c.request_id, _attempts.c.number)
_AT_ONCE = 500


class SqlCorrections:
    """The Corrections port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        """Return attempts of [start, end) in the order they were written, after a row id."""
        query = (
            select(_attempts)
            .where(
                _attempts.c.id > after,
                _attempts.c.at >= micros_of(start),
                _attempts.c.at < micros_of(end),
            )
            .order_by(_attempts.c.id)
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        more = rows[-1].id if len(rows) == limit else None
        return RowPage(tuple(attempt_of(row) for row in rows), more)

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        """Write new costs in one transaction; return how many rows were still as they were read."""
        if not amendments:
            return 0
        return await self._database.write(lambda c: _amend(c, amendments, at, why))


def _amend(connection: Connection, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
    wanted = {(clean(a.attempt.request_id), a.attempt.number): a for a in amendments}
    keys = sorted(wanted)
    as_read = 0
    before: list[DbRow] = []
    after: list[DbRow] = []
    for first in range(0, len(keys), _AT_ONCE):
        # Locked in the order in which every writer meets them.
        query = select(_attempts).where(tuple_(*_KEY).in_(keys[first : first + _AT_ONCE]))
        for row in connection.execute(query.order_by(*_KEY).with_for_update()).all():
            amendment = wanted[row.request_id, row.number]
            was = amendment.attempt
            if not _stands(row, was.cost_nano_usd, was.price):
                continue
            as_read += 1
            if not _stands(row, amendment.cost_nano_usd, amendment.price):
                before.append(dict(row._mapping))
                after.append(_amended(before[-1], amendment))
    _write(connection, before, after, {"at": at, "why": why})
    return as_read


def _stands(row: Row[Any], cost_nano_usd: int | None, price: Price | None) -> bool:
    """Return whether a row has these figures; 5 and 5.0 are one price."""
    return bool(row.cost_nano_usd == cost_nano_usd and price_in(row.price) == price)


def _amended(old: DbRow, amendment: Amendment) -> DbRow:
    cost = amendment.cost_nano_usd
    figures = {
        "cost_nano_usd": None if cost is None else within(cost, MOST_NANO_USD),
        "price": price_out(amendment.price),
    }
    return {**old, **figures}


def _write(
    connection: Connection, before: Sequence[DbRow], after: Sequence[DbRow], about: DbRow
) -> None:
    if not after:
        return
    kept = ("request_id", "number", "cost_nano_usd", "price")
    connection.execute(
        insert(_reprices), [{**about, **{name: row[name] for name in kept}} for row in before]
    )
    change = (
        update(_attempts)
        .where(_attempts.c.id == bindparam("row"))
        .values(cost_nano_usd=bindparam("cost"), price=bindparam("unit_prices"))
    )
    connection.execute(
        change,
        [
            {"row": row["id"], "cost": row["cost_nano_usd"], "unit_prices": row["price"]}
            for row in after
        ],
    )
    add_up(connection, after, before)
