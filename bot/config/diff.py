"""Show what an edit changed: a unified diff that gives no secret away and stays readable."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.config.line_diff import Change, changes, groups
from bot.config.redact import redact_looks, redact_values
from bot.config.text import common_ends

_CONTEXT = 3
_LONGEST_LINE = 300
_MOST_LINES = 400
_NEWLINE = re.compile(r"\r\n|\n|\r")


def unified_diff(before: bytes, after: bytes, name: str) -> str:
    """Return the difference in unified format with three lines of context.

    Empty when no line differs. Secrets are `…`, long lines are cut around the change, and a
    difference of more than 400 lines is cut short.
    """
    old, new = _text(before), _text(after)
    found = changes(_lines(old), _lines(new))
    if not found:
        return ""
    old_lines, new_lines = _lines(redact_values(old)), _lines(redact_values(new))
    lines = [f"--- {_printable(name)}", f"+++ {_printable(name)}"]
    for group in groups(found, _CONTEXT):
        if len(lines) <= _MOST_LINES:
            lines += _hunk(group, old_lines, new_lines)
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], "… and more"]
    return "".join(f"{line}\n" for line in lines)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace").removeprefix("\ufeff")


def _lines(text: str) -> list[str]:
    lines = _NEWLINE.split(text)
    return lines if lines[-1] else lines[:-1]


def _hunk(group: Sequence[Change], old: Sequence[str], new: Sequence[str]) -> list[str]:
    before = min(_CONTEXT, group[0].old_from)
    behind = min(_CONTEXT, len(old) - group[-1].old_to)
    old_range = _range(group[0].old_from - before, group[-1].old_to + behind)
    new_range = _range(group[0].new_from - before, group[-1].new_to + behind)
    lines = [f"@@ -{old_range} +{new_range} @@"]
    at = group[0].old_from - before
    for change in group:
        lines += [f" {_whole(line)}" for line in old[at : change.old_from]]
        lines += _changed(change, old, new)
        at = change.old_to
    return [*lines, *(f" {_whole(line)}" for line in old[at : at + behind])]


def _range(start: int, end: int) -> str:
    """Write a range as unified diffs do: from 1, the length left out where it is 1."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _changed(change: Change, old: Sequence[str], new: Sequence[str]) -> list[str]:
    gone = old[change.old_from : change.old_to][:_MOST_LINES]
    come = new[change.new_from : change.new_to][:_MOST_LINES]
    against_new = [*come, *[""] * len(gone)]
    against_old = [*gone, *[""] * len(come)]
    return [
        *(f"-{_differing(line, other)}" for line, other in zip(gone, against_new, strict=False)),
        *(f"+{_differing(line, other)}" for line, other in zip(come, against_old, strict=False)),
    ]


def _differing(line: str, other: str) -> str:
    if len(line) <= _LONGEST_LINE or not other:
        return _whole(line)
    head, tail = common_ends(line, other)
    return _cut(line, head, len(line) - tail)


def _whole(line: str) -> str:
    return _cut(line, 0, min(len(line), _LONGEST_LINE))


def _cut(line: str, start: int, end: int) -> str:
    """Show at most 300 characters: the part from `start` to `end`, and what is around it."""
    margin = max(40, (_LONGEST_LINE - (end - start)) // 2)
    left = max(0, min(start - margin, len(line) - _LONGEST_LINE))
    right = min(len(line), left + _LONGEST_LINE)
    shown = _printable(redact_looks(line, left, right))
    return f"{'…' if left else ''}{shown}{'…' if right < len(line) else ''}"


def _printable(line: str) -> str:
    """Replace control characters, which could make a terminal or a chat lie."""
    return "".join(c if c.isprintable() or c in "\t " else "\ufffd" for c in line)
