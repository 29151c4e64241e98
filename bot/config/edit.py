"""Edit the config so that every byte outside the edit stays, and prove it.

An edit is made by splicing characters; what comes out is parsed again and compared with what the
edit should have given. An edit that cannot be proved is refused, and the bytes stay as they are.
A value that an included file holds is edited there; the proof is then that of the whole config.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.config.diff import unified_diff
from bot.config.document import decode, include_targets, load, parse
from bot.config.include import Files, Layer, resolve, step_down
from bot.config.json5_span import scan
from bot.config.locate import locate
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
from bot.errors import ConfigError, ConfigShapeError, ConfigUneditableError
from bot.ports import ABSENT, Document, Json, Path

__all__ = [
    "Edit", "Edited", "Remove", "SetValue", "apply_edits", "edit_document", "get",
    "include_targets", "load", "restore", "together", "touched", "unified_diff",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edited:
    """A document after edits, and the one file of it that they changed ("" is the config)."""

    document: Document
    file: str = ""

    @property
    def raw(self) -> bytes:
        """What that file holds now."""
        return self.document.bytes_of(self.file)


def edit_document(document: Document, edits: Sequence[Edit]) -> Edited:
    """Make the edits in the one file that holds what they change, and prove the whole config.

    Raises:
        ConfigError: as `apply_edits`; or the edits are not all for one file, or an included file
            that cannot be read may hold what they change.
    """
    files = Files(document)
    if not files.any:
        return Edited(document.having("", apply_edits(document.raw, edits)))
    wanted = files.merged(files.root)
    todo: list[Edit] = []
    for edit in edits:
        if not _stands(wanted, edit):
            _refuse_unread(files, edit.path)
            todo.append(edit)
            wanted = expected(wanted, edit)
    if not todo:
        return Edited(document)
    homes = [_homes(files, edit) for edit in todo]
    refusal: ConfigError = _combined(todo[0].path, homes[0])
    for file in [file for file in homes[0] if all(file in home for home in homes)]:
        local = [replace(edit, path=home[file]) for edit, home in zip(todo, homes, strict=True)]
        try:
            after = document.having(file, apply_edits(document.bytes_of(file), local))
        except (ConfigUneditableError, ConfigShapeError) as error:
            refusal = error
            continue
        if same(resolve(after).value, wanted):
            return Edited(after, file)
    raise _spread(todo, homes) or refusal


def together(document: Document, edits: Sequence[Edit], more: Sequence[Edit]) -> list[Edit]:
    """Return those of `more` that can be made in the one file in which `edits` are made."""
    if not document.included:
        return list(more)
    kept: list[Edit] = []
    for edit in more:
        with suppress(ConfigError):
            edit_document(document, [*edits, *kept, edit])
            kept.append(edit)
    return kept


def _homes(files: Files, edit: Edit) -> dict[str, Path]:
    """Return the files that could take an edit, the likeliest first, and its path in each."""
    if isinstance(edit, Remove) and edit.path:
        held = step_down(files.layers(edit.path[:-1]), edit.path[-1])
        return {layer.file: layer.path for layer in reversed(held)}
    depth = len(edit.path)
    while not (layers := files.layers(edit.path[:depth])):
        depth -= 1
    rest = edit.path[depth:]
    if rest and isinstance(rest[0], int):
        rest = (rest[0] - sum(_length(layer) for layer in layers[:-1]), *rest[1:])
        layers = layers[-1:]
    return {layer.file: (*layer.path, *rest) for layer in reversed(layers)}


def _length(layer: Layer) -> int:
    return len(layer.value) if isinstance(layer.value, list) else 0


def _refuse_unread(files: Files, path: Path) -> None:
    for fault in files.faults.values():
        if fault.overlaps(path):
            raise ConfigUneditableError(f"{fault.says} It may hold {dotted(path)}.", fault.fix)


def _combined(path: Path, home: dict[str, Path]) -> ConfigUneditableError:
    named = " and ".join(_named(file) for file in home)
    return ConfigUneditableError(
        f"{dotted(path)} is put together from {named} with $include, so the edit would not have"
        " the intended result.",
        f"Edit {next(iter(home)) or 'the config'} by hand.",
    )


def _spread(todo: Sequence[Edit], homes: Sequence[dict[str, Path]]) -> ConfigError | None:
    """Refuse edits of which no single file could take all."""
    first = homes[0]
    for edit, home in zip(todo, homes, strict=True):
        if not first.keys() & home.keys():
            one, other = _named(next(iter(first))), _named(next(iter(home)))
            return ConfigUneditableError(
                f"This would change {dotted(todo[0].path)} in {one} and {dotted(edit.path)} in"
                f" {other}, but one change edits one file.",
                f"Write {dotted(edit.path)} into {other} by hand, then run the command again.",
            )
    return None


def _named(file: str) -> str:
    return file or "the config itself"


def apply_edits(raw: bytes, edits: Sequence[Edit]) -> bytes:
    """Make the edits one after the other and prove the result.

    An edit that finds its value already there changes no byte.

    Raises:
        ConfigSyntaxError: the bytes are no config.
        ConfigShapeError: a parent on a path cannot hold what the edit puts there.
        ConfigUneditableError: an edit would not be safe, or could not be proved.
    """
    root = value = parse(raw, "The config")
    text = decode(raw)
    for edit in edits:
        if not _stands(value, edit):
            text = _make(text, value, edit)
            value = expected(value, edit)
    edited = text.encode("utf-8")
    if edited != raw:
        _prove(edited, value, root)
    return edited


def _stands(value: Json, edit: Edit) -> bool:
    """Return whether there is nothing to do, because the value is as the edit wants it."""
    found = get(value, edit.path)
    return same(found, edit.value) if isinstance(edit, SetValue) else found is ABSENT


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

    Empty where that cannot be: for other values, and for an object with a duplicate key.
    """
    old = get(value, edit.path)
    if not (isinstance(edit, SetValue) and isinstance(old, dict) and isinstance(edit.value, dict)):
        return []
    if scan(text, locate(text, value, edit.path).start).has_twins:
        return []
    put: list[Edit] = [SetValue((*edit.path, key), held) for key, held in edit.value.items()]
    gone = [key for key in old if key not in edit.value]
    return [*put, *(Remove((*edit.path, key)) for key in gone)]


def _prove(edited: bytes, wanted: Json, root: Json) -> None:
    """Prove that the edited config says what it should, and nothing else."""
    try:
        proved = same(parse(edited, ""), wanted) and type(wanted) is type(root)
    except ConfigError:
        proved = False
    if not proved:
        raise _unproved()


def _unproved() -> ConfigUneditableError:
    return ConfigUneditableError(
        "The edit could not be proved to change only this value; the file was not changed.",
        "Make the change in the file by hand.",
    )
