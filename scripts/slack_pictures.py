"""A message as Slack shows it, from its blocks to SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.chat_markup import Run, rich_runs, slack_runs
from scripts.pictures import BOLD, LEFT, PLAIN, RIGHT, Look, Page

_PAD, _ROW, _MOST_CELL = 12, 34, 280


def slack(message: Any, look: Look, wide: float) -> str:
    """Draw a message in the colours and at the width of one screen."""
    page, right = Page(look, wide), wide - RIGHT
    page.sender("Changeover", "APP")
    for block in message["blocks"]:
        kind = block["type"]
        if kind == "rich_text":
            for section in block["elements"]:
                page.lines(rich_runs(section["elements"], look.link), LEFT, right, look.size)
        elif kind in ("table", "data_table"):
            _table(page, block, right)
        elif kind == "data_visualization":
            _bars(page, block, right)
        elif kind == "actions":
            page.buttons(
                [(b["text"]["text"], b.get("style") == "primary") for b in block["elements"]], LEFT
            )
        elif kind == "context":
            runs = slack_runs(block["elements"][0]["text"], look.link, look.faint)
            page.lines(runs, LEFT, right, 12.5)
        page.y += 4
    return page.svg()


def _table(page: Page, block: Any, right: float) -> None:
    """Draw a grid; what is wider than the screen is scrolled to, as on a phone."""
    rows = [[_cell(cell, page.look) for cell in row] for row in block["rows"]]
    rows[0] = [[Run(run.words, True) for run in cell] for cell in rows[0]]
    wide = [
        min(_MOST_CELL, max(_length(cell, page.look.size) for cell in column)) + 2 * _PAD
        for column in zip(*rows, strict=True)
    ]
    ends = _aligned(block)
    page.y += 8
    top, mark, low = page.y, len(page.parts), page.y
    for number, row in enumerate(rows):
        x, tall = float(LEFT), low
        for cell, width, at_end in zip(row, wide, ends, strict=True):
            page.y = low + 5
            indent = width - 2 * _PAD - _length(cell, page.look.size) if at_end else 0
            page.lines(cell, x + _PAD + max(0, indent), x + width - _PAD + 2, page.look.size - 1)
            tall = max(tall, page.y)
            x += width
        low = tall + 7
        if number < len(rows) - 1:
            page.box(LEFT, low, min(right, LEFT + sum(wide)) - LEFT, 1, page.look.code_edge)
    edge = min(right, LEFT + sum(wide))
    clip = f"clip{len(page.parts)}"
    inner = "".join(page.parts[mark:])
    page.parts[mark:] = [
        f'<clipPath id="{clip}"><rect x="{LEFT}" y="{top}" width="{edge - LEFT}" '
        f'height="{low - top}"/></clipPath><g clip-path="url(#{clip})">{inner}</g>'
    ]
    page.box(LEFT, top, edge - LEFT, low - top, "none", stroke=page.look.code_edge, rx=8)
    page.y = low + 4


def _cell(cell: Any, look: Look) -> list[Run]:
    if cell["type"] == "rich_text":
        return rich_runs(cell["elements"][0]["elements"], look.link)
    return [Run(cell["text"])]


def _length(cell: Sequence[Run], size: float) -> float:
    return sum((BOLD if run.bold else PLAIN).width(run.words, size) + 8 * run.code for run in cell)


def _aligned(block: Any) -> list[bool]:
    if block["type"] == "table":
        return [one["align"] == "right" for one in block["column_settings"]]
    columns = zip(*block["rows"][1:], strict=True)
    return [all(cell["type"] == "raw_number" for cell in column) for column in columns]


def _bars(page: Page, block: Any, right: float) -> None:
    """Draw bars, their figures above and their labels below."""
    look, chart = page.look, block["chart"]
    points = chart["series"][0]["data"]
    most = max(point["value"] for point in points) or 1
    page.y += 10
    top, tall, wide = page.y, 190.0, min(right - LEFT, 520)
    page.box(LEFT, top, wide, tall + 62, "none", stroke=look.code_edge, rx=8)
    page.words(
        LEFT + 14, top + 24, Run(f"{block['title']}, {chart['series'][0]['name']}", True), 14
    )
    slot = (wide - 28) / len(points)
    for number, point in enumerate(points):
        x, high = LEFT + 14 + slot * number, (tall - 62) * point["value"] / most
        base = top + tall + 24
        page.box(x + slot * 0.15, base - high, slot * 0.7, high, look.bar, rx=2)
        _centred(page, x + slot / 2, base - high - 7, f"{point['value']:.2f}", look.words)
        for line, words in enumerate(point["label"].split(" ", 1)):
            _centred(page, x + slot / 2, base + 15 + 14 * line, words, look.faint)
    page.y = top + tall + 66


def _centred(page: Page, x: float, y: float, words: str, colour: str) -> None:
    page.words(x - PLAIN.width(words, 11) / 2, y, Run(words, colour=colour), 11)
