"""The other places that name a model, with what they cost, for status and for each switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from bot.card import Caution
from bot.commands.context import Context
from bot.config.commit import Present
from bot.config.places import Elsewhere, elsewhere
from bot.errors import StorageError
from bot.messages.elsewhere import elsewhere_caution
from bot.models import GroupBy, ModelRef

WEEK = timedelta(days=7)
_NANO = Decimal(10) ** 9


def other_places(present: Present, *, agents: bool = True) -> list[Elsewhere]:
    """Return the places of the file and of what it includes."""
    return elsewhere(present.parsed, present.view, agents=agents)


async def costs_of_week(ctx: Context) -> Mapping[str, Decimal]:
    """Return what each model cost in the last 7 days; nothing while the ledger is away."""
    try:
        spent = await ctx.ports.ledger.spend(ctx.now - WEEK, ctx.now, GroupBy.MODEL)
    except StorageError:
        return {}
    return {one.key: Decimal(one.cost_nano_usd) / _NANO for one in spent}


async def elsewhere_cautions(
    ctx: Context, places: Sequence[Elsewhere], primary: ModelRef | None
) -> list[Caution]:
    """Name the places with another model than the primary, and the command that sets them."""
    others = [one for one in places if one.ref != primary]
    if not others:
        return []
    return [elsewhere_caution(others, await costs_of_week(ctx), primary)]


def elsewhere_data(
    places: Sequence[Elsewhere], costs: Mapping[str, Decimal]
) -> list[dict[str, Any]]:
    """Return the places as data."""
    return [
        {
            "place": one.name,
            "model": str(one.ref or one.written),
            "cost_7d_usd": costs.get(str(one.ref or one.written)),
        }
        for one in places
    ]
