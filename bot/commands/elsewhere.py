"""What keeps a model of its own, with what that cost: named by status and by each switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.card import Caution
from bot.commands.context import Context
from bot.config.places import Elsewhere, elsewhere
from bot.config.present import Present
from bot.errors import StorageError
from bot.messages.elsewhere import WeekCosts, elsewhere_caution, pinned_cautions
from bot.models import GroupBy, ModelRef
from bot.ports.reloads import Pin, PinResult, Pins

WEEK = timedelta(days=7)
_NANO = Decimal(10) ** 9


def other_places(present: Present, *, agents: bool = True) -> list[Elsewhere]:
    """Return the places of the file and of what it includes."""
    return elsewhere(present.parsed, present.view, agents=agents)


async def costs_of_week(
    ctx: Context, places: Sequence[Elsewhere] = (), pins: Sequence[Pin] = ()
) -> WeekCosts:
    """Return what these cost in the last 7 days; nothing while the ledger is away."""

    async def spent(by: GroupBy, needed: bool) -> Mapping[str, Decimal]:
        if not needed:
            return {}
        found = await ctx.ports.ledger.spend(ctx.now - WEEK, ctx.now, by)
        return {one.key: Decimal(one.cost_nano_usd) / _NANO for one in found}

    try:
        return WeekCosts(
            await spent(GroupBy.MODEL, bool(places or pins)),
            await spent(GroupBy.AGENT, any(one.agent for one in places)),
            await spent(GroupBy.SESSION, any(pin.sessions for pin in pins)),
        )
    except StorageError:
        return WeekCosts()


async def elsewhere_cautions(
    ctx: Context, places: Sequence[Elsewhere], primary: ModelRef | None, pins: Pins
) -> list[Caution]:
    """Name what has another model than the primary, and the command that sets it."""
    others = [one for one in places if one.ref != primary]
    costs = await costs_of_week(ctx, others, pins.found)
    # A model that sees no images is not set where images are read.
    sees = primary is not None and bool(ctx.catalog.facts(primary).vision)
    settable = any(not one.apart and (sees or not one.for_images) for one in others)
    named = [elsewhere_caution(others, costs, primary if settable else None)] if others else []
    return [*named, *pinned_cautions(pins, costs, primary)]


def elsewhere_data(places: Sequence[Elsewhere], costs: WeekCosts) -> list[dict[str, Any]]:
    """Return the places as data."""
    return [
        {
            "place": one.name,
            "model": str(one.ref or one.written),
            "cost_7d_usd": costs.of(one)[0],
            "cost_of": costs.of(one)[1],
        }
        for one in places
    ]


def pins_data(pins: Sequence[Pin], costs: WeekCosts) -> list[dict[str, Any]]:
    """Return sessions and cron jobs as data."""
    return [
        {
            "kind": pin.kind,
            "key": pin.key,
            "name": pin.name,
            "agent": pin.agent or None,
            "model": pin.model,
            "by_tool": pin.by_tool,
            "cost_7d_usd": costs.of(pin)[0],
            "cost_of": costs.of(pin)[1],
        }
        for pin in pins
    ]


def pin_results_data(results: Sequence[PinResult]) -> list[dict[str, Any]]:
    """Return what became of sessions and cron jobs as data."""
    return [
        {
            "kind": one.change.kind,
            "key": one.change.key,
            "name": one.change.name,
            "before": one.change.before,
            "after": one.change.after,
            "outcome": one.outcome,
            "why": one.error.message if one.error else None,
        }
        for one in results
    ]
