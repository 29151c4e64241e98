"""/cost export: the ledger's rows as a CSV file."""

from __future__ import annotations

from dataclasses import replace

from bot.card import Attachment, Card
from bot.commands.context import Context
from bot.commands.cost_data import nano_data
from bot.commands.registry import Args
from bot.costs.export_csv import to_csv
from bot.costs.period import ROLLING_MONTH, last
from bot.durations import parse_duration, say_duration
from bot.messages.cost import empty_card, exported_card
from bot.models import Usage

MOST_ROWS = 40_000


async def export(ctx: Context, args: Args) -> Card:
    """Write the attempts of the last days, 30 unless told, as CSV."""
    length = parse_duration(args.need("duration")) if args.text("duration") else ROLLING_MONTH
    span, when = last(length, ctx.now), f"in the last {say_duration(length)}"
    attempts = await ctx.ports.ledger.attempts(span.start, span.end, MOST_ROWS + 1)
    cut = len(attempts) > MOST_ROWS
    attempts = attempts[:MOST_ROWS]
    first, final = span.start.date().isoformat(), span.end.date().isoformat()
    filename = f"changeover-cost-{first}-to-{final}.csv"
    data = {
        "from": span.start,
        "to": span.end,
        "rows": len(attempts),
        "cut": cut,
        "filename": filename,
        "total_usd": nano_data(sum(a.cost_nano_usd or 0 for a in attempts)),
        "unpriced": sum(a.cost_nano_usd is None and _used(a.usage) for a in attempts),
    }
    if not attempts:
        return empty_card(when, await ctx.ports.ledger.first_at(), data)
    oldest = attempts[-1].at if cut else None
    since = await ctx.ports.ledger.kept_since()
    data["rows_since"] = since
    since = since if since is not None and since > span.start else None
    card = exported_card(when, len(attempts), filename, data, oldest=oldest, since=since)
    return replace(card, attachment=Attachment(filename, "text/csv", to_csv(attempts)))


def _used(usage: Usage) -> bool:
    return usage.input_tokens + usage.output_tokens > 0
