"""Plain text: where a position is for a person, and how much two texts have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def position(text: str, at: int) -> tuple[int, int]:
    """Return line and column of an offset, both from 1, as an editor counts them."""
    before = text[:at].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def line_of(text: str, at: int) -> int:
    """Return the line of an offset, from 1."""
    return position(text, at)[0]


def indent_at(text: str, at: int) -> str:
    """Return the indentation of the line an offset is in."""
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    line = text[start:at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def common_start(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Return how far two texts, or two lists, begin alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def common_ends(one: Sequence[Any], other: Sequence[Any]) -> tuple[int, int]:
    """Return how far two texts, or two lists, begin and then end alike, without overlap."""
    head = common_start(one, other)
    return head, common_start(one[head:][::-1], other[head:][::-1])
