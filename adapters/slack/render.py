"""Card → Block Kit, within the limits of Slack and of a phone's width.

A message takes 50 blocks and 13,200 characters in all, of which a table's cells take 10,000; a row
of buttons 25 of 75. Source: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from adapters.shared.chat import size
from adapters.slack.mrkdwn import inert, lines, write
from adapters.slack.rich import (
    SECTION,
    Block,
    Line,
    block_of,
    blocks_of_lines,
    bold,
    grid_of,
    joined,
    line_of,
    lines_of,
    packed,
)
from adapters.slack.tables import (
    MOST_CELLS,
    MOST_ROWS,
    NATIVE_TYPES,
    chart_block,
    grid_lines,
    is_narrow,
    native_rows,
    row_lines,
    rows_in_words,
    shown_length,
)
from bot.card import Button, Card, Caution, Code, Menu, Tone, plain, spans_of, text
from bot.spans import Marker

MOST_CHARACTERS = 12_500
"""Below Slack's 13,200, the JSON around the words counted in."""
MOST_TEXT = 3_500
"""Below the 4000 that `chat.update` takes."""
MOST_TITLE = 600
MOST_BODY, MOST_FACTS, MOST_WARNINGS = 5_000, 3_000, 3_000
ACTION = "changeover"
METADATA = "changeover_message"
MOST_OPTIONS, MOST_VALUE, MOST_MENU = 100, 150, 5_000

_TONES = {
    Tone.GOOD: ("✅", "OK"),
    Tone.CHANGE: ("🔁", "Changed"),
    Tone.QUESTION: ("❓", "Question"),
    Tone.WARNING: ("⚠️", "Warning"),
    Tone.BAD: ("⛔", "Problem"),
}


class Form(Enum):
    """How a card is laid out: with tables and charts of Slack's own, or in words and pictures."""

    NATIVE = "native"
    CLASSIC = "classic"


@dataclass(frozen=True, slots=True)
class Message:
    """What `chat.postMessage` and its kin take: blocks, and the same in words."""

    text: str
    blocks: list[Block]
    markers: str = ""

    @property
    def metadata(self) -> Block | None:
        """What Slack keeps with the message and shows to no reader.

        Source: https://docs.slack.dev/messaging/message-metadata
        """
        if not self.markers:
            return None
        return {"event_type": METADATA, "event_payload": {"markers": self.markers}}

    @property
    def is_native(self) -> bool:
        """True where it has a block that a workspace may not know yet."""
        return any(block["type"] in NATIVE_TYPES for block in self.blocks)


def render(card: Card, chart_file: str | None = None, form: Form = Form.NATIVE) -> Message:
    """Lay a card out; `chart_file` is the id of its chart's picture where Slack has it already."""
    return Message(_in_words(card), blocks_of(card, chart_file, form), _markers(card))


def _markers(card: Card) -> str:
    spans = (span for words in (*card.body, card.footer) for span in words)
    return " ".join(span.strip() for span in spans if isinstance(span, Marker))


def blocks_of(
    card: Card,
    chart_file: str | None = None,
    form: Form = Form.CLASSIC,
    most: int = MOST_CHARACTERS,
) -> list[Block]:
    """Lay a card out as blocks; what there is no room for is left out by name.

    Title, buttons and footer always stay; then come paragraphs, facts, warnings and the table.
    """
    head = block_of(_head(card))
    native = form is Form.NATIVE
    tail = [
        *_chart(card, chart_file, native),
        *_menu(card.menu),
        *_actions(card.buttons),
        *_footer(card),
    ]
    room = _Room([head, *tail], most)
    body = room.keep(lines_of(card.body), MOST_BODY, "lines")
    facts = room.keep(_facts(card), MOST_FACTS, "facts")
    warnings = room.keep(
        [_warning(caution) for caution in card.warnings], MOST_WARNINGS, "warnings"
    )
    table = _table(card, room, native) if card.table else []
    return [
        head,
        *blocks_of_lines(body),
        *blocks_of_lines(facts),
        *table,
        *blocks_of_lines(warnings),
        *room.left_out(card.command),
        *tail,
    ]


class _Room:
    """The characters a message has left, and what found no place in it."""

    def __init__(self, fixed: list[Block], most: int) -> None:
        self._left = most - _weight(fixed)
        self._missing: list[str] = []

    def note(self, left: int, of: int, what: str) -> None:
        """Note what is left out for another reason than room."""
        self._missing.append(f"{left} of {of} {what}")

    def keep(self, pieces: Sequence[Line], most: int, what: str) -> list[Line]:
        """Keep the pieces from the first that fit; note how many do not.

        A piece costs what it takes as JSON, and a quarter more for the blocks that hold the pieces.
        """
        return self.keep_by(_costs, pieces, most, what)

    def keep_by(
        self, costs: Callable[[Any], int], pieces: Sequence[Any], most: int, what: str
    ) -> list[Any]:
        """Keep the pieces from the first that fit, each at the cost that `costs` returns."""
        room = min(most, self._left)
        kept: list[Any] = []
        for piece in pieces:
            cost = costs(piece)
            if cost > room:
                self.note(len(pieces) - len(kept), len(pieces), what)
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


def _costs(piece: Line | str) -> int:
    return _weight(piece) * 5 // 4


def _tag(card: Card) -> tuple[str, ...]:
    """Return the sign and the word of a card's tone; nothing of a plain one."""
    return ("⛔", "Error") if card.error and card.tone is Tone.BAD else _TONES.get(card.tone, ())


def _weight(value: Any) -> int:
    return size(json.dumps(value, ensure_ascii=False))


def _head(card: Card) -> Line:
    tag = " ".join(_tag(card))
    return joined([p for p in (line_of(text(tag)), line_of(card.title, MOST_TITLE)) if p], " · ")


def _facts(card: Card) -> list[Line]:
    return [joined([bold(fact.label), line_of(fact.value)], ": ") for fact in card.facts]


def _warning(caution: Caution) -> Line:
    said = line_of(text("• ", *spans_of(caution.said)))
    return (
        joined([said, line_of(text("→ ", *spans_of(caution.step)))], "\n") if caution.step else said
    )


def _table(card: Card, room: _Room, native: bool) -> list[Block]:
    table = card.table
    assert table is not None
    if native and (laid := native_rows(table)):
        most = MOST_CELLS - shown_length(laid.head)
        rows = room.keep_by(shown_length, laid.rows[:MOST_ROWS], most, "rows")
        if len(laid.rows) > MOST_ROWS == len(rows):
            room.note(len(laid.rows) - len(rows), len(laid.rows), "rows")
        return [laid.block(rows, plain(card.title))] if rows else []
    if is_narrow(table):
        head, *rows = grid_lines(table)
        kept = room.keep_by(_costs, rows, MOST_CHARACTERS, "rows")
        parts = packed(kept, size, SECTION - size(head))
        return [grid_of("\n".join([head, *part])) for part in parts]
    return blocks_of_lines(room.keep(row_lines(table), MOST_CHARACTERS, "rows"))


def _chart(card: Card, chart_file: str | None, native: bool) -> list[Block]:
    if card.chart is None:
        return []
    if native and (block := chart_block(card.chart)):
        return [block]
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


def _context(words: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(words)]}


def _mrkdwn(words: str) -> Block:
    # Verbatim: Slack makes no links or mentions of its own out of plain words.
    return {"type": "mrkdwn", "text": words, "verbatim": True}


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
    for row in rows_in_words(card.table) if card.table else ():
        yield inert(row)
    for caution in card.warnings:
        yield f"{inert(caution.text)} {inert(caution.hint)}".strip()
    if card.chart:
        yield inert(card.chart.alt)
    yield write(card.footer, bare=True)
