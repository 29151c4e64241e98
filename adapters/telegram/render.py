"""Card → one Telegram message: HTML, an inline keyboard, a photo.

A text takes 4096 characters, a photo's caption 1024, a button's data 64 bytes, a keyboard 100
buttons. Source: https://core.telegram.org/bots/api#sendmessage
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from adapters.shared.chat import size, visible
from adapters.telegram.markup import Piece, joined, tagged, words, write
from bot.card import (
    Button,
    Card,
    Caution,
    Code,
    Fact,
    Span,
    Strong,
    Table,
    Text,
    Tone,
    plain,
    spans_of,
    text,
)

MOST_TEXT, MOST_CAPTION, MOST_ENTITIES = 4096, 1024, 100
MOST_DATA_BYTES, MOST_LABEL = 64, 60
MOST_BUTTONS, MOST_OPTIONS, IN_A_ROW, ROW_CHARACTERS = 24, 20, 3, 30
MOST_TITLE, MOST_FOOTER = 300, 300
MOST_FILE_BYTES = 50 * 1024 * 1024
PHONE = 34
"""Monospaced characters a phone shows before it wraps."""
KEPT_FOR_NOTE = 120

_TONES = {
    Tone.NEUTRAL: "",
    Tone.GOOD: "✅ OK",
    Tone.CHANGE: "🔁 Changed",
    Tone.QUESTION: "❓ Question",
    Tone.WARNING: "⚠️ Warning",
    Tone.BAD: "⛔ Problem",
}
_NOTHING = ("", "-")


@dataclass(frozen=True, slots=True)
class Key:
    """A button: its label and what Telegram sends back."""

    label: str
    data: str


@dataclass(frozen=True, slots=True)
class Message:
    """What Telegram's methods take; with a photo the text is its caption."""

    html: str
    keys: tuple[tuple[Key, ...], ...] = ()
    photo: bytes | None = None


def render(card: Card, chart: bytes | None = None, *, caption: bool = False) -> Message:
    """Lay a card out; `chart` is its chart as PNG where there is one to show.

    `caption` is for the text below a picture that was sent before.
    """
    most = MOST_CAPTION if caption or chart is not None else MOST_TEXT
    return Message(_text(card, most, caption or chart is not None), _keys(card), chart)


def _text(card: Card, most: int, with_chart: bool) -> str:
    """Write a card's parts; title and footer stay whatever happens, what finds no room is named."""
    head, foot = _head(card), _footer(card)
    room = _Room(most - head.size - foot.size - KEPT_FOR_NOTE, head.entities + foot.entities)
    body = list(card.body)
    if card.chart and not with_chart:
        body.append(text(card.chart.alt))
    if card.attachment and len(card.attachment.content) > MOST_FILE_BYTES:
        body.append(text("The file exceeds Telegram's size limit and was left out."))
    blocks = [
        room.lines([said for said in body if plain(said).strip()], "line", "\n"),
        room.lines([_fact(fact) for fact in card.facts], "fact", "\n"),
        room.lines([_caution(caution) for caution in card.warnings], "warning", "\n"),
    ]
    blocks.insert(2, _table(card.table, room) if card.table else Piece())
    if card.menu is not None:
        blocks.append(write(text(visible(card.menu.heading(MOST_OPTIONS))), 200))
    blocks.append(room.note(card.command))
    return joined([piece for piece in (head, *blocks, foot) if piece.size], "\n\n").html


class _Room:
    """The characters and entities a message has left, and what found no place in it."""

    def __init__(self, left: int, entities: int) -> None:
        self._left = left
        self._entities = MOST_ENTITIES - 2 - entities
        self._missing: list[str] = []

    def take(self, piece: Piece) -> bool:
        """Take a piece if there is room for it and a line's end."""
        if piece.size + 2 > self._left or piece.entities > self._entities:
            return False
        self._left -= piece.size + 2
        self._entities -= piece.entities
        return True

    def lines(self, texts: Sequence[Text], noun: str, between: str) -> Piece:
        """Write texts from the first that fit; the very first is cut rather than left out."""
        kept: list[Piece] = []
        for said in texts:
            piece = write(said)
            if not kept and piece.size + 2 > self._left:
                piece = write(said, max(self._left - 2, 1))
            if not self.take(piece):
                break
            kept.append(piece)
        self.missing(len(texts) - len(kept), noun)
        return joined(kept, between)

    def missing(self, count: int, noun: str) -> None:
        """Remember what was left out."""
        if count > 0:
            self._missing.append(f"{count} more {noun}{'s' if count > 1 else ''}")

    def note(self, command: str) -> Piece:
        """Say what was left out and where it is."""
        if not self._missing:
            return Piece()
        said: Text = (f"… {', '.join(self._missing)} left out",)
        if command:
            said = (*said, "; ", Code(f"changeover {command}"), " shows all")
        return write(said, KEPT_FOR_NOTE - 4)


def _head(card: Card) -> Piece:
    word = _TONES[card.tone]
    spans: list[Span] = [f"{word}: "] if word else []
    spans += [Strong(span) if isinstance(span, str) else span for span in card.title]
    return write(tuple(spans), MOST_TITLE) if plain(tuple(spans)).strip() else words("-")


def _footer(card: Card) -> Piece:
    return write(card.footer, MOST_FOOTER) if plain(card.footer).strip() else Piece()


def _fact(fact: Fact) -> Text:
    return (Strong(f"{fact.label}:"), " ", *fact.value)


def _caution(caution: Caution) -> Text:
    said: Text = (Strong("Warning:"), " ", *spans_of(caution.said))
    return (*said, " → ", *spans_of(caution.step)) if caution.step else said


def _table(table: Table, room: _Room) -> Piece:
    """Write a table: in columns where a phone has room for them, else a paragraph a row."""
    if not table.rows:
        return Piece()
    grid = [[visible(c.title) for c in table.columns], *([_cell(c) for c in r] for r in table.rows)]
    widths = [max(_width(row[i]) for row in grid) for i in range(len(table.columns))]
    if sum(widths) + 2 * (len(widths) - 1) > PHONE:
        titles = [column.title for column in table.columns]
        return room.lines([_paragraph(titles, row) for row in table.rows], "row", "\n")
    right = [column.right for column in table.columns]
    kept: list[str] = []
    for cells in grid:
        line = _aligned(cells, widths, right)
        if not room.take(Piece(line, size(line))):
            break
        kept.append(line)
    room.missing(len(grid) - len(kept), "row")
    return tagged("pre", "\n".join(kept)) if len(kept) > 1 else Piece()


def _cell(spans: Text) -> str:
    return " ".join(visible(plain(spans)).split())


def _width(said: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in said)


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for said, width, to_the_right in zip(row, widths, right, strict=True):
        fill = " " * (width - _width(said))
        padded.append(fill + said if to_the_right else said + fill)
    return "  ".join(padded).rstrip()


def _paragraph(titles: Sequence[str], row: Sequence[Text]) -> Text:
    """Write a row as its first cell in bold, then `title value` for each that says something."""
    first = _cell(row[0]) or "-"
    spans: list[Span] = [Strong(first)]
    between = " · " if len(first) <= 8 else "\n  "
    for title, cell in zip(titles[1:], row[1:], strict=True):
        if _cell(cell) in _NOTHING:
            continue
        spans += [between, *([f"{title} "] if title else []), *cell]
        between = " · "
    return tuple(spans)


def _keys(card: Card) -> tuple[tuple[Key, ...], ...]:
    """Put options, one a row, and buttons, as many as a phone shows, into rows."""
    rows = [[key] for key in _usable(card.menu.options)[:MOST_OPTIONS]] if card.menu else []
    row: list[Key] = []
    for key in _usable(card.buttons)[:MOST_BUTTONS]:
        full = len(row) == IN_A_ROW or sum(len(k.label) for k in (*row, key)) > ROW_CHARACTERS
        if row and full:
            rows.append(row)
            row = []
        row.append(key)
    return tuple(tuple(keys) for keys in (*rows, row) if keys)


def _usable(buttons: Sequence[Button]) -> list[Key]:
    """Return the buttons that Telegram can carry; one without an id would be refused."""
    named = {button.id: button for button in reversed(buttons) if button.id}
    return [
        Key(_label(button), button.id)
        for button in buttons
        if named.get(button.id) is button and len(button.id.encode()) <= MOST_DATA_BYTES
    ]


def _label(button: Button) -> str:
    label = " ".join(visible(button.label).split()) or "-"
    return label if size(label) <= MOST_LABEL else f"{label[: MOST_LABEL - 1]}…"
