"""Prices of models in use that have changed, and what each change means on a week's traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bot.costs.pricing import price_sum
from bot.models import Price, Usage
from bot.ports import Spend

Rates = list[str | None]
"""USD per million of input, output, cached input and cache writes, as they can be kept."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A model's new price, and what the same traffic costs before and after."""

    model: str
    old: Price
    new: Price
    requests: int
    before_nano: int
    after_nano: int


@dataclass(slots=True)
class Repricing:
    """What pricing the ledger's rows anew has come to so far."""

    seen: int = 0
    changed: int = 0
    before_nano: int = 0
    after_nano: int = 0
    newly_priced: int = 0


def rates_of(price: Price) -> Rates:
    """Return the unit prices that a change is told of."""
    values = (
        price.input_usd_per_1m,
        price.output_usd_per_1m,
        price.cached_input_usd_per_1m,
        price.cache_write_usd_per_1m,
    )
    return [None if value is None else f"{value.normalize():f}" for value in values]


def price_from(rates: Rates, source: str = "catalog", as_of: date | None = None) -> Price:
    """Return unit prices that were kept."""
    given, output, cached, write = (None if rate is None else Decimal(rate) for rate in rates)
    assert given is not None
    assert output is not None
    return Price(given, output, cached, write, source, as_of)


def price_changes(
    groups: Sequence[Spend], known: Mapping[str, Rates], prices: Mapping[str, Price]
) -> list[PriceChange]:
    """Return the models whose price is not the one known, the most used first."""
    found = []
    for group in groups:
        old, new = known.get(group.key), prices.get(group.key)
        if old is None or new is None or old == rates_of(new):
            continue
        tokens = Usage(
            input_tokens=group.input_tokens,
            output_tokens=group.output_tokens,
            cached_input_tokens=group.cached_input_tokens,
            cache_write_tokens=group.cache_write_tokens,
        )
        before, after = price_sum(tokens, price_from(old)), price_sum(tokens, new)
        change = PriceChange(group.key, price_from(old), new, group.requests, before, after)
        found.append(change)
    return found
