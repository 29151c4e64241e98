"""The card of the weekly digest: one message, total first, whole without its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Chart,
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
from bot.costs.chart_svg import SpendChart, alt_text, day_label, draw
from bot.costs.digest import Digest, Driver, FallbackShare, PlanSaving
from bot.costs.pricing import usd
from bot.durations import say_duration
from bot.messages.cost import (
    NO_KEY,
    bill_cautions,
    bill_fact,
    cost_words,
    since_line,
    total_words,
    unpriced_cautions,
)
from bot.messages.cost_budget import budget_line
from bot.messages.retirement import ends_sentence, successor_words
from bot.messages.words import counted, joined, money, on, percent
from bot.models import Provider
from bot.ports import Spend

MOST_MODELS = 6
MOST_CALLERS = 3
MOST_DRIVERS = 3
MOST_RETIREMENTS = 3
_NO_CENTS_FROM = 100
_MONTHS = (
    "January February March April May June July August September October November December"
).split()


@dataclass(frozen=True, slots=True)
class DigestWords:
    """What the card shows beside the figures.

    `when` names the span (`last week`), `before` the one compared with, `mark` the days, by which
    the message can be found again. `extra` says who asked for one outside the schedule.
    """

    digest: Digest
    when: str
    before: str
    mark: str
    zone: str
    providers: Sequence[Provider]
    extra: str | None = None


def digest_card(words: DigestWords, data: dict[str, Any]) -> Card:
    """Show what the week cost and how it went."""
    digest = words.digest
    if not digest.total.attempts and not digest.total.requests:
        return _nothing(words, data)
    dead = digest.gathered.chain_test is not None and not digest.gathered.chain_test.chain_ok
    return Card(
        title=_title(words),
        tone=Tone.WARNING if digest.trouble.open or dead else Tone.NEUTRAL,
        body=(
            *since_line(digest.counts_since),
            *_drivers(digest),
            _requests(digest),
            *_certainty(digest),
            _incidents(digest),
            *_chain_test(digest),
            *(budget_line(state, digest.gathered.now) for state in digest.gathered.budgets),
            *map(_plan, digest.gathered.plans),
            *_month(digest),
            *_cheaper(digest),
            *_ahead(digest),
        ),
        table=_models(digest),
        facts=(
            *(bill_fact(billed, digest.gathered.now) for billed in digest.gathered.billed),
            *_top("top keys", digest.callers, NO_KEY),
            *_top("top agents", digest.agents, "no agent"),
        ),
        chart=chart_card(digest.chart) if digest.chart else None,
        warnings=(
            *_retirements(digest),
            *unpriced_cautions(digest.unpriced),
            *bill_cautions(digest.gathered.bill_reads),
            *_missing(digest),
        ),
        buttons=(
            Button("Compare", Action("cost compare")),
            Button("By key", Action("cost week by key")),
            Button("Test chain", Action("fallback test")),
        ),
        footer=_footer(words),
        command="cost digest",
        data=data,
    )


def chart_card(chart: SpendChart) -> Chart:
    """Draw a chart, with its figures in words and each day's total as a bar."""
    return Chart(
        draw(chart),
        alt_text(chart),
        title="Spend by day",
        unit="USD",
        labels=tuple(map(day_label, chart.days)),
        bars=tuple(map(usd, chart.totals)),
    )


def _nothing(words: DigestWords, data: dict[str, Any]) -> Card:
    first_at = words.digest.gathered.first_at
    if first_at is None:
        body: tuple[Text, ...] = (
            text("No usage recorded yet: no request went through the gateway."),
        )
    else:
        body = since_line(first_at)
    digest = words.digest
    return Card(
        title=text(Strong("No spend"), f" {words.when}"),
        body=(*body, _incidents(digest), *_chain_test(digest), *_ahead(digest)),
        warnings=(*_retirements(digest), *_missing(digest)),
        buttons=(Button("Test chain", Action("fallback test")),),
        footer=_footer(words),
        command="cost digest",
        data=data,
    )


def _title(words: DigestWords) -> Text:
    digest = words.digest
    spans: list[Span] = [Strong(total_words(digest.total_nano)), f" {words.when}"]
    if digest.previous_nano is not None:
        was = money(usd(digest.previous_nano))
        change = digest.change_percent
        if change is None or not digest.previous_nano:
            spans.append(f", {was} {words.before}")
        elif percent(abs(change)) == "0%":
            spans.append(f", same as {words.before}")
        else:
            direction = "more" if change > 0 else "less"
            spans.append(f", {percent(abs(change))} {direction} than {words.before} ({was})")
    return tuple(spans)


def _drivers(digest: Digest) -> tuple[Text, ...]:
    """Name the models that changed the total most, and what of them changed."""
    shown = digest.drivers[:MOST_DRIVERS]
    if not shown:
        return ()
    spans: list[Span] = []
    for one in shown:
        head = ", " if spans else "Change by model: "
        spans += [head, Code(one.now.key), f" {_signed(one.change_nano)} ({_why(one)})"]
    more = len(digest.drivers) - len(shown)
    return ((*spans, f", {more} more." if more else "."),)


def _why(driver: Driver) -> str:
    now, before = driver.now.requests, driver.before.requests
    if not before:
        return f"new, {counted(now, 'request')}"
    if now == before:
        return f"{counted(now, 'request')} as before"
    return f"{counted(now, 'request')} instead of {before:,}" if now else "no longer used"


def _signed(nano: int) -> str:
    return f"{'+' if nano > 0 else '−'}{money(usd(abs(nano)))}"


def _certainty(digest: Digest) -> tuple[Text, ...]:
    """Say how much of the total is a guess, and how much is not in it."""
    total, parts = digest.total, []
    if guess := total.estimated_cost_nano_usd:
        share = f" ({_share(guess, digest)})" if digest.total_nano else ""
        parts.append(f"{money(usd(guess))}{share} is estimated.")
    if total.unpriced:
        parts.append(f"No price known for {total.unpriced:,} of {counted(total.attempts, 'call')}.")
    return (text(" ".join(parts)),) if parts else ()


def _retirements(digest: Digest) -> tuple[Caution, ...]:
    today = digest.gathered.now.date()
    found = [one for one in digest.gathered.retirements if not one.calm(today)]
    cautions = []
    for one in found[:MOST_RETIREMENTS]:
        when = ends_sentence(one.facts, today)
        hint = Command(one.step) if one.step else ""
        cautions.append(Caution("retires", f"{one.ref} {when}.{successor_words(one.facts)}", hint))
    if more := len(found) - len(cautions):
        words = f"{counted(more, 'more model')} in use will be retired within 30 days."
        cautions.append(Caution("retires", words, Command("model status")))
    return tuple(cautions)


def _requests(digest: Digest) -> Text:
    words = counted(digest.total.requests, "request")
    share = digest.fallback
    if share is None:
        return text(f"{words}, none answered by a fallback.")
    return text(
        f"{words}, {share.requests:,} ({percent(share.percent)}) answered by a fallback: "
        f"{_saved(share)}."
    )


def _saved(share: FallbackShare) -> str:
    cost = money(usd(share.cost_nano))
    saved = share.saved_nano
    if saved is None:
        return f"{cost} (no price known for the primary)"
    if not saved:
        return f"{cost}, same as usual"
    less = "less" if saved > 0 else "more"
    return f"{cost}, about {money(usd(abs(saved)))} {less} than usual"


def _incidents(digest: Digest) -> Text:
    trouble = digest.trouble
    if not trouble.incidents:
        return text("No incidents.")
    still = f", {trouble.open} still open" if trouble.open else ""
    minutes = timedelta(minutes=trouble.minutes)
    degraded = say_duration(minutes) if minutes else "under a minute"
    return text(f"{counted(trouble.incidents, 'incident')}, degraded for {degraded}{still}.")


def _ahead(digest: Digest) -> tuple[Text, ...]:
    """List what is not urgent, each with its command."""
    lines = digest.gathered.ahead
    shown = [text(f"{one.said} ", Command(one.command)) for one in lines]
    return (text(Strong("Ahead")), *shown) if shown else ()


def _chain_test(digest: Digest) -> tuple[Text, ...]:
    """Say how the last test went; that there was none is a line of the part Ahead."""
    test = digest.gathered.chain_test
    if test is None:
        return ()
    result = (
        f"all {test.hops} hops answered"
        if test.chain_ok
        else f"{test.answered} of {counted(test.hops, 'hop')} answered"
    )
    ago = say_duration(digest.gathered.now - test.at)
    when = When(test.at, WhenStyle.DATE_TIME)
    return (text("Chain tested ", when, f", {ago} ago: {result}."),)


def _plan(one: PlanSaving) -> Text:
    """Say what a plan saved."""
    head = f"Plan {one.number} ({one.model}, {one.when}): {counted(one.windows, 'window')}, "
    head += f"{counted(one.requests, 'request')} for {money(usd(one.cost_nano))}"
    saved = one.saved_nano
    if saved is None:
        return text(f"{head}; no price known for {one.other}.")
    if not saved:
        return text(f"{head}, the same as on {one.other}.")
    word = "less" if saved > 0 else "more"
    return text(f"{head}, about {money(usd(abs(saved)))} {word} than on {one.other}.")


def _month(digest: Digest) -> tuple[Text, ...]:
    projection = digest.projection
    if projection is None:
        return ()
    name = _MONTHS[projection.month.month - 1]
    so_far, whole = money(usd(projection.so_far_nano)), _about(usd(projection.projected_nano))
    pace = f"{on(projection.since)} to {on(projection.until)}"
    return (text(f"{name} so far: {so_far}; at the pace of {pace} about {whole} by its end."),)


def _about(amount_usd: Decimal) -> str:
    """Write a guess: no cents where there are hundreds of dollars."""
    return f"${amount_usd:,.0f}" if amount_usd >= _NO_CENTS_FROM else money(amount_usd)


def _cheaper(digest: Digest) -> tuple[Text, ...]:
    one = digest.cheapest
    if one is None or one.nano is None or one.saving_percent is None:
        return ()
    name = f"{one.preset} ({one.ref})" if one.preset else str(one.ref)
    cost = money(usd(one.nano))
    return (
        text(
            f"Same traffic on {name}: about {cost}, {percent(one.saving_percent)} cheaper; "
            "answers differ. ",
            Command("cost compare"),
        ),
    )


def _models(digest: Digest) -> Table:
    shown, rest = digest.by_model[:MOST_MODELS], digest.by_model[MOST_MODELS:]
    rows = [_row(group, digest) for group in shown]
    if rest:
        nano = sum(group.cost_nano_usd for group in rest)
        requests = sum(group.requests for group in rest)
        cells = (f"{len(rest)} more", money(usd(nano)), _share(nano, digest), f"{requests:,}")
        rows.append(tuple(text(cell) for cell in cells))
    return Table(
        (
            Column("model"),
            Column("cost", right=True),
            Column("share", right=True, priority=2),
            Column("requests", right=True, priority=1),
        ),
        tuple(rows),
        sortable=True,
    )


def _row(group: Spend, digest: Digest) -> tuple[Text, ...]:
    return (
        text(Code(group.key)),
        text(cost_words(group)),
        text(_share(group.cost_nano_usd, digest)),
        text(f"{group.requests:,}"),
    )


def _share(nano: int, digest: Digest) -> str:
    if not digest.total_nano or not nano:
        return "-"
    return percent(usd(nano) * 100 / usd(digest.total_nano))


def _top(title: str, groups: Sequence[Spend], unnamed: str) -> tuple[Fact, ...]:
    if len(groups) < 2:
        return ()
    named = [f"{one.key or unnamed} {cost_words(one)}" for one in groups[:MOST_CALLERS]]
    more = len(groups) - MOST_CALLERS
    tail = f", {more} more" if more > 0 else ""
    return (Fact(title, text(", ".join(named) + tail)),)


def _missing(digest: Digest) -> tuple[Caution, ...]:
    return tuple(Caution("missing", words) for words in digest.gathered.missing)


def _footer(words: DigestWords) -> Text:
    parts: list[Span] = [f"{words.mark}, {words.zone}"]
    if words.extra:
        parts.append(f"extra, requested by {words.extra}; the scheduled digest is posted as usual")
    parts += [
        Link(f"{provider.title} usage", provider.dashboard_url)
        for provider in words.providers[:3]
        if provider.dashboard_url
    ]
    return joined(parts)
