"""Spend as one query: the rollups of whole hours and quarters, and the rows of what is ragged.

One statement sees one state of the database, so a batch that is written meanwhile counts whole
or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import add
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from adapters.storage import schema
from adapters.storage.codec import micros_of, time_of
from adapters.storage.ledger_periods import QUARTER, Cut, cut, days
from adapters.storage.ledger_rows import FIGURES
from bot.ports import GroupBy

Sums = dict[str, Sequence[int]]
"""`FIGURES` by key."""

_DAYS_AT_ONCE = 400
_attempts = schema.attempts
_hourly = schema.spend_hourly
_quarterly = schema.spend_quarterly


KEPT_SINCE = "ledger kept since"


def kept_since(connection: Connection) -> int:
    """Return since when attempts are still there, in microseconds; 0 when none were dropped."""
    memory = schema.memory.c
    return int(connection.scalar(select(memory.value).where(memory.key == KEPT_SINCE)) or 0)


def sums_by(connection: Connection, start: datetime, end: datetime, by: GroupBy) -> Sums:
    """Add up what lies in [start, end) by anything but days.

    No rollup tells sessions apart, so that for them every row is read.
    """
    first, last = _from_rollups(connection, micros_of(start)), micros_of(end)
    period = Cut(0, 0, (), [(first, last)]) if by is GroupBy.SESSION else cut(first, last)
    return {row.key: _figures(row) for row in _rows(connection, by, period)}


def sums_by_day(connection: Connection, start: datetime, end: datetime, zone: str) -> Sums:
    """Add up what lies in [start, end) by the days of a zone. Raises StorageError."""
    sums: Sums = {}
    start = time_of(_from_rollups(connection, micros_of(start)))
    for part in days(start, end, zone).parts(_DAYS_AT_ONCE):
        period = cut(part.starts[0], part.end, part.starts[1:])
        for row in _rows(connection, GroupBy.DAY, period):
            name, figures = part.name_at(row.key), _figures(row)
            sums[name] = list(map(add, sums[name], figures)) if name in sums else figures
    return sums


def hour_sums(
    connection: Connection, start: int, end: int, slot: int
) -> dict[tuple[Any, ...], list[int]]:
    """Add the rows of [start, end) up as a rollup of such slots would have them."""
    row = _attempts.c
    kin = (
        (row.at - row.at % slot).label("slot"),
        row.model,
        row.provider,
        func.coalesce(row.caller, "").label("kin_caller"),
        row.source,
        func.coalesce(row.agent, "").label("kin_agent"),
    )
    each = (
        select(*kin, *_named(_row_figures())).where(row.at >= start, row.at < end).subquery("each")
    )
    keys = list(each.c)[: len(kin)]
    sums = [func.sum(each.c[figure]) for figure in FIGURES]
    found = connection.execute(select(*keys, *sums).group_by(*keys)).all()
    return {tuple(line[: len(kin)]): [int(value) for value in line[len(kin) :]] for line in found}


def spend_query(by: GroupBy, period: Cut) -> Select[Any] | None:
    """Add up by `key`, which for days is the start of an hour or of a part of one."""
    legs = []
    if period.first < period.last:
        hour = _hourly.c.hour
        within = and_(hour >= period.first, hour < period.last, hour.not_in(period.without))
        legs.append(_rollup_leg(_hourly, hour, by, within))
    if period.quarters:
        quarter = _quarterly.c.quarter
        legs.append(_rollup_leg(_quarterly, quarter, by, quarter.in_(period.quarters)))
    if period.ragged:
        at = _attempts.c.at
        within = or_(*(and_(at >= low, at < high) for low, high in period.ragged))
        legs.append(select(_row_key(by, period.slot), *_named(_row_figures())).where(within))
    if not legs:
        return None
    both = union_all(*legs).subquery("spent")
    sums = _named(func.sum(both.c[figure]) for figure in FIGURES)
    return select(both.c.key, *sums).group_by(both.c.key)


def _from_rollups(connection: Connection, first: int) -> int:
    """Begin with a whole quarter of an hour where the rows are no longer kept."""
    return first - first % QUARTER if first < kept_since(connection) else first


def _rows(connection: Connection, by: GroupBy, period: Cut) -> Sequence[Row[Any]]:
    query = spend_query(by, period)
    return [] if query is None else connection.execute(query).all()


def _figures(row: Row[Any]) -> list[int]:
    # PostgreSQL's sums are decimals.
    return [int(row._mapping[figure]) for figure in FIGURES]


def _named(figures: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [figure.label(name) for name, figure in zip(FIGURES, figures, strict=True)]


def _rollup_leg(
    table: Table, start: ColumnElement[Any], by: GroupBy, within: ColumnElement[bool]
) -> Select[Any]:
    keys: dict[GroupBy, ColumnElement[Any]] = {
        GroupBy.DAY: start,
        GroupBy.MODEL: table.c.model,
        GroupBy.PROVIDER: table.c.provider,
        GroupBy.KEY: table.c.caller,
        GroupBy.AGENT: table.c.agent,
    }
    return select(keys[by].label("key"), *_named(table.c[f] for f in FIGURES)).where(within)


def _row_key(by: GroupBy, slot: int) -> ColumnElement[Any]:
    row = _attempts.c
    keys: dict[GroupBy, ColumnElement[Any]] = {
        GroupBy.DAY: row.at - row.at % slot,
        GroupBy.MODEL: row.model,
        GroupBy.PROVIDER: row.provider,
        GroupBy.KEY: func.coalesce(row.caller, ""),
        GroupBy.AGENT: func.coalesce(row.agent, ""),
        GroupBy.SESSION: func.coalesce(row.session, ""),
    }
    return keys[by].label("key")


def _row_figures() -> list[ColumnElement[Any]]:
    """Say what a row adds to each of `FIGURES`: in SQL what `ledger_rows` says in Python."""
    row = _attempts.c
    cost = func.coalesce(row.cost_nano_usd, 0)
    unpriced = and_(row.cost_nano_usd.is_(None), row.input_tokens + row.output_tokens > 0)
    figures: dict[str, ColumnElement[Any]] = {
        "cost_nano_usd": cost,
        "requests": _one_if(row.last),
        "fallback_requests": _one_if(and_(row.last, row.fallback)),
        "attempts": literal(1),
        "failed": _one_if(row.reason.is_not(None)),
        "unpriced": _one_if(unpriced),
        "fallback_cost_nano_usd": case((row.fallback, cost), else_=0),
        "estimated_cost_nano_usd": case((row.estimated, cost), else_=0),
    }
    return [figures[name] if name in figures else row[name] for name in FIGURES]


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
