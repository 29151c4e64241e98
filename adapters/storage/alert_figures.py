"""What alerts ask of the ledger: who answers again, and what rerouting cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.storage.codec import time_of
from adapters.storage.connection import Connection, Row, marks
from bot.models import ModelRef, Usage
from bot.ports.alerts import GoodAnswers, Rerouted

_GOOD_BELOW = 400
_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
)
# PostgreSQL adds whole numbers up to a decimal; SQL adds nothing up to NULL.
_SUMS = ", ".join(f"CAST(coalesce(sum({name}), 0) AS BIGINT) AS {name}" for name in _TOKENS)


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
    where, names = _any_of("model", models)
    found = connection.rows(
        f"SELECT at FROM attempts WHERE at > ? AND at <= ? AND {where} "
        f"AND answered AND reason IS NULL AND status < {_GOOD_BELOW} ORDER BY at LIMIT ?",
        since,
        until,
        *names,
        most,
    )
    if by_any:
        where, names = _any_of("from_model", models)
        found += connection.rows(
            f"SELECT at FROM fallback_events WHERE at > ? AND at <= ? AND {where} "
            "AND to_model IS NOT NULL ORDER BY at LIMIT ?",
            since,
            until,
            *names,
            most,
        )
    times = [time_of(row["at"]) for row in found]
    return GoodAnswers(min(len(times), most), min(times, default=None))


def rerouted(
    connection: Connection, model: str, start: datetime, end: datetime
) -> Sequence[Rerouted]:
    """Add up by model what answered when a model failed in [start, end)."""
    # A request may have several events; its answer counts once. As a correlated EXISTS this took
    # SQLite a scan for each of them.
    rows = connection.rows(
        f"""SELECT model, count(*) AS requests,
            CAST(coalesce(sum(cost_nano_usd), 0) AS BIGINT) AS cost_nano_usd,
            CAST(sum(CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0
                THEN 1 ELSE 0 END) AS BIGINT) AS unpriced,
            {_SUMS}
        FROM attempts
        WHERE at >= ? AND at < ? AND answered AND fallback AND request_id IN (
            SELECT request_id FROM fallback_events
            WHERE from_model = ? AND at >= ? AND at < ? AND to_model IS NOT NULL)
        GROUP BY model""",
        start,
        end,
        model,
        start,
        end,
    )
    return [_rerouted(row) for row in rows if "/" in row["model"]]


def usage_of(connection: Connection, model: str, start: datetime, end: datetime) -> Usage:
    """Add up what a model's own answers used in [start, end)."""
    (row,) = connection.rows(
        f"SELECT {_SUMS} FROM attempts WHERE at >= ? AND at < ? AND model = ? AND answered",
        start,
        end,
        model,
    )
    return _usage(row)


def _any_of(column: str, models: Sequence[str]) -> tuple[str, list[str]]:
    """Write a condition with its values: a name that ends in `/` stands for a provider's all."""
    providers = [name for name in models if name.endswith("/")]
    named = [name for name in models if name not in providers]
    starts = [f"substr({column}, 1, {len(name)}) = ?" for name in providers]
    conditions = [*starts, *([f"{column} IN ({marks(named)})"] if named else [])]
    return f"({' OR '.join(conditions) or 'false'})", [*providers, *named]


def _rerouted(row: Row) -> Rerouted:
    provider, _, name = row["model"].partition("/")
    model = ModelRef(provider, name)
    return Rerouted(model, row["requests"], _usage(row), row["cost_nano_usd"], row["unpriced"])


def _usage(row: Row) -> Usage:
    return Usage(**{token: row[token] for token in _TOKENS})
