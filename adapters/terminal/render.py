"""Card → a terminal: plain text where there is none, colour where there is one."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.terminal.layout import Reader, layout
from adapters.terminal.wrap import Ink, Piece, Pieces
from bot.card import Card

_STYLES = {
    Ink.TITLE: "1",
    Ink.STRONG: "1",
    Ink.CODE: "36",
    Ink.LABEL: "1",
    Ink.DIM: "2",
    Ink.GOOD: "1;32",
    Ink.CHANGE: "1;34",
    Ink.QUESTION: "1;35",
    Ink.WARNING: "1;33",
    Ink.BAD: "1;31",
}
"""Each ink as the numbers of an ANSI escape sequence (ECMA-48, SGR)."""


def plain_text(card: Card, reader: Reader | None = None) -> str:
    """Write a card as plain text; without a width it is the same everywhere."""
    return _joined(line.text for line in layout(card, reader or Reader()))


def colour_text(card: Card, reader: Reader) -> str:
    """Write a card with colour."""
    return _joined("".join(map(_inked, _trimmed(line.pieces))) for line in layout(card, reader))


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _trimmed(pieces: Pieces) -> Pieces:
    """Leave out the blanks at a line's end."""
    while pieces and not pieces[-1].text.strip():
        pieces = pieces[:-1]
    return pieces


def _inked(piece: Piece) -> str:
    style = _STYLES.get(piece.ink)
    return f"\x1b[{style}m{piece.text}\x1b[0m" if style and piece.text else piece.text
