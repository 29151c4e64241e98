"""The config as a value: walk it, compare it, and say what an edit should make of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.durations import shorten
from bot.errors import ConfigShapeError
from bot.ports import ABSENT, Absent, Json, Path, Touched

_PLAIN_KEY = re.compile(r"[\w$-]+")


@dataclass(frozen=True, slots=True)
class SetValue:
    """Put a value at a path; parents that are missing are made."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a member or an element away; nothing happens where there is none.

    `own` says that this program put it there, so that a `${VAR}` in it may go too.
    """

    path: Path
    own: bool = False


Edit = SetValue | Remove


def kind(value: Json | Absent) -> str:
    """Name what a value is, for a sentence."""
    if value is ABSENT:
        return "nothing"
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def dotted(path: Path) -> str:
    """Write a path as people do: `agents.list[0].model`, `models["anthropic/x"]`."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            words += f".{shorten(step)}"
        else:
            words += f'["{shorten(step)}"]'
    return words.removeprefix(".") or "the root"


def step_into(value: Json, step: str | int) -> Json | Absent:
    """Return what is under one key or position, ABSENT where nothing does."""
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return ABSENT


def get(value: Json, path: Path) -> Json | Absent:
    """Return what is at a path, ABSENT where nothing does."""
    for step in path:
        value = step_into(value, step)
        if value is ABSENT:
            return ABSENT
    return value


def same(one: Json | Absent, other: Json | Absent) -> bool:
    """Compare two values as JSON: 1 is 1.0 but not true, NaN is NaN, -0.0 is not 0.0."""
    todo = [(one, other)]
    while todo:
        a, b = todo.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            todo.extend((a[key], b[key]) for key in a)
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            todo.extend(zip(a, b, strict=True))
        elif not _same_scalar(a, b):
            return False
    return True


def _same_scalar(a: Json, b: Json) -> bool:
    if type(a) is not type(b):
        numbers = {int, float}
        return type(a) in numbers and type(b) in numbers and bool(a == b) and a != 0
    if type(a) is float:
        same_number = a == b and math.copysign(1, a) == math.copysign(1, b)
        return same_number or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def expected(value: Json, edit: Edit) -> Json:
    """Describe what the value is after an edit, leaving the one given as it is.

    Raises:
        ConfigShapeError: a parent on the path cannot hold what the edit puts there.
    """
    if isinstance(edit, Remove) and get(value, edit.path) is ABSENT:
        return value
    return _with(value, edit.path, 0, edit)


def _with(value: Json | Absent, path: Path, at: int, edit: Edit) -> Json:
    if at == len(path):
        return edit.value if isinstance(edit, SetValue) else ABSENT
    step = path[at]
    if value is ABSENT:
        value = {} if isinstance(step, str) else []
    fits = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list)
    if not fits or (isinstance(step, int) and not 0 <= step <= len(value)):
        raise shape_error(path, at, value)
    child = _with(step_into(value, step), path, at + 1, edit)
    if isinstance(value, dict):
        rest = {key: held for key, held in value.items() if key != step or child is not ABSENT}
        return rest if child is ABSENT else {**rest, step: child}
    assert isinstance(step, int)
    return value[:step] + ([] if child is ABSENT else [child]) + value[step + 1 :]


def shape_error(path: Path, at: int, value: Json | Absent, line: int = 0) -> ConfigShapeError:
    """Report that what is at `path[:at]` cannot hold the next step of the path."""
    where = f" (line {line})" if line else ""
    step = path[at]
    if isinstance(step, int) and isinstance(value, list):
        return ConfigShapeError(
            f"{dotted(path[:at])}{where} has {len(value)} entries; entry {step} does not exist.",
            "Use an entry that exists in the file.",
        )
    wanted = "an object" if isinstance(step, str) else "a list"
    return ConfigShapeError(
        f"{dotted(path[:at])}{where} is {kind(value)}, but {dotted(path)} needs {wanted}.",
        f"Write {'{}' if isinstance(step, str) else '[]'} in its place and try again.",
    )


def is_deeper(value: Json, most: int) -> bool:
    """Return whether a value is nested more than `most` levels deep."""
    todo = [(value, 0)]
    while todo:
        held, depth = todo.pop()
        if depth > most:
            return True
        if isinstance(held, dict | list) and held:
            inside = held.values() if isinstance(held, dict) else held
            todo.extend((one, depth + 1) for one in inside)
    return False


def strings_in(value: Json | Absent) -> Iterator[str]:
    """Yield every string value inside a value; keys are not values."""
    todo = [value]
    while todo:
        held = todo.pop()
        if isinstance(held, str) and held is not ABSENT:
            yield held
        elif isinstance(held, dict):
            todo.extend(held.values())
        elif isinstance(held, list):
            todo.extend(held)


def touched(before: Json, edits: Sequence[Edit], after: Json) -> tuple[Touched, ...]:
    """Return what the edits made different, each at the outermost place that changed.

    Where an edit had to make parents, the parent is listed, so that taking it away again takes
    the edit back. A list that lost or shifted elements is listed as a whole.
    """
    found: dict[Path, Touched] = {}
    for edit in edits:
        path = edit.path
        if isinstance(edit, Remove) and path and isinstance(path[-1], int):
            path = path[:-1]
        one = _outermost(before, path, after)
        if one is not None:
            found[one.path] = one
    return tuple(
        one
        for path, one in found.items()
        if not any(path[:length] in found for length in range(len(path)))
    )


def _outermost(before: Json, path: Path, after: Json) -> Touched | None:
    old: Json | Absent = before
    new: Json | Absent = after
    for at, step in enumerate(path):
        old, new = step_into(old, step), step_into(new, step)
        if old is ABSENT and new is ABSENT:
            return None
        split = type(old) is not type(new) or not isinstance(old, dict | list)
        if split and not same(old, new):
            return Touched(path[: at + 1], old, new)
    return None if same(old, new) else Touched(path, old, new)


def restore(changes: Sequence[Touched]) -> list[Edit]:
    """Return the edits that take changes back, the last one first where order matters."""
    removed = [Remove(one.path, own=True) for one in reversed(changes) if one.before is ABSENT]
    return [
        *removed,
        *(SetValue(one.path, one.before) for one in changes if one.before is not ABSENT),
    ]
