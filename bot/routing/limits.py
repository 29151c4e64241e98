"""What no fallback may cost, or where it may not run: a team's limit, a spent budget's ceiling.

Both bind the hops after a chain's first, and compare with what the first costs: the primary, or
the model that a caller asked for by name. Prices are compared as those of a switch are (three parts
input to one part output), and where both have a price for cached input once more with two of the
three parts read from the cache: a hop is over when either says so. A price that is not known is
over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from bot.config.naming import written
from bot.config.schema import ConfigView
from bot.models import ModelRef, Price
from bot.ports.fallbacks import StoredLimits

MOST_RATIO = Decimal(1000)
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*[x×]?", re.IGNORECASE | re.ASCII)

PriceOf = Callable[[ModelRef], Price | None]


class LimitKind(StrEnum):
    """What a limit goes by."""

    RATIO = "ratio"
    FREE = "free"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class FallbackLimit:
    """A team's limit; `ratio` is set for that kind alone."""

    kind: LimitKind
    ratio: Decimal | None = None

    def __str__(self) -> str:
        """Return the limit as it is typed: `2x`, `free`, `private`."""
        if self.ratio is None:
            return str(self.kind)
        return f"{self.ratio.normalize():f}x"


def parse_limit(words: str) -> FallbackLimit | None:
    """Read `2x`, `1.5`, `free` or `private`; None when it is none of these."""
    word = words.strip().lower()
    if word in (LimitKind.FREE, LimitKind.PRIVATE):
        return FallbackLimit(LimitKind(word))
    match = _RATIO.fullmatch(word)
    ratio = Decimal(match[1]) if match else Decimal(0)
    return FallbackLimit(LimitKind.RATIO, ratio) if 0 < ratio <= MOST_RATIO else None


@dataclass(frozen=True, slots=True)
class Over:
    """Why a fallback is skipped; `limit` None when a spent budget's ceiling is what it is over.

    `most_usd` and `costs_usd` are what was compared, per million tokens; None is not known.
    """

    limit: FallbackLimit | None
    most_usd: Decimal | None = None
    costs_usd: Decimal | None = None

    def __str__(self) -> str:
        """Return the reason in a few words, for a caller of the gateway."""
        if self.limit is None:
            return "over the spent budget's ceiling"
        if self.limit.kind is LimitKind.RATIO:
            return f"over the {self.limit} limit"
        return f"not {self.limit.kind}, as the limit demands"


@dataclass(frozen=True, slots=True)
class HopLimits:
    """What is in force for a chain: the team's limit, and the model that a spent budget allows."""

    limit: FallbackLimit | None
    ceiling: ModelRef | None
    price_of: PriceOf

    def over(self, ref: ModelRef, first: ModelRef | None, *, private: bool) -> Over | None:
        """Return what a fallback is over, behind the chain's `first` hop; None when nothing."""
        limit = self.limit
        if limit is not None and limit.kind is LimitKind.PRIVATE and not private:
            return Over(limit)
        price = self.price_of(ref)
        if limit is not None and limit.kind is LimitKind.FREE and (price is None or not price.free):
            return Over(limit, costs_usd=price.blended_usd_per_1m if price else None)
        ratio = limit.ratio if limit is not None and limit.ratio is not None else None
        if limit is not None and ratio is not None:
            beyond = _beyond(price, self.price_of(first) if first else None, ratio)
            if beyond is not None:
                return Over(limit, *beyond)
        if self.ceiling is not None:
            beyond = _beyond(price, self.price_of(self.ceiling), ratio or Decimal(1))
            if beyond is not None:
                return Over(None, *beyond)
        return None


def hop_limits(
    stored: StoredLimits, view: ConfigView, price_of: PriceOf, now: datetime
) -> HopLimits | None:
    """Return what is in force for a config's chains; None when nothing is."""
    limit = parse_limit(stored.limit.words) if stored.limit else None
    ceiling = ceiling_in_force(stored, view, now)
    return HopLimits(limit, ceiling, price_of) if limit or ceiling else None


def ceiling_in_force(stored: StoredLimits, view: ConfigView, now: datetime) -> ModelRef | None:
    """Return the model that a spent budget has switched to, while it is the primary still."""
    ceiling, primary = stored.ceiling, view.default.primary
    if ceiling is None or primary is None or now >= ceiling.until:
        return None
    ref = ModelRef.parse(ceiling.model)
    return ref if ref is not None and written(primary, view) == ref else None


def _beyond(
    price: Price | None, most: Price | None, ratio: Decimal
) -> tuple[Decimal | None, Decimal | None] | None:
    """Return what was compared when a price is more than `ratio` times another; None within."""
    if price is not None and price.free:
        return None
    if price is None or most is None:
        return _first(most), _first(price)
    pairs = [(most.blended_usd_per_1m, price.blended_usd_per_1m)]
    if most.cached_input_usd_per_1m is not None and price.cached_input_usd_per_1m is not None:
        pairs.append((_cached(most), _cached(price)))
    return next(((base, costs) for base, costs in pairs if costs > base * ratio), None)


def _first(price: Price | None) -> Decimal | None:
    return None if price is None else price.blended_usd_per_1m


def _cached(price: Price) -> Decimal:
    fresh, cached = price.input_usd_per_1m, price.cached_input_usd_per_1m or Decimal(0)
    return (fresh + 2 * cached + price.output_usd_per_1m) / 4
