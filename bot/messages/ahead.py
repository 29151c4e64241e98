"""The lines of the digest's part for a calm hour: one sentence each, and its command."""

from __future__ import annotations

from datetime import date, timedelta

from bot.costs.digest import AheadLine
from bot.durations import say_duration
from bot.messages.retirement import ends_sentence, successor_words
from bot.messages.words import short_price
from bot.models import ModelFacts, ModelRef, Price


def retirement(facts: ModelFacts, today: date, step: str) -> AheadLine:
    """Say that a model will end."""
    said = f"{facts.ref} {ends_sentence(facts, today)}.{successor_words(facts)}"
    return AheadLine(said, step or "model list")


def price_change(ref: ModelRef, old: Price, new: Price) -> AheadLine:
    """Say that a model's list price has changed since the week before."""
    said = f"{ref}: {short_price(old)} → {short_price(new)} per 1M tokens in / out."
    return AheadLine(said, "cost compare")


def untested(age: timedelta | None) -> AheadLine:
    """Say how long the chain was not tested; never without an age."""
    ago = f"last tested {say_duration(age)} ago" if age is not None else "never tested"
    return AheadLine(f"Chain {ago}.", "fallback test")


def unused_preset(alias: str, model: str) -> AheadLine:
    """Say that a preset had no traffic."""
    said = f"Preset {alias} ({model}): no requests in 30 days."
    return AheadLine(said, f"model preset {alias} remove")


def unused_model(model: str) -> AheadLine:
    """Say that an allowed model had no traffic."""
    return AheadLine(f"{model}: in the config, no requests in 30 days.", "model list")
