"""A card's words in Discord's narrow column: paragraphs, tables, and what finds no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from adapters.discord.markup import bare, blank, clip, code, markup, simple
from adapters.shared.chat import size, visible
from bot.card import Caution, Span, Strong, Table, Text, spans_of, text

PHONE = 36
"""Monospaced characters a phone shows before it wraps."""
_NOTHING = ("", "-")
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that belong together, and what a reader calls each; `fenced` ones are columns."""

    noun: str
    blocks: tuple[Text, ...]
    fenced: bool = False

    def first(self, count: int) -> str:
        """Write the first blocks."""
        if not self.fenced:
            return "\n".join(map(markup, self.blocks[:count]))
        lines = (bare(block).replace("```", "ˋˋˋ") for block in self.blocks[:count])
        return "\n".join(("```", *lines, "```"))

    def within(self, most: int, command: str) -> str:
        """Write as many blocks as fit, and say how many are left out and where they are."""
        whole = self.first(len(self.blocks))
        if size(whole) <= most:
            return whole
        fit, too_many = 0, len(self.blocks)
        while too_many - fit > 1:
            middle = (fit + too_many) // 2
            fits = size(self._with_note(middle, command)) <= most
            fit, too_many = (middle, too_many) if fits else (fit, middle)
        if fit or self.fenced:
            return self._with_note(fit, command)
        note = _left_out(len(self.blocks) - 1, self.noun, command)
        return f"{clip(self.blocks[0], most - size(note))}{note}"

    def _with_note(self, count: int, command: str) -> str:
        return self.first(count) + _left_out(len(self.blocks) - count, self.noun, command)


def _left_out(count: int, noun: str, command: str) -> str:
    if not count:
        return ""
    where = f"; {code(f'changeover {command}')} shows all" if command else ""
    return f"\n… {count} more {noun if count == 1 else f'{noun}s'} left out{where}"


def share(sections: Sequence[Section], most: int, command: str) -> str:
    """Join sections within `most` characters; where they are too long, none eats the others.

    Each may take what the others leave, and at least its equal part.
    """
    present = [section for section in sections if section.blocks]
    if not present:
        return ""
    most -= len(_BETWEEN) * (len(present) - 1)
    lengths = [size(section.first(len(section.blocks))) for section in present]
    equal = most // len(present)
    parts = [
        section.within(max(equal, most - (sum(lengths) - length)), command)
        for section, length in zip(present, lengths, strict=True)
    ]
    return _BETWEEN.join(parts)


def cautions(warnings: Sequence[Caution]) -> Section:
    """Write what the reader should know, each with the command that fixes it."""
    return Section("warning", tuple(_caution(warning) for warning in warnings))


def _caution(warning: Caution) -> Text:
    said: Text = (Strong("Warning:"), " ", *spans_of(warning.said))
    return (*said, " → ", *spans_of(warning.step)) if warning.step else said


def rows_of(table: Table) -> Section:
    """Write a table: in columns where a phone has room for them, else a paragraph a row."""
    if not table.rows:
        return Section("row", ())
    cells = [[_cell(cell) for cell in row] for row in table.rows]
    grid = [[visible(column.title) for column in table.columns], *cells]
    widths = [max(_width(row[i]) for row in grid) for i in range(len(table.columns))]
    one_line = all("\n" not in bare(cell) and simple(cell) for row in table.rows for cell in row)
    if one_line and sum(widths) + 2 * (len(widths) - 1) <= PHONE:
        right = [column.right for column in table.columns]
        return Section("row", tuple((_aligned(row, widths, right),) for row in grid), fenced=True)
    titles = [column.title for column in table.columns]
    return Section("row", tuple(_paragraph(titles, row) for row in table.rows))


def _cell(spans: Text) -> str:
    return " ".join(bare(spans).split())


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for words, width, to_the_right in zip(row, widths, right, strict=True):
        fill = " " * (width - _width(words))
        padded.append(fill + words if to_the_right else words + fill)
    return "  ".join(padded).rstrip()


def _width(words: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in words)


def _paragraph(titles: Sequence[str], row: Sequence[Text]) -> Text:
    """Write a row as its first cell in bold, then `title value` for each that says something."""
    first = row[0]
    spans: list[Span] = [*first] if not simple(first) else [Strong(_cell(first) or "-")]
    short = simple(first) and len(_cell(first)) <= 8
    between = " · " if short else "\n"
    for title, cell in zip(titles[1:], row[1:], strict=True):
        if bare(cell).strip() in _NOTHING or blank(bare(cell)):
            continue
        spans += [between, *([f"{title} "] if title else []), *cell]
        between = " · "
    return text(*spans)
