"""JSON as it really comes off the wire: byte-order marks, blank lines before it, rubbish."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bot.ports import Json

MOST_MODEL_CHARACTERS = 200


def load_json(raw: bytes) -> Json:
    """Parse a body; blank lines before it (DeepSeek's keep-alive) and a BOM are no fault.

    Raises:
        ValueError: it is not JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def table(value: Json) -> Mapping[str, Json]:
    """Return an object as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Json) -> list[Json]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def words(value: Json) -> str:
    """Return a string as it is, and anything else as an empty one."""
    return value if isinstance(value, str) else ""


def model_name(value: Json) -> str | None:
    """Return the model's name that an answer gives, unless it is none."""
    name = words(value).strip()
    return name if name and name.isprintable() and len(name) <= MOST_MODEL_CHARACTERS else None
