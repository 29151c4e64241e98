"""`changeover cost reprice --from DATE`: price the ledger's rows anew, keeping the old figures."""

from __future__ import annotations

from datetime import UTC, date, datetime

from bot.card import Card, Command, text
from bot.commands.context import Context
from bot.commands.cost_data import nano_data
from bot.commands.cost_figures import config_of
from bot.commands.registry import Args
from bot.config.schema import ConfigView
from bot.costs.period import Span, midnight
from bot.costs.price_changes import Repricing
from bot.costs.pricing import price_usage, served_price
from bot.durations import shorten
from bot.errors import UsageError
from bot.messages.cost_reprice import reprice_card, repriced
from bot.ports import Amendment, Attempt
from bot.routing.chain import provider_of

PAGE = 1000
_FIRST_YEAR = 2000
_HINT = text("For example: ", Command("cost reprice --from 2026-03-01", program=True))


async def reprice(ctx: Context, args: Args) -> Card:
    """Price every attempt since a day with the prices known now for the time it was made.

    A price that has become unknown does not take a known cost away, and a cost that came without
    a price (another program's figure) stays.
    """
    day = _day(args.text("from"))
    start = midnight(day, ctx.settings.timezone)
    if start >= ctx.now:
        raise UsageError(f"{day.isoformat()} is not in the past.", _HINT)
    span, config, sums = Span(start, ctx.now), await config_of(ctx), Repricing()
    after: int | None = 0
    while after is not None:
        page = await ctx.ports.corrections.rows(span.start, span.end, after, PAGE)
        amendments = [a for row in page.attempts if (a := _amendment(ctx, config, row, sums))]
        ctx.ports.progress(repriced(sums.seen, sums.changed))
        if amendments:
            why = f"prices of {ctx.now.astimezone(UTC).date().isoformat()}"
            sums.changed += await ctx.ports.corrections.amend(amendments, ctx.now, why)
        after = page.last
    data = {
        "from": span.start,
        "to": span.end,
        "attempts": sums.seen,
        "changed": sums.changed,
        "newly_priced": sums.newly_priced,
        "total_before_usd": nano_data(sums.before_nano),
        "total_usd": nano_data(sums.after_nano),
        "difference_usd": nano_data(sums.after_nano - sums.before_nano),
    }
    return reprice_card(day, sums, data)


def _amendment(
    ctx: Context, config: ConfigView, attempt: Attempt, sums: Repricing
) -> Amendment | None:
    old = attempt.cost_nano_usd
    sums.seen += 1
    sums.before_nano += old or 0
    new = _priced(ctx, config, attempt)
    sums.after_nano += (new.cost_nano_usd if new else old) or 0
    if new is not None and old is None:
        sums.newly_priced += 1
    return new


def _priced(ctx: Context, config: ConfigView, attempt: Attempt) -> Amendment | None:
    usage = attempt.usage
    foreign = attempt.price is None and usage.reported_cost_usd is None
    if attempt.cost_nano_usd is not None and foreign:
        return None
    if not usage.input_tokens + usage.output_tokens:
        return None
    provider = provider_of(attempt.model, config, ctx.catalog, ctx.settings.env)
    price = served_price(
        attempt.model, attempt.served, provider, config, ctx.ports.prices, attempt.at
    )
    cost = price_usage(usage, price, estimated=attempt.estimated)
    if cost.nano_usd is None or cost.nano_usd == attempt.cost_nano_usd:
        return None
    return Amendment(attempt, cost.nano_usd, cost.price)


def _day(words: str | None) -> date:
    if words is None:
        raise UsageError("cost reprice needs --from, the first day to reprice.", _HINT)
    try:
        day = datetime.strptime(words, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise UsageError(f"{shorten(words)!r} is not a date.", _HINT) from None
    if day.year < _FIRST_YEAR:
        raise UsageError(f"{day.isoformat()} is before any ledger.", _HINT)
    return day
