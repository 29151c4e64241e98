"""The Home tab: how things stand and what can be done, in one view for whoever opens the app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.slack.render import blocks_of
from adapters.slack.rich import Block
from bot.card import Card
from bot.commands.registry import Registry

MOST_BLOCKS = 100
_SHOWN = (("model", "status", ""), ("cost", "week", ""), ("model", "history", "5"))
_LENDS = ("fallback", "status")


def home_lines(registry: Registry) -> list[str]:
    """Return the lines whose answers make up the tab, as far as there are such commands."""
    return [
        f"{group} {name} {rest}".rstrip()
        for group, name, rest in _SHOWN
        if registry.find(group, name)
    ]


def lending_line(registry: Registry) -> str:
    """Return the line whose answer lends its buttons to the tab; empty where there is none."""
    return " ".join(_LENDS) if registry.find(*_LENDS) else ""


def home_view(cards: Sequence[Card], lends: Card | None = None) -> dict[str, Any]:
    """Lay the cards out below each other, the buttons of `lends` among those of the first.

    What a person may not do is refused at the click, as for a command.
    """
    first, *rest = cards
    if lends is not None:
        offered = {button.action.words for button in first.buttons}
        more = (button for button in lends.buttons if button.action.words not in offered)
        first = replace(first, buttons=(*first.buttons, *more))
    blocks: list[Block] = []
    for card in (first, *rest):
        blocks += [*([{"type": "divider"}] if blocks else []), *blocks_of(card)]
    return {"type": "home", "blocks": blocks[:MOST_BLOCKS]}
