"""`$include`: other files that a config draws in, followed for reading only.

An object that holds `$include` starts from the named file, or from several merged in order; its
own keys win, and lists are joined. Source: OpenClaw's configuration docs, "Split config with
$include", and the merge of release 2026.1.29.
"""

from __future__ import annotations

from typing import Any

from bot.config.edit import load
from bot.errors import ConfigUnreadableError
from bot.ports import Document, Json

KEY = "$include"
_DEEPEST = 10


def resolve_includes(document: Document) -> Json:
    """Parse a document with everything it includes put in place.

    Raises:
        ConfigSyntaxError: the document or an included file is not JSON5.
        ConfigUnreadableError: an included file could not be read, or they include each other.
    """
    parsed = load(document.raw)
    if not document.included:
        return parsed
    return _resolve(parsed, document, 0)


def _resolve(value: Json, document: Document, depth: int) -> Json:
    if depth > _DEEPEST:
        raise ConfigUnreadableError(
            "The config's $include files include each other in a loop.",
            "Remove one of the $include lines that form the loop.",
        )
    if isinstance(value, list):
        return [_resolve(item, document, depth) for item in value]
    if not isinstance(value, dict):
        return value
    own = {k: _resolve(v, document, depth) for k, v in value.items() if k != KEY}
    if KEY not in value:
        return own
    names = value[KEY] if isinstance(value[KEY], list) else [value[KEY]]
    merged: Json = {}
    for name in names:
        merged = _merge(merged, _resolve(_load(document, str(name)), document, depth + 1))
    return _merge(merged, own) if own else merged


def _load(document: Document, name: str) -> Json:
    raw = document.included.get(name)
    if raw is None:
        raise ConfigUnreadableError(
            f"The config includes {name}, which cannot be read.",
            f"Restore {name} or remove the $include from the config.",
        )
    return load(raw, name)


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
