"""Which generation of Moltbot or OpenClaw a config belongs to: 2026.3 changed what they do."""

from __future__ import annotations

import re
from pathlib import PurePath

_NEW_SINCE = (2026, 3)
_OLD_FOLDERS = frozenset({".clawdbot", ".moltbot"})


def is_new(version: str | None) -> bool | None:
    """Tell by a version such as `2026.1.29` or `v2026.9.6`; None where it is none."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version or "")[:2])
    return numbers >= _NEW_SINCE if len(numbers) == 2 else None


def in_old_folder(path: PurePath) -> bool:
    """Decide whether a path lies in, or is, a folder that only older releases use."""
    return not _OLD_FOLDERS.isdisjoint(path.parts)
