"""/cost compare: the same traffic on other models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from bot.card import Card
from bot.commands.context import Context
from bot.commands.cost import week
from bot.commands.cost_data import alternative_data, nano_data, unpriced_data
from bot.commands.cost_figures import SAMPLE, config_of
from bot.commands.data import warnings_data
from bot.commands.registry import Args
from bot.commands.snapshot import price_at_of
from bot.config.naming import alias_of, chain_words, resolve, written
from bot.config.schema import ConfigView
from bot.costs.compare import Alternative, alternative, cheapest_first, traffic_of
from bot.costs.figures import unpriced_models
from bot.costs.period import Span, last, zone_name
from bot.durations import parse_duration, say_duration
from bot.messages.cost_compare import (
    UNKNOWN_PROVIDER,
    compare_card,
    compare_cautions,
    no_answer,
    no_key,
    not_listed,
)
from bot.models import ModelRef, Price
from bot.ports import Attempt, GroupBy, Spend
from bot.routing.chain import ChainContext, Hop, SkipReason, lone_hop
from bot.routing.near import listed

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
    found = await usable(ctx, config, alternatives(ctx, config, chosen, by_model, sample))
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
    return compare_card(when, baseline, found, _primary(config), cautions, data)


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
        price_at = price_at_of(ctx, ref, config)
        price = price_at(ctx.now)
        hours = (ctx.now + n * _HOUR for n in range(24))
        varies = price is not None and any(price_at(hour) != price for hour in hours)
        found.append(alternative(traffic, ref, preset, price, price_at if varies else None))
    return cheapest_first(found)


async def usable(
    ctx: Context, config: ConfigView, found: Sequence[Alternative]
) -> list[Alternative]:
    """Note which alternatives cannot be used: without a key, or not in their provider's list."""
    around = ChainContext(ctx.catalog, ctx.settings.env)
    hops = {one.ref: lone_hop(0, one.ref, config, around) for one in found}
    asked = {hop.provider.id: hop for hop in hops.values() if hop.provider and hop.skip is None}
    answers = await asyncio.gather(*(_listed(ctx, hop) for hop in asked.values()))
    lists = dict(zip(asked, answers, strict=True))
    return [replace(one, missing=_missing(hops[one.ref], lists)) for one in found]


async def _listed(ctx: Context, hop: Hop) -> Sequence[str]:
    provider = hop.provider
    assert provider is not None
    base = ctx.settings.env.get(provider.base_url_env or "", "")
    return await ctx.ports.lists.models(provider, base, hop.key)


def _missing(hop: Hop, lists: Mapping[str, Sequence[str]]) -> str:
    """Explain why a model is not to be had; empty when it is, or when nobody would say."""
    if hop.skip is SkipReason.NO_KEY:
        return no_key(hop.key_name)
    if hop.ref is None or hop.provider is None or hop.skip is not None:
        return UNKNOWN_PROVIDER
    names = lists[hop.provider.id]
    if not names and hop.private:
        return no_answer(hop.provider.title)
    return "" if not names or listed(hop.ref.name, names) else not_listed(hop.provider.title)


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


def _primary(config: ConfigView) -> ModelRef | None:
    return written(config.default.primary, config)


def usual_price(ctx: Context, config: ConfigView, span: Span) -> Callable[[str], Price | None]:
    """Return how to price a model by its written name, as things stood at a span's end."""

    def price(model: str) -> Price | None:
        ref = written(model, config)
        return price_at_of(ctx, ref, config)(span.end) if ref else None

    return price
