"""The card of `changeover cost reprice`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.card import Card, Strong, Tone, text
from bot.costs.pricing import usd
from bot.messages.words import counted, money


@dataclass(frozen=True, slots=True)
class RepriceWords:
    """What the card shows."""

    since: date
    seen: int
    changed: int
    before_nano: int
    after_nano: int
    newly_priced: int


def reprice_card(words: RepriceWords, data: dict[str, Any]) -> Card:
    """Say what repricing has changed."""
    since = f"since {words.since.isoformat()}"
    if not words.changed:
        return Card(
            title=text(Strong("Nothing to correct"), f" {since}"),
            body=(text(_looked_at(words.seen)),),
            data=data,
        )
    before, after = money(usd(words.before_nano)), money(usd(words.after_nano))
    difference = words.after_nano - words.before_nano
    changed = f"{money(usd(abs(difference)))} {'more' if difference > 0 else 'less'}"
    body = [text(f"{before} → {after} over {counted(words.seen, 'attempt')}, {changed}.")]
    if words.newly_priced:
        body.append(text(f"{counted(words.newly_priced, 'attempt')} were unpriced before."))
    return Card(
        title=text(Strong(counted(words.changed, "attempt")), f" repriced {since}"),
        tone=Tone.CHANGE,
        body=(*body, text("The old figures are kept in the table reprices.")),
        data=data,
    )


def _looked_at(seen: int) -> str:
    if not seen:
        return "No attempts since then."
    return f"{counted(seen, 'attempt')} checked; no cost changed."
