"""Reading the files that a config draws in with `$include`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from adapters.storage.filesystem import read_regular
from bot.errors import ConfigError

_DEEPEST = 5
_MOST_FILES = 200


def read_included(
    raw: bytes, folder: str, most_bytes: int
) -> tuple[Mapping[str, bytes | None], Mapping[str, str]]:
    """Return what each `$include` says → the bytes found there or None, and → its path.

    A relative name starts from the folder of the file that says it; where two files mean
    different things by one name, the one nearer to the config's root counts.
    """
    if b"$include" not in raw and b"\\" not in raw:
        return {}, {}
    found: dict[str, bytes | None] = {}
    paths: dict[str, str] = {}
    level = [(raw, folder)]
    for _ in range(_DEEPEST):
        deeper: list[tuple[bytes, str]] = []
        for text, base in level:
            for name in _targets(text):
                if name in found or len(found) >= _MOST_FILES:
                    continue
                path = paths[name] = os.path.join(base, name)
                content = found[name] = _read(path, most_bytes)
                if content is not None:
                    deeper.append((content, os.path.dirname(path)))
        level = deeper
    return found, paths


def _targets(raw: bytes) -> tuple[str, ...]:
    # Late: parsing is only needed for the rare config that includes something.
    from bot.config.edit import include_targets

    try:
        return include_targets(raw)
    except ConfigError:
        return ()


def _read(path: str, most_bytes: int) -> bytes | None:
    try:
        return read_regular(path, most_bytes)
    except (OSError, ValueError):
        return None
