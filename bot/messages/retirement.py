"""When models end, in words: announced, come, withdrawn, rerouted, gone from a list."""

from __future__ import annotations

from datetime import date

from bot.messages.words import counted
from bot.models import ModelFacts


def end_words(facts: ModelFacts) -> str:
    """Say in a few words when a model ends or ended; empty when nothing is known of it."""
    ends = facts.retires_on
    if facts.rerouted and ends is not None:
        instead = f"to {facts.successor.name} " if facts.successor else ""
        return f"rerouted {instead}{'since' if facts.retired_on else 'from'} {ends}"
    if facts.retired_on is not None:
        return f"retired {facts.retired_on}"
    if facts.delisted_on is not None:
        return f"not listed since {facts.delisted_on}"
    if ends is None:
        withdrawn = facts.withdrawn_on
        return f"retirement on {withdrawn} withdrawn" if withdrawn else ""
    if facts.seen_on is not None and facts.seen_on >= ends:
        return f"due to retire {ends}, still available"
    return f"retires {ends}"


def ends_sentence(facts: ModelFacts, today: date) -> str:
    """Say when a model ends, to follow its name: `retires on 2027-01-22, in 53 days`."""
    ends = facts.retires_on
    if facts.rerouted and ends is not None:
        return f"is {end_words(facts)}"
    if facts.retired_on is not None:
        return f"was retired on {facts.retired_on}"
    if ends is None or ends <= today:
        words = end_words(facts)
        return words if words.startswith("retire") else f"is {words}"
    return f"retires on {ends}, in {counted((ends - today).days, 'day')}"


def source_words(facts: ModelFacts, provider: str) -> str:
    """Say where a date was read, and when."""
    if facts.delisted_on is not None or facts.date_source == "list":
        where = f"{provider}'s model list"
    else:
        where = "catalog"
    return f"{where}, {facts.date_as_of}" if facts.date_as_of else where


def retirement_line(facts: ModelFacts, provider: str, today: date) -> str:
    """Say when a model ends, and where that was read."""
    return f"{facts.ref} {ends_sentence(facts, today)}. ({source_words(facts, provider)})"


def successor_words(facts: ModelFacts) -> str:
    """Name a model's successor; empty where the provider itself reroutes to it."""
    named = facts.successor is not None and not facts.rerouted
    return f" Successor: {facts.successor}." if named else ""
