"""The cards of `changeover cost reprice` and of a price that changed."""

from __future__ import annotations

from datetime import date
from typing import Any

from bot.card import Action, Button, Card, Code, Command, Strong, Text, Tone, text
from bot.costs.price_changes import PriceChange, Repricing
from bot.costs.pricing import usd
from bot.messages.words import change_in_price, counted, money, short_price
from bot.spans import Marker


def repriced(seen: int, changed: int) -> Text:
    """Say how many rows of the ledger were checked so far."""
    return text(f"  {counted(seen, 'row')} checked, {changed:,} repriced …")


def reprice_card(since_day: date, sums: Repricing, data: dict[str, Any]) -> Card:
    """Say what repricing has changed."""
    since = f"since {since_day.isoformat()}"
    if not sums.changed:
        return Card(
            title=text(Strong("Nothing to correct"), f" {since}"),
            body=(text(_looked_at(sums.seen)),),
            data=data,
        )
    before, after = money(usd(sums.before_nano)), money(usd(sums.after_nano))
    difference = sums.after_nano - sums.before_nano
    changed = f"{money(usd(abs(difference)))} {'more' if difference > 0 else 'less'}"
    body = [text(f"{before} → {after} over {counted(sums.seen, 'attempt')}, {changed}.")]
    if sums.newly_priced:
        body.append(text(f"{counted(sums.newly_priced, 'attempt')} were unpriced before."))
    return Card(
        title=text(Strong(counted(sums.changed, "attempt")), f" repriced {since}"),
        tone=Tone.CHANGE,
        body=(*body, text("The old figures are kept in the table reprices.")),
        data=data,
    )


def price_change_card(change: PriceChange, mark: str) -> Card:
    """Say that the price of a model in use has changed, and what that means."""
    compared = change_in_price(change.old, change.new)
    before, after = money(usd(change.before_nano)), money(usd(change.after_nano))
    difference = change.after_nano - change.before_nano
    changed = f"{money(usd(abs(difference)))} {'more' if difference > 0 else 'less'}"
    dated = f" of {change.new.as_of.isoformat()}" if change.new.as_of else ""
    return Card(
        title=text(Strong("Price change"), ": ", Code(change.model)),
        tone=Tone.WARNING if difference > 0 else Tone.NEUTRAL,
        body=(
            text(
                f"{short_price(change.old)} → {short_price(change.new)} per 1M tokens in / out"
                f"{f' ({compared})' if compared else ''}."
            ),
            text(
                f"The last 7 days ({counted(change.requests, 'request')}) at list prices: "
                f"{before} → {after}, {changed}."
            ),
            text(f"Source: {change.new.source}{dated}. Costs already booked stay as they are."),
            text(Marker(f"{mark} "), Command("cost compare")),
        ),
        buttons=(Button("Compare", Action("cost compare")),),
        command="cost",
        data={
            "model": change.model,
            "before_usd": usd(change.before_nano),
            "after_usd": usd(change.after_nano),
        },
    )


def _looked_at(seen: int) -> str:
    if not seen:
        return "No attempts since then."
    return f"{counted(seen, 'attempt')} checked; no cost changed."
