"""The cards of /cost: what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Fact,
    Link,
    Span,
    Strong,
    Table,
    Text,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.costs.billed import Billed
from bot.costs.figures import Figures, Unpriced, change_percent, priced_nano, unpriced_models
from bot.costs.period import Stretch
from bot.costs.pricing import usd
from bot.messages.database import rows_gone
from bot.messages.words import counted, joined, listed, money, percent
from bot.models import Provider
from bot.ports import BillRead, GroupBy, Spend

MOST_ROWS = 30
SOURCES = {
    "operator": "CHANGEOVER_PRICES",
    "config": "config",
    "reported": "reported by the provider",
    "genai-prices": "genai-prices",
    "catalog": "catalog",
    "local": "local (free)",
    "several": "list prices of several models",
}
NO_KEY = "no key"
_BUTTONS = (GroupBy.MODEL, GroupBy.PROVIDER, GroupBy.DAY, GroupBy.KEY)


def spend_card(
    figures: Figures,
    stretch: Stretch,
    by: GroupBy,
    *,
    data: dict[str, Any],
    billed: Sequence[Billed],
    bill_reads: Sequence[BillRead],
    sources: Mapping[tuple[str, date | None], Sequence[str]],
    providers: Sequence[Provider],
) -> Card:
    """Show what a period cost, total first.

    `sources` maps where prices come from to the models priced so.
    """
    total = figures.total
    nano, previous = priced_nano(total), figures.previous_nano
    if not total.attempts and not total.requests:
        return empty_card(stretch.when, figures.first_at, data)
    return Card(
        title=text(Strong(total_words(nano)), f" {stretch.when}"),
        body=(
            *comparison(previous, change_percent(previous, nano), stretch.before),
            requests_line(total),
            *estimated_line(total),
            *since_line(figures.counts_since if total.attempts else figures.first_at),
        ),
        table=group_table(figures.groups, by),
        facts=tuple(bill_fact(one, figures.span.end) for one in billed),
        warnings=(
            *rows_left_out(figures.groups),
            *unpriced_cautions(unpriced_models(figures.by_model)),
            *bill_cautions(bill_reads),
        ),
        buttons=tuple(
            Button(f"By {other}", Action(f"{stretch.words} by {other}"))
            for other in _BUTTONS
            if other is not by
        ),
        footer=_footer(sources, providers),
        data=data,
    )


def empty_card(when: str, counts_since: datetime | None, data: dict[str, Any]) -> Card:
    """Say that nothing was spent, or that nothing is recorded yet."""
    if counts_since is None:
        return Card(
            title=text(Strong("No usage recorded yet")),
            body=(
                text("The ledger records requests through the gateway or an attached OpenClaw."),
                text("Start it with ", Command("run", program=True), ", then send requests to it."),
            ),
            data=data,
        )
    return Card(
        title=text(Strong("No requests"), f" {when}"),
        body=(text("Recorded since ", When(counts_since, WhenStyle.DATE_TIME), "."),),
        data=data,
    )


def total_words(nano: int | None) -> str:
    """Write an amount; what has no known price is never $0."""
    return "unpriced" if nano is None else money(usd(nano))


def estimated_line(total: Spend) -> tuple[Text, ...]:
    """Say how much of a total is a guess."""
    if not total.estimated_cost_nano_usd:
        return ()
    share = money(usd(total.estimated_cost_nano_usd))
    return (text(f"Of which {share} is estimated (answers cut off, or a price assumed)."),)


def comparison(
    previous_nano: int | None, change_percent: Decimal | None, before: str
) -> tuple[Text, ...]:
    """Say how a total compares with the one before."""
    if previous_nano is None:
        return ()
    was = money(usd(previous_nano))
    if change_percent is None:
        return (text(f"{before}: {was}."),)
    size = percent(abs(change_percent))
    if size == "0%":
        return (text(f"Same as {_lower(before)} ({was})."),)
    direction = "more" if change_percent > 0 else "less"
    return (text(f"{size} {direction} than {_lower(before)} ({was})."),)


def _lower(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}"


def requests_line(total: Spend) -> Text:
    """Say how many requests there were and how many a fallback answered."""
    words = counted(total.requests, "request")
    if total.fallback_requests:
        share = Decimal(total.fallback_requests) * 100 / max(total.requests, 1)
        words += f", {total.fallback_requests:,} answered by a fallback ({percent(share)})"
    if total.failed:
        words += f"; {counted(total.failed, 'failed attempt')}"
    return text(f"{words}.")


def since_line(counts_since: datetime | None) -> tuple[Text, ...]:
    """Say since when usage is recorded, where that is later than asked."""
    if counts_since is None:
        return ()
    return (text("Recorded since ", When(counts_since, WhenStyle.DATE_TIME), "."),)


def group_table(groups: Sequence[Spend], by: GroupBy) -> Table:
    """Show groups with cost, requests and tokens."""
    return Table(
        (
            Column(by.value),
            Column("cost", right=True),
            Column("requests", right=True, priority=1),
            Column("input", right=True, priority=2),
            Column("cached", right=True, priority=3),
            Column("output", right=True, priority=2),
        ),
        tuple(
            (
                group_name(group.key, by),
                text(cost_words(group)),
                text(f"{group.requests:,}"),
                text(many(group.input_tokens)),
                text(many(group.cached_input_tokens)),
                text(many(group.output_tokens)),
            )
            for group in groups[:MOST_ROWS]
        ),
        sortable=True,
    )


def group_name(key: str, by: GroupBy) -> Text:
    """Write a group's name."""
    if by in (GroupBy.KEY, GroupBy.AGENT, GroupBy.SESSION):
        return text(key or f"no {by}")
    return text(Code(key)) if by is GroupBy.MODEL else text(key)


def cost_words(group: Spend) -> str:
    """Write what a group cost, with what of it has no price."""
    nano = priced_nano(group)
    if nano is None or not group.unpriced:
        return total_words(nano)
    return f"{money(usd(nano))} + {group.unpriced:,} unpriced"


def many(count: int) -> str:
    """Write a count of tokens in few figures: `940`, `12.3K`, `4.56M`."""
    for limit, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "K")):
        if count >= limit:
            short = Decimal(count) / limit
            quantum = Decimal("0.1") if short >= 10 else Decimal("0.01")
            return f"{short.quantize(quantum, ROUND_HALF_UP).normalize():f}{letter}"
    return str(count)


def rows_left_out(groups: Sequence[Spend]) -> tuple[Caution, ...]:
    """Say that a long table was cut."""
    if len(groups) <= MOST_ROWS:
        return ()
    return (
        Caution(
            "rows",
            f"{len(groups) - MOST_ROWS} more rows are in the total but not in the table.",
            "On the command line, add --json to get all of them.",
        ),
    )


def unpriced_cautions(unpriced: Sequence[Unpriced]) -> tuple[Caution, ...]:
    """Say which models have no known price; their requests are not in any total."""
    if not unpriced:
        return ()
    named = listed([f"{u.model} ({counted(u.requests, 'request')})" for u in unpriced[:5]])
    more = f" and {counted(len(unpriced) - 5, 'other model')}" if len(unpriced) > 5 else ""
    return (
        Caution(
            "unpriced",
            f"Not in the total (no price known): {named}{more}.",
            f'Add to the CHANGEOVER_PRICES file: ["{unpriced[0].model}"] input_usd_per_1m = …, '
            "output_usd_per_1m = …",
        ),
    )


def bill_fact(billed: Billed, now: datetime) -> Fact:
    """Put a provider's bill beside the estimate for the same days."""
    days = billed.first.isoformat()
    if (billed.end - billed.first).days > 1:
        days = f"{days} to {date.fromordinal(billed.end.toordinal() - 1).isoformat()}"
    spans: list[Span] = [
        f"{money(usd(billed.amount_nano))} billed for {days} (UTC), {gap(billed)}; read ",
        When(min(billed.as_of, now), WhenStyle.RELATIVE),
    ]
    return Fact(billed.provider, tuple(spans))


def gap(billed: Billed) -> str:
    """Say how a bill differs from the estimate."""
    difference = billed.gap_nano
    if billed.estimated_nano is None or difference is None:
        return "nothing recorded"
    if not difference:
        return "same as recorded"
    recorded = money(usd(billed.estimated_nano))
    direction = "more" if difference > 0 else "less"
    return f"{money(usd(abs(difference)))} {direction} than the {recorded} recorded"


def bill_cautions(reads: Sequence[BillRead]) -> tuple[Caution, ...]:
    """Say which bills could not be read and why."""
    return tuple(
        Caution("bill", f"No bill from {read.provider}: {read.trouble}", read.hint)
        for read in reads
        if read.trouble
    )


def source_words(sources: Mapping[tuple[str, date | None], Sequence[str]]) -> str:
    """Say where the prices come from."""
    parts = []
    for (source, as_of), models in sources.items():
        dated = f" ({as_of.isoformat()})" if as_of else ""
        shown = listed(list(models[:3])) + (f" and {len(models) - 3} more" if models[3:] else "")
        parts.append(f"{SOURCES.get(source, source)}{dated} for {shown}")
    return f"Prices: {'; '.join(parts)}. " if parts else ""


def _footer(
    sources: Mapping[tuple[str, date | None], Sequence[str]], providers: Sequence[Provider]
) -> Text:
    links: list[Span] = [
        Link(f"{provider.title} usage", provider.dashboard_url)
        for provider in providers
        if provider.dashboard_url
    ]
    return (source_words(sources), *joined(links[:4]))


def exported_card(
    when: str,
    rows: int,
    filename: str,
    data: dict[str, Any],
    *,
    oldest: datetime | None,
    since: datetime | None,
) -> Card:
    """Say what the file holds; `oldest` is its first row's time where the limit cut it.

    `since` is when the rows begin that are still kept, if the period begins before that.
    """
    warnings: tuple[Caution, ...] = (rows_gone(since),) if since else ()
    if oldest:
        warnings += (
            Caution(
                "cut",
                f"The file reached its row limit; it starts at {oldest:%Y-%m-%d %H:%M} UTC.",
                text("Export a shorter period: ", Command("cost export 1d")),
            ),
        )
    return Card(
        title=text(Strong(counted(rows, "attempt")), f" {when}"),
        body=(text("One row per attempt, newest first: ", Code(filename)),),
        tone=Tone.WARNING if warnings else Tone.NEUTRAL,
        warnings=warnings,
        data=data,
    )
