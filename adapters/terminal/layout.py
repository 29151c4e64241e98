"""Card → lines of inked pieces: one layout for plain text and for colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from adapters.terminal.called import in_chat
from adapters.terminal.safe import cell_width, harmless
from adapters.terminal.table import Grid
from adapters.terminal.wrap import Ink, Line, Piece, Pieces, wrapped
from bot.card import (
    Button,
    Card,
    Caution,
    Code,
    Command,
    Link,
    Person,
    Phrase,
    Span,
    Speller,
    Strong,
    Table,
    Text,
    Tone,
    When,
    WhenStyle,
    plain,
    spans_of,
    text,
)
from bot.durations import say_duration


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: in which zone, when, on how many columns (None: as many as it takes).

    `speller` writes a command as this reader types it.
    """

    zone: tzinfo = UTC
    now: datetime | None = None
    width: int | None = None
    speller: Speller = in_chat


_TAGS = {
    Tone.GOOD: ("[ok] ", Ink.GOOD),
    Tone.CHANGE: ("[changed] ", Ink.CHANGE),
    Tone.QUESTION: ("[question] ", Ink.QUESTION),
    Tone.WARNING: ("[warning] ", Ink.WARNING),
    Tone.BAD: ("[problem] ", Ink.BAD),
}
_JUST_NOW = timedelta(seconds=5)


def layout(card: Card, reader: Reader) -> list[Line]:
    """Lay a card out at the reader's width, a blank line between its parts."""
    hint = _error_hint(card, reader)
    parts = [
        [*_head(card, reader), *_body(card, reader)],
        _table(card.table, reader),
        _facts(card, reader),
        [Line((Piece(harmless(card.chart.alt, "\n")),))] if card.chart else [],
        [line for caution in card.warnings for line in _caution(caution, reader)],
        _lines(card.footer, reader, Ink.DIM),
        hint,
        [_button(button, reader) for button in card.buttons if not button.action.confirmed],
    ]
    lines: list[Line] = []
    for part in parts:
        hint_of_error = card.error is not None and len(lines) == 1 and part[:1] == hint
        if part and lines and not hint_of_error:
            lines.append(Line())
        lines += part
    if reader.width is None:
        return lines
    return [row for line in lines for row in wrapped(line, reader.width)]


def _error_hint(card: Card, reader: Reader) -> list[Line]:
    """Return an error's next step, unless the footer says it anyway."""
    if card.error is None or not card.error.hint or card.error.hint in plain(card.footer):
        return []
    return [_hint(card.error.step, reader)]


def _head(card: Card, reader: Reader) -> list[Line]:
    if card.error is not None and card.tone is not Tone.QUESTION:
        word = Piece("Error: ", Ink.BAD)
        lines = [Line((word, *pieces_of(spans_of(card.error.said), reader)))]
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
    return [Line(tuple(line), _indent(line)) for line in lines]


def _indent(line: list[Piece]) -> int:
    """Return where a line goes on that is too long: under its words, behind a hop's number."""
    words = "".join(piece.text for piece in line)
    number, _, _ = words.partition(" ")
    return len(number) + 1 if number.isdigit() else len(words) - len(words.lstrip(" "))


def _facts(card: Card, reader: Reader) -> list[Line]:
    labels = [f"{harmless(fact.label)}:" for fact in card.facts]
    width = max(map(cell_width, labels), default=0) + 1
    return [
        Line((Piece(_padded(label, width), Ink.LABEL), *pieces_of(fact.value, reader)), width)
        for label, fact in zip(labels, card.facts, strict=True)
    ]


def _caution(caution: Caution, reader: Reader) -> Iterator[Line]:
    yield Line(
        (Piece("Warning: ", Ink.WARNING), *pieces_of(spans_of(caution.said), reader)), indent=2
    )
    if caution.step:
        yield _hint(caution.step, reader)


def _hint(step: Phrase, reader: Reader) -> Line:
    return Line((Piece("  → "), *pieces_of(spans_of(step), reader)), indent=4)


def _button(button: Button, reader: Reader) -> Line:
    label = Piece(f"{harmless(button.label)}: ", Ink.LABEL)
    command = Command(button.action.words.removeprefix("/"))
    return Line((label, *pieces_of(text(command), reader)), indent=2)


def _table(table: Table | None, reader: Reader) -> list[Line]:
    if table is None or not table.rows:
        return []
    rows = [[pieces_of(cell, reader) for cell in row] for row in table.rows]
    return list(Grid(table.columns, rows, reader.width).lines())


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
        case Command():
            return reader.speller(span), Ink.CODE
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
