"""What a token costs, who says so, and what a call's tokens add up to.

Precedence: the operator's price (a prices file, or `cost` in the config) → the cost that the
provider reported → genai-prices → the shipped catalog → unpriced, which is shown as such and
never as 0. What runs on the team's own machines costs nothing.

Amounts are exact decimals until the very end: a call's total is rounded once, half up, to a whole
nano-dollar (a billionth of a dollar); sums of nano-dollars are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bot.config.schema import ConfigView
from bot.costs.usage import checked
from bot.dialects.locality import is_private
from bot.models import ModelRef, Price, PriceTier, Provider, Usage

if TYPE_CHECKING:
    from bot.ports import Prices

MOST_USD_PER_1M = Decimal(1_000_000)
"""More than this for a million tokens is no price."""

NANO = Decimal(1_000_000_000)
_MILLION = Decimal(1_000_000)
_DIGITS = 60
# What a cache write that lives an hour costs, by one that lives 5 minutes, where only the
# latter's price is known: twice the input's price by 1.25 times it.
_FREE = Price(Decimal(0), Decimal(0), source="local")
_HOUR_BY_5M = Decimal("1.6")
RATES = tuple(field.name for field in fields(Price) if "_usd_per_" in field.name)
OWN_SOURCES = ("operator", "config")
"""Sources of prices that the operator has set, which nothing overrules."""


class TokenKind(StrEnum):
    """The kinds of tokens that have a price of their own; each token is of one kind.

    Web searches are no tokens, but are counted and priced by the million like them.
    """

    INPUT = "input"
    CACHED_INPUT = "cached_input"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_1H = "cache_write_1h"
    AUDIO_INPUT = "audio_input"
    CACHED_AUDIO = "cached_audio"
    OUTPUT = "output"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_OUTPUT = "image_output"
    WEB_SEARCH = "web_search"


@dataclass(frozen=True, slots=True)
class CostPart:
    """So many tokens of one kind at one price; `cost_usd` is exact."""

    kind: TokenKind
    tokens: int
    usd_per_1m: Decimal
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call cost and why; `nano_usd` None means unknown.

    `source` is the price's source, `reported`, or `unpriced`. `price` are the unit prices that
    were applied, a tier's where the call was so large. `estimated` when the tokens are not of
    the provider's own count, or when the call has something in it that no known price covers
    (a special tier, searches or speech without a price): then it is the figure without that.
    What a provider reported has no parts.
    """

    nano_usd: int | None
    parts: tuple[CostPart, ...] = ()
    source: str = "unpriced"
    as_of: date | None = None
    estimated: bool = False
    price: Price | None = None


def unit_price(
    ref: ModelRef, provider: Provider | None, view: ConfigView, prices: Prices, at: datetime
) -> Price | None:
    """Return the unit prices in force at a time, or None when they are unknown.

    A model is free when it is private, or when the operator wrote zeros for a name that no vendor
    sells. What a proxy serves is taken to cost what the vendor asks for it, and `assumed`.
    """
    own = prices.operator(ref) or _configured(ref, view)
    if is_private(ref, provider):
        return own or _FREE
    if own is not None and not own.free:
        return own
    custom = provider is not None and provider.custom
    if custom:
        sold = prices.sold(ref.name, at)
        sold = replace(sold, assumed=True) if sold else None
    else:
        sold = prices.listed(ModelRef(provider.id, ref.name) if provider else ref, at)
    # Config wizards write zeros for what they do not know, so zeros hold for what no vendor sells.
    zeros = own if own is not None and (custom or own.source == "operator") else None
    return sold or zeros


def served_price(
    ref: ModelRef,
    served: str | None,
    provider: Provider | None,
    view: ConfigView,
    prices: Prices,
    at: datetime,
) -> Price | None:
    """Return the unit prices of what really answered.

    A provider may answer with another model than it was asked for (DeepSeek does for `claude-*`):
    that one's price counts where it has one, unless the operator has set one for the asked.
    """
    asked = unit_price(ref, provider, view, prices, at)
    if not served or served == ref.name or (asked and asked.source in (*OWN_SOURCES, _FREE.source)):
        return asked
    return unit_price(ModelRef(ref.provider, served), provider, view, prices, at) or asked


def price_usage(
    usage: Usage,
    price: Price | None,
    *,
    estimated: bool = False,
    price_of: Callable[[str], Price | None] = lambda _: None,
) -> Cost:
    """Price one call's tokens, each kind by its own price, and say how it came about.

    `price_of` gives the price of another model of the same provider, which an aside may name.
    The price of a call with such an aside is that of its answer alone, so it stands without one.
    """
    usage = checked(usage)
    reported = usage.reported_cost_usd
    if reported is not None and (price is None or price.source not in OWN_SOURCES):
        if reported or price is None or price.free or not usage.output_tokens:
            return Cost(_nano(reported), source="reported", estimated=estimated)
        # A 0 for what the list sells is doubted: the list's price stands in for it.
        estimated = True
    if price is None:
        return Cost(None, estimated=estimated)
    applied = _applied(usage, price)
    parts, covered = _parts(usage, applied), _covered(usage, price)
    for aside in usage.asides:
        unit = price if aside.model is None else price_of(aside.model)
        if unit is None:
            covered = False
            continue
        tokens = replace(aside.usage, terms=usage.terms)
        parts = (*parts, *_parts(tokens, _applied(tokens, unit)))
        covered = covered and _covered(tokens, unit)
    estimated = estimated or usage.doubtful or price.assumed or not covered
    shown = None if usage.asides else applied
    return Cost(_nano(_sum_of(parts)), parts, price.source, price.as_of, estimated, shown)


def _sum_of(parts: Iterable[CostPart]) -> Decimal:
    with localcontext(prec=_DIGITS):
        return sum((part.cost_usd for part in parts), Decimal(0))


def _applied(usage: Usage, price: Price) -> Price:
    """Return the unit prices of a call of that size under its terms, one term after another."""
    base = at_size(price, usage.input_tokens)
    if not usage.terms:
        return base
    variants = dict(price.variants)
    terms = [variants[term] for term in usage.terms.split() if term in variants]
    applied = at_size(terms[0], usage.input_tokens) if terms else base
    for other in terms[1:]:
        applied = _times(applied, at_size(other, usage.input_tokens), base)
    return applied


def _times(price: Price, other: Price, base: Price) -> Price:
    """Return a price scaled, kind by kind, as `other` scales the base."""
    rates = {}
    for name in RATES:
        rate, part, whole = (getattr(p, name) for p in (price, other, base))
        rates[name] = rate * part / whole if rate and part is not None and whole else rate
    return replace(price, **rates)


def price_sum(tokens: Usage, price: Price) -> int:
    """Price the tokens of many calls together in nano-dollars, as if each were below any tier."""
    return _nano(_sum_of(_parts(tokens, price)))


def cost_usd(usage: Usage, price: Price | None) -> Decimal | None:
    """Price one call's tokens in USD, to the nano-dollar; None means unpriced."""
    nano = price_usage(usage, price).nano_usd
    return None if nano is None else usd(nano)


def usd(nano: int) -> Decimal:
    """Turn nano-dollars into dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def at_size(price: Price, input_tokens: int) -> Price:
    """Return the unit prices for a call of that much input; a tier holds for all its tokens."""
    tier = next((t for t in reversed(price.tiers) if input_tokens > t.above_input_tokens), None)
    if tier is None:
        return replace(price, tiers=(), variants=()) if price.tiers or price.variants else price
    return replace(
        price,
        input_usd_per_1m=tier.input_usd_per_1m,
        output_usd_per_1m=tier.output_usd_per_1m,
        cached_input_usd_per_1m=tier.cached_input_usd_per_1m,
        cache_write_usd_per_1m=tier.cache_write_usd_per_1m,
        cache_write_1h_usd_per_1m=tier.cache_write_1h_usd_per_1m,
        tiers=(),
        variants=(),
    )


def scaled(price: Price, factor: Decimal) -> Price:
    """Return a price whose tokens all cost `factor` times as much, tiers included."""
    tiers = tuple(replace(tier, **_times_all(tier, factor)) for tier in price.tiers)
    return replace(price, **_times_all(price, factor), tiers=tiers, variants=())


def _times_all(rates: Price | PriceTier, factor: Decimal) -> dict[str, Any]:
    found = {field.name: getattr(rates, field.name) for field in fields(rates)}
    return {name: rate * factor for name, rate in found.items() if rate and "_per_1m" in name}


def price_ratio(old: Price | None, new: Price | None) -> Decimal | None:
    """Return new price over old; None when either is unknown or the old is 0."""
    if old is None or new is None or not old.blended_usd_per_1m:
        return None
    return new.blended_usd_per_1m / old.blended_usd_per_1m


def needs_confirmation(old: Price | None, new: Price | None, limit: Decimal) -> bool:
    """Return whether a switch costs so much more that it has to be confirmed first."""
    if old is None or new is None:
        return False
    if old.free:
        return not new.free
    ratio = price_ratio(old, new)
    return ratio is not None and ratio > limit


def _parts(usage: Usage, price: Price) -> tuple[CostPart, ...]:
    write_1h = usage.cache_write_1h_tokens
    write_5m = usage.cache_write_tokens - write_1h
    plain = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    heard, spoken = usage.audio_input_tokens, usage.audio_output_tokens
    base, answer = price.input_usd_per_1m, price.output_usd_per_1m
    cached, write = price.cached_input_usd_per_1m, price.cache_write_usd_per_1m
    cached = base if cached is None else cached
    heard_again, hear_again = usage.cached_audio_tokens, price.cached_audio_usd_per_1m
    drawn, draw = usage.image_output_tokens, price.image_output_usd_per_1m
    hear, speak = price.audio_input_usd_per_1m, price.audio_output_usd_per_1m
    search = (price.web_search_usd_per_1k or Decimal(0)) * 1000
    kinds = (
        (TokenKind.INPUT, plain - heard, base),
        (TokenKind.CACHED_INPUT, usage.cached_input_tokens - heard_again, cached),
        (TokenKind.CACHE_WRITE, write_5m, base if write is None else write),
        (TokenKind.CACHE_WRITE_1H, write_1h, _hour_price(price)),
        (TokenKind.AUDIO_INPUT, heard, base if hear is None else hear),
        (TokenKind.CACHED_AUDIO, heard_again, cached if hear_again is None else hear_again),
        (TokenKind.OUTPUT, usage.output_tokens - spoken - drawn, answer),
        (TokenKind.AUDIO_OUTPUT, spoken, answer if speak is None else speak),
        (TokenKind.IMAGE_OUTPUT, drawn, answer if draw is None else draw),
        (TokenKind.WEB_SEARCH, usage.web_searches if search else 0, search),
    )
    with localcontext(prec=_DIGITS):
        return tuple(
            CostPart(kind, count, rate, count * rate / _MILLION)
            for kind, count, rate in kinds
            if count
        )


def _covered(usage: Usage, price: Price) -> bool:
    """Return whether the price has a figure for all that the call used."""
    if price.free:
        # What a vendor gives away may still search at a price.
        return price.source == _FREE.source or not usage.web_searches
    return not (
        (usage.terms and set(usage.terms.split()) - dict(price.variants).keys())
        or (usage.cached_audio_tokens and price.cached_audio_usd_per_1m is None)
        or (usage.image_output_tokens and price.image_output_usd_per_1m is None)
        or (usage.audio_input_tokens and price.audio_input_usd_per_1m is None)
        or (usage.audio_output_tokens and price.audio_output_usd_per_1m is None)
        or (usage.web_searches and price.web_search_usd_per_1k is None)
    )


def _hour_price(price: Price) -> Decimal:
    if price.cache_write_1h_usd_per_1m is not None:
        return price.cache_write_1h_usd_per_1m
    if price.cache_write_usd_per_1m is not None:
        return price.cache_write_usd_per_1m * _HOUR_BY_5M
    return price.input_usd_per_1m


def _nano(amount_usd: Decimal) -> int:
    with localcontext(prec=_DIGITS):
        return int((amount_usd * NANO).quantize(Decimal(1), ROUND_HALF_UP))


def _configured(ref: ModelRef, view: ConfigView) -> Price | None:
    table = view.entry(ref.provider)
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
        return amount if amount.is_finite() and 0 <= amount <= MOST_USD_PER_1M else None

    input_usd, output_usd = money("input"), money("output")
    if input_usd is None or output_usd is None:
        return None
    return Price(input_usd, output_usd, money("cacheRead"), money("cacheWrite"), source="config")


def lost_cache_usd(cached_tokens: int, price: Price) -> Decimal:
    """Return what it costs more to send a history once to a model that has no cache of it."""
    cached = price.cached_input_usd_per_1m
    fresh = price.input_usd_per_1m if cached is None else price.cache_write_usd_per_1m
    fresh = price.input_usd_per_1m if fresh is None else max(fresh, price.input_usd_per_1m)
    saved = fresh - (price.input_usd_per_1m if cached is None else cached)
    return max(saved, Decimal(0)) * cached_tokens / 1_000_000
