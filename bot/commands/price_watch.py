"""The watch over the prices of models in use: a change is told once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.commands.context import Context
from bot.commands.cost_figures import config_of
from bot.commands.snapshot import price_of
from bot.costs.period import ROLLING_WEEK, last
from bot.costs.price_changes import PriceChange, Rates, price_changes, rates_of
from bot.costs.pricing import OWN_SOURCES
from bot.models import ModelRef, Price
from bot.ports import GroupBy
from bot.ports.alerts import Notice, NoticeKind, Outbox

_NOON = timedelta(hours=12)


async def check_prices(
    ctx: Context, outbox: Outbox, known: Mapping[str, Rates]
) -> dict[str, Rates]:
    """Put a notice for each changed price into the outbox; return the prices to know from now on.

    A model is told of once it was known at another price: the first look only takes note. Prices
    of the team's own are no news to it.

    Raises:
        StorageError: the database could not be asked; what was known stays known.
    """
    week = last(ROLLING_WEEK, ctx.now)
    groups = await ctx.ports.ledger.spend(week.start, week.end, GroupBy.MODEL)
    prices = await _prices(ctx, [group.key for group in groups])
    for change in price_changes(groups, known, prices):
        await outbox.put(_notice(ctx, change))
    return {**known, **{model: rates_of(price) for model, price in prices.items()}}


async def _prices(ctx: Context, models: list[str]) -> dict[str, Price]:
    """Return published prices at one time of day, since some depend on it."""
    config = await config_of(ctx)
    midnight = ctx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    at_noon = replace(ctx, now=midnight + _NOON)
    found = {}
    for model in models:
        ref = ModelRef.parse(model)
        price = price_of(at_noon, ref, config) if ref else None
        if price is not None and price.source not in OWN_SOURCES:
            found[model] = price
    return found


def _notice(ctx: Context, change: PriceChange) -> Notice:
    old, new = rates_of(change.old), rates_of(change.new)
    data = {
        "model": change.model,
        "old": old,
        "new": new,
        "requests": change.requests,
        "before_nano": change.before_nano,
        "after_nano": change.after_nano,
        "source": change.new.source,
        "as_of": change.new.as_of.isoformat() if change.new.as_of else None,
    }
    key = f"price:{change.model[:60]}:{':'.join(rate or '-' for rate in new)}"
    return Notice(key[:128], NoticeKind.PRICE, ctx.now, data)
