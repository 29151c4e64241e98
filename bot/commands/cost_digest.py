"""/cost digest, and what every digest is gathered from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from bot.card import Card
from bot.commands.ahead import ahead_lines
from bot.commands.context import Context
from bot.commands.cost import week
from bot.commands.cost_budget import budget_state
from bot.commands.cost_compare import alternatives, presets, usable, usual_price
from bot.commands.cost_data import (
    alternative_data,
    billed_data,
    budget_data,
    driver_data,
    group_data,
    nano_data,
    percent_data,
    retirement_data,
    unpriced_data,
)
from bot.commands.cost_figures import (
    SAMPLE,
    bill_days_of,
    config_of,
    day_after,
    providers_in,
    take_billed,
)
from bot.commands.data import warnings_data
from bot.commands.plan_savings import plan_savings, saving_data
from bot.commands.registry import Args
from bot.commands.retirements import retirements
from bot.config.schema import ConfigView
from bot.costs.billed import Billed
from bot.costs.budget import BudgetState
from bot.costs.compare import Alternative
from bot.costs.digest import AheadLine, Digest, Gathered, PlanSaving, work_out
from bot.costs.figures import merged, priced_nano, total_of
from bot.costs.period import Span, calendar, day_spans, earlier, week_before, zone_name
from bot.costs.posting import digest_mark, first_and_last, period_name
from bot.errors import ChangeoverError
from bot.messages.cost_digest import DigestWords, digest_card
from bot.ports import BillRead, BudgetPeriod, ChainTest, FallbackEvent, GroupBy, IncidentRow, Spend

MOST_INCIDENTS = 500
MOST_EVENTS = 5000
T = TypeVar("T")


async def digest(ctx: Context, args: Args) -> Card:
    """Post a digest of the last seven days where it was asked, outside the schedule."""
    stretch = week(ctx)
    return await _card(ctx, stretch.span, stretch.when, "the 7 days before", ctx.actor.name)


async def weekly_card(ctx: Context, period: Span) -> Card:
    """Make the scheduled digest of a calendar week."""
    return await _card(ctx, period, _week_words(ctx, period), "the week before", None)


async def _card(ctx: Context, span: Span, when: str, before: str, extra: str | None) -> Card:
    zone = ctx.settings.timezone
    config = await config_of(ctx)
    worked = work_out(await gather(ctx, config, span, whole_days=extra is None))
    words = DigestWords(
        digest=worked,
        when=when,
        before=before,
        mark=digest_mark(span, zone) if extra is None else period_name(span, zone),
        zone=zone_name(zone),
        providers=providers_in(ctx, config, worked.by_model),
        extra=extra,
    )
    card = digest_card(words, {})
    return replace(card, data=digest_data(worked, extra is not None, card))


async def gather(ctx: Context, config: ConfigView, span: Span, *, whole_days: bool) -> Gathered:
    """Ask every port for its part; what cannot be had is named, and the rest still comes.

    `whole_days` compares bills with the UTC days of the same dates as the span's local days.

    Raises:
        StorageError: the ledger itself cannot be read.
    """
    ledger, log, zone = ctx.ports.ledger, ctx.ports.log, ctx.settings.timezone
    parts = _Parts()
    previous, month = earlier(span, zone), calendar(BudgetPeriod.MONTH, ctx.now, zone)
    by_day, first_at, before, by_key, by_agent, so_far = await asyncio.gather(
        _by_day(ctx, span),
        ledger.first_at(),
        ledger.spend(previous.start, previous.end, GroupBy.MODEL),
        ledger.spend(span.start, span.end, GroupBy.KEY),
        ledger.spend(span.start, span.end, GroupBy.AGENT),
        _total(ctx, Span(month.start, ctx.now)),
    )
    compared = first_at is not None and first_at <= previous.start
    days = _utc_days(ctx, span) if whole_days else bill_days_of(span)
    nothing: tuple[Billed, ...] = ()
    no_alternatives: list[Alternative] = []
    no_savings: list[PlanSaving] = []
    no_lines: list[AheadLine] = []
    incidents: Sequence[IncidentRow] = await parts.take(
        "incidents", lambda: log.incidents(open_only=False, limit=MOST_INCIDENTS), ()
    )
    events: Sequence[FallbackEvent] = await parts.take(
        "fallback events", lambda: log.events(span.start, MOST_EVENTS), ()
    )
    reads: Sequence[BillRead] = await parts.take("the bills", ctx.ports.bill_log.reads, ())
    chain_test: ChainTest | None = await parts.take(
        "the last chain test", ctx.ports.chain_tests.last, None
    )
    return Gathered(
        period=span,
        zone=zone,
        now=ctx.now,
        first_at=first_at,
        by_day=by_day,
        previous=total_of(before) if compared else None,
        previous_by_model=before,
        by_key=by_key,
        by_agent=by_agent,
        budgets=await parts.take("the budget", lambda: _budgets(ctx), ()),
        retirements=retirements(ctx, config, _used(by_day)),
        ahead=await parts.take(
            "the part Ahead",
            lambda: ahead_lines(ctx, config, span, _used(by_day), chain_test),
            no_lines,
        ),
        month_so_far=so_far,
        billed=await parts.take("the bills", lambda: take_billed(ctx, days), nothing),
        bill_reads=reads,
        incidents=incidents,
        events=[event for event in events if event.at < span.end],
        chain_test=chain_test,
        alternatives=await parts.take(
            "the comparison", lambda: _alternatives(ctx, config, span, by_day), no_alternatives
        ),
        plans=await parts.take("the plans", lambda: plan_savings(ctx, config, span), no_savings),
        usual=usual_price(ctx, config, span),
        first_hop=config.default.primary,
        missing=parts.missing,
    )


async def _by_day(ctx: Context, span: Span) -> list[tuple[date, Sequence[Spend]]]:
    ledger, zone = ctx.ports.ledger, ctx.settings.timezone
    parts = day_spans(span, zone)
    asked = (ledger.spend(part.start, part.end, GroupBy.MODEL) for _, part in parts)
    found = await asyncio.gather(*asked)
    return [(day, groups) for (day, _), groups in zip(parts, found, strict=True)]


async def _budgets(ctx: Context) -> Sequence[BudgetState]:
    present = await ctx.ports.budgets.budget()
    return () if present is None else ((await budget_state(ctx, present))[0],)


def _used(by_day: Sequence[tuple[date, Sequence[Spend]]]) -> set[str]:
    return {group.key for _, groups in by_day for group in groups}


class _Parts:
    """Parts of a digest that may be missing, each for its own reason."""

    def __init__(self) -> None:
        self._missing: dict[str, str] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing, in words."""
        return tuple(self._missing.values())

    async def take(self, name: str, ask: Callable[[], Awaitable[T]], nothing: T) -> T:
        """Ask for a part; say that it is missing when it cannot be had."""
        try:
            return await ask()
        except ChangeoverError as error:
            self._missing[name] = f"Missing: {name}. {error.message}"
            return nothing


async def _total(ctx: Context, span: Span) -> Spend:
    return total_of(await ctx.ports.ledger.spend(span.start, span.end, GroupBy.PROVIDER))


async def _alternatives(
    ctx: Context, config: ConfigView, span: Span, by_day: Sequence[tuple[date, Sequence[Spend]]]
) -> list[Alternative]:
    sample = await ctx.ports.ledger.attempts(span.start, span.end, SAMPLE)
    by_model = merged(groups for _, groups in by_day)
    found = alternatives(ctx, config, presets(ctx, config), by_model, sample)
    return await usable(ctx, config, found)


def _utc_days(ctx: Context, span: Span) -> tuple[date, date]:
    first, final = first_and_last(span, ctx.settings.timezone)
    return first, day_after(final)


def _week_words(ctx: Context, period: Span) -> str:
    if period == week_before(ctx.now, ctx.settings.timezone):
        return "last week"
    return f"in the week {period_name(period, ctx.settings.timezone)}"


def digest_data(digest: Digest, extra: bool, card: Card) -> dict[str, Any]:
    """Return what `--json` has of a digest: what `/cost` has, and the rest of its figures."""
    gathered, total = digest.gathered, digest.total
    share, projection, test = digest.fallback, digest.projection, gathered.chain_test
    return {
        "from": gathered.period.start,
        "to": gathered.period.end,
        "extra": extra,
        "total_usd": nano_data(digest.total_nano),
        "requests": total.requests,
        "fallback_requests": total.fallback_requests,
        "groups": [group_data(group) for group in digest.by_model],
        "days": [
            {"day": day, "cost_usd": nano_data(priced_nano(total_of(groups)))}
            for day, groups in gathered.by_day
        ],
        "drivers": [driver_data(driver) for driver in digest.drivers],
        "callers": [group_data(group) for group in digest.callers],
        "agents": [group_data(group) for group in digest.agents],
        "budgets": [budget_data(one.budget, one.spent_nano) for one in gathered.budgets],
        "retirements": [retirement_data(one) for one in gathered.retirements],
        "ahead": [{"text": one.said, "command": f"/{one.command}"} for one in gathered.ahead],
        "unpriced": unpriced_data(digest.unpriced),
        "billed": [billed_data(one) for one in gathered.billed],
        "estimated_usd": nano_data(total.estimated_cost_nano_usd),
        "attempts": total.attempts,
        "unpriced_attempts": total.unpriced,
        "previous_total_usd": nano_data(digest.previous_nano),
        "change_percent": percent_data(digest.change_percent),
        "fallback_cost_usd": nano_data(share.cost_nano) if share else None,
        "fallback_saved_usd": nano_data(share.saved_nano) if share else None,
        "incidents": digest.trouble.incidents,
        "incidents_open": digest.trouble.open,
        "degraded_minutes": digest.trouble.minutes,
        "chain_test": {"at": test.at, "chain_ok": test.chain_ok, "would_serve": test.would_serve}
        if test
        else None,
        "month_so_far_usd": nano_data(projection.so_far_nano) if projection else None,
        "month_projected_usd": nano_data(projection.projected_nano) if projection else None,
        "pace_from": projection.since if projection else None,
        "pace_to": projection.until if projection else None,
        "cheapest": alternative_data(digest.cheapest) if digest.cheapest else None,
        "plans": [saving_data(one) for one in gathered.plans],
        "counts_since": gathered.first_at,
        "warnings": warnings_data(card.warnings),
    }
