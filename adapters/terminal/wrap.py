"""Lines at a width: words move to the next line, commands and names stay in one piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from adapters.terminal.safe import cell_width


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
    """One line; what of it does not fit goes on below, `indent` columns in."""

    pieces: Pieces = ()
    indent: int = 0

    @property
    def text(self) -> str:
        """Return the line without ink."""
        return "".join(piece.text for piece in self.pieces).rstrip()


def width_of(pieces: Pieces) -> int:
    """Count the columns that pieces take."""
    return sum(cell_width(piece.text) for piece in pieces)


def wrapped(line: Line, width: int) -> Iterator[Line]:
    """Break a line between words.

    Code is not broken: what is wider than the terminal is left to it, so that it can be copied.
    """
    if width_of(line.pieces) <= width:
        yield line
        return
    row: list[Piece] = []
    used, gap = 0, ""
    for space, word in _words(line.pieces):
        size = width_of(word)
        if used > line.indent and used + len(gap + space) + size > width:
            yield Line(tuple(row))
            row, used, gap, space = [Piece(" " * line.indent)], line.indent, "", ""
        gap += space
        if word:
            row += [Piece(gap), *word] if gap else word
            used += len(gap) + size
            gap = ""
    yield Line(tuple(row))


def _words(pieces: Pieces) -> Iterator[tuple[str, Pieces]]:
    """Yield words, of one or more inks, each with the blanks before it."""
    blanks, word = "", list[Piece]()
    for piece in pieces:
        parts = [piece.text] if piece.ink is Ink.CODE else piece.text.split(" ")
        for number, part in enumerate(parts):
            if number:
                if word:
                    yield blanks, tuple(word)
                    blanks, word = "", []
                blanks += " "
            if part:
                word.append(Piece(part, piece.ink))
    yield blanks, tuple(word)
