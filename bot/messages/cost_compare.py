"""The card of /cost compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.card import Card, Caution, Code, Column, Command, Strong, Table, Text, text
from bot.costs.compare import Alternative, Traffic
from bot.costs.figures import Unpriced
from bot.costs.pricing import usd
from bot.messages.cost import many, unpriced_cautions
from bot.messages.words import counted, money, percent, short_price
from bot.models import ModelRef

UNKNOWN_PROVIDER = "unknown provider"


def no_key(variable: str | None) -> str:
    """Say that a model's provider has no key."""
    return f"no API key ({variable})"


def no_answer(provider: str) -> str:
    """Say that a server of the team's own lists no model."""
    return f"{provider} lists no models"


def not_listed(provider: str) -> str:
    """Say that a provider does not list a model."""
    return f"not listed by {provider}"


def compare_card(
    when: str,
    traffic: Traffic,
    alternatives: Sequence[Alternative],
    primary: ModelRef | None,
    warnings: tuple[Caution, ...],
    data: dict[str, Any],
) -> Card:
    """Show what the same tokens would have cost elsewhere, the cheapest first."""
    if not traffic.requests:
        return Card(
            title=text(Strong("Nothing to compare"), f": no priced request {when}"),
            body=(
                text("Only requests already made are compared; ", Command("cost"), " shows them."),
            ),
            data=data,
        )
    tokens = traffic.tokens
    spent = money(usd(traffic.cost_nano))
    return Card(
        title=text(Strong(spent), f" {when}; the same traffic on other models"),
        body=(
            text(
                f"{counted(traffic.requests, 'request')}: {many(tokens.input_tokens)} tokens in "
                f"({many(tokens.cached_input_tokens)} from a cache), "
                f"{many(tokens.output_tokens)} out."
            ),
        ),
        table=Table(
            (
                Column("model"),
                Column("preset", priority=2),
                Column("in / out per 1M", priority=3),
                Column("would cost", right=True),
                Column("saves", right=True, priority=1),
            ),
            tuple(_row(one, primary) for one in alternatives),
            sortable=True,
        ),
        warnings=warnings,
        data=data,
    )


def compare_cautions(
    alternatives: Sequence[Alternative], unpriced: Sequence[Unpriced]
) -> tuple[Caution, ...]:
    """Say what such a comparison cannot know."""
    first = next((one for one in alternatives if one.nano is not None and not one.missing), None)
    quality = Caution(
        "quality",
        "Only token counts are compared. Quality, answer length and tokenizers differ by model.",
        Command(f"model use {first.preset or first.ref} for 1h") if first else "",
    )
    return (quality, *unpriced_cautions(unpriced))


def _row(one: Alternative, primary: ModelRef | None) -> tuple[Text, ...]:
    name = one.preset or "-"
    if one.ref == primary:
        name = f"{name}, primary" if one.preset else "primary"
    return (
        text(Code(str(one.ref))),
        text(name),
        text(short_price(one.price)),
        text("unknown" if one.nano is None else money(usd(one.nano))),
        text(one.missing or _saving(one)),
    )


def _saving(one: Alternative) -> str:
    if one.saving_nano is None:
        return "-"
    if not one.saving_nano:
        return "same"
    amount = money(usd(abs(one.saving_nano)))
    sign = "" if one.saving_nano > 0 else "+"
    share = f" ({percent(abs(one.saving_percent))})" if one.saving_percent is not None else ""
    return f"{sign}{amount}{share}" if one.saving_nano > 0 else f"{amount} more{share}"
