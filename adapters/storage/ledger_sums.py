"""Spend as one query: the rollups of whole hours, and the rows of what is ragged.

One statement sees one state of the database, so a batch that is written meanwhile counts whole
or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    column,
    func,
    literal,
    select,
    union_all,
    values,
)

from adapters.storage import schema
from adapters.storage.codec import micros_of
from adapters.storage.ledger_periods import Span
from adapters.storage.ledger_rows import FIGURES
from bot.ports import GroupBy

_attempts = schema.attempts
_hourly = schema.spend_hourly


def spend_query(by: GroupBy, whole: Sequence[Span], ragged: Sequence[Span]) -> Select[Any]:
    """Add up the rollups in the whole spans and the rows in the ragged ones, by `key`.

    Give it at least one span.
    """
    legs = []
    if whole:
        spans = _spans("whole", whole)
        within = and_(_hourly.c.hour >= spans.c.low, _hourly.c.hour < spans.c.high)
        kept: list[ColumnElement[Any]] = [_hourly.c[name] for name in FIGURES]
        key = _key(by, spans, _hourly.c.model, _hourly.c.provider, _hourly.c.caller)
        legs.append(select(key, *kept).select_from(spans.join(_hourly, within)))
    if ragged:
        spans = _spans("ragged", ragged)
        within = and_(_attempts.c.at >= spans.c.low, _attempts.c.at < spans.c.high)
        figures = [figure.label(name) for name, figure in _row_figures().items()]
        caller = func.coalesce(_attempts.c.caller, "")
        key = _key(by, spans, _attempts.c.model, _attempts.c.provider, caller)
        legs.append(select(key, *figures).select_from(spans.join(_attempts, within)))
    both = union_all(*legs).subquery("spent")
    sums = [func.sum(both.c[name]).label(name) for name in FIGURES]
    return select(both.c.key, *sums).group_by(both.c.key)


def _spans(name: str, spans: Sequence[Span]) -> CTE:
    """Write spans as a small table."""
    shape = (column("span", Text), column("low", BigInteger), column("high", BigInteger))
    rows = [(s.key, micros_of(s.start), micros_of(s.end)) for s in spans]
    return values(*shape, name=name).data(rows).cte(name)


def _key(
    by: GroupBy,
    spans: CTE,
    model: ColumnElement[Any],
    provider: ColumnElement[Any],
    caller: ColumnElement[Any],
) -> ColumnElement[Any]:
    columns = {
        GroupBy.DAY: spans.c.span,
        GroupBy.MODEL: model,
        GroupBy.PROVIDER: provider,
        GroupBy.KEY: caller,
    }
    return columns[by].label("key")


def _row_figures() -> dict[str, ColumnElement[Any]]:
    """Say what a row adds to each figure: in SQL what `ledger_rows` says in Python."""
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
    }
    return {name: figures[name] if name in figures else row[name] for name in FIGURES}


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
