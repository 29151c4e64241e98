"""What an outage costs more, or less, than the primary would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from bot.alerts.impact import Impacts
from bot.alerts.incident import Incident, State
from bot.costs.pricing import lost_cache_usd, price_sum, usd
from bot.messages.alerts import Saving
from bot.models import ModelRef
from bot.ports.alerts import AlertReason, AlertStore, Rerouted

SETTLED_AFTER = timedelta(seconds=30)
"""The ledger is written behind the requests; rows this old are all there."""

EVERY = timedelta(minutes=1)
MOST_AT_ONCE = timedelta(hours=1)
"""What one query adds up."""

SHORTEST_PACE = timedelta(minutes=15)
"""What an hour would cost is not told from less."""

_INSTANT = timedelta(microseconds=1)
_NO_MODEL = (AlertReason.CHAIN_EXHAUSTED, AlertReason.CONFIG_INVALID)


async def with_costs(
    incident: Incident, store: AlertStore, outlooks: Impacts, now: datetime
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
        for model in incident.models or (incident.primary,):
            rows = await store.rerouted(model, start, end)
            ref = ModelRef.parse(model)
            if not rows or ref is None:
                continue
            price = await outlooks.price_of(ref, now)
            if price is None or any(row.unpriced for row in rows):
                return replace(incident, costs_nano_usd=None)
            found = True
            more += sum(row.cost_nano_usd - price_sum(row.usage, price) for row in rows)
            lost += await _lost_cache(model, incident.opened_at, rows, store, outlooks, now)
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
    outlooks: Impacts,
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
        price = await outlooks.price_of(row.model, now)
        if price is not None and usual > row.usage.cached_input_tokens:
            missed = lost_cache_usd(usual - row.usage.cached_input_tokens, price)
            lost += int(missed * 1_000_000_000)
    return lost


def saving_of(incident: Incident) -> Saving | None:
    """Return the difference in dollars, and its pace once it can be told; None when unknown."""
    if incident.costs_nano_usd is None or incident.costs_until is None:
        return None
    so_far = usd(incident.costs_nano_usd)
    spent = incident.costs_until - incident.opened_at
    if spent < SHORTEST_PACE:
        return Saving(so_far)
    hours = Decimal(spent // _INSTANT) / Decimal(timedelta(hours=1) // _INSTANT)
    return Saving(so_far, so_far / hours)
