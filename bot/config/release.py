"""Which generation of Moltbot or OpenClaw a config belongs to: 2026.3 changed what they do."""

from __future__ import annotations

import re
from pathlib import PurePath

_NEW_SINCE = (2026, 3)
_OLD_FOLDERS = frozenset({".clawdbot", ".moltbot"})
_FOLDERS = _OLD_FOLDERS | {".openclaw"}


def is_new(version: str | None) -> bool | None:
    """Tell by a version such as `2026.1.29` or `v2026.9.6`; None where it is none."""
    numbers = numbers_of(version)
    return numbers >= _NEW_SINCE if numbers else None


def numbers_of(version: str | None) -> tuple[int, ...]:
    """Return the year and month of a version; empty where it is none."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version or "")[:2])
    return numbers if len(numbers) == 2 else ()


def in_old_folder(path: PurePath) -> bool:
    """Return whether a path lies in, or is, a folder that only older releases use."""
    return not _OLD_FOLDERS.isdisjoint(path.parts)


def in_state_folder(path: PurePath) -> bool:
    """Return whether a path lies in, or is, a folder of any release."""
    return not _FOLDERS.isdisjoint(path.parts)
