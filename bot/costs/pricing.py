"""What a token costs and who says so.

Precedence: the operator's price (a prices file, or `cost` in the config) → genai-prices → the
shipped catalog → unknown, which is shown as such and never as 0. A local server costs nothing.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.config.schema import ConfigView
from bot.models import ModelRef, Price, Provider, Usage
from bot.ports import Prices

_MILLION = Decimal(1_000_000)


def unit_price(
    ref: ModelRef, provider: Provider | None, view: ConfigView, prices: Prices, at: datetime
) -> Price | None:
    """Return the unit prices in force at a time, or None when nobody knows them."""
    own = prices.operator(ref) or _configured(ref, view)
    local = provider is not None and provider.local
    # Config wizards write zeros for what they do not know; only a local server is really free.
    if own is not None and (own.source == "operator" or local or not own.free):
        return own
    if local:
        return Price(Decimal(0), Decimal(0), source="local")
    return prices.listed(ModelRef(provider.id, ref.name) if provider else ref, at)


def cost_usd(usage: Usage, price: Price | None) -> Decimal | None:
    """Price one call's tokens in USD; what the provider reported wins, None means unpriced."""
    if usage.reported_cost_usd is not None:
        return usage.reported_cost_usd
    if price is None:
        return None
    plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    cached = price.cached_input_usd_per_1m
    write = price.cache_write_usd_per_1m
    total = (
        max(plain, 0) * price.input_usd_per_1m
        + usage.cached_input_tokens * (price.input_usd_per_1m if cached is None else cached)
        + usage.cache_write_tokens * (price.input_usd_per_1m if write is None else write)
        + usage.output_tokens * price.output_usd_per_1m
    )
    return total / _MILLION


def price_ratio(old: Price | None, new: Price | None) -> Decimal | None:
    """Say how many times dearer the new price is; None when either is unknown or the old is 0."""
    if old is None or new is None or not old.blended_usd_per_1m:
        return None
    return new.blended_usd_per_1m / old.blended_usd_per_1m


def needs_confirmation(old: Price | None, new: Price | None, limit: Decimal) -> bool:
    """Decide whether a switch is so much dearer that it has to be asked about first."""
    if old is None or new is None:
        return False
    if old.free:
        return not new.free
    ratio = price_ratio(old, new)
    return ratio is not None and ratio > limit


def _configured(ref: ModelRef, view: ConfigView) -> Price | None:
    table = view.providers.get(ref.provider) or {}
    for row in table.get("models") or ():
        if isinstance(row, dict) and row.get("id") == ref.name:
            cost = row.get("cost")
            return _from_cost(cost) if isinstance(cost, dict) else None
    return None


def _from_cost(cost: dict[str, Any]) -> Price | None:
    def money(key: str) -> Decimal | None:
        value = cost.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            amount = Decimal(str(value))
        except InvalidOperation:
            return None
        return amount if amount.is_finite() and amount >= 0 else None

    input_usd, output_usd = money("input"), money("output")
    if input_usd is None or output_usd is None:
        return None
    return Price(input_usd, output_usd, money("cacheRead"), money("cacheWrite"), source="config")
