"""Make one edit in a config's text by exchanging as few characters as the edit needs."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from bot.config.json5_span import (
    NEWLINE,
    Container,
    gap_before,
    indent_of,
    line_break,
    scan,
    skip_gap,
)
from bot.config.layout import Frame, Layout, arrange, put_together, split_comments, take_apart
from bot.config.locate import Place, locate, refuse_lost_variables
from bot.config.style import Style, detect, write, write_key, write_scalar
from bot.config.text import common_ends, indent_at
from bot.config.values import Edit, Remove, same
from bot.errors import ConfigUneditableError
from bot.ports import ABSENT, Json, Path

_LONG_LINE = 80
"""Beyond this, indentation included, a new object or list gets one member a line."""


@dataclass(frozen=True, slots=True)
class Splice:
    """The characters from `start` to `end` give way to `text`."""

    start: int
    end: int
    text: str

    def apply(self, to: str) -> str:
        """Return the text with the splice made."""
        return to[: self.start] + self.text + to[self.end :]

    def leaves_the_rest(self, before: str, after: str) -> bool:
        """Prove that a text differs from the one before by this splice and nothing else."""
        return (
            len(after) - len(before) == len(self.text) - (self.end - self.start)
            and before[: self.start] == after[: self.start]
            and before[self.end :] == after[self.start + len(self.text) :]
            and after[self.start : self.start + len(self.text)] == self.text
        )

    def narrowed(self, old: str) -> Splice:
        """Leave out what is the same before and after."""
        gone = old[self.start : self.end]
        head, tail = common_ends(gone, self.text)
        text = self.text[head : len(self.text) - tail]
        return Splice(self.start + head, self.end - tail, text)


def plan_splice(text: str, root: Json, edit: Edit) -> Splice:
    """Plan the splice that makes an edit; `root` is what the text parses to.

    Raises:
        ConfigShapeError: a parent on the path cannot hold what the edit puts there.
        ConfigUneditableError: the edit would not be safe here.
    """
    place = locate(text, root, edit.path)
    if isinstance(edit, Remove):
        splice = _remove(text, place, edit)
    elif place.value is ABSENT:
        splice = _insert(text, place, edit.path, edit.value)
    else:
        refuse_lost_variables(text, place.start, edit.path, place.value, edit.value)
        splice = _replace(text, place, edit.value)
    return splice.narrowed(text)


def _remove(text: str, place: Place, edit: Remove) -> Splice:
    if not edit.path:
        raise ConfigUneditableError(
            "The whole config cannot be removed.", "Name the part to remove."
        )
    if not edit.own:
        refuse_lost_variables(text, place.start, edit.path, place.value)
    container = place.containers[-1]
    layout = take_apart(text, container)
    frame = _frame(text, place.containers, layout)
    staying = [at for at in range(len(container.items)) if at != place.indexes[-1]]
    return _rewritten(container, arrange(layout, staying, frame), frame)


def _insert(text: str, place: Place, path: Path, value: Json) -> Splice:
    step = path[len(place.indexes)]
    value = _wrapped(value, path[len(place.indexes) + 1 :])
    container = place.containers[-1]
    layout = take_apart(text, container)
    whole: Json = {step: value} if isinstance(step, str) else [value]
    style = detect(text, place.containers)
    frame = (
        _frame(text, place.containers, layout)
        if container.items
        else _empty_frame(text, place.containers, place.indexes, layout, whole)
    )
    body = _written(text, container, value, style, frame)
    if isinstance(step, str):
        body = write_key(step, style) + style.colon + body
    plan = [*range(len(container.items)), body]
    return _rewritten(container, arrange(layout, plan, frame), frame)


def _wrapped(value: Json, rest: Path) -> Json:
    """Put the missing parents around a value."""
    for step in reversed(rest):
        value = {step: value} if isinstance(step, str) else [value]
    return value


def _replace(text: str, place: Place, value: Json) -> Splice:
    if isinstance(place.value, list) and isinstance(value, list):
        return _set_list(text, place, place.value, value)
    style = detect(text, place.containers)
    if not isinstance(value, dict | list) or not value:
        first = text[place.start]
        written = write_scalar(value, first if first in "\"'" else style.quote)
        return Splice(place.start, place.end, written)
    end = style.newline + indent_at(text, place.start)
    found = _holder_break(text, place.containers, place.indexes)
    if found is None and NEWLINE.search(text, place.start, place.end):
        found = end
    frame = Frame(found, forced_break=end, end=end)
    parent = place.containers[-1] if place.containers else None
    return Splice(place.start, place.end, _written(text, parent, value, style, frame))


def _set_list(text: str, place: Place, old: list[Json], new: list[Json]) -> Splice:
    container = scan(text, place.start)
    chain = (*place.containers, container)
    layout = take_apart(text, container)
    style = detect(text, chain)
    frame = (
        _frame(text, chain, layout)
        if container.items
        else _empty_frame(text, chain, place.indexes, layout, new)
    )
    plan = [
        stays if stays is not None else _written(text, container, value, style, frame)
        for stays, value in zip(_matches(old, new), new, strict=True)
    ]
    return _rewritten(container, arrange(layout, plan, frame), frame)


def _matches(old: list[Json], new: list[Json]) -> list[int | None]:
    """Say which old element each new one is; None for one that was not there."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if not same(old[at], new[at])), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if not same(old[-1 - at], new[-1 - at])), rest)
    free: defaultdict[str, deque[int]] = defaultdict(deque)
    for at in range(head, len(old) - tail):
        free[_name(old[at])].append(at)
    middle = [
        found.popleft() if (found := free.get(_name(value))) else None
        for value in new[head : len(new) - tail]
    ]
    return [*range(head), *middle, *range(len(old) - tail, len(old))]


def _name(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _rewritten(container: Container, layout: Layout, frame: Frame) -> Splice:
    return Splice(container.start, container.end, put_together(layout, frame))


def _frame(text: str, chain: Sequence[Container], layout: Layout) -> Frame:
    style = detect(text, chain)
    base = indent_at(text, chain[-1].start)
    found = layout.line_break
    return Frame(
        found,
        found or style.newline + base + style.unit,
        style.newline + base,
        style.blank,
        style.pad(is_object=chain[-1].is_object),
    )


def _empty_frame(
    text: str, chain: Sequence[Container], indexes: Sequence[int], layout: Layout, value: Json
) -> Frame:
    """Return how an empty container is filled: on its line, or one member a line."""
    container = chain[-1]
    style = detect(text, chain)
    plain = _frame(text, chain, layout)
    inside = layout.head + layout.tail
    if not NEWLINE.search(inside):
        inline = len(chain) > 1 and _holder_break(text, chain, indexes) is None
        if len(chain) > 1 and not inline and not inside.strip():
            width = len(indent_at(text, container.start))
            short = width + len(write(value, style, "", inline=True)) <= _LONG_LINE
            inline = short and bool(_one_line_siblings(text, chain[-2], container.is_object))
        if inline:
            return plain
    comments = split_comments(layout.tail)[0]
    found = line_break(comments) or plain.forced_break
    return Frame(found, found, plain.end, plain.blank, plain.pad, style.trailing_comma)


def _written(
    text: str, container: Container | None, value: Json, style: Style, frame: Frame
) -> str:
    """Write a value as its neighbours are written: on one line, or one member a line."""
    inline = write(value, style, "", inline=True)
    if frame.line_break is None or not isinstance(value, dict | list):
        return inline
    like = container and _one_line_siblings(text, container, isinstance(value, dict))
    indent = indent_of(frame.line_break)
    if like and len(indent) + len(inline) <= _LONG_LINE:
        return inline
    return write(value, style, indent, inline=False)


def _one_line_siblings(text: str, container: Container, is_object: bool) -> bool | None:
    """Tell whether the last member of the same kind is on one line; None where there is none."""
    opening, closing = "{}" if is_object else "[]"
    for item in reversed(container.items):
        if text[item.value_start] == opening:
            inside = skip_gap(text, item.value_start + 1)
            if text[inside] != closing:
                return NEWLINE.search(text, item.value_start, item.end) is None
    return None


def _holder_break(text: str, chain: Sequence[Container], indexes: Sequence[int]) -> str | None:
    """Return the line break before the member that holds the value; None where it has none."""
    if not indexes:
        return "\n"
    return line_break(gap_before(text, chain[len(indexes) - 1], indexes[-1]))
