"""Spend as one query: the rollups of whole hours and quarters, and the rows of what is ragged.

One statement sees one state of the database, so a batch that is written meanwhile counts whole
or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import add
from typing import Any

from adapters.storage.codec import micros_of, time_of
from adapters.storage.connection import Connection, Row
from adapters.storage.key_values import value_at
from adapters.storage.ledger.periods import QUARTER_HOUR, Cut, cut, days
from adapters.storage.ledger.rows import FIGURES
from bot.ports import GroupBy

Sums = dict[str, Sequence[int]]
"""`FIGURES` by key."""

KEPT_SINCE = "ledger kept since"

_DAYS_AT_ONCE = 400
# The columns of the rollups; of the rows, all but the days' are the same or what is below.
_KEYS = {
    GroupBy.MODEL: "model",
    GroupBy.PROVIDER: "provider",
    GroupBy.KEY: "caller",
    GroupBy.AGENT: "agent",
}
_ROW_KEYS = {
    **_KEYS,
    GroupBy.KEY: "coalesce(caller, '')",
    GroupBy.AGENT: "coalesce(agent, '')",
    GroupBy.SESSION: "coalesce(session, '')",
}
# What a row adds to each of `FIGURES`: in SQL what `rows` says in Python.
_ROW_FIGURES = {
    "cost_nano_usd": "coalesce(cost_nano_usd, 0)",
    "requests": "CASE WHEN last THEN 1 ELSE 0 END",
    "fallback_requests": "CASE WHEN last AND fallback THEN 1 ELSE 0 END",
    "attempts": "1",
    "failed": "CASE WHEN reason IS NULL THEN 0 ELSE 1 END",
    "unpriced": "CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0 "
    "THEN 1 ELSE 0 END",
    "fallback_cost_nano_usd": "CASE WHEN fallback THEN coalesce(cost_nano_usd, 0) ELSE 0 END",
    "estimated_cost_nano_usd": "CASE WHEN estimated THEN coalesce(cost_nano_usd, 0) ELSE 0 END",
}
_OF_ROWS = ", ".join(f"{_ROW_FIGURES.get(name, name)} AS {name}" for name in FIGURES)
_OF_ROLLUPS = ", ".join(FIGURES)
# PostgreSQL's sums of whole numbers are decimals.
_SUMS = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in FIGURES)


def kept_since(connection: Connection) -> int:
    """Return since when attempts are still there, in microseconds; 0 when none were dropped."""
    return int(value_at(connection, KEPT_SINCE) or 0)


def sums_by(connection: Connection, start: datetime, end: datetime, by: GroupBy) -> Sums:
    """Add up what lies in [start, end) by anything but days.

    No rollup tells sessions apart, so that for them every row is read.
    """
    first, last = _from_rollups(connection, micros_of(start)), micros_of(end)
    period = Cut(0, 0, (), [(first, last)]) if by is GroupBy.SESSION else cut(first, last)
    return {row["key"]: _figures(row) for row in _rows(connection, by, period)}


def sums_by_day(connection: Connection, start: datetime, end: datetime, zone: str) -> Sums:
    """Add up what lies in [start, end) by the days of a zone. Raises StorageError."""
    sums: Sums = {}
    start = time_of(_from_rollups(connection, micros_of(start)))
    for part in days(start, end, zone).parts(_DAYS_AT_ONCE):
        period = cut(part.starts[0], part.end, part.starts[1:])
        for row in _rows(connection, GroupBy.DAY, period):
            name, figures = part.name_at(row["key"]), _figures(row)
            sums[name] = list(map(add, sums[name], figures)) if name in sums else figures
    return sums


def hour_sums(
    connection: Connection, start: int, end: int, slot: int
) -> dict[tuple[Any, ...], list[int]]:
    """Add the rows of [start, end) up as a rollup of such slots would have them."""
    rows = connection.rows(
        f"SELECT slot, model, provider, kin_caller, source, kin_agent, {_SUMS} FROM ("
        f"SELECT at - at % {slot} AS slot, model, provider, coalesce(caller, '') AS kin_caller, "
        f"source, coalesce(agent, '') AS kin_agent, {_OF_ROWS} "
        f"FROM attempts WHERE at >= {start} AND at < {end}) AS each_row "
        "GROUP BY slot, model, provider, kin_caller, source, kin_agent"
    )
    kin = ("slot", "model", "provider", "kin_caller", "source", "kin_agent")
    return {tuple(row[name] for name in kin): _figures(row) for row in rows}


def spend_query(by: GroupBy, period: Cut) -> str | None:
    """Add up by `key`, which for days is the start of an hour or of a part of one."""
    legs = []
    if period.first < period.last:
        within = f"hour >= {period.first} AND hour < {period.last}"
        if period.without:
            within += f" AND hour NOT IN ({_listed(period.without)})"
        legs.append(_rollup_leg("spend_hourly", _KEYS.get(by, "hour"), within))
    if period.quarters:
        within = f"quarter IN ({_listed(period.quarters)})"
        legs.append(_rollup_leg("spend_quarterly", _KEYS.get(by, "quarter"), within))
    if period.ragged:
        key = _ROW_KEYS.get(by, f"at - at % {period.slot}")
        within = " OR ".join(f"(at >= {low} AND at < {high})" for low, high in period.ragged)
        legs.append(f"SELECT {key} AS key, {_OF_ROWS} FROM attempts WHERE {within}")
    if not legs:
        return None
    return f"SELECT key, {_SUMS} FROM ({' UNION ALL '.join(legs)}) AS spent GROUP BY key"


def _from_rollups(connection: Connection, first: int) -> int:
    """Begin with a whole quarter of an hour where the rows are no longer kept."""
    return first - first % QUARTER_HOUR if first < kept_since(connection) else first


def _rows(connection: Connection, by: GroupBy, period: Cut) -> list[Row]:
    query = spend_query(by, period)
    return [] if query is None else connection.rows(query)


def _figures(row: Row) -> list[int]:
    return [row[figure] for figure in FIGURES]


def _rollup_leg(table: str, key: str, within: str) -> str:
    return f"SELECT {key} AS key, {_OF_ROLLUPS} FROM {table} WHERE {within}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
