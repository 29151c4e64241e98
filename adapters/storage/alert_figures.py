"""What alerts ask of the ledger: who answers again, and what rerouting cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    cast,
    func,
    or_,
    select,
)

from adapters.storage import schema
from adapters.storage.codec import micros_of, time_of
from bot.models import ModelRef, Usage
from bot.ports.alerts import GoodAnswers, Rerouted

_attempts = schema.attempts
_events = schema.fallback_events
_GOOD_BELOW = 400
_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
)


def good_answers(
    connection: Connection,
    models: Sequence[str],
    since: datetime,
    until: datetime,
    most: int,
    *,
    by_any: bool,
) -> GoodAnswers:
    """Count the good answers of models in (since, until], up to `most`."""
    attempts = (
        select(_attempts.c.at)
        .where(
            _attempts.c.at > micros_of(since),
            _attempts.c.at <= micros_of(until),
            _any_of(_attempts.c.model, models),
            _attempts.c.answered,
            _attempts.c.reason.is_(None),
            _attempts.c.status < _GOOD_BELOW,
        )
        .order_by(_attempts.c.at)
        .limit(most)
    )
    found = [time_of(at) for at in connection.execute(attempts).scalars()]
    if by_any:
        events = (
            select(_events.c.at)
            .where(
                _events.c.at > since,
                _events.c.at <= until,
                _any_of(_events.c.from_model, models),
                _events.c.to_model.is_not(None),
            )
            .order_by(_events.c.at)
            .limit(most)
        )
        found += connection.execute(events).scalars()
    return GoodAnswers(min(len(found), most), min(found, default=None))


def rerouted(
    connection: Connection, model: str, start: datetime, end: datetime
) -> Sequence[Rerouted]:
    """Add up by model what answered when a model failed in [start, end)."""
    query = _rerouted(model, start, end)
    return [_row(row) for row in connection.execute(query) if "/" in row.model]


def usage_of(connection: Connection, model: str, start: datetime, end: datetime) -> Usage:
    """Add up what a model's own answers used in [start, end)."""
    query = select(*(_sum(_attempts.c[name]).label(name) for name in _TOKENS)).where(
        _attempts.c.at >= micros_of(start),
        _attempts.c.at < micros_of(end),
        _attempts.c.model == model,
        _attempts.c.answered,
    )
    return _usage(connection.execute(query).one())


def _rerouted(model: str, start: datetime, end: datetime) -> Select[Any]:
    # A request may have several events; its answer counts once. As a correlated EXISTS this took
    # SQLite a scan for each of them.
    mine = _attempts.c.request_id.in_(
        select(_events.c.request_id).where(
            _events.c.from_model == model,
            _events.c.at >= start,
            _events.c.at < end,
            _events.c.to_model.is_not(None),
        )
    )
    tokens = _attempts.c.input_tokens + _attempts.c.output_tokens
    unpriced = case((and_(_attempts.c.cost_nano_usd.is_(None), tokens > 0), 1), else_=0)
    return (
        select(
            _attempts.c.model,
            func.count().label("requests"),
            _sum(func.coalesce(_attempts.c.cost_nano_usd, 0)).label("cost_nano_usd"),
            _sum(unpriced).label("unpriced"),
            *(_sum(_attempts.c[name]).label(name) for name in _TOKENS),
        )
        .where(
            _attempts.c.at >= micros_of(start),
            _attempts.c.at < micros_of(end),
            _attempts.c.answered,
            _attempts.c.fallback,
            mine,
        )
        .group_by(_attempts.c.model)
    )


def _any_of(column: Any, models: Sequence[str]) -> ColumnElement[bool]:
    providers = [name for name in models if name.endswith("/")]
    named = [name for name in models if name not in providers]
    return or_(column.in_(named), *(column.startswith(name, autoescape=True) for name in providers))


def _sum(column: Any) -> Any:
    # PostgreSQL adds whole numbers up to a decimal.
    return cast(func.sum(column), BigInteger)


def _row(row: Row[Any]) -> Rerouted:
    provider, _, name = row.model.partition("/")
    model = ModelRef(provider, name)
    return Rerouted(model, row.requests, _usage(row), row.cost_nano_usd, row.unpriced)


def _usage(row: Row[Any]) -> Usage:
    # SQL adds nothing up to NULL.
    tokens: dict[str, Any] = {token: getattr(row, token) or 0 for token in _TOKENS}
    return Usage(**tokens)
