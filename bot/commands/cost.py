"""/cost today, week, month, since: what was spent, by model, provider, day or key."""

from __future__ import annotations

from typing import Any

from bot.card import Card
from bot.commands.context import Context
from bot.commands.cost_data import billed_data, group_data, nano_data, percent_data, unpriced_data
from bot.commands.cost_figures import (
    Sources,
    bill_days_of,
    config_of,
    providers_in,
    take_billed,
    take_figures,
    take_sources,
)
from bot.commands.registry import Args
from bot.costs.billed import Billed
from bot.costs.figures import Figures, change_percent, priced_nano, unpriced_models
from bot.costs.period import ROLLING_MONTH, ROLLING_WEEK, Span, Stretch, earlier, last, today
from bot.durations import parse_duration, say_duration
from bot.messages.cost import spend_card
from bot.ports import GroupBy


async def show_today(ctx: Context, args: Args) -> Card:
    """Tell what was spent since midnight."""
    zone = ctx.settings.timezone
    span = today(ctx.now, zone)
    before = "Yesterday by this time"
    return await _show(ctx, args, Stretch(span, earlier(span, zone), "today", before, "cost today"))


async def show_week(ctx: Context, args: Args) -> Card:
    """Tell what the last seven days cost."""
    return await _show(ctx, args, week(ctx))


async def show_month(ctx: Context, args: Args) -> Card:
    """Tell what the last thirty days cost."""
    span = last(ROLLING_MONTH, ctx.now)
    before = earlier(span, ctx.settings.timezone)
    return await _show(
        ctx,
        args,
        Stretch(span, before, "in the last 30 days", "The 30 days before", "cost month"),
    )


async def show_since(ctx: Context, args: Args) -> Card:
    """Tell what was spent in the last so many hours or days."""
    duration = args.need("duration")
    length = parse_duration(duration)
    span = last(length, ctx.now)
    shown = say_duration(length)
    stretch = Stretch(
        span,
        Span(span.start - length, span.start),
        f"in the last {shown}",
        f"The {shown} before",
        f"cost {duration}",
    )
    return await _show(ctx, args, stretch)


def week(ctx: Context) -> Stretch:
    """Return the last seven days until now."""
    span = last(ROLLING_WEEK, ctx.now)
    before = earlier(span, ctx.settings.timezone)
    return Stretch(span, before, "in the last 7 days", "The 7 days before", "cost week")


async def _show(ctx: Context, args: Args, stretch: Stretch) -> Card:
    by = GroupBy(args.text("by") or GroupBy.MODEL)
    figures = await take_figures(ctx, stretch.span, by, stretch.previous)
    billed = await take_billed(ctx, bill_days_of(stretch.span))
    reads = await ctx.ports.bill_log.reads()
    config = await config_of(ctx)
    sources = await take_sources(ctx, config, stretch.span, figures.by_model)
    return spend_card(
        figures,
        stretch,
        by,
        data=figures_data(figures, by, stretch, billed, sources),
        billed=billed,
        bill_reads=reads,
        sources=sources,
        providers=providers_in(ctx, config, figures.by_model),
    )


def figures_data(
    figures: Figures, by: GroupBy, stretch: Stretch, billed: tuple[Billed, ...], sources: Sources
) -> dict[str, Any]:
    """Return what `--json` has of a stretch of time."""
    total, nano = figures.total, priced_nano(figures.total)
    previous = figures.previous_nano
    return {
        "from": figures.span.start,
        "to": figures.span.end,
        "by": by,
        "total_usd": nano_data(nano),
        "requests": total.requests,
        "fallback_requests": total.fallback_requests,
        "fallback_cost_usd": nano_data(total.fallback_cost_nano_usd),
        "estimated_usd": nano_data(total.estimated_cost_nano_usd),
        "attempts": total.attempts,
        "failed": total.failed,
        "groups": [
            group_data(group, sources if by is GroupBy.MODEL else None) for group in figures.groups
        ],
        "unpriced": unpriced_data(unpriced_models(figures.by_model)),
        "billed": [billed_data(one) for one in billed],
        "previous_total_usd": nano_data(previous),
        "previous_from": stretch.previous.start if figures.previous else None,
        "previous_to": stretch.previous.end if figures.previous else None,
        "change_percent": percent_data(change_percent(previous, nano)),
        "counts_since": figures.first_at,
        "price_sources": [
            {"source": source, "as_of": as_of, "models": models}
            for (source, as_of), models in sources.items()
        ],
    }
