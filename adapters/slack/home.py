"""The Home tab: how things stand, in one view for whoever opens the app."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters.slack.render import blocks_of
from adapters.slack.rich import Block
from bot.card import Card
from bot.commands.registry import Registry

MOST_BLOCKS = 100
_SHOWN = (("model", "status", ""), ("cost", "week", ""), ("model", "history", "5"))


def home_lines(registry: Registry) -> list[str]:
    """Return the lines whose answers make up the tab, as far as there are such commands."""
    return [
        f"{group} {name} {rest}".rstrip()
        for group, name, rest in _SHOWN
        if registry.find(group, name)
    ]


def home_view(cards: Iterable[Card]) -> dict[str, Any]:
    """Lay the cards out below each other."""
    blocks: list[Block] = []
    for card in cards:
        blocks += [*([{"type": "divider"}] if blocks else []), *blocks_of(card)]
    return {"type": "home", "blocks": blocks[:MOST_BLOCKS]}
