"""The same traffic at other models' prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bot.costs.figures import priced_nano
from bot.costs.pricing import at_size, price_sum
from bot.costs.usage import checked
from bot.models import ModelRef, Price, Usage
from bot.ports import Attempt, Spend


@dataclass(frozen=True, slots=True)
class Traffic:
    """Tokens that were used and what they cost; `sample` are some of the calls, the newest.

    Only what could be priced is in it, so that both sides of a comparison are of the same calls.
    """

    tokens: Usage
    cost_nano: int
    requests: int
    sample: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """What the traffic would have cost on another model; `nano` None: its price is unknown.

    `missing` says why the model cannot be used as things stand; such a one is never recommended.
    """

    ref: ModelRef
    preset: str | None
    price: Price | None
    nano: int | None
    saving_nano: int | None
    saving_percent: Decimal | None
    missing: str = ""


def traffic_of(by_model: Sequence[Spend], sample: Sequence[Attempt] = ()) -> Traffic:
    """Add up the traffic of the models that have a price."""
    priced = [group for group in by_model if priced_nano(group) is not None]
    left_out = {group.key for group in by_model if priced_nano(group) is None}
    tokens = Usage(
        input_tokens=sum(group.input_tokens for group in priced),
        output_tokens=sum(group.output_tokens for group in priced),
        cached_input_tokens=sum(group.cached_input_tokens for group in priced),
        cache_write_tokens=sum(group.cache_write_tokens for group in priced),
    )
    return Traffic(
        tokens,
        sum(group.cost_nano_usd for group in priced),
        sum(group.requests for group in priced),
        [attempt for attempt in sample if str(attempt.model) not in left_out],
    )


def alternative(
    traffic: Traffic,
    ref: ModelRef,
    preset: str | None,
    price: Price | None,
    price_at: Callable[[datetime], Price | None] | None = None,
) -> Alternative:
    """Price the traffic on a model: what was cached stays cached where it has such a price.

    How much of it would have been in a tier for long inputs, or at a peak hour,
    is told from the sample.
    """
    if price is None:
        return Alternative(ref, preset, None, None, None, None)
    nano = price_sum(traffic.tokens, price)
    if price.tiers or price_at is not None:
        factor = _factor(traffic.sample, price, price_at or (lambda at: price))
        nano = int((nano * factor).to_integral_value())
    saving = traffic.cost_nano - nano
    percent = Decimal(saving) * 100 / traffic.cost_nano if traffic.cost_nano else None
    return Alternative(ref, preset, price, nano, saving, percent)


def cheapest_first(alternatives: Iterable[Alternative]) -> list[Alternative]:
    """Order alternatives by cost, those without a price last."""
    return sorted(alternatives, key=lambda a: (a.nano is None, a.nano or 0, str(a.ref)))


def _factor(
    sample: Sequence[Attempt], price: Price, price_at: Callable[[datetime], Price | None]
) -> Decimal:
    """Return the sample's price at each call's own size and hour, over the base price."""
    base = real = 0
    for attempt in sample:
        usage = checked(attempt.usage)
        then = price_at(attempt.at) or price
        base += price_sum(usage, price)
        real += price_sum(usage, at_size(then, usage.input_tokens))
    return Decimal(real) / base if base else Decimal(1)
