"""What is not urgent, for one part of the weekly digest: each line with its command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.commands.context import Context
from bot.commands.cost_figures import SAMPLE
from bot.commands.retirements import ending
from bot.commands.snapshot import price_at_of
from bot.config.naming import chain_words, written
from bot.config.schema import ConfigView
from bot.costs.digest import AheadLine
from bot.costs.period import Span, earlier
from bot.costs.price_changes import rates_of
from bot.costs.pricing import OWN_SOURCES
from bot.messages import ahead as words
from bot.models import ModelRef
from bot.ports import ChainTest, GroupBy

MOST_LINES = 5
_MOST_OF_A_KIND = 2
UNUSED_AFTER = timedelta(days=30)
FAR = timedelta(days=180)
"""What retires later is not worth a line yet."""


async def ahead_lines(
    ctx: Context, config: ConfigView, span: Span, used: set[str], test: ChainTest | None
) -> list[AheadLine]:
    """Return what a team may do in a calm hour, at most five lines, the weightiest first.

    Raises:
        StorageError: the ledger could not be asked.
    """
    kinds = (
        _retirements(ctx, config, used),
        await _price_changes(ctx, config, span),
        _untested(ctx, config, test),
        await _unused(ctx, config),
    )
    return [line for kind in kinds for line in kind[:_MOST_OF_A_KIND]][:MOST_LINES]


def _retirements(ctx: Context, config: ConfigView, used: set[str]) -> list[AheadLine]:
    today = ctx.now.date()
    return [
        words.retirement(one.facts, today, one.step)
        for one in ending(ctx, config, used, within=FAR)
        if one.calm(today)
    ]


async def _price_changes(ctx: Context, config: ConfigView, span: Span) -> list[AheadLine]:
    """Compare what calls of the week before were booked at with today's list for their time."""
    before = earlier(span, ctx.settings.timezone)
    found: dict[ModelRef, AheadLine] = {}
    for row in await ctx.ports.ledger.attempts(before.start, before.end, SAMPLE):
        old = row.price
        if row.model in found or old is None or old.source in OWN_SOURCES:
            continue
        new = price_at_of(ctx, row.model, config)(row.at)
        if new is not None and new.source == old.source and rates_of(new) != rates_of(old):
            found[row.model] = words.price_change(row.model, old, new)
    return list(found.values())


def _untested(ctx: Context, config: ConfigView, test: ChainTest | None) -> list[AheadLine]:
    if not chain_words(config):
        return []
    age = ctx.now - test.at if test else None
    return [words.untested(age)] if age is None or age > UNUSED_AFTER else []


async def _unused(ctx: Context, config: ConfigView) -> list[AheadLine]:
    """Return the config's presets and allowed models without a request in 30 days.

    A model of the chain waits for its turn, and a ledger that is younger proves nothing.
    """
    since = ctx.now - UNUSED_AFTER
    first_at = await ctx.ports.ledger.first_at()
    if first_at is None or first_at > since:
        return []
    groups = await ctx.ports.ledger.spend(since, ctx.now, GroupBy.MODEL)
    busy = {group.key for group in groups}
    busy |= {str(ref) for word in _chosen(config) if (ref := written(word, config))}
    idle = [(key, alias) for key, alias in config.aliases.items() if _idle(key, busy)]
    presets = [words.unused_preset(alias, key) for key, alias in idle if alias]
    return [*presets, *(words.unused_model(key) for key, alias in idle if not alias)]


def _idle(key: str, busy: set[str]) -> bool:
    ref = ModelRef.parse(key)
    return ref is not None and not ref.name.endswith("*") and str(ref) not in busy


def _chosen(config: ConfigView) -> Sequence[str]:
    own = [w for one in config.agents.values() for w in (one.primary, *(one.fallbacks or ()))]
    return [*chain_words(config), *(word for word in own if word)]
