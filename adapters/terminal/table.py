"""A table at a width: in columns, the less important below their row, else a record a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.terminal.safe import harmless
from adapters.terminal.wrap import Ink, Line, Piece, Pieces, width_of
from bot.card import Column

_NOTHING = ("", "-")
_BETWEEN = "  "
_SHORT = 7
"""A first column no wider than this (a number, a verdict) shares its line with the second."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table's columns, its cells as pieces, and the width there is (None: any)."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Pieces]]
    width: int | None

    def lines(self) -> Iterator[Line]:
        """Lay the table out."""
        shown = [i for i, _ in enumerate(self.columns) if self._says(i)]
        below: list[int] = []
        while not self._fits(shown):
            least = max((self.columns[i].priority, i) for i in shown)
            if not least[0]:
                yield from self._records()
                return
            shown.remove(least[1])
            below = sorted([*below, least[1]])
        yield from self._grid(shown, below)

    def _says(self, column: int) -> bool:
        return not self.rows or any(_text(row[column]) not in _NOTHING for row in self.rows)

    def _widths(self, shown: Sequence[int]) -> list[int]:
        cells = [[_title(self.columns[i]), *(row[i] for row in self.rows)] for i in shown]
        return [max(map(width_of, column)) for column in cells]

    def _fits(self, shown: Sequence[int]) -> bool:
        widths = self._widths(shown)
        return self.width is None or sum(widths) + len(_BETWEEN) * (len(widths) - 1) <= self.width

    def _grid(self, shown: Sequence[int], below: Sequence[int]) -> Iterator[Line]:
        widths = self._widths(shown)
        if any(self.columns[i].title for i in shown):
            yield self._row([_title(self.columns[i]) for i in shown], shown, widths)
        for row in self.rows:
            yield self._row([row[i] for i in shown], shown, widths)
            yield from self._labelled(row, below)

    def _row(self, cells: Sequence[Pieces], shown: Sequence[int], widths: Sequence[int]) -> Line:
        pieces: list[Piece] = []
        for column, cell, width in zip(shown, cells, widths, strict=True):
            fill = Piece(" " * (width - width_of(cell)))
            right = self.columns[column].right
            between = [Piece(_BETWEEN)] if pieces else []
            pieces += [*between, fill, *cell] if right else [*between, *cell, fill]
        while pieces and not pieces[-1].text.strip():
            pieces.pop()
        return Line(tuple(pieces))

    def _records(self) -> Iterator[Line]:
        """Yield each row as its first cell and, below, every other behind its title."""
        heads = 2 if len(self.columns) > 2 and self._widths([0])[0] <= _SHORT else 1
        for row in self.rows:
            head: list[Piece] = []
            for cell in row[:heads]:
                head += [Piece(_BETWEEN), *cell] if head else cell
            yield Line(tuple(head), indent=len(_BETWEEN))
            yield from self._labelled(row, range(heads, len(row)))

    def _labelled(self, row: Sequence[Pieces], columns: Sequence[int]) -> Iterator[Line]:
        """Yield cells behind their titles, as many on a line as fit."""
        line: Pieces = ()
        for column in columns:
            if _text(row[column]) in _NOTHING:
                continue
            title = harmless(self.columns[column].title)
            cell = (Piece(f"{title}: ", Ink.DIM), *row[column]) if title else tuple(row[column])
            longer = (*line, Piece(" · ", Ink.DIM), *cell) if line else (Piece(_BETWEEN), *cell)
            if line and self.width is not None and width_of(longer) > self.width:
                yield Line(line, indent=2 * len(_BETWEEN))
                longer = (Piece(_BETWEEN), *cell)
            line = longer
        if line:
            yield Line(line, indent=2 * len(_BETWEEN))


def _title(column: Column) -> Pieces:
    return (Piece(harmless(column.title), Ink.LABEL),)


def _text(pieces: Pieces) -> str:
    return "".join(piece.text for piece in pieces).strip()
