"""Rich text: a card's words as elements, in which nothing that a person typed can act.

Slack reads no markup in a text element: `*bold*`, `:fire:` and `<!channel>` stay as they were
typed. Source: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from adapters.shared.chat import size, visible
from adapters.slack.mrkdwn import DATE_FORMATS, MOST_LINE, is_id, is_page
from bot.card import Code, Command, Link, Person, Span, Strong, Text, When, plain, text
from bot.spans import Marker

Block = dict[str, Any]
Element = dict[str, Any]
Line = list[Element]
T = TypeVar("T")

SECTION = 700
"""Slack folds longer blocks behind "See more"."""


def line_of(spans: Text, most: int = MOST_LINE) -> Line:
    """Write a text as elements of at most `most` shown characters, cut at the end with `…`."""
    line: Line = []
    left = most
    spans = tuple(span for span in spans if not isinstance(span, Marker))
    for number, span in enumerate(spans):
        element = _element(span)
        taken = length([element]) if element else 0
        if element and taken > left - (number < len(spans) - 1):
            line += [cut] if (cut := _cut(span, left - 1)) else []
            line.append(_text("…"))
            break
        line += [element] if element else []
        left -= taken
    return _merged(line)


def lines_of(texts: Sequence[Text]) -> list[Line]:
    """Write texts, one a line, leaving out the empty ones."""
    return [line for line in map(line_of, texts) if "".join(map(_shown, line)).strip()]


def joined(lines: Sequence[Line], separator: str) -> Line:
    """Put lines together with a separator between them."""
    whole: Line = []
    for number, line in enumerate(lines):
        whole += [_text(separator), *line] if number else line
    return _merged(whole)


def length(line: Line) -> int:
    """Count the characters that a line shows."""
    return sum(size(_shown(element)) for element in line)


def block_of(line: Line) -> Block:
    """Make a block of a line; `-` stands for an empty one, which Slack refuses."""
    section = {"type": "rich_text_section", "elements": line or [_text("-")]}
    return {"type": "rich_text", "elements": [section]}


def grid_of(words: str) -> Block:
    """Make a block in which every character is equally wide."""
    section = {"type": "rich_text_preformatted", "elements": [_text(words)]}
    return {"type": "rich_text", "elements": [section]}


def blocks_of_lines(lines: Sequence[Line]) -> list[Block]:
    """Put lines into as few blocks as stay short enough."""
    return [block_of(joined(part, "\n")) for part in packed(lines, length, SECTION)]


def bold(words: str) -> Line:
    """Write words that carry the line."""
    return line_of(text(Strong(words)), 100)


def packed(pieces: Sequence[T], size_of: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Put pieces together as long as a block stays short enough."""
    part: list[T] = []
    used = 0
    for piece in pieces:
        if part and used + size_of(piece) > most:
            yield part
            part, used = [], 0
        part.append(piece)
        used += size_of(piece) + 1
    if part:
        yield part


def _element(span: Span) -> Element | None:
    match span:
        case When(at=at, style=style):
            return {
                "type": "date",
                "timestamp": int(at.timestamp()),
                "format": DATE_FORMATS[style],
                "fallback": plain((span,)),
            }
        case Link(label=label, url=url) if is_page(url):
            address = re.sub(r"[<>|\s]", lambda odd: f"%{ord(odd[0]):02X}", url)
            return {"type": "link", "url": address, "text": _one_line(label).strip() or "link"}
        case Person(surface="slack", id=id_, ping=True, group=group) if is_id(id_):
            kind = "usergroup" if group else "user"
            return {"type": kind, f"{kind}_id": id_}
    look = {Code: "code", Command: "code", Strong: "bold"}.get(type(span), "")
    words = _one_line(plain((span,))) if look else visible(plain((span,)))
    return _text(words, look if words.strip() else "") if words else None


def _cut(span: Span, most: int) -> Element | None:
    """Write as much of a span as fits; a date, link or mention fits whole or not at all."""
    if not isinstance(span, str | Code | Strong) or most < 1:
        return None
    words = span if isinstance(span, str) else span.text
    for end in range(min(len(words), most), 0, -1):
        part = words[:end]
        element = _element(part if isinstance(span, str) else replace(span, text=part))
        if element and length([element]) <= most:
            return element
    return None


def _merged(line: Line) -> Line:
    """Join neighbours without a style into one element."""
    whole: Line = []
    for element in line:
        if whole and whole[-1].keys() == element.keys() == {"type", "text"}:
            whole[-1] = _text(whole[-1]["text"] + element["text"])
        else:
            whole.append(element)
    return whole


def _text(words: str, style: str = "") -> Element:
    element: Element = {"type": "text", "text": words}
    return element | {"style": {style: True}} if style else element


def _shown(element: Element) -> str:
    return str(element.get("text") or element.get("fallback") or "@somebody")


def _one_line(words: str) -> str:
    return visible(" ".join(words.split("\n")))
