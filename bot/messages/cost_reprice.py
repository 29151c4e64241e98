"""The cards of `changeover cost reprice` and of a price that changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.card import Action, Button, Card, Code, Command, Strong, Text, Tone, text
from bot.costs.pricing import usd
from bot.messages.words import change_in_price, counted, money, short_price
from bot.models import Price


@dataclass(frozen=True, slots=True)
class RepriceWords:
    """What the card shows."""

    since: date
    seen: int
    changed: int
    before_nano: int
    after_nano: int
    newly_priced: int


def repriced(seen: int, changed: int) -> Text:
    """Say how many rows of the ledger were checked so far."""
    return text(f"  {counted(seen, 'row')} checked, {changed:,} repriced …")


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


@dataclass(frozen=True, slots=True)
class PriceChangeWords:
    """A price that changed, who says so, and what a week's traffic costs before and after."""

    model: str
    old: Price
    new: Price
    requests: int
    before_nano: int
    after_nano: int
    source: str
    as_of: str | None


def price_change_card(words: PriceChangeWords, mark: str) -> Card:
    """Say that the price of a model in use has changed, and what that means."""
    compared = change_in_price(words.old, words.new)
    before, after = money(usd(words.before_nano)), money(usd(words.after_nano))
    difference = words.after_nano - words.before_nano
    changed = f"{money(usd(abs(difference)))} {'more' if difference > 0 else 'less'}"
    dated = f" of {words.as_of}" if words.as_of else ""
    return Card(
        title=text(Strong("Price change"), ": ", Code(words.model)),
        tone=Tone.WARNING if difference > 0 else Tone.NEUTRAL,
        body=(
            text(
                f"{short_price(words.old)} → {short_price(words.new)} per 1M tokens in / out"
                f"{f' ({compared})' if compared else ''}."
            ),
            text(
                f"The last 7 days ({counted(words.requests, 'request')}) at list prices: "
                f"{before} → {after}, {changed}."
            ),
            text(f"Source: {words.source}{dated}. Costs already booked stay as they are."),
            text(f"{mark} ", Command("cost compare")),
        ),
        buttons=(Button("Compare", Action("cost compare")),),
        command="cost",
        data={
            "model": words.model,
            "before_usd": usd(words.before_nano),
            "after_usd": usd(words.after_nano),
        },
    )


def _looked_at(seen: int) -> str:
    if not seen:
        return "No attempts since then."
    return f"{counted(seen, 'attempt')} checked; no cost changed."
