"""Card → Block Kit, within the limits of Slack and of a phone's width.

A message takes 50 blocks and 13,200 characters in all; a section 3000, or 10 fields of 2000; a
row of buttons 25 of 75. Source: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

from adapters.shared.chat import size
from adapters.slack.mrkdwn import inert, lines, write
from bot.card import (
    Button,
    Card,
    Caution,
    Code,
    Link,
    Menu,
    Person,
    Strong,
    Table,
    Text,
    Tone,
    When,
    spans_of,
    text,
)

Block = dict[str, Any]

MOST_CHARACTERS = 12_500
"""Below Slack's 13,200, the JSON around the words counted in."""
MOST_TEXT = 3_500
"""Below the 4000 that `chat.update` takes."""
MOST_TITLE = 600
SECTION = 700
"""Slack folds longer sections behind "See more"."""
PHONE = 44
"""Monospaced characters a phone shows before it wraps."""
SHORT = 7
"""A first column no wider than this (a number, a verdict) shares its line with the second."""
MOST_BODY, MOST_FACTS, MOST_WARNINGS = 5_000, 3_000, 3_000
ACTION = "changeover"
MOST_OPTIONS, MOST_VALUE, MOST_MENU = 100, 150, 5_000

_TONES = {
    Tone.GOOD: ("✅", "OK"),
    Tone.CHANGE: ("🔁", "Changed"),
    Tone.QUESTION: ("❓", "Question"),
    Tone.WARNING: ("⚠️", "Warning"),
    Tone.BAD: ("⛔", "Problem"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """What `chat.postMessage` and its kin take: blocks, and the same in words."""

    text: str
    blocks: list[Block]


def render(card: Card, chart_file: str | None = None) -> Message:
    """Lay a card out; `chart_file` is the id of its chart where Slack has it already."""
    return Message(_in_words(card), blocks_of(card, chart_file))


def blocks_of(card: Card, chart_file: str | None = None) -> list[Block]:
    """Lay a card out as blocks; what there is no room for is left out by name.

    Title, buttons and footer always stay; then come paragraphs, facts, warnings and the table.
    """
    head = _section(_head(card))
    tail = [*_chart(card, chart_file), *_menu(card.menu), *_actions(card.buttons), *_footer(card)]
    room = _Room([head, *tail])
    body = room.keep(lines(card.body), MOST_BODY, "lines")
    facts = room.keep(_facts(card), MOST_FACTS, "facts", each=60)
    warnings = room.keep(
        [_warning(caution) for caution in card.warnings], MOST_WARNINGS, "warnings"
    )
    table = list(_table(card.table, room)) if card.table else []
    return [
        head,
        *_sections(body),
        *_fields(facts),
        *table,
        *_sections(warnings),
        *room.left_out(card.command),
        *tail,
    ]


class _Room:
    """The characters a message has left, and what found no place in it."""

    def __init__(self, fixed: list[Block]) -> None:
        self._left = MOST_CHARACTERS - _weight(fixed)
        self._missing: list[str] = []

    def keep(self, pieces: Sequence[str], most: int, what: str, each: int = 0) -> list[str]:
        """Keep the pieces from the first that fit; note how many do not.

        A piece costs what it takes as JSON, a quarter more for the sections that hold the
        pieces, and `each`.
        """
        room = min(most, self._left)
        kept: list[str] = []
        for piece in pieces:
            cost = _weight(piece) * 5 // 4 + each
            if cost > room:
                self._missing.append(f"{len(pieces) - len(kept)} of {len(pieces)} {what}")
                break
            room -= cost
            self._left -= cost
            kept.append(piece)
        return kept

    def left_out(self, command: str) -> list[Block]:
        if not self._missing:
            return []
        said = text(f"Left out for length: {', '.join(self._missing)}.")
        if command:
            said += text(" In full, in a terminal: ", Code(f"changeover {command}"))
        return [_context(write(said))]


def _tag(card: Card) -> tuple[str, ...]:
    """Return the sign and the word of a card's tone; nothing of a plain one."""
    return ("⛔", "Error") if card.error and card.tone is Tone.BAD else _TONES.get(card.tone, ())


def _weight(value: Any) -> int:
    return size(json.dumps(value, ensure_ascii=False))


def _head(card: Card) -> str:
    return " · ".join(filter(None, (" ".join(_tag(card)), write(card.title, MOST_TITLE)))) or "-"


def _facts(card: Card) -> list[str]:
    return [f"{write(text(Strong(f.label)), 100)}\n{write(f.value)}" for f in card.facts]


def _warning(caution: Caution) -> str:
    said = f"• {write(spans_of(caution.said))}"
    return f"{said}\n→ {write(spans_of(caution.step))}" if caution.step else said


def _table(table: Table, room: _Room) -> Iterator[Block]:
    columns = table.columns
    if _narrow(table):
        yield from _grid(table, room)
    else:
        heads = 2 if len(columns) > 2 and _widths(table)[0] <= SHORT else 1
        titles = [write(text(column.title), 40) for column in columns]
        rows = [_row(titles, heads, row) for row in table.rows]
        yield from _sections(room.keep(rows, MOST_CHARACTERS, "rows"))


def _row(titles: Sequence[str], heads: int, row: Sequence[Text]) -> str:
    """Write a row as two lines: what it is about, then each other cell behind its title."""
    most = max(40, 2_500 // len(row))
    cells = [" ".join(write(cell, most).split("\n")) for cell in row]
    rest = [
        f"{title}: {cell}"
        for title, cell in zip(titles[heads:], cells[heads:], strict=True)
        if cell.strip() not in ("", "-")
    ]
    return "\n".join(filter(None, (" · ".join(cells[:heads]), " · ".join(rest)))) or "-"


def _narrow(table: Table) -> bool:
    """Return whether a table stands in columns on a phone; dates do not work in such a grid."""
    spans = [span for row in table.rows for cell in row for span in cell]
    if len(table.columns) > 5 or any(isinstance(s, When | Link | Person) for s in spans):
        return False
    return sum(_widths(table)) + 2 * (len(table.columns) - 1) <= PHONE


def _grid(table: Table, room: _Room) -> Iterator[Block]:
    widths = _widths(table)
    right = [column.right for column in table.columns]

    def line(cells: Sequence[str]) -> str:
        padded = [
            " " * (width - _width(cell)) + cell if on_right else cell + " " * (width - _width(cell))
            for cell, width, on_right in zip(cells, widths, right, strict=True)
        ]
        return inert("  ".join(padded).rstrip())

    head = line([column.title for column in table.columns])
    rows = room.keep([line(_cells(row)) for row in table.rows], MOST_CHARACTERS, "rows")
    for part in _packed(rows, 2_500):
        yield _section("\n".join(("```", head, *part, "```")))


def _cells(row: Sequence[Text]) -> list[str]:
    return [" ".join(_bare(cell).split()) for cell in row]


def _bare(cell: Text) -> str:
    return "".join(span if isinstance(span, str) else getattr(span, "text", "") for span in cell)


def _widths(table: Table) -> list[int]:
    titles = [column.title for column in table.columns]
    rows = [titles, *(_cells(row) for row in table.rows)]
    return [max(map(_width, column)) for column in zip(*rows, strict=True)]


def _width(words: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in words)


def _chart(card: Card, chart_file: str | None) -> list[Block]:
    if card.chart is None:
        return []
    alt = card.chart.alt[:1_500]
    if chart_file is None:
        return [_context(words)] if (words := write(text(alt))).strip() else []
    return [{"type": "image", "slack_file": {"id": chart_file}, "alt_text": alt or "Chart"}]


def _actions(buttons: Sequence[Button]) -> list[Block]:
    """Lay out the buttons that `App.persist_buttons` gave an id."""
    elements = []
    for number, button in enumerate([b for b in buttons if b.id][:25]):
        element: Block = {
            "type": "button",
            "action_id": f"{ACTION}:{number}",
            "text": _plain(button.label, 75),
            "value": button.id,
        }
        if button.style != "plain":
            element["style"] = str(button.style)
        if button.confirm:
            element["confirm"] = _confirm(button.confirm)
        elements.append(element)
    return [{"type": "actions", "elements": elements}] if elements else []


def _menu(menu: Menu | None) -> list[Block]:
    """Lay out a menu; each option carries the id that a button would."""
    options = [o for o in menu.options if 0 < len(o.id) <= MOST_VALUE] if menu else []
    if menu is None or not options:
        return []
    shown: list[Block] = []
    for option in map(_option, options[:MOST_OPTIONS]):
        if _weight([*shown, option]) > MOST_MENU:
            break
        shown.append(option)
    element: Block = {
        "type": "static_select",
        "action_id": f"{ACTION}:menu",
        "placeholder": _plain(menu.heading(len(shown)), 150),
        "options": shown,
    }
    if question := next((o.confirm for o in options if o.confirm), ""):
        element["confirm"] = _confirm(question)
    return [{"type": "actions", "elements": [element]}]


def _option(option: Button) -> Block:
    found: Block = {"text": _plain(option.label, 75), "value": option.id}
    return found | ({"description": _plain(option.note, 75)} if option.note.strip() else {})


def _confirm(question: str) -> Block:
    """Write Slack's own dialog. Source: docs.slack.dev/reference/block-kit/composition-objects."""
    return {
        "title": _plain("Switch the primary?", 100),
        "text": _plain(question, 300),
        "confirm": _plain("Switch", 30),
        "deny": _plain("Cancel", 30),
    }


def _plain(words: str, most: int) -> Block:
    return {"type": "plain_text", "text": _short(words, most), "emoji": False}


def _short(label: str, most: int) -> str:
    words = label.strip() or "-"
    if size(words) <= most:
        return words
    while size(words) >= most:
        words = words[:-1]
    return words + "…"


def _footer(card: Card) -> list[Block]:
    return [_context(words)] if (words := write(card.footer)).strip() else []


def _section(words: str) -> Block:
    return {"type": "section", "text": _mrkdwn(words)}


def _sections(pieces: Sequence[str]) -> list[Block]:
    return [_section("\n".join(part)) for part in _packed(pieces, SECTION)]


def _fields(facts: Sequence[str]) -> list[Block]:
    return [
        {"type": "section", "fields": [_mrkdwn(fact) for fact in facts[start : start + 10]]}
        for start in range(0, len(facts), 10)
    ]


def _context(words: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(words)]}


def _mrkdwn(words: str) -> Block:
    # Verbatim: Slack makes no links or mentions of its own out of plain words.
    return {"type": "mrkdwn", "text": words, "verbatim": True}


def _packed(pieces: Sequence[str], most: int) -> Iterator[list[str]]:
    """Put pieces together as long as a section stays short enough."""
    part: list[str] = []
    used = 0
    for piece in pieces:
        if part and used + size(piece) > most:
            yield part
            part, used = [], 0
        part.append(piece)
        used += size(piece) + 1
    if part:
        yield part


def _in_words(card: Card) -> str:
    """Write the card for notifications and screen readers, which read only this."""
    word = next(iter(_tag(card)[1:]), "")
    kept, left = [], MOST_TEXT
    for number, line in enumerate(_said(card)):
        words = f"{word}: {line}" if word and not number else line
        left -= size(words) + 1
        if left < 0:
            kept.append("…")
            break
        kept.append(words)
    return "\n".join(kept).strip() or "-"


def _said(card: Card) -> Iterator[str]:
    yield write(card.title, MOST_TITLE, bare=True)
    yield from lines(card.body, bare=True)
    for fact in card.facts:
        yield f"{inert(fact.label)}: {write(fact.value, bare=True)}"
    for row in card.table.rows if card.table else ():
        yield " · ".join(write(cell, bare=True) for cell in row)
    for caution in card.warnings:
        yield f"{inert(caution.text)} {inert(caution.hint)}".strip()
    if card.chart:
        yield inert(card.chart.alt)
    yield write(card.footer, bare=True)
