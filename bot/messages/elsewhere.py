"""Sentences about the other places that name a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.card import Caution, Code, Command, Text, text
from bot.config.places import Elsewhere
from bot.messages.words import listed, money
from bot.models import ModelRef

_MOST_NAMED = 6


def elsewhere_caution(
    places: Sequence[Elsewhere], costs: Mapping[str, Decimal], primary: ModelRef | None
) -> Caution:
    """Say which places keep their own model, and what that cost."""
    named = [f"{one.name} ({_model(one, costs)})" for one in places[:_MOST_NAMED]]
    if len(places) > _MOST_NAMED:
        named.append(f"{len(places) - _MOST_NAMED} more")
    verb = "keeps its" if len(places) == 1 else "keep their"
    return Caution(
        "elsewhere",
        f"{listed(named)} {verb} own model.",
        Command(f"model use {primary} everywhere") if primary else "",
    )


def elsewhere_lines(places: Sequence[Elsewhere], costs: Mapping[str, Decimal]) -> tuple[Text, ...]:
    """Write each place that would change, with its model and what that cost."""
    return tuple(text("Also ", Code(one.name), f": {_model(one, costs)}") for one in places)


def _model(place: Elsewhere, costs: Mapping[str, Decimal]) -> str:
    name = str(place.ref or place.written)
    cost = costs.get(name)
    return f"{name}, {money(cost)} on it in 7 days" if cost else name
