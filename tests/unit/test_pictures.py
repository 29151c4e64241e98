"""The docs' pictures are those of the golden files, and what the drawing rests on."""

from __future__ import annotations

import pytest

from adapters.charts import FONTS
from scripts.chat_markup import Run, discord_runs, slack_runs
from scripts.font_widths import Font
from scripts.pictures import PICTURES, main


def test_the_pictures_are_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_every_picture_is_small_and_shown_in_the_docs() -> None:
    shown = "".join((PICTURES.parent / f"{name}.md").read_text() for name in ("slack", "discord"))
    for picture in PICTURES.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 60_000
        assert f"(pictures/{picture.name})" in shown


def test_markup_is_read_back() -> None:
    assert slack_runs("*a* `b&lt;c` <!date^1^{time}|13:02 UTC>", "blue") == [
        Run("a", bold=True), Run(" "), Run("b<c", code=True), Run(" "), Run("13:02 UTC"),
    ]  # fmt: skip
    assert discord_runs(r"**a** x\_y `b` <t:1795438920:t> [c](https://c.example)", "blue") == [
        Run("a", bold=True), Run(" x_y "), Run("b", code=True), Run(" "), Run("13:02"), Run(" "),
        Run("c", colour="blue"),
    ]  # fmt: skip


@pytest.mark.parametrize(("words", "width"), [("", 0.0), ("i" * 10, 10.0)])
def test_widths_come_from_the_font(words: str, width: float) -> None:
    font = Font(FONTS / "Inter-Regular.ttf")
    assert font.width(words, 0) == 0
    assert font.width(words, 10) >= width
    assert font.width("m", 15) > 2 * font.width("i", 15)
