"""The config as bytes: read it, refuse what is no config, and say where it goes wrong."""

from __future__ import annotations

import re

import pyjson5

from bot.config.text import position
from bot.config.values import kind
from bot.errors import ConfigShapeError, ConfigSyntaxError
from bot.ports import Json

MAX_DEPTH = 200
"""Nesting that is still followed; real files have about ten levels."""

_INCLUDE = "$include"
_NEAR = re.compile(r"near (\d+)")
_AGAIN = "Fix that line or restore a backup of the file, then try again."


def load(raw: bytes, name: str = "The config") -> Json:
    """Parse the bytes of a config; `name` is what a refusal calls it.

    Raises:
        ConfigSyntaxError: they are no JSON5 text in UTF-8; the message names line and column.
        ConfigShapeError: the root is not an object.
    """
    parsed = parse(raw, name)
    if not isinstance(parsed, dict):
        raise ConfigShapeError(
            f"{name} is {kind(parsed)}, but must be an object.",
            "Put the settings between { and }, or restore a backup of the file.",
        )
    return parsed


def parse(raw: bytes, name: str) -> Json:
    """Parse any JSON5 text. Raises ConfigSyntaxError, which calls it `name`."""
    text = decode(raw, name)
    try:
        return pyjson5.decode(text, maxdepth=MAX_DEPTH)
    except pyjson5.Json5NestingTooDeep as error:
        raise ConfigSyntaxError(
            f"{name} is nested more than {MAX_DEPTH} levels deep{_where(text, error)}.", _AGAIN
        ) from None
    except (pyjson5.Json5Exception, ValueError, ArithmeticError, RecursionError) as error:
        raise ConfigSyntaxError(
            f"{name} is not valid JSON5{_where(text, error)}: {_why(error)}.", _AGAIN
        ) from None


def decode(raw: bytes, name: str = "The config") -> str:
    """Turn a config's bytes into text; a byte order mark stays, it is white space to JSON5.

    Raises:
        ConfigSyntaxError: they are empty, not UTF-8, or hold a NUL byte.
    """
    if not raw.strip():
        raise ConfigSyntaxError(
            f"{name} is empty.", "Write {} into it, or restore a backup of the file."
        )
    if (nul := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise ConfigSyntaxError(
            f"{name} has a NUL byte in line {line}: it is not UTF-8 text.",
            "Save it as UTF-8, or restore a backup of the file.",
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line, column = position(before, len(before))
        raise ConfigSyntaxError(
            f"{name} is not UTF-8 text: byte 0x{raw[error.start]:02x}"
            f" at line {line}, column {column}.",
            "Save it as UTF-8, or restore a backup of the file.",
        ) from None


def _where(text: str, error: Exception) -> str:
    found = _NEAR.search(str(error))
    if found is None:
        return ""
    line, column = position(text, max(0, int(found[1]) - 1))
    return f" at line {line}, column {column}"


def _why(error: Exception) -> str:
    said = str(error.args[0]) if error.args else ""
    if "No JSON data" in said:
        return "it has only comments and whitespace"
    for sign, words in (
        ("Unclosed b'string'", "unclosed string"),
        ("Unclosed b'comment'", "unclosed comment"),
        ("NumericLiteral", "invalid number"),
        ("Extra data", "unexpected text after the closing bracket"),
        ("comma' or", "missing comma or closing bracket"),
        ("Stray", "unexpected comma"),
        ("colon", "missing colon"),
        ("IdentifierStart", "expected a key"),
        ("JSON5Value", "expected a value"),
        ("escape", "unknown escape sequence"),
        ("hexadecimal", "incomplete escape sequence"),
        ("Unclosed", "unclosed bracket"),
    ):
        if sign in said:
            return words
    return "unreadable text"


def include_names(value: Json) -> tuple[str, ...]:
    """Return the file names an object's own `$include` gives."""
    said = value.get(_INCLUDE) if isinstance(value, dict) else None
    names = said if isinstance(said, list) else [said]
    return tuple(name for name in names if isinstance(name, str))


def has_include(value: Json) -> bool:
    """Return whether an object draws in other files."""
    return isinstance(value, dict) and _INCLUDE in value


def include_targets(raw: bytes) -> tuple[str, ...]:
    """Return every file name under a `$include` anywhere, each once; none for a broken config."""
    if b"$include" not in raw and not re.search(rb"\\[ux]", raw):
        return ()
    try:
        todo: list[Json] = [parse(raw, "")]
    except ConfigSyntaxError:
        return ()
    found: dict[str, None] = {}
    while todo:
        held = todo.pop()
        if isinstance(held, dict):
            found |= dict.fromkeys(include_names(held))
            todo.extend(reversed(held.values()))
        elif isinstance(held, list):
            todo.extend(reversed(held))
    return tuple(found)
