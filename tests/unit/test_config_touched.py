"""What edits made different, and the edits that take it back."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config.edit import Edit, Remove, SetValue, apply_edits, load, restore, touched
from bot.config.values import expected
from bot.ports import ABSENT, Touched

MODELS = ("agents", "defaults", "models")


def after(before: Any, edits: list[Edit]) -> Any:
    for edit in edits:
        before = expected(before, edit)
    return before


@pytest.mark.parametrize(
    ("before", "edits", "found"),
    [
        ({"a": 1}, [SetValue(("a",), 2)], [Touched(("a",), 1, 2)]),
        ({"a": 1}, [SetValue(("a",), 1)], []),
        ({"a": 1}, [Remove(("b", "c"))], []),
        ({"a": 1}, [Remove(("a",))], [Touched(("a",), 1, ABSENT)]),
        ({}, [SetValue(("a", "b", "c"), 1)], [Touched(("a",), ABSENT, {"b": {"c": 1}})]),
        (
            {},
            [SetValue(("a", "b"), 1), SetValue(("a", "c"), 2), SetValue(("d",), 3)],
            [Touched(("a",), ABSENT, {"b": 1, "c": 2}), Touched(("d",), ABSENT, 3)],
        ),
        (
            {"m": "x"},
            [SetValue(("m",), {"p": "x"}), SetValue(("m", "f"), ["y"])],
            [Touched(("m",), "x", {"p": "x", "f": ["y"]})],
        ),
        ({"l": [1, 2, 3]}, [Remove(("l", 0))], [Touched(("l",), [1, 2, 3], [2, 3])]),
        ({"l": [1]}, [SetValue(("l", 1), 2)], [Touched(("l", 1), ABSENT, 2)]),
        ({"l": [1]}, [SetValue(("l",), [2]), SetValue(("l", 0), 3)], [Touched(("l",), [1], [3])]),
        ({"a": 1}, [SetValue(("a",), 2), SetValue(("a",), 1)], []),
        ({"a": [1]}, [Remove(("a", 0)), Remove(("a",))], [Touched(("a",), [1], ABSENT)]),
    ],
)  # fmt: skip
def test_each_change_stands_at_its_outermost_place(
    before: Any, edits: list[Edit], found: list[Touched]
) -> None:
    assert list(touched(before, edits, after(before, edits))) == found


def test_taking_back_gives_the_bytes_again() -> None:
    raw = b"{\n  agents: { defaults: { model: 'x' } }, // n\n  list: [1, 2],\n}\n"
    before = load(raw)
    edits: list[Edit] = [
        SetValue(("agents", "defaults", "model"), {"primary": "y", "fallbacks": ["z"]}),
        SetValue((*MODELS, "y"), {}),
        SetValue((*MODELS, "z"), {}),
        SetValue(("list", 2), 3),
        SetValue(("list", 3), 4),
    ]
    edited = apply_edits(raw, edits)
    changes = touched(before, edits, load(edited))
    assert [change.path for change in changes] == [
        ("agents", "defaults", "model"), MODELS, ("list", 2), ("list", 3),
    ]  # fmt: skip
    assert apply_edits(edited, restore(changes)) == raw
