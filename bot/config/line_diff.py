"""Which lines changed between two texts, quickly also where they are long and changed little."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from bot.config.text import common_ends

_MOST_COMPARED = 250_000
"""Pairs of lines that are compared one with another before a stretch counts as rewritten."""


@dataclass(frozen=True, slots=True)
class Change:
    """Lines `old_from` to `old_to` gave way to lines `new_from` to `new_to`."""

    old_from: int
    old_to: int
    new_from: int
    new_to: int


def changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Return what changed, first to last, matching lines that occur once in each text first."""
    found: list[Change] = []
    old_at = new_at = 0
    for old_next, new_next in [*_anchors(old, new), (len(old), len(new))]:
        found += _between(old, new, Change(old_at, old_next, new_at, new_next))
        old_at, new_at = old_next, new_next
    return found


def groups(found: Sequence[Change], context: int) -> Iterator[list[Change]]:
    """Put changes together whose context would touch."""
    group: list[Change] = []
    for change in found:
        if group and change.old_from - group[-1].old_to > 2 * context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest run, in order in both texts, of lines that occur once in each."""
    here, there = Counter(old), Counter(new)
    where = {line: at for at, line in enumerate(new) if there[line] == 1}
    pairs = [(at, where[line]) for at, line in enumerate(old) if here[line] == 1 and line in where]
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, at) in enumerate(pairs):
        length = bisect_left(ends, at)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [at]
        last[length : length + 1] = [index]
    index = last[-1] if last else -1
    run: list[tuple[int, int]] = []
    while index >= 0:
        run.append(pairs[index])
        index = before[index]
    return run[::-1]


def _between(old: Sequence[str], new: Sequence[str], part: Change) -> list[Change]:
    gone, come = old[part.old_from : part.old_to], new[part.new_from : part.new_to]
    head, tail = common_ends(gone, come)
    gone, come = gone[head : len(gone) - tail], come[head : len(come) - tail]
    if not gone and not come:
        return []
    start, new_start = part.old_from + head, part.new_from + head
    whole = Change(start, start + len(gone), new_start, new_start + len(come))
    if not gone or not come or len(gone) * len(come) > _MOST_COMPARED:
        return [whole]
    steps = SequenceMatcher(None, gone, come, autojunk=False).get_opcodes()
    return [
        Change(start + a, start + b, new_start + c, new_start + d)
        for tag, a, b, c, d in steps
        if tag != "equal"
    ]
