"""Telegram's HTML: a card's texts out, at most 100 entities and so many characters a message.

Telegram counts characters as UTF-16 units after it has read the tags.
Source: https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape

from adapters.shared.chat import size, visible
from bot.card import Code, Command, Link, Person, Span, Strong, Text, When, WhenStyle, plain

_PAGE = re.compile(r"https?://[^\s/]")
_FORMATS = {WhenStyle.TIME: "t", WhenStyle.DATE_TIME: "Dt", WhenStyle.RELATIVE: "r"}


@dataclass(frozen=True, slots=True)
class Piece:
    """HTML, what it counts for in characters, and in entities."""

    html: str = ""
    size: int = 0
    entities: int = 0

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.html + other.html, self.size + other.size, self.entities + other.entities)


def words(said: str) -> Piece:
    """Write words that can do nothing: no tag, and no mark that turns the line around."""
    shown = visible(said)
    return Piece(escape(shown, quote=False), size(shown))


def tagged(tag: str, said: str, attributes: str = "") -> Piece:
    """Write words between a tag and its end; empty ones would be refused as an entity."""
    inner = words(said)
    if not said.strip():
        return inner
    return Piece(f"<{tag}{attributes}>{inner.html}</{tag}>", inner.size, 1)


def write(spans: Text, most: int | None = None) -> Piece:
    """Write a text of at most `most` characters, cut at the end with `…`."""
    pieces = [_span(span) for span in spans]
    whole = joined(pieces, "")
    if most is None or whole.size <= most:
        return whole
    kept, left = Piece(), most - 1
    for span, piece in zip(spans, pieces, strict=True):
        if piece.size > left:
            kept += _cut(span, left)
            break
        kept += piece
        left -= piece.size
    return kept + words("…")


def joined(pieces: Sequence[Piece], between: str) -> Piece:
    """Put pieces together."""
    whole = Piece()
    for number, piece in enumerate(pieces):
        whole += (words(between) if number and between else Piece()) + piece
    return whole


def _span(span: Span) -> Piece:
    match span:
        case str():
            return words(span)
        case Code(text=said):
            return tagged("code", said)
        case Command():
            return tagged("code", span.in_chat())
        case Strong(text=said):
            return tagged("b", said)
        case When(at=at, style=style):
            unix, form = int(at.timestamp()), _FORMATS[style]
            return tagged("tg-time", plain((span,)), f' unix="{unix}" format="{form}"')
        case Link(label=label, url=url) if _PAGE.match(url):
            return tagged("a", label.strip() or "link", f' href="{escape(visible(url))}"')
        case Person(surface="telegram", id=id_, name=name, ping=True) if id_.isdecimal():
            return tagged("a", name if name != id_ else "operator", f' href="tg://user?id={id_}"')
        case _:
            return words(plain((span,)))


def _cut(span: Span, most: int) -> Piece:
    """Write as much of a span as fits; a time, a link or a mention fits whole or not at all."""
    if not isinstance(span, str | Code | Strong):
        return Piece()
    said = span if isinstance(span, str) else span.text
    return _longest(said, most, lambda part: part if isinstance(span, str) else _with(span, part))


def _with(span: Code | Strong, part: str) -> Span:
    return replace(span, text=part)


def _longest(said: str, most: int, made: Callable[[str], Span]) -> Piece:
    for end in range(min(len(said), most), 0, -1):
        piece = _span(made(said[:end]))
        if piece.size <= most:
            return piece
    return Piece()


def without_times(html: str) -> str:
    """Return the same for a server that does not know Telegram's date markup: times in UTC."""
    return re.sub(r"</?tg-time[^>]*>", "", html)
