"""How a config names a secret without holding it: `${VAR}`, or a reference to a store."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.ports import Json

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:KEY|TOKEN)")


def variable_named(text: str) -> str | None:
    """Return the variable that stands for a key by its bare name, as OpenClaw writes some."""
    return text if _NAME.fullmatch(text) else None


def filled(text: str, env: Mapping[str, str]) -> str:
    """Put variables in place of each `${VAR}`; one that is not set stays as it is written."""
    return _VARIABLE.sub(lambda found: env.get(found[1]) or found[0], text)


def missing_in(text: str) -> str | None:
    """Return the first variable that a text still waits for."""
    found = _VARIABLE.search(text)
    return found[1] if found else None


def secret_reference(value: Json) -> str | None:
    """Return a secret as text: itself, or `${VAR}` for one of the environment; None otherwise.

    OpenClaw's references are `{source: "env", provider: "default", id: "VARIABLE"}`; those of
    other sources are for it alone to follow.
    """
    if isinstance(value, Mapping):
        name = value.get("id")
        return f"${{{name}}}" if value.get("source") == "env" and isinstance(name, str) else None
    return value.strip() or None if isinstance(value, str) else None
