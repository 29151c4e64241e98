"""Follow a path through a config's text, and refuse where an edit there would not be safe."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from bot.config.json5_span import Container, find_root, scan, value_end
from bot.config.text import line_of
from bot.config.values import dotted, shape_error, step_into, strings_in
from bot.durations import shorten
from bot.errors import ConfigUneditableError
from bot.ports import ABSENT, Absent, Json, Path

_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads.

    `containers` were entered from the root on, `indexes` says which member was taken in each.
    Where the path ends in a missing key, `indexes` is one shorter and `value` is ABSENT; else the
    value stands from `start` to `end`.
    """

    containers: tuple[Container, ...]
    indexes: tuple[int, ...]
    value: Json | Absent
    start: int
    end: int


def locate(text: str, root: Json, path: Path) -> Place:
    """Follow a path as far as it goes.

    Raises:
        ConfigShapeError: a parent on the path is no object (or list, for a position).
        ConfigUneditableError: a key on the path is duplicated, or a string is in the way that
            an environment variable sets.
    """
    containers: list[Container] = []
    indexes: list[int] = []
    value: Json | Absent = root
    at = find_root(text)
    for depth, step in enumerate(path):
        refuse_lost_variables(text, at, path[:depth], value if isinstance(value, str) else None)
        if not isinstance(value, dict if isinstance(step, str) else list):
            raise shape_error(path, depth, value, line_of(text, at))
        container = scan(text, at)
        containers.append(container)
        index = _index_of(text, container, path, depth)
        if index is None:
            return Place(tuple(containers), tuple(indexes), ABSENT, at, at)
        indexes.append(index)
        at = container.items[index].value_start
        value = step_into(value, step)
    return Place(tuple(containers), tuple(indexes), value, at, value_end(text, at))


def _index_of(text: str, container: Container, path: Path, depth: int) -> int | None:
    step = path[depth]
    if isinstance(step, int):
        if not 0 <= step <= len(container.items):
            entries: Json = [None] * len(container.items)
            raise shape_error(path, depth, entries, line_of(text, container.start))
        return step if step < len(container.items) else None
    found = [index for index, item in enumerate(container.items) if item.key == step]
    if len(found) > 1:
        lines = [str(line_of(text, container.items[index].start)) for index in found[:5]]
        raise ConfigUneditableError(
            f"{dotted(path[: depth + 1])} appears {len(found)} times in the config"
            f" (lines {', '.join(lines)}), so it is unclear which applies.",
            "Keep one of them in the file and try again.",
        )
    return found[0] if found else None


def refuse_lost_variables(
    text: str, at: int, path: Path, old: Json | Absent, new: Json | Absent = ABSENT
) -> None:
    """Refuse when a string that an environment variable sets would be gone.

    Raises:
        ConfigUneditableError: it would; the message names the variable.
    """
    names = _variables(old)
    if not names:
        return
    lost = names - _variables(new)
    if not lost:
        return
    variable = _VARIABLE.findall(next(iter(lost)))[0]
    said = "is set by" if isinstance(old, str) else "holds a value set by"
    line = line_of(text, at)
    raise ConfigUneditableError(
        f"{dotted(path)} (line {line}) {said} the environment variable {shorten(variable)}.",
        f"Change {shorten(variable)} in the environment, or write the plain value into the"
        f" file in place of ${{{shorten(variable)}}} and try again.",
    )


def _variables(value: Json | Absent) -> Counter[str]:
    return Counter(held for held in strings_in(value) if _VARIABLE.search(held))
