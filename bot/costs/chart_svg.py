"""Spend by day, stacked by model, as an SVG drawing and as the same figures in words.

The drawing has a ground of its own, so that it reads the same on a light and on a dark page.
Models differ by a letter as well as by colour, and each bar has a dark edge. The colours are those
of Okabe and Ito, which people see apart whatever their eyes make of red and green. Source:
https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from html import escape

MOST_MODELS = 6
"""So many have a colour of their own; what is beyond them is drawn as one."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

_WIDTH, _HEIGHT = 900, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 576, 72, 386
_KEY_X, _KEY_STEP = 608, 48
_LONGEST_NAME = 30
_ROOM_FOR_TOTAL, _ROOM_FOR_NAME = 46, 34
_GROUND, _EDGE, _GRID, _INK, _SOFT = "#ffffff", "#c9ced6", "#e4e7ec", "#1a1f29", "#5b6472"
_REST = ("#8a919e", "#000000")
# Fill, and the letter's colour on it.
_PALETTE = (
    ("#0072b2", "#ffffff"),
    ("#e69f00", "#000000"),
    ("#009e73", "#000000"),
    ("#cc79a7", "#000000"),
    ("#56b4e9", "#000000"),
    ("#d55e00", "#000000"),
)


@dataclass(frozen=True, slots=True)
class Series:
    """One model's spend, a figure in nano-dollars for each day."""

    name: str
    by_day: tuple[int, ...]

    @property
    def total(self) -> int:
        """All days together."""
        return sum(self.by_day)


@dataclass(frozen=True, slots=True)
class SpendChart:
    """Days and, the costliest first, models; each series has as many figures as there are days."""

    days: tuple[date, ...]
    series: tuple[Series, ...]

    @property
    def totals(self) -> tuple[int, ...]:
        """Each day's spend."""
        return tuple(sum(column) for column in zip(*(s.by_day for s in self.series), strict=True))


def chart_of(days: Sequence[date], by_model: Mapping[str, Sequence[int]]) -> SpendChart | None:
    """Arrange spend for drawing, small models gathered into one; None when there is none."""
    series = [Series(_clean(name), tuple(figures)) for name, figures in by_model.items()]
    series = sorted((s for s in series if s.total > 0), key=lambda s: (-s.total, s.name))
    if not series:
        return None
    if len(series) > MOST_MODELS:
        rest = series[MOST_MODELS:]
        figures = tuple(sum(column) for column in zip(*(s.by_day for s in rest), strict=True))
        name = rest[0].name if len(rest) == 1 else f"{len(rest)} other models"
        series = [*series[:MOST_MODELS], Series(name, figures)]
    return SpendChart(tuple(days), tuple(series))


def alt_text(chart: SpendChart) -> str:
    """Say everything the drawing shows."""
    days = ", ".join(
        f"{day_label(day)} {_exact(total)}"
        for day, total in zip(chart.days, chart.totals, strict=True)
    )
    models = ", ".join(f"{s.name} {_exact(s.total)}" for s in chart.series)
    return f"Spend by day: {days}. By model: {models}."


def draw(chart: SpendChart) -> str:
    """Draw the chart as SVG, 900 by 440."""
    top = _axis_top(max(chart.totals))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="Inter" role="img">',
        f"<title>{escape(alt_text(chart))}</title>",
        f'<rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="10" '
        f'fill="{_GROUND}" stroke="{_EDGE}"/>',
        _text(28, 40, "Spend by day, USD", 19, weight=600),
        *_grid(top),
        *_bars(chart, top),
        *_key(chart),
        "</svg>",
    ]
    return "\n".join(parts)


def _grid(top: int) -> list[str]:
    parts = []
    for step in range(3):
        amount = top * step // 2
        y = _y(amount, top)
        ink = _SOFT if not step else _GRID
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="{ink}" stroke-width="1"/>')
        words = _short(amount, top)
        parts.append(_text(_LEFT - 10, y + 5, words, 14, ink=_SOFT, anchor="end"))
    return parts


def _bars(chart: SpendChart, top: int) -> list[str]:
    parts = []
    slot = (_RIGHT - _LEFT) / len(chart.days)
    width = min(slot * 0.68, 72)
    for place, (day, total) in enumerate(zip(chart.days, chart.totals, strict=True)):
        middle = _LEFT + slot * (place + 0.5)
        floor = 0
        for number, series in enumerate(chart.series):
            amount = series.by_day[place]
            if amount > 0:
                parts += _segment(middle - width / 2, width, floor, amount, top, number)
                floor += amount
        if slot >= _ROOM_FOR_TOTAL:
            words = _short(total, top)
            parts.append(_text(middle, _y(floor, top) - 9, words, 14, anchor="middle"))
        if slot >= _ROOM_FOR_NAME:
            name = _DAYS[day.weekday()]
            parts.append(_text(middle, _BOTTOM + 21, name, 14, anchor="middle"))
        number_ = str(day.day)
        parts.append(_text(middle, _BOTTOM + 38, number_, 12, ink=_SOFT, anchor="middle"))
    return parts


def _segment(x: float, width: float, floor: int, amount: int, top: int, number: int) -> list[str]:
    low, high = _y(floor, top), _y(floor + amount, top)
    height = low - high
    fill, ink = _colours(number)
    parts = [
        f'<rect x="{x:.1f}" y="{high:.1f}" width="{width:.1f}" height="{height:.2f}" '
        f'fill="{fill}" stroke="{_INK}" stroke-width="{1 if height > 3 else 0}"/>'
    ]
    if height >= 17 and width >= 14:
        middle = x + width / 2
        letter = _letter(number)
        parts.append(
            _text(middle, (low + high) / 2 + 5, letter, 13, ink=ink, anchor="middle", weight=600)
        )
    return parts


def _key(chart: SpendChart) -> list[str]:
    """Name the models in the order they are stacked, the topmost first."""
    parts = []
    whole = sum(chart.totals)
    for row, number in enumerate(reversed(range(len(chart.series)))):
        series = chart.series[number]
        y = _TOP + 4 + row * _KEY_STEP
        fill, ink = _colours(number)
        share = (Decimal(series.total) * 100 / whole).quantize(Decimal(1), ROUND_HALF_UP)
        parts += [
            f'<rect x="{_KEY_X}" y="{y}" width="24" height="24" rx="3" fill="{fill}" '
            f'stroke="{_INK}"/>',
            _text(_KEY_X + 12, y + 17, _letter(number), 13, ink=ink, anchor="middle", weight=600),
            _text(_KEY_X + 36, y + 11, _fitted(series.name), 14),
            _text(_KEY_X + 36, y + 29, f"{_exact(series.total)} · {share}%", 14, weight=600),
        ]
    return parts


def _text(
    x: float,
    y: float,
    words: str,
    size: int,
    *,
    ink: str = _INK,
    anchor: str = "start",
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{ink}">{escape(words)}</text>'
    )


def _colours(number: int) -> tuple[str, str]:
    return _PALETTE[number] if number < MOST_MODELS else _REST


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _clean(name: str) -> str:
    """Replace what no drawing can hold."""
    return "".join(c if c.isprintable() else "�" for c in name)


def _fitted(name: str) -> str:
    """Cut a long name in the middle: its beginning says who, its end which version."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _y(amount: int, top: int) -> float:
    return _BOTTOM - (_BOTTOM - _TOP - 24) * amount / top


def _axis_top(largest: int) -> int:
    """Round up to a figure that halves well."""
    magnitude: int = 10 ** (len(str(largest)) - 1)
    steps = (1, 2, 3, 4, 6, 8, 10)
    return next(step * magnitude for step in steps if step * magnitude >= largest)


def day_label(day: date) -> str:
    """Write a day as the chart names it: `Mon 16 Nov`."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]}"


def _exact(nano: int) -> str:
    amount = Decimal(nano).scaleb(-9)
    if 0 < amount < Decimal("0.01"):
        two_figures = Decimal(1).scaleb(amount.adjusted() - 1)
        return f"${amount.quantize(two_figures, ROUND_HALF_UP).normalize():f}"
    return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def _short(nano: int, top: int) -> str:
    """Write an amount in six characters or so, as finely as the axis needs."""
    amount, finest = Decimal(nano).scaleb(-9), Decimal(top).scaleb(-9)
    if not amount:
        return "$0"
    if finest < Decimal("0.1"):
        quantum = Decimal(1).scaleb(finest.adjusted() - 1)
        rounded = amount.quantize(quantum, ROUND_HALF_UP)
        return f"${rounded:f}" if rounded else f"<${quantum:f}"
    if amount < Decimal("0.01"):
        return "<$0.01"
    if amount < 100:
        return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP)}".removesuffix(".00")
    if amount < 10_000:
        return f"${amount.quantize(Decimal(1), ROUND_HALF_UP):,}"
    thousands = amount / 1000
    if thousands < 1000:
        return f"${thousands.quantize(Decimal('0.1'), ROUND_HALF_UP)}".removesuffix(".0") + "K"
    return f"${(thousands / 1000).quantize(Decimal('0.1'), ROUND_HALF_UP)}".removesuffix(".0") + "M"
