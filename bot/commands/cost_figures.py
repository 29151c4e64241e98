"""What the cost commands ask of the ledger, gathered once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from bot.commands.context import Context
from bot.commands.snapshot import price_of
from bot.config.present import read_config
from bot.config.schema import ConfigView, view
from bot.costs.billed import Billed, beside, bill_days
from bot.costs.figures import Figures, priced_nano, total_of
from bot.costs.period import Span, whole_utc_days, zone_name
from bot.costs.pricing import OWN_SOURCES
from bot.errors import ConfigError
from bot.models import ModelRef, Provider
from bot.ports import Attempt, GroupBy, Spend
from bot.routing.chain import provider_of

SAMPLE = 200
"""How many of the newest attempts tell where prices came from, and how large calls are."""

Sources = dict[tuple[str, date | None], list[str]]


async def take_figures(
    ctx: Context, span: Span, by: GroupBy, previous: Span | None = None
) -> Figures:
    """Ask the ledger for a stretch of time and for the one to compare with."""
    ledger, zone = ctx.ports.ledger, zone_name(ctx.settings.timezone)

    async def before() -> Spend | None:
        # Half a stretch is no fair comparison.
        if previous is None or first_at is None or first_at > previous.start:
            return None
        rows = await ledger.spend(previous.start, previous.end, GroupBy.PROVIDER, zone=zone)
        return total_of(rows)

    async def split() -> Sequence[Spend]:
        return await ledger.spend(span.start, span.end, by, zone=zone)

    async def models() -> Sequence[Spend]:
        return await ledger.spend(span.start, span.end, GroupBy.MODEL, zone=zone)

    first_at = await ledger.first_at()
    if by is GroupBy.MODEL:
        by_model, earlier = await asyncio.gather(models(), before())
        groups = by_model
    else:
        by_model, earlier, groups = await asyncio.gather(models(), before(), split())
    if by is GroupBy.DAY:
        groups = sorted(groups, key=lambda group: group.key)
    return Figures(span, by_model, groups, total_of(by_model), first_at, earlier)


async def take_billed(ctx: Context, days: tuple[date, date]) -> tuple[Billed, ...]:
    """Put the bills of whole UTC days in [first, end) beside the estimates for the same days."""
    first, end = days
    if first >= end:
        return ()
    bills = await ctx.ports.ledger.bills(first, end)
    asked: dict[tuple[date, date], dict[str, int | None]] = {}
    estimates: dict[str, int | None] = {}
    for provider, stretch in bill_days(bills).items():
        if stretch not in asked:
            start, until = (datetime.combine(day, time(), tzinfo=UTC) for day in stretch)
            groups = await ctx.ports.ledger.spend(start, until, GroupBy.PROVIDER)
            asked[stretch] = {group.key: priced_nano(group) for group in groups}
        estimates[provider] = asked[stretch].get(provider, 0)
    return beside(bills, estimates)


def bill_days_of(span: Span) -> tuple[date, date]:
    """Return the whole UTC days of a stretch that bills can be told for."""
    return whole_utc_days(span)


async def take_sources(
    ctx: Context, config: ConfigView, span: Span, by_model: Sequence[Spend]
) -> Sources:
    """Tell where the prices of a stretch came from: as booked, else as they would be now."""
    sample = await ctx.ports.ledger.attempts(span.start, span.end, SAMPLE)
    booked: dict[str, tuple[str, date | None]] = {}
    for attempt in sample:
        booked.setdefault(str(attempt.model), source_of(attempt))
    sources: Sources = {}
    for group in by_model:
        key = booked.get(group.key)
        if key is None or key[0] == "unpriced":
            ref = ModelRef.parse(group.key)
            price = price_of(ctx, ref, config) if ref and not group.unpriced else None
            key = (price.source, price.as_of) if price else None
        if key is not None:
            sources.setdefault(key, []).append(group.key)
    return sources


def source_of(attempt: Attempt) -> tuple[str, date | None]:
    """Tell where a ledger row's cost came from."""
    if attempt.cost_nano_usd is None:
        return "unpriced", None
    price, told = attempt.price, attempt.usage.reported_cost_usd is not None
    if price is None and not told:
        return "several", None
    if price is None or (told and price.source not in OWN_SOURCES):
        return "reported", None
    return price.source, price.as_of


async def config_of(ctx: Context) -> ConfigView:
    """Read the config; costs can be told without one."""
    try:
        return (await read_config(ctx.ports.store, ctx.ports.journal, ctx.now)).view
    except ConfigError:
        return view({})


def providers_in(ctx: Context, config: ConfigView, by_model: Sequence[Spend]) -> list[Provider]:
    """Return the providers that spent something, the costliest first."""
    found: dict[str, Provider] = {}
    for group in by_model:
        ref = ModelRef.parse(group.key)
        provider = provider_of(ref, config, ctx.catalog, ctx.settings.env) if ref else None
        if provider is not None and group.cost_nano_usd:
            found.setdefault(provider.id, provider)
    return list(found.values())


def day_after(day: date) -> date:
    """Return the next day."""
    return day + timedelta(days=1)
