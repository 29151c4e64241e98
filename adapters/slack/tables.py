"""Tables and charts: as blocks of Slack's own, and as lines of words where it refuses those.

A `table` takes 100 rows, a `data_table` (which sorts and turns pages) 101, both 20 columns and
10,000 characters in their cells; a chart 6 series of 20 figures. One table a message.
Sources: https://docs.slack.dev/reference/block-kit/blocks/table-block, …/data-table-block,
…/data-visualization-block
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

from adapters.shared.chat import size, visible
from adapters.slack.rich import Block, Line, block_of, bold, joined, length, line_of
from bot.card import Chart, Column, Link, Person, Table, Text, When, plain, text

NATIVE_TYPES = frozenset({"table", "data_table", "data_visualization"})
MOST_CELLS = 9_500
"""Below the 10,000 characters that the cells of a table may have."""
MOST_CELL = 500
MOST_COLUMNS = 20
MOST_ROWS = 99
"""Below the head of either kind of table."""
PAGE = 15
"""Rows that a table shows before one turns the page; Slack's own choice is 5."""
WRAPPED = 28
"""A column with longer cells is wrapped."""
PHONE = 44
"""Monospaced characters a phone shows before it wraps."""
SHORT = 7
"""A first column no wider than this (a number, a verdict) shares its line with the second."""
MOST_POINTS, MOST_LABEL = 20, 20
_FIGURE = re.compile(
    r"[<+]?(-?)\$?([\d,]+(?:\.\d+)?)(G|M|K| s|%| ms)?( more)?(?: \([^)]*\)| \+ .*)?"
)
_SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, " s": 1e3}
_NO_FIGURE = {"-": -1.0, "unknown": -1.0, "free": 0.0, "same": 0.0, "0": 0.0}

Cell = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NativeTable:
    """The rows of a table as Slack takes them, before it is known how many find room."""

    head: list[Cell]
    rows: list[list[Cell]]
    columns: tuple[Column, ...]
    sortable: bool

    def block(self, rows: list[list[Cell]], caption: str) -> Block:
        """Make the block of the rows that found room."""
        if self.sortable:
            return {
                "type": "data_table",
                "caption": " ".join(visible(caption).split())[:150] or "Table",
                "page_size": min(len(rows), PAGE),
                "rows": [self.head, *rows],
            }
        settings = [
            {
                "align": "right" if column.right else "left",
                "is_wrapped": any(shown_length([row[i]]) > WRAPPED for row in rows),
            }
            for i, column in enumerate(self.columns)
        ]
        return {"type": "table", "column_settings": settings, "rows": [self.head, *rows]}


def native_rows(table: Table) -> NativeTable | None:
    """Lay a table out for Slack, without columns that say nothing; None where it takes no such."""
    said = [i for i in range(len(table.columns)) if not i or not _is_blank(table, i)]
    if not table.rows or len(said) > MOST_COLUMNS:
        return None
    columns = tuple(table.columns[i] for i in said)
    cells = [[row[i] for row in table.rows] for i in said]
    written = [
        (table.sortable and _figures(column)) or [_cell(cell) for cell in column]
        for column in cells
    ]
    head = [{"type": "raw_text", "text": visible(c.title).strip() or "\u00a0"} for c in columns]
    rows = [list(row) for row in zip(*written, strict=True)]
    return NativeTable(head, rows, columns, table.sortable)


def shown_length(cells: Sequence[Cell]) -> int:
    """Count the characters of a row's cells."""
    return sum(
        size(cell["text"]) if "text" in cell else length(cell["elements"][0]["elements"])
        for cell in cells
    )


def rows_in_words(table: Table) -> Iterator[str]:
    """Write each row for a screen reader: what it is about, then each figure behind its title."""
    heads = _heads(table)
    for row in table.rows:
        cells = [" ".join(plain(cell).split()) for cell in row]
        rest = [
            f"{column.title} {cell}".strip()
            for column, cell in zip(table.columns[heads:], cells[heads:], strict=True)
            if cell not in ("", "-")
        ]
        yield ": ".join(filter(None, (" · ".join(cells[:heads]), ", ".join(rest)))) or "-"


def chart_block(chart: Chart) -> Block | None:
    """Draw a chart with Slack's own bars; None where its figures would not fit."""
    labels = [visible(label)[:MOST_LABEL] for label in chart.labels]
    if not chart.bars or not 0 < len(labels) <= MOST_POINTS or len(set(labels)) < len(labels):
        return None
    points = [
        {"label": label, "value": float(value)}
        for label, value in zip(labels, chart.bars, strict=True)
    ]
    return {
        "type": "data_visualization",
        "title": chart.title[:50] or "Chart",
        "chart": {
            "type": "bar",
            "series": [{"name": (chart.unit or "Value")[:MOST_LABEL], "data": points}],
            "axis_config": {"categories": labels, "y_label": chart.unit[:50] or "Value"},
        },
    }


def is_narrow(table: Table) -> bool:
    """Return whether a table stands in columns on a phone; dates do not work in such a grid."""
    spans = [span for row in table.rows for cell in row for span in cell]
    if len(table.columns) > 5 or any(isinstance(s, When | Link | Person) for s in spans):
        return False
    return sum(_widths(table)) + 2 * (len(table.columns) - 1) <= PHONE


def grid_lines(table: Table) -> list[str]:
    """Write a narrow table as lines of equally wide characters, its titles first."""
    widths = _widths(table)
    rights = [column.right for column in table.columns]

    def line(cells: Sequence[str]) -> str:
        padded = [
            " " * (width - _width(cell)) + cell if right else cell + " " * (width - _width(cell))
            for cell, width, right in zip(cells, widths, rights, strict=True)
        ]
        return visible("  ".join(padded).rstrip())

    return [line([column.title for column in table.columns]), *map(line, map(_cells, table.rows))]


def row_lines(table: Table) -> list[Line]:
    """Write each row as two lines: what it is about, then each other cell behind its title."""
    heads = _heads(table)
    most = max(40, 2_500 // max(1, len(table.columns)))
    return [_row_line(table.columns, heads, row, most) for row in table.rows]


def _row_line(columns: Sequence[Column], heads: int, row: Sequence[Text], most: int) -> Line:
    first = joined([line_of(cell, most) for cell in row[:heads] if cell], " · ")
    rest = [
        joined([line_of(text(column.title), 40), line_of(cell, most)], ": ")
        for column, cell in zip(columns[heads:], row[heads:], strict=True)
        if plain(cell).strip() not in ("", "-")
    ]
    return joined([part for part in (first, joined(rest, " · ")) if part], "\n") or bold("-")


def _heads(table: Table) -> int:
    return 2 if len(table.columns) > 2 and _widths(table)[0] <= SHORT else 1


def _is_blank(table: Table, column: int) -> bool:
    return all(plain(row[column]).strip() in ("", "-") for row in table.rows)


def _cell(cell: Text) -> Cell:
    words = "".join(span if isinstance(span, str) else "" for span in cell)
    if all(isinstance(span, str) for span in cell):
        return {"type": "raw_text", "text": visible(" ".join(words.split()))[:MOST_CELL] or "-"}
    return block_of(line_of(cell, MOST_CELL))


def _figures(column: Sequence[Text]) -> list[Cell] | None:
    """Return a column as numbers, by which Slack sorts; None unless all of it are figures."""
    words = [" ".join(plain(cell).split()) for cell in column]
    figures = [_figure(cell) for cell in words]
    if None in figures or all(cell in _NO_FIGURE for cell in words):
        return None
    return [
        {"type": "raw_number", "value": figure, "text": cell or "-"}
        for figure, cell in zip(figures, words, strict=True)
    ]


def _figure(words: str) -> float | None:
    """Read the figure that a cell begins with: `$1,204.50`, `12.3K`, `33%`, `$0.20 more`."""
    if words in _NO_FIGURE or not words:
        return _NO_FIGURE.get(words, -1.0)
    found = _FIGURE.fullmatch(words)
    if found is None:
        return None
    value = float(found[2].replace(",", "")) * _SCALES.get(found[3] or "", 1.0)
    return -value if found[1] or found[4] else value


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
