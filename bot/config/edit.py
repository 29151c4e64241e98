"""Edit the config so that every byte outside the edit stays, and prove it.

An edit is made by splicing characters; what comes out is parsed again and compared with what the
edit should have given. An edit that cannot be proved is refused, and the bytes stay as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bot.config.diff import unified_diff
from bot.config.document import decode, include_targets, load
from bot.config.json5_span import scan
from bot.config.locate import locate, refuse_included
from bot.config.splice import plan_splice
from bot.config.style import DEEPEST_WRITTEN
from bot.config.values import (
    Edit,
    Remove,
    SetValue,
    dotted,
    expected,
    get,
    is_deeper,
    restore,
    same,
    touched,
)
from bot.errors import ConfigError, ConfigUneditableError
from bot.ports import ABSENT, Json

__all__ = [
    "Edit", "Remove", "SetValue", "apply_edits", "get", "include_targets", "load", "restore",
    "touched", "unified_diff",
]  # fmt: skip


def apply_edits(raw: bytes, edits: Sequence[Edit]) -> bytes:
    """Make the edits one after the other and prove the result.

    An edit that finds its value already there changes no byte.

    Raises:
        ConfigSyntaxError: the bytes are no config.
        ConfigShapeError: a parent on a path cannot hold what the edit puts there.
        ConfigUneditableError: an edit would not be safe, or could not be proved.
    """
    value = load(raw)
    text = decode(raw)
    for edit in edits:
        if not _stands(value, edit):
            text = _make(text, value, edit)
            value = expected(value, edit)
    edited = text.encode("utf-8")
    if edited != raw:
        _prove(edited, value)
    return edited


def _stands(value: Json, edit: Edit) -> bool:
    """Return whether there is nothing to do, because the value is as the edit wants it."""
    found = get(value, edit.path)
    if isinstance(edit, SetValue):
        return same(found, edit.value)
    if found is ABSENT:
        refuse_included(value, edit.path)
    return found is ABSENT


def _make(text: str, value: Json, edit: Edit) -> str:
    """Make one edit, as several where it changes some members of an object."""
    if isinstance(edit, SetValue) and is_deeper(edit.value, DEEPEST_WRITTEN):
        raise ConfigUneditableError(
            f"The value for {dotted(edit.path)} is nested more than {DEEPEST_WRITTEN} levels deep.",
            "Write it into the file by hand.",
        )
    todo = deque([edit])
    while todo:
        edit = todo.popleft()
        if _stands(value, edit):
            continue
        if parts := _split(text, value, edit):
            todo.extendleft(reversed(parts))
            continue
        splice = plan_splice(text, value, edit)
        before, text = text, splice.apply(text)
        if not splice.leaves_the_rest(before, text):
            raise _unproved()
        value = expected(value, edit)
    return text


def _split(text: str, value: Json, edit: Edit) -> list[Edit]:
    """Turn an object set over an object into edits of its members, so that comments stay.

    Empty where that cannot be: for other values, and for an object with a key that stands twice.
    """
    old = get(value, edit.path)
    if not (isinstance(edit, SetValue) and isinstance(old, dict) and isinstance(edit.value, dict)):
        return []
    if scan(text, locate(text, value, edit.path).start).has_twins:
        return []
    put: list[Edit] = [SetValue((*edit.path, key), held) for key, held in edit.value.items()]
    gone = [key for key in old if key not in edit.value]
    return [*put, *(Remove((*edit.path, key)) for key in gone)]


def _prove(edited: bytes, wanted: Json) -> None:
    """Prove that the edited config says what it should, and nothing else."""
    try:
        proved = same(load(edited), wanted)
    except ConfigError:
        proved = False
    if not proved:
        raise _unproved()


def _unproved() -> ConfigUneditableError:
    return ConfigUneditableError(
        "The edit could not be proved to change only this value; the file was not changed.",
        "Make the change in the file by hand.",
    )
