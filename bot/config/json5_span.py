"""Find things in JSON5 text: where a container's members, keys, values and commas stand.

The text has been parsed before, so it is known to be JSON5; what is left to do is to say where
everything is. Nothing here recurses: what is inside a value is jumped over. Offsets are
characters of the decoded text, a byte order mark included.
Source: https://spec.json5.org
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyjson5

from bot.config.text import position
from bot.errors import ConfigUneditableError

_NEWLINES = "\n\r\u2028\u2029"
_BLANKS = "\t\v\f \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
_LINE_COMMENT = f"//[^{_NEWLINES}]*+"
_BLOCK_COMMENT = r"/\*(?:[^*]++|\*(?!/))*+\*/"
_DOUBLE = r'"(?:[^"\\]++|\\[\s\S])*+"'
_SINGLE = r"'(?:[^'\\]++|\\[\s\S])*+'"

STRING = f"{_DOUBLE}|{_SINGLE}"
COMMENT = f"{_LINE_COMMENT}|{_BLOCK_COMMENT}"
NEWLINE = re.compile(f"\r\n|[{_NEWLINES}]")
_GAP = re.compile(f"(?:[{_BLANKS}{_NEWLINES}]++|{COMMENT})*+")
_PIECE = re.compile(f"[{_BLANKS}{_NEWLINES}]+|{COMMENT}")
_STRING = re.compile(STRING)
_WORD = re.compile(rf"[^{_BLANKS}{_NEWLINES},:/\[\]{{}}\"']++")
_TO_BRACKET = re.compile(rf"(?:[^\"'/\[\]{{}}]++|{STRING}|{COMMENT})*+[\[\]{{}}]")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Item:
    """A member of an object or an element of an array.

    `start` is where its key (or, in an array, its value) begins; `key` is decoded, None in an
    array; `comma` is the position of the comma behind it, None where there is none.
    """

    start: int
    end: int
    value_start: int
    comma: int | None
    key: str | None = None
    key_end: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """An object or array: `start` at its opening bracket, `end` behind the closing one."""

    start: int
    end: int
    is_object: bool
    items: tuple[Item, ...]

    @property
    def has_twins(self) -> bool:
        """True when a key is duplicated."""
        return self.is_object and len({item.key for item in self.items}) < len(self.items)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of blanks, or one comment."""

    text: str
    comment: bool

    @property
    def breaks(self) -> bool:
        """True when there is a line break in it."""
        return NEWLINE.search(self.text) is not None

    @property
    def open_ended(self) -> bool:
        """True for a `//` comment, which swallows whatever follows on its line."""
        return self.comment and self.text.startswith("//")


def skip_gap(text: str, at: int) -> int:
    """Return the position behind blanks and comments."""
    found = _GAP.match(text, at)
    return found.end() if found else at


def pieces(gap: str) -> Iterator[Piece]:
    """Split what is between two tokens into blanks and comments."""
    for found in _PIECE.finditer(gap):
        yield Piece(found[0], found[0].startswith("/"))


def find_root(text: str) -> int:
    """Return where the root value begins."""
    return skip_gap(text, 0)


def scan(text: str, start: int) -> Container:
    """List the direct children of the container that opens at `start`.

    Raises:
        ConfigUneditableError: the text is not JSON5 after all.
    """
    is_object = text[start] == "{"
    closing = _CLOSING[text[start]]
    items: list[Item] = []
    at = skip_gap(text, start + 1)
    while text[at : at + 1] != closing:
        item = _scan_item(text, at, is_object)
        items.append(item)
        at = skip_gap(text, item.end if item.comma is None else item.comma + 1)
        if item.comma is None and text[at : at + 1] != closing:
            raise _lost(text, at)
    return Container(start, at + 1, is_object, tuple(items))


def _scan_item(text: str, start: int, is_object: bool) -> Item:
    key, key_end, value_start = None, start, start
    if is_object:
        key_end = _word_end(text, start)
        key = decode_key(text[start:key_end])
        colon = skip_gap(text, key_end)
        if text[colon : colon + 1] != ":":
            raise _lost(text, colon)
        value_start = skip_gap(text, colon + 1)
    end = value_end(text, value_start)
    after = skip_gap(text, end)
    comma = after if text[after : after + 1] == "," else None
    return Item(start, end, value_start, comma, key, key_end)


def value_end(text: str, start: int) -> int:
    """Return the position behind the value that begins at `start`, whatever is inside it."""
    if text[start : start + 1] not in ("{", "["):
        return _word_end(text, start)
    depth, at = 0, start
    while bracket := _TO_BRACKET.match(text, at):
        at = bracket.end()
        depth += 1 if text[at - 1] in "{[" else -1
        if not depth:
            return at
    raise _lost(text, at)


def _word_end(text: str, start: int) -> int:
    pattern = _STRING if text[start : start + 1] in ('"', "'") else _WORD
    found = pattern.match(text, start)
    if found is None:
        raise _lost(text, start)
    return found.end()


def decode_key(written: str) -> str:
    """Read a key as the parser does: quoted or not, escapes resolved."""
    quoted = written[0] in "\"'"
    if "\\" not in written:
        return written[1:-1] if quoted else written
    decoded: str = pyjson5.decode(written if quoted else f'"{written}"')
    return decoded


def line_break(gap: str) -> str | None:
    """Return the last line break outside comments with the indentation behind it, if any."""
    for piece in reversed(list(pieces(gap))):
        if not piece.comment and piece.breaks:
            last = list(NEWLINE.finditer(piece.text))[-1]
            return piece.text[last.start() :]
    return None


def indent_of(line_start: str) -> str:
    """Return the indentation of what `line_break` gave."""
    return NEWLINE.sub("", line_start)


def ends_open(gap: str) -> bool:
    """Return whether a gap ends in a `//` comment, so that a line break has to follow."""
    split = list(pieces(gap))
    return bool(split) and split[-1].open_ended


def gap_before(text: str, container: Container, index: int) -> str:
    """Return what is between an item and the comma or bracket before it."""
    return text[gap_start(container, index) : container.items[index].start]


def gap_start(container: Container, index: int) -> int:
    """Return where the gap before an item begins."""
    if index == 0:
        return container.start + 1
    before = container.items[index - 1]
    return before.end if before.comma is None else before.comma + 1


def _lost(text: str, at: int) -> ConfigUneditableError:
    line, column = position(text, at)
    return ConfigUneditableError(
        f"The config cannot be edited safely at line {line}, column {column}; nothing was changed.",
        f"Simplify line {line} and try again.",
    )
