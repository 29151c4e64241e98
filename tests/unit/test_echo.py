"""What a provider repeats of a prompt."""

from __future__ import annotations

import pytest

from bot.routing.echo import without_echo


@pytest.mark.parametrize(
    ("words", "texts", "left"),
    [
        ("", ["anything"], ""),
        ("HTTP 429: slow down", [], "HTTP 429: slow down"),
        ("HTTP 429: slow down", ["please slow down"], "HTTP 429: slow down"),
        ("bad input: 'my dog is ill'", ["look,\nmy  dog\nis ill"], "bad input: '…'"),
        ("my dog is ill", ["my dog is ill"], "…"),
        (
            "cannot read jane.doe@example.com, sorry",
            ["to jane.doe@example.com"],
            "cannot read …, sorry",
        ),
        ("one two three, four five six", ["one two three", "four five six"], "…, …"),
        (
            "提示词无效: 请帮我写一封信给王先生",
            ["你好。请帮我写一封信给王先生,谢谢"],
            "提示词无效: …",
        ),
        ("余额不足, 请充值", ["请帮我写"], "余额不足, 请充值"),
        ("ข้อความ: สวัสดีครับผมชื่อ", ["สวัสดีครับผมชื่อสมชาย"], "ข้อความ: …"),
        ("supercalifragilistic", ["x " * 200_000, "supercalifragilistic"], "…"),
    ],
)
def test_what_is_left(words: str, texts: list[str], left: str):
    assert without_echo(words, texts) == left
