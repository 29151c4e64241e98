"""/cost compare: the same traffic on other models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.card import Card
from bot.commands.context import Context
from bot.commands.cost import week
from bot.commands.cost_data import alternative_data, nano_data, unpriced_data
from bot.commands.cost_figures import SAMPLE, config_of
from bot.commands.data import warnings_data
from bot.commands.registry import Args
from bot.config.naming import alias_of, chain_words, resolve, written
from bot.config.schema import ConfigView
from bot.costs.compare import Alternative, alternative, cheapest_first, traffic_of
from bot.costs.figures import unpriced_models
from bot.costs.period import Span, last, zone_name
from bot.costs.pricing import unit_price
from bot.durations import parse_duration, say_duration
from bot.messages.cost_compare import CompareWords, compare_card, compare_cautions
from bot.models import ModelRef, Price
from bot.ports import Attempt, GroupBy, Spend
from bot.routing.chain import provider_of

_HOUR = timedelta(hours=1)
Chosen = list[tuple[ModelRef, str | None]]


async def compare(ctx: Context, args: Args) -> Card:
    """Price the traffic of the last days on other presets."""
    stretch, config = week(ctx), await config_of(ctx)
    span, when = stretch.span, stretch.when
    if args.text("duration"):
        length = parse_duration(args.need("duration"))
        span, when = last(length, ctx.now), f"in the last {say_duration(length)}"
    words = args.words("models")
    chosen = _named(ctx, words, config) if words else presets(ctx, config)
    zone = zone_name(ctx.settings.timezone)
    by_model = await ctx.ports.ledger.spend(span.start, span.end, GroupBy.MODEL, zone=zone)
    sample = await ctx.ports.ledger.attempts(span.start, span.end, SAMPLE)
    found = alternatives(ctx, config, chosen, by_model, sample)
    baseline, unpriced = traffic_of(by_model), unpriced_models(by_model)
    cautions = compare_cautions(found, unpriced)
    data = {
        "from": span.start,
        "to": span.end,
        "baseline_usd": nano_data(baseline.cost_nano),
        "requests": baseline.requests,
        "alternatives": [alternative_data(one) for one in found],
        "unpriced": unpriced_data(unpriced),
        "warnings": warnings_data(cautions),
    }
    return compare_card(CompareWords(when, baseline, found, cautions, _primary(config)), data)


def alternatives(
    ctx: Context,
    config: ConfigView,
    chosen: Chosen,
    by_model: Sequence[Spend],
    sample: Sequence[Attempt],
) -> list[Alternative]:
    """Price traffic on the chosen models, the cheapest first."""
    traffic = traffic_of(by_model, sample)
    found = []
    for ref, preset in chosen:
        price_at = _price_at(ctx, ref, config)
        price = price_at(ctx.now)
        hours = (ctx.now + n * _HOUR for n in range(24))
        varies = price is not None and any(price_at(hour) != price for hour in hours)
        found.append(alternative(traffic, ref, preset, price, price_at if varies else None))
    return cheapest_first(found)


def presets(ctx: Context, config: ConfigView) -> Chosen:
    """Return what there is to switch to: presets, the file's aliases, the chain; none retired."""
    named: dict[ModelRef, str | None] = {}
    aliases = [alias for alias in config.aliases.values() if alias]
    for word in dict.fromkeys([*ctx.catalog.presets, *aliases]):
        ref = ctx.catalog.current(resolve(word, config, ctx.catalog).ref)
        named.setdefault(ref, word.lower())
    for word in chain_words(config):
        chained = written(word, config)
        if chained is not None:
            named.setdefault(ctx.catalog.current(chained), None)
    return list(named.items())


def _named(ctx: Context, words: tuple[str, ...], config: ConfigView) -> Chosen:
    chosen: dict[ModelRef, str | None] = {}
    for word in words:
        named = resolve(word, config, ctx.catalog)
        name = named.word if named.via != "model" else alias_of(named.ref, config)
        # A retired model's price is no choice any more.
        chosen.setdefault(ctx.catalog.current(named.ref), name)
    return list(chosen.items())


def _price_at(
    ctx: Context, ref: ModelRef, config: ConfigView
) -> Callable[[datetime], Price | None]:
    provider = provider_of(ref, config, ctx.catalog, ctx.settings.env)

    def price_at(at: datetime) -> Price | None:
        return unit_price(ref, provider, config, ctx.ports.prices, at)

    return price_at


def _primary(config: ConfigView) -> ModelRef | None:
    return written(config.default.primary, config)


def usual_price(ctx: Context, config: ConfigView, span: Span) -> Callable[[str], Price | None]:
    """Return how to price a model by its written name, as things stood at a span's end."""

    def price(model: str) -> Price | None:
        ref = written(model, config)
        return _price_at(ctx, ref, config)(span.end) if ref else None

    return price
