"""How a file is written, and how what is put into it is written likewise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.config.json5_span import (
    COMMENT,
    NEWLINE,
    STRING,
    Container,
    Item,
    gap_before,
    indent_of,
    line_break,
    skip_gap,
)
from bot.ports import Json

_T = TypeVar("_T")
_BARE_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ESCAPED = re.compile("[\\\\\"'\x00-\x1f\x7f\u2028\u2029\ufeff\ud800-\udfff]")
_SHORT_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_INDENTED_LINE = re.compile(r"(?:^|[\n\r])([ \t]+)[\"'\w$]")
_STRING_OR_COMMENT = re.compile(f"{STRING}|{COMMENT}")
DEEPEST_WRITTEN = 64
"""Nesting of a value that is still written."""
_EVIDENCE = 50
"""How many members are looked at before the next container is asked."""


@dataclass(frozen=True, slots=True)
class Style:
    """The habits of a file around one place.

    `quote` is for strings; keys are bare where they may be (`bare_keys`), else in `key_quote`.
    `blank` follows a comma on the same line; the pads stand inside the brackets of a one-line
    object or list; `trailing_comma` is the habit of containers with one member a line.
    """

    newline: str = "\n"
    unit: str = "  "
    quote: str = '"'
    bare_keys: bool = False
    key_quote: str = '"'
    colon: str = ": "
    blank: str = " "
    object_pad: str = " "
    list_pad: str = ""
    trailing_comma: bool = False

    def pad(self, *, is_object: bool) -> str:
        """Return the blank inside the brackets of a one-line object or list."""
        return self.object_pad if is_object else self.list_pad


def detect(text: str, chain: Sequence[Container]) -> Style:
    """Read the habits around the last container of a chain that begins at the root.

    What the innermost container does counts first; where it says nothing, those around it do.
    """
    inner = list(reversed(chain))
    objects = [container for container in inner if container.is_object]

    def first(ask: Callable[[str, Container], _T | None], among: Iterable[Container]) -> _T | None:
        return next((said for one in among if (said := ask(text, one)) is not None), None)

    key_quote = first(_key_quote, objects)
    quote = first(_string_quote, inner) or key_quote or _first_quote(text)
    colon = first(_colon, objects) or ": "
    airy = " " if colon[-1:].isspace() else ""
    object_pad, list_pad = first(_object_pad, inner), first(_list_pad, inner)
    blank = first(_blank, inner)
    return Style(
        newline=first(_newline, inner) or _first_newline(text),
        unit=_unit(text, chain),
        quote=quote,
        bare_keys=bool(first(_bare_keys, objects)),
        key_quote=key_quote or quote,
        colon=colon,
        blank=airy if blank is None else blank,
        object_pad=airy if object_pad is None else object_pad,
        list_pad=list_pad or "",
        trailing_comma=bool(first(_trailing_comma, inner)),
    )


def own_line_break(text: str, container: Container) -> str | None:
    """Return the line break before the container's last member; None where all is on one line."""
    if not container.items:
        return None
    return line_break(gap_before(text, container, len(container.items) - 1))


def _latest(container: Container) -> Iterable[Item]:
    return container.items[: -_EVIDENCE - 1 : -1]


def _string_quote(text: str, container: Container) -> str | None:
    starts = (text[item.value_start] for item in _latest(container))
    return next((start for start in starts if start in "\"'"), None)


def _first_quote(text: str) -> str:
    found = next((one for one in _STRING_OR_COMMENT.finditer(text) if one[0][0] != "/"), None)
    return found[0][0] if found else '"'


def _key_quote(text: str, container: Container) -> str | None:
    starts = (text[item.start] for item in _latest(container))
    return next((start for start in starts if start in "\"'"), None)


def _bare_keys(text: str, container: Container) -> bool | None:
    for item in _latest(container):
        if _BARE_KEY.fullmatch(item.key or ""):
            return text[item.start] not in "\"'"
    return None


def _colon(text: str, container: Container) -> str | None:
    for item in _latest(container):
        at = skip_gap(text, item.key_end)
        before, after = text[item.key_end : at], text[at + 1 : item.value_start]
        if "/" not in before + after and not NEWLINE.search(before + after):
            return f"{before}:{after}"
    return None


def _blank(text: str, container: Container) -> str | None:
    if len(container.items) < 2:
        return None
    return _one_line(gap_before(text, container, len(container.items) - 1))


def _one_line(gap: str) -> str | None:
    return None if "/" in gap or NEWLINE.search(gap) else gap


def _object_pad(text: str, container: Container) -> str | None:
    return _pad(text, container, is_object=True)


def _list_pad(text: str, container: Container) -> str | None:
    return _pad(text, container, is_object=False)


def _pad(text: str, container: Container, *, is_object: bool) -> str | None:
    opening, closing = "{}" if is_object else "[]"
    starts = [container.start] if container.is_object == is_object else []
    starts += [i.value_start for i in _latest(container) if text[i.value_start] == opening]
    for start in starts:
        end = skip_gap(text, start + 1)
        pad = _one_line(text[start + 1 : end])
        if pad is not None and text[end] != closing:
            return pad
    return None


def _trailing_comma(text: str, container: Container) -> bool | None:
    if own_line_break(text, container) is None:
        return None
    return container.items[-1].comma is not None


def _newline(text: str, container: Container) -> str | None:
    found = NEWLINE.match(own_line_break(text, container) or "")
    return found[0] if found else None


def _first_newline(text: str) -> str:
    found = re.search("\r\n|\n|\r", text)
    return found[0] if found else "\n"


def _unit(text: str, chain: Sequence[Container]) -> str:
    """Return one step of indentation, as the innermost containers make it."""
    indents = [""]
    for container in chain:
        found = own_line_break(text, container)
        indents.append(indents[-1] if found is None else indent_of(found))
    for outer, inner in zip(indents[-2::-1], indents[:0:-1], strict=True):
        if len(inner) > len(outer) and inner.startswith(outer):
            return inner[len(outer) :]
    anywhere = _INDENTED_LINE.search(text)
    return anywhere[1] if anywhere else "  "


def write(value: Json, style: Style, indent: str, *, inline: bool) -> str:
    """Write a value as JSON5; `indent` is that of the line it begins on."""
    if not isinstance(value, dict | list) or not value:
        return write_scalar(value, style.quote)
    is_object = isinstance(value, dict)
    inner = indent if inline else indent + style.unit
    if isinstance(value, dict):
        parts = [
            write_member(key, held, style, inner, inline=inline) for key, held in value.items()
        ]
    else:
        parts = [write(held, style, inner, inline=inline) for held in value]
    opening, closing = "{}" if is_object else "[]"
    if inline:
        pad = style.pad(is_object=is_object)
        return f"{opening}{pad}{f',{style.blank}'.join(parts)}{pad}{closing}"
    start = style.newline + inner
    comma = "," if style.trailing_comma else ""
    return f"{opening}{start}{f',{start}'.join(parts)}{comma}{style.newline}{indent}{closing}"


def write_member(key: str, value: Json, style: Style, indent: str, *, inline: bool) -> str:
    """Write an object's member without its comma."""
    return write_key(key, style) + style.colon + write(value, style, indent, inline=inline)


def write_key(key: str, style: Style) -> str:
    """Write a key, bare where that is the habit and the key allows it."""
    if style.bare_keys and _BARE_KEY.fullmatch(key):
        return key
    return write_string(key, style.key_quote)


def write_scalar(value: Json, quote: str) -> str:
    """Write a string, number, true, false, null or an empty container."""
    if isinstance(value, str):
        return write_string(value, quote)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    words = {"True": "true", "False": "false", "None": "null"}
    written = repr(value)
    return words.get(written, written)


def write_string(value: str, quote: str) -> str:
    """Write a string in the quotes given; what is invisible or ends lines is escaped."""

    def escape(found: re.Match[str]) -> str:
        char = found[0]
        if char in "\"'":
            return f"\\{char}" if char == quote else char
        return _SHORT_ESCAPES.get(char) or f"\\u{ord(char):04x}"

    return f"{quote}{_ESCAPED.sub(escape, value)}{quote}"
