"""Commands in a card's words, written as they are typed where commands have a prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from bot.card import Card, Code, Span, Strong, Text


def prefixed(card: Card, prefix: str, groups: Iterable[str]) -> Card:
    """Return a card that says `/llm-model` instead of `/model`; what has the prefix keeps one.

    `groups` are the commands' first words. Paths such as `/srv/model` are left alone.
    """
    if not prefix:
        return card
    slash = _slash(tuple(groups))

    def words(said: str) -> str:
        return slash.sub(f"/{prefix}", said)

    def span(one: Span) -> Span:
        if isinstance(one, str):
            return words(one)
        return replace(one, text=words(one.text)) if isinstance(one, Code | Strong) else one

    def spans(text: Text) -> Text:
        return tuple(map(span, text))

    table = card.table
    if table is not None:
        table = replace(table, rows=tuple(tuple(map(spans, row)) for row in table.rows))
    return replace(
        card,
        title=spans(card.title),
        body=tuple(map(spans, card.body)),
        facts=tuple(replace(fact, value=spans(fact.value)) for fact in card.facts),
        table=table,
        warnings=tuple(
            replace(w, text=words(w.text), hint=words(w.hint)) for w in card.warnings
        ),
        footer=spans(card.footer),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _slash(groups: tuple[str, ...]) -> re.Pattern[str]:
    """Match the slash before a command: not one in a path, nor what is typed to OpenClaw itself."""
    names = "|".join(map(re.escape, groups))
    return re.compile(rf"(?<!OpenClaw: )(?<![\w/.:~*-])/(?=(?:{names})(?![\w/-]))")
