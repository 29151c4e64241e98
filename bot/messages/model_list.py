"""The card of /model list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.card import Card, Code, Column, Command, Strong, Table, Text, text
from bot.messages.retirement import end_words
from bot.messages.words import counted, short_price, tokens
from bot.models import ModelFacts, ModelRef, Price


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row of /model list."""

    ref: ModelRef
    alias: str | None
    preset: str | None
    price: Price | None
    context_window: int | None
    key_present: bool
    key_name: str | None
    allowed: bool
    in_use: str
    gateway_lacks: str = ""
    skip: str | None = None
    facts: ModelFacts | None = None

    @property
    def ending(self) -> str:
        """When the model ends, in words."""
        return end_words(self.facts) if self.facts else ""


def list_card(rows: Sequence[ModelRow], provider: str | None, data: dict[str, Any]) -> Card:
    """Show every configured model with names, price, window, key and permission."""

    def missing(row: ModelRow) -> str:
        key = row.gateway_lacks
        return ", ".join(filter(None, (key, "" if row.allowed else "not allowed"))) or "-"

    ends = any(row.ending for row in rows)
    return Card(
        title=text(
            Strong(counted(len(rows), "model")), f" of {provider}" if provider else " configured"
        ),
        table=Table(
            (
                Column("model"),
                Column("names", priority=2),
                Column("in / out per 1M", priority=3),
                Column("context", right=True, priority=4),
                Column("missing", priority=1),
                Column("use", priority=1),
                *((Column("retirement", priority=1),) if ends else ()),
            ),
            tuple(
                (
                    text(Code(str(row.ref))),
                    text(", ".join(dict.fromkeys(n for n in (row.alias, row.preset) if n)) or "-"),
                    text(short_price(row.price)),
                    text(tokens(row.context_window)),
                    text(missing(row)),
                    text(row.in_use or "-"),
                    *((text(row.ending or "-"),) if ends else ()),
                )
                for row in rows
            ),
            sortable=True,
        ),
        footer=_switch_with(rows),
        data=data,
    )


def _switch_with(rows: Sequence[ModelRow]) -> Text:
    other = next((row for row in rows if row.key_present and not row.in_use), None)
    if other is None:
        return ()
    name = other.alias or other.preset or other.ref
    return text("Switch, for example: ", Command(f"model use {name}"))
