"""OpenClaw's own `.env` and auth profiles beside its config: read only, kept in memory only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from glob import escape, glob
from io import StringIO

from adapters.storage.files.filesystem import read_regular

_MOST_BYTES = 1 << 20
_AGENT = os.path.join("agents", "{}", "agent", "auth-profiles.json")


def key_files(target: str, state: str | None) -> tuple[str, ...]:
    """Name the files: none where no OpenClaw keeps its state beside the config."""
    folder = state or os.path.dirname(target)
    if state is None and not os.path.isdir(os.path.join(folder, "agents")):
        return ()
    main = os.path.join(folder, _AGENT.format("main"))
    others = sorted(glob(os.path.join(escape(folder), _AGENT.format("*"))))
    profiles = main if main in others or not others else others[0]
    return os.path.join(folder, ".env"), profiles


def read_keys(target: str, state: str | None) -> tuple[Mapping[str, str], bytes]:
    """Return what the `.env` sets and the profiles as they are; what cannot be read is empty."""
    files = key_files(target, state)
    if not files:
        return {}, b""
    env, profiles = map(_read, files)
    return _variables(env), profiles


def _variables(raw: bytes) -> Mapping[str, str]:
    if not raw.strip():
        return {}
    # Late: most configs have no such file beside them.
    from dotenv.parser import parse_stream

    bindings = parse_stream(StringIO(raw.decode("utf-8-sig", "replace")))
    return {one.key: one.value for one in bindings if one.key and one.value and not one.error}


def _read(path: str) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except (OSError, ValueError):
        return b""
