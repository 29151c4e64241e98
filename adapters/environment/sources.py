"""Where the environment comes from: the process, and a `.env` file behind it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from adapters.environment.values import is_secret
from bot.errors import SettingsError

_SHORTEST = 8
"""Values shorter than this are left readable: `ollama` as a key would black out the word."""


def read_environment(
    env_file: Path | None, environ: Mapping[str, str], cwd: Path | None = None
) -> Mapping[str, str]:
    """Merge the process's environment over a `.env` file; empty values count as unset in both.

    Without `env_file` it is `.env` of the current folder, if there is one. Values are taken
    literally: `${NAME}` in the file is not replaced.

    Raises:
        SettingsError: a named file is missing, or the file cannot be read.
    """
    folder = cwd or Path.cwd()
    if env_file is None:
        file = folder / ".env"
        # Some keep a virtual environment in a folder of that name.
        found = _read(file) if os.path.lexists(file) and not file.is_dir() else {}
    else:
        file = folder / env_file.expanduser()
        if not os.path.lexists(file):
            raise SettingsError(
                f"There is no file {file}.", "Correct --env-file, or leave it out to use .env."
            )
        found = _read(file)
    return {**found, **{name: value for name, value in environ.items() if value.strip()}}


def _read(file: Path) -> dict[str, str]:
    from io import StringIO

    from dotenv.parser import parse_stream

    try:
        words = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        why = (error.strerror or "unknown error").lower()
        raise SettingsError(f"{file} cannot be read: {why}.", f"ls -l {file}") from None
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(words)):
        if binding.error:
            raise SettingsError(
                f"Line {_line(binding.original.string, binding.original.line)} of {file} "
                "is not of the form NAME=value.",
                "Put values with spaces or # in quotes, and # before a remark.",
            )
        if binding.key is not None and (binding.value or "").strip():
            found[binding.key] = binding.value or ""
    return found


def _line(original: str, first: int) -> int:
    """Count past the blank lines that the parser takes for the statement's beginning."""
    return first + len(original) - len(original.lstrip("\r\n"))


def secret_values(env: Mapping[str, str]) -> frozenset[str]:
    """Return every value that must never stand in a log line, parts of lists and URLs too."""
    found: set[str] = set()
    for name, value in env.items():
        if not is_secret(name):
            continue
        found.update(_parts(name, value.strip()))
    return frozenset(value for value in found if len(value) >= _SHORTEST)


def _parts(name: str, value: str) -> list[str]:
    if name == "GATEWAY_TOKENS":
        return [token.partition(":")[2].strip() for token in value.split(",")]
    if name == "DATABASE_URL":
        login = value.partition("://")[2].rpartition("@")[0]
        return [login.partition(":")[2]]
    return [value]
