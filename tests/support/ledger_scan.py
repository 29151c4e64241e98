"""Spend by looking at every row, in plain SQL: what the rollups have to agree with, and beat."""

from __future__ import annotations

from datetime import datetime

from adapters.storage.database import Database
from bot.ports import GroupBy, Spend

_KEYS = {
    GroupBy.MODEL: "model",
    GroupBy.PROVIDER: "provider",
    GroupBy.KEY: "coalesce(caller, '')",
    GroupBy.AGENT: "coalesce(agent, '')",
    GroupBy.SESSION: "coalesce(session, '')",
}


FIGURES = (
    "coalesce(sum(cost_nano_usd), 0)",
    "sum(CASE WHEN last THEN 1 ELSE 0 END)",
    "sum(CASE WHEN last AND fallback THEN 1 ELSE 0 END)",
    "count(*)",
    "count(reason)",
    "sum(CASE WHEN cost_nano_usd IS NULL AND input_tokens + output_tokens > 0 THEN 1 ELSE 0 END)",
    "sum(input_tokens)",
    "sum(cached_input_tokens)",
    "sum(cache_write_tokens)",
    "sum(output_tokens)",
    "sum(reasoning_tokens)",
    "coalesce(sum(CASE WHEN fallback THEN cost_nano_usd END), 0)",
    "coalesce(sum(CASE WHEN estimated THEN cost_nano_usd END), 0)",
)


_NAMED = ", ".join(f"{figure} AS figure_{n}" for n, figure in enumerate(FIGURES))


async def full_scan(database: Database, start: datetime, end: datetime, by: GroupBy) -> list[Spend]:
    """Add up what lies in [start, end), dearest first; not by day."""
    query = f"SELECT {_KEYS[by]} AS key, {_NAMED} FROM attempts WHERE at >= ? AND at < ? GROUP BY 1"
    rows = await database.read(lambda c: c.rows(query, start, end))
    found = [list(dict(row).values()) for row in rows]
    groups = [Spend(key, *map(int, figures)) for key, *figures in found]
    return sorted(groups, key=lambda group: (-group.cost_nano_usd, group.key))
