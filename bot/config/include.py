"""`$include`: other files that a config draws in, and which of them says what.

An object that holds `$include` starts from the named file, or from several merged in order; its
own keys win, and lists are joined. Source: OpenClaw's configuration docs, "Split config into
multiple files", and the merge of releases 2026.1.29 and 2026.9.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath
from typing import Any

from bot.config.document import MAX_DEPTH, has_include, load, parse
from bot.config.values import dotted, kind
from bot.durations import shorten
from bot.errors import ConfigError, ConfigSyntaxError
from bot.ports import Document, Json, Path

KEY = "$include"
DEEPEST = 10
"""So many levels of files in files OpenClaw follows."""

MOST = 2000
"""So many `$include` are followed in all; a real config has a dozen."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A value as one file says it, and where there; the config itself is the file ""."""

    file: str
    path: Path
    value: Json
    trail: tuple[str, ...] = ()

    def child(self, step: str | int) -> Layer:
        """Return the layer of a key or an entry."""
        return Layer(self.file, (*self.path, step), self.value[step], self.trail)


@dataclass(frozen=True, slots=True)
class Fault:
    """An `$include` that gives nothing: where it is, and what is wrong, as a sentence."""

    path: Path
    file: str
    says: str

    @property
    def fix(self) -> str:
        """What to do about it."""
        return f"Fix {self.file or 'it'}, or remove that $include."

    def overlaps(self, path: Path) -> bool:
        """Return whether the file may hold what is at a path, or a part of it."""
        shorter = min(len(path), len(self.path))
        return self.path[:shorter] == path[:shorter]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config with everything it includes in place, but for the faults."""

    value: Json
    faults: tuple[Fault, ...] = ()


def resolve(document: Document, name: str = "The config") -> Resolved:
    """Parse a document, which a refusal calls `name`, and put in place what it includes.

    Raises:
        ConfigSyntaxError, ConfigShapeError: the document itself is no config.
    """
    files = Files(document, name)
    if not files.any:
        return Resolved(files.root.value)
    value = files.merged(files.root)
    return Resolved(value, tuple(files.faults.values()))


def resolve_includes(document: Document) -> Json:
    """Return the config with what it includes; what gives nothing is left out."""
    return resolve(document).value


@dataclass(slots=True)
class Files:
    """The files of one document, each parsed once."""

    document: Document
    name: str = "The config"
    faults: dict[tuple[Path, str], Fault] = field(default_factory=dict)
    root: Layer = field(init=False)
    _parsed: dict[str, tuple[Json] | str] = field(default_factory=dict)
    _followed: int = 0

    def __post_init__(self) -> None:
        """Parse the config itself."""
        self.root = Layer("", (), load(self.document.raw, self.name))

    @property
    def any(self) -> bool:
        """True where something may be included."""
        raw = self.document.raw
        return bool(self.document.included) or b"$include" in raw or b"\\" in raw

    def merged(self, layer: Layer, at: Path = ()) -> Json:
        """Return what a layer comes to with all that it draws in."""
        if len(at) > MAX_DEPTH:
            raise ConfigSyntaxError(
                f"With its $include files the config is more than {MAX_DEPTH} levels deep.",
                "Remove the $include that nests so deep.",
            )
        if not has_include(layer.value):
            return self._inside(layer, at)
        *drawn, own = self._drawn(layer, at)
        whole: Json = {}
        for one in drawn:
            whole = _merge(whole, self.merged(one, at))
        if not own.value:
            return whole
        if not isinstance(whole, dict):
            file = drawn[-1].file
            says = f"{shorten(file)} is {kind(whole)}, but must be an object there."
            self._fault(at, file, says)
            whole = {}
        return _merge(whole, self._inside(own, at))

    def layers(self, path: Path) -> list[Layer]:
        """Return the values that make up what is at a path; none where nothing is."""
        self._followed = 0
        found = self.parts(self.root, ())
        for depth, step in enumerate(path):
            found = step_down(_effective(found), step)
            at = path[: depth + 1]
            found = [part for layer in found for part in self.parts(layer, at)]
        return _effective(found)

    def parts(self, layer: Layer, at: Path) -> list[Layer]:
        """Return the layers that an object with an `$include` stands for, its own keys last."""
        if not has_include(layer.value):
            return [layer]
        *drawn, own = self._drawn(layer, at)
        found = [part for one in drawn for part in self.parts(one, at)]
        return [*found, own] if own.value or not found else found

    def _drawn(self, layer: Layer, at: Path) -> list[Layer]:
        """Return the files that an object's `$include` names, and last its own keys."""
        named = layer.value[KEY]
        names = named if isinstance(named, list) else [named]
        found = [one for name in names if (one := self._of_file(name, layer, at)) is not None]
        own = {key: held for key, held in layer.value.items() if key != KEY}
        return [*found, Layer(layer.file, layer.path, own, layer.trail)]

    def _inside(self, layer: Layer, at: Path) -> Json:
        value = layer.value
        if isinstance(value, dict):
            return {key: self.merged(layer.child(key), (*at, key)) for key in value}
        if isinstance(value, list):
            return [self.merged(layer.child(n), (*at, n)) for n in range(len(value))]
        return value

    def _of_file(self, name: Json, layer: Layer, at: Path) -> Layer | None:
        if not isinstance(name, str):
            says = f"The $include of {dotted(at)} is {kind(name)}, but must be a file name."
            self._fault(at, layer.file, says)
            return None
        file = normpath(join(dirname(layer.file), name))
        trail = (*layer.trail, file)
        self._followed += 1
        if file in layer.trail:
            chain = " → ".join(trail[layer.trail.index(file) :])
            self._fault(at, file, f"{shorten(file)} includes itself: {shorten(chain)}.")
            return None
        if len(trail) > DEEPEST or self._followed > MOST:
            most = f"{DEEPEST} files deep" if len(trail) > DEEPEST else f"{MOST} times"
            self._fault(at, file, f"{shorten(file)} is included more than {most}.")
            return None
        said = self._parsed.get(file) or self._parsed.setdefault(file, self._load(file))
        if isinstance(said, str):
            self._fault(at, file, said)
            return None
        return Layer(file, (), said[0], trail)

    def _load(self, file: str) -> tuple[Json] | str:
        """Return a file's value, in a tuple, or what is wrong with it."""
        raw = self.document.included.get(file, "it was not looked for")
        if isinstance(raw, str):
            return f"{shorten(file)} cannot be read: {raw}."
        try:
            return (parse(raw, shorten(file)),)
        except ConfigError as error:
            return error.message

    def _fault(self, at: Path, file: str, says: str) -> None:
        self.faults.setdefault((at, file), Fault(at, file, says))


def _effective(layers: Sequence[Layer]) -> list[Layer]:
    """Leave out the layers over which a later one of another kind was put."""
    found: list[Layer] = []
    for layer in layers:
        joins = isinstance(layer.value, dict | list)
        if not (joins and found and type(found[-1].value) is type(layer.value)):
            found.clear()
        found.append(layer)
    return found


def step_down(layers: Sequence[Layer], step: str | int) -> list[Layer]:
    """Return the layers that have a key, or the one that has an entry of the joined lists."""
    if isinstance(step, str):
        tables = [layer for layer in layers if isinstance(layer.value, dict)]
        return [layer.child(step) for layer in tables if step in layer.value]
    for layer in layers:
        length = len(layer.value) if isinstance(layer.value, list) else 0
        if step < length:
            return [layer.child(step)]
        step -= length
    return []


def _merge(base: Json, over: Json) -> Json:
    if isinstance(base, list) and isinstance(over, list):
        # As OpenClaw does it: lists from several places are put together.
        return [*base, *over]
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    merged: dict[str, Any] = dict(base)
    for key, value in over.items():
        merged[key] = _merge(merged[key], value) if key in merged else value
    return merged
