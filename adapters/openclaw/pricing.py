"""What an attempt cost that OpenClaw made: by its own count, else by our rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.catalog import Catalog
from bot.config.schema import ConfigView
from bot.costs.pricing import cost_usd, price_usage, unit_price
from bot.models import ModelRef, Price, Usage
from bot.ports import Attempt, Prices
from bot.routing.chain import provider_of

_MOST_REMEMBERED = 2000
_FACTOR = 2
BILLS_CALLS = ("openrouter",)
"""Providers that say with each answer what it is billed at."""


class OpenClawPricer:
    """Puts a cost on attempts. `view` returns the config as it is now.

    A published price is looked up once an hour of the ledger's time, since some change by day.
    """

    def __init__(
        self,
        prices: Prices,
        catalog: Catalog,
        view: Callable[[], ConfigView],
        env: Mapping[str, str],
    ) -> None:
        self._prices = prices
        self._catalog = catalog
        self._view = view
        self._env = env
        self._known: dict[tuple[ModelRef, int], Price | None] = {}
        self._known_by = view()

    def __call__(self, attempt: Attempt) -> Attempt:
        """Return the attempt with its cost; None where the price is unknown."""
        if attempt.reason is not None and not attempt.usage.output_tokens:
            return attempt
        price = self._price(attempt)
        usage = self._believed(attempt, price)
        guess = usage.reported_cost_usd is not None and attempt.provider not in BILLS_CALLS
        cost = price_usage(usage, price, estimated=attempt.estimated or (guess and price is None))
        return replace(
            attempt,
            usage=usage,
            cost_nano_usd=cost.nano_usd,
            price=cost.price,
            estimated=cost.estimated,
        )

    def _believed(self, attempt: Attempt, price: Price | None) -> Usage:
        """Return the usage with OpenClaw's own figure for it, or without where that is far off.

        It multiplies tokens by whatever its config or its release holds for prices, except where
        the provider tells the bill of each call.
        """
        usage = attempt.usage
        told = usage.reported_cost_usd
        if told is None or attempt.provider in BILLS_CALLS or price is None:
            return usage
        ours = cost_usd(replace(usage, reported_cost_usd=None), price)
        near = ours is not None and ours <= told * _FACTOR and told <= ours * _FACTOR
        return usage if near else replace(usage, reported_cost_usd=None)

    def _price(self, attempt: Attempt) -> Price | None:
        key = (attempt.model, int(attempt.at.timestamp()) // 3600)
        view = self._view()
        if view is not self._known_by or len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
            self._known_by = view
        if key not in self._known:
            provider = provider_of(attempt.model, view, self._catalog, self._env)
            self._known[key] = unit_price(attempt.model, provider, view, self._prices, attempt.at)
        return self._known[key]
