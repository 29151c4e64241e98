"""Card → lines of inked pieces: one layout for plain text and for colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from adapters.terminal.safe import cell_width, harmless
from bot.card import (
    Button,
    Card,
    Code,
    Link,
    Person,
    Span,
    Strong,
    Table,
    Text,
    Tone,
    When,
    WhenStyle,
    plain,
)
from bot.durations import say_duration


class Ink(StrEnum):
    """What a piece of text is; colour follows from it where there is colour."""

    PLAIN = "plain"
    TITLE = "title"
    STRONG = "strong"
    CODE = "code"
    LABEL = "label"
    DIM = "dim"
    GOOD = "good"
    CHANGE = "change"
    QUESTION = "question"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text in one ink."""

    text: str
    ink: Ink = Ink.PLAIN


Pieces = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `wraps` is False where a line break would break a command or a table."""

    pieces: Pieces = ()
    wraps: bool = True

    @property
    def text(self) -> str:
        """Return the line without ink."""
        return "".join(piece.text for piece in self.pieces).rstrip()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: in which zone, when, on how many columns (None: as many as it takes)."""

    zone: tzinfo = UTC
    now: datetime | None = None
    width: int | None = None


_TAGS = {
    Tone.GOOD: ("[ok] ", Ink.GOOD),
    Tone.CHANGE: ("[changed] ", Ink.CHANGE),
    Tone.QUESTION: ("[question] ", Ink.QUESTION),
    Tone.WARNING: ("[warning] ", Ink.WARNING),
    Tone.BAD: ("[problem] ", Ink.BAD),
}
_JUST_NOW = timedelta(seconds=5)


def layout(card: Card, reader: Reader) -> list[Line]:
    """Lay a card out, a blank line between its parts."""
    hint = _error_hint(card)
    parts = [
        [*_head(card, reader), *_body(card, reader)],
        _table(card.table, reader),
        _facts(card, reader),
        [Line((Piece(harmless(card.chart.alt, "\n")),))] if card.chart else [],
        [line for caution in card.warnings for line in _caution(caution.text, caution.hint)],
        _lines(card.footer, reader, Ink.DIM),
        hint,
        [_button(button) for button in card.buttons if not button.action.confirmed],
    ]
    lines: list[Line] = []
    for part in parts:
        hint_of_error = card.error is not None and len(lines) == 1 and part[:1] == hint
        if part and lines and not hint_of_error:
            lines.append(Line())
        lines += part
    return lines


def _error_hint(card: Card) -> list[Line]:
    """Return an error's next step, unless the footer says it anyway."""
    if card.error is None or not card.error.hint or card.error.hint in plain(card.footer):
        return []
    return [_hint(card.error.hint)]


def _head(card: Card, reader: Reader) -> list[Line]:
    if card.error is not None and card.tone is not Tone.QUESTION:
        word = Piece("Error: ", Ink.BAD)
        lines = [Line((word, Piece(harmless(card.error.message))))]
        if plain(card.title) not in ("", card.error.message):
            lines.insert(0, Line(pieces_of(card.title, reader, Ink.TITLE)))
        return lines
    tag = _TAGS.get(card.tone)
    head = (Piece(*tag),) if tag else ()
    return [Line((*head, *pieces_of(card.title, reader, Ink.TITLE)))]


def _body(card: Card, reader: Reader) -> list[Line]:
    told = {card.error.hint, card.error.message} if card.error else {""}
    texts = [part for part in card.body if plain(part) not in told]
    return [line for part in texts for line in _lines(part, reader)]


def _lines(spans: Text, reader: Reader, ink: Ink = Ink.PLAIN) -> list[Line]:
    """Split a text that may hold line breaks into lines."""
    if not spans:
        return []
    lines: list[list[Piece]] = [[]]
    for piece in pieces_of(spans, reader, ink, keep="\n\t"):
        first, *others = piece.text.split("\n")
        lines[-1].append(Piece(first, piece.ink))
        lines += [[Piece(words, piece.ink)] for words in others]
    return [Line(tuple(line)) for line in lines]


def _facts(card: Card, reader: Reader) -> list[Line]:
    labels = [f"{harmless(fact.label)}:" for fact in card.facts]
    width = max(map(cell_width, labels), default=0) + 1
    return [
        Line((Piece(_padded(label, width), Ink.LABEL), *pieces_of(fact.value, reader)))
        for label, fact in zip(labels, card.facts, strict=True)
    ]


def _caution(words: str, hint: str) -> Iterator[Line]:
    yield Line((Piece("Warning: ", Ink.WARNING), Piece(harmless(words))))
    if hint:
        yield _hint(hint)


def _hint(hint: str) -> Line:
    command = hint.startswith(("/", "changeover "))
    ink = Ink.CODE if command else Ink.PLAIN
    return Line((Piece("  → "), Piece(harmless(hint), ink)), wraps=not command)


def _button(button: Button) -> Line:
    words = harmless(button.action.words)
    command = words if words.startswith("/") else f"/{words}"
    label = Piece(f"{harmless(button.label)}: ", Ink.LABEL)
    return Line((label, Piece(command, Ink.CODE)), wraps=False)


def _table(table: Table | None, reader: Reader) -> list[Line]:
    if table is None or not table.rows:
        return []
    titles: list[Pieces] = [(Piece(harmless(c.title), Ink.LABEL),) for c in table.columns]
    rows = [[pieces_of(cell, reader) for cell in row] for row in table.rows]
    if any(_width(title) for title in titles):
        rows.insert(0, titles)
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    if reader.width is not None and sum(widths) + 2 * (len(widths) - 1) > reader.width:
        return [Line(tuple(_between(row, Piece(" · ", Ink.DIM)))) for row in rows]
    right = [column.right for column in table.columns]
    return [Line(tuple(_aligned(row, widths, right)), wraps=False) for row in rows]


def _aligned(row: Sequence[Pieces], widths: list[int], right: list[bool]) -> Iterator[Piece]:
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        if index:
            yield Piece("  ")
        fill = Piece(" " * (width - _width(cell)))
        yield from (fill, *cell) if right[index] else (*cell, fill)


def _between(cells: Sequence[Pieces], separator: Piece) -> Iterator[Piece]:
    for index, cell in enumerate(cells):
        if index:
            yield separator
        yield from cell


def _width(pieces: Pieces) -> int:
    return sum(cell_width(piece.text) for piece in pieces)


def _padded(words: str, width: int) -> str:
    return words + " " * (width - cell_width(words))


def pieces_of(spans: Text, reader: Reader, ink: Ink = Ink.PLAIN, keep: str = "") -> Pieces:
    """Write a text's spans, each harmless to the terminal and in its ink."""
    return tuple(
        Piece(harmless(words, keep), ink if own is Ink.PLAIN else own)
        for words, own in (_span(span, reader) for span in spans)
    )


def _span(span: Span, reader: Reader) -> tuple[str, Ink]:
    match span:
        case str():
            return span, Ink.PLAIN
        case Code(text=words):
            return words, Ink.CODE
        case Strong(text=words):
            return words, Ink.STRONG
        case When(at=at, style=style):
            return moment(at, style, reader), Ink.PLAIN
        case Link(label=label, url=url):
            return (url if label in ("", url) else f"{label} ({url})"), Ink.PLAIN
        case Person(name=name):
            return name, Ink.PLAIN


def moment(at: datetime, style: WhenStyle, reader: Reader) -> str:
    """Write an instant as the reader's clock shows it: `14:02`, a date too, or `in 22 min`."""
    if style is WhenStyle.RELATIVE and reader.now is not None:
        ahead = at - reader.now
        if abs(ahead) < _JUST_NOW:
            return "now"
        return f"in {say_duration(ahead)}" if ahead > timedelta() else f"{say_duration(-ahead)} ago"
    local = at.astimezone(reader.zone)
    return local.strftime("%H:%M" if style is WhenStyle.TIME else "%Y-%m-%d %H:%M")
