"""What an attempt cost that OpenClaw made: by its own count, else by our rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.catalog import Catalog
from bot.config.schema import ConfigView
from bot.costs.pricing import price_usage, unit_price
from bot.models import ModelRef, Price
from bot.ports import Attempt, Prices
from bot.routing.chain import provider_of

_MOST_REMEMBERED = 2000


class OpenClawPricer:
    """Puts a cost on attempts. `view` returns the config as it stands.

    A published price is looked up once an hour of the ledger's time, since some change by day.
    """

    def __init__(self, prices: Prices, catalog: Catalog, view: Callable[[], ConfigView]) -> None:
        self._prices = prices
        self._catalog = catalog
        self._view = view
        self._known: dict[tuple[ModelRef, int], Price | None] = {}
        self._known_by = view()

    def __call__(self, attempt: Attempt) -> Attempt:
        """Return the attempt with its cost; None where nobody knows the price."""
        if attempt.reason is not None and not attempt.usage.output_tokens:
            return attempt
        price = self._price(attempt)
        cost = price_usage(attempt.usage, price)
        return replace(attempt, cost_nano_usd=cost.nano_usd, price=cost.price)

    def _price(self, attempt: Attempt) -> Price | None:
        key = (attempt.model, int(attempt.at.timestamp()) // 3600)
        view = self._view()
        if view is not self._known_by or len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
            self._known_by = view
        if key not in self._known:
            provider = provider_of(attempt.model, view, self._catalog)
            self._known[key] = unit_price(attempt.model, provider, view, self._prices, attempt.at)
        return self._known[key]
