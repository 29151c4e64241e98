"""What an outage costs more, or less, than the primary would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.alerts.impact import Impacts
from bot.costs.pricing import lost_cache_usd, price_sum
from bot.incident import Incident, State
from bot.models import ModelRef
from bot.outage import AlertReason
from bot.ports.alerts import AlertStore, Rerouted

SETTLED_AFTER = timedelta(seconds=30)
"""The ledger is written behind the requests; rows this old are all there."""

EVERY = timedelta(minutes=1)
MOST_AT_ONCE = timedelta(hours=1)
"""What one query adds up."""

_INSTANT = timedelta(microseconds=1)
_NO_MODEL = (AlertReason.CHAIN_EXHAUSTED, AlertReason.CONFIG_INVALID)


async def with_costs(
    incident: Incident, store: AlertStore, impacts: Impacts, now: datetime
) -> Incident:
    """Add what was spent in the primary's place since the last look."""
    if incident.reason in _NO_MODEL or incident.costs_nano_usd is None:
        return incident
    start = incident.costs_until or incident.opened_at
    over = incident.state is State.RESOLVED
    if not over and incident.costs_until is not None and now - start < EVERY:
        return incident
    until = incident.last_event_at + _INSTANT
    until = until if over else min(until, now - SETTLED_AFTER)
    more, lost, found = 0, 0, False
    while start < until:
        end = min(until, start + MOST_AT_ONCE)
        for model in incident.asked:
            rows = await store.rerouted(model, start, end)
            ref = ModelRef.parse(model)
            if not rows or ref is None:
                continue
            price = await impacts.price_of(ref, now)
            if price is None or any(row.unpriced for row in rows):
                return replace(incident, costs_nano_usd=None)
            found = True
            more += sum(row.cost_nano_usd - price_sum(row.usage, price) for row in rows)
            lost += await _lost_cache(model, incident.opened_at, rows, store, impacts, now)
        start = end
    if not found:
        return incident
    return replace(
        incident,
        costs_nano_usd=incident.costs_nano_usd + more,
        lost_cache_nano_usd=incident.lost_cache_nano_usd + lost,
        costs_until=start,
    )


async def _lost_cache(
    model: str,
    opened_at: datetime,
    rows: Sequence[Rerouted],
    store: AlertStore,
    impacts: Impacts,
    now: datetime,
) -> int:
    """Estimate what it cost that fallbacks read anew what the primary had in its cache.

    As much of the input would have come from there as in the hour before.
    """
    before = await store.usage_of(model, opened_at - MOST_AT_ONCE, opened_at)
    if not before.cached_input_tokens:
        return 0
    lost = 0
    for row in rows:
        usual = row.usage.input_tokens * before.cached_input_tokens // before.input_tokens
        price = await impacts.price_of(row.model, now)
        if price is not None and usual > row.usage.cached_input_tokens:
            missed = lost_cache_usd(usual - row.usage.cached_input_tokens, price)
            lost += int(missed * 1_000_000_000)
    return lost
