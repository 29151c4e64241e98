"""The chart: its figures in words, its drawing, its picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.charts import FONTS, ResvgCharts
from bot.costs.chart_svg import MOST_MODELS, alt_text, chart_of, draw
from bot.errors import ChartError

DOLLAR = 10**9
WEEK = [date(2026, 2, 23) + timedelta(days=n) for n in range(7)]
SVG = "{http://www.w3.org/2000/svg}"


def charted(days, spend):
    chart = chart_of(days, spend)
    assert chart is not None
    return chart


def drawn(days, spend):
    return draw(charted(days, spend))


def texts(svg):
    return [node.text for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_words_have_every_figure():
    chart = charted(
        WEEK, {"a/b": [DOLLAR, 0, 0, 0, 0, 0, 2 * DOLLAR], "c/d": [0] * 6 + [5 * 10**6]}
    )
    assert alt_text(chart) == (
        "Spend by day: Mon 23 Feb $1.00, Tue 24 Feb $0.00, Wed 25 Feb $0.00, Thu 26 Feb $0.00, "
        "Fri 27 Feb $0.00, Sat 28 Feb $0.00, Sun 1 Mar $2.01. By model: a/b $3.00, c/d $0.005."
    )


def test_the_drawing_names_models_days_and_totals():
    chart = charted(WEEK, {"a/b": [DOLLAR] * 7, "c/d": [DOLLAR // 2] * 7})
    words = texts(draw(chart))
    assert "a/b" in words
    assert "$7.00 · 67%" in words
    assert words.count("$1.50") == 7
    assert words.count("A") == words.count("B") == 8
    assert {"Mon", "Sun", "$0", "$2"} <= set(words)


def test_small_models_are_gathered():
    spend = {f"x/m{n}": [DOLLAR * (n + 1)] * 7 for n in range(9)}
    chart = charted(WEEK, spend)
    assert len(chart.series) == MOST_MODELS + 1
    assert chart.series[0].name == "x/m8"
    assert chart.series[-1].name == "3 other models"
    assert sum(chart.totals) == sum(map(sum, spend.values()))
    # A single one has its name.
    seven = charted(WEEK, {f"x/m{n}": [DOLLAR] * 7 for n in range(MOST_MODELS + 1)})
    assert seven.series[-1].name == "x/m6"


def test_no_spend_is_no_chart():
    assert chart_of(WEEK, {}) is None
    assert chart_of(WEEK, {"ollama/llama3.3": [0] * 7}) is None


def test_a_name_that_means_harm_stays_text():
    chart = charted(WEEK, {'</text><script>"&\x00\x1b': [DOLLAR] * 7})
    svg = draw(chart)
    assert "<script" not in svg
    ET.fromstring(svg)


def test_many_days_are_drawn_without_crowding():
    days = [date(2026, 2, 1) + timedelta(days=n) for n in range(31)]
    words = texts(drawn(days, {"a/b": [DOLLAR] * 31}))
    assert "Mon" not in words
    assert words.count("$1") == 1, "only the axis says it"
    assert "31" in words or "3" in words


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (1, "$0.0000000010"),
        (1_234_567, "$0.0012"),
        (5 * 10**6, "$0.0050"),
        (420_000_000, "$0.42"),
        (12_340_000_000, "$12.34"),
        (349_070_000_000, "$349"),
        (1_234 * DOLLAR, "$1,234"),
        (45_678 * DOLLAR, "$45.7K"),
        (2_000_000 * DOLLAR, "$2M"),
    ],
)
def test_totals_are_short(nano, shown):
    assert shown in texts(drawn(WEEK, {"a/b": [nano, *[0] * 6]}))


def test_a_day_of_next_to_nothing_beside_a_dear_one():
    words = texts(drawn(WEEK, {"a/b": [DOLLAR, 1_000, *[0] * 5]}))
    assert "<$0.01" in words
    words = texts(drawn(WEEK, {"a/b": [10_000_000, 1_000, *[0] * 5]}))
    assert "<$0.001" in words


@settings(max_examples=25)
@given(
    st.dictionaries(st.text(max_size=40), st.lists(st.integers(0, 10**15), min_size=7, max_size=7))
)
def test_any_spend_can_be_drawn(spend):
    chart = chart_of(WEEK, spend)
    if chart is not None:
        ET.fromstring(draw(chart))
        assert alt_text(chart).startswith("Spend by day: ")


def test_the_picture_is_a_png_of_twice_the_size_with_its_own_font():
    chart = charted(WEEK, {"a/b": [DOLLAR] * 7})
    png = ResvgCharts().png(draw(chart))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")) == (1800, 880)
    # Without the font nothing is written: the picture with words is a larger one.
    blank = ResvgCharts().png(draw(chart).replace("<text", "<desc").replace("</text", "</desc"))
    assert len(png) > 2 * len(blank)
    assert sorted(path.name for path in FONTS.iterdir()) == [
        "Inter-LICENSE.txt",
        "Inter-Regular.ttf",
        "Inter-SemiBold.ttf",
    ]


def test_what_is_no_drawing_is_a_chart_error():
    with pytest.raises(ChartError):
        ResvgCharts().png("not svg")


def test_a_long_name_is_cut_in_the_middle():
    name = "openrouter/anthropic/claude-sonnet-4.5-with-a-long-tail"
    words = texts(drawn(WEEK, {name: [DOLLAR] * 7}))
    assert "openrouter/ant…th-a-long-tail" in words
    assert name in alt_text(charted(WEEK, {name: [DOLLAR] * 7}))


def _luminance(colour: str) -> float:
    """How bright a colour is. Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_the_standard_does():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_word_and_edge_of_the_drawing_has_enough_contrast():
    spend = {f"model-{n}": [(20 - n) * DOLLAR] * 7 for n in range(MOST_MODELS + 2)}
    tree = ET.fromstring(drawn(WEEK, spend))
    ground = "#ffffff"
    found = [node for node in tree.iter() if node.tag in (f"{SVG}text", f"{SVG}rect")]
    # A letter is written right after the bar that it is on.
    for before, node in pairwise(found):
        if node.tag == f"{SVG}text":
            letter = before.tag == f"{SVG}rect" and len(node.text or "") == 1
            back = before.get("fill", "") if letter else ground
            assert contrast(node.get("fill", ""), back) >= 4.5, (node.text, back)
        elif node.get("stroke-width") != "0":
            assert contrast(node.get("stroke", ""), ground) >= 4.5
