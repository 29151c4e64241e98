"""Where the environment comes from: the process, and a `.env` file behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from adapters.environment.values import is_secret, value_of
from bot.blackout import WORD, logins_in
from bot.errors import SettingsError

_OURS = re.compile(
    r"(CHANGEOVER|GATEWAY|SLACK|DISCORD|OPENCLAW|TELEGRAM|PAGERDUTY|ALERTMANAGER)_\w+"
    r"|\w+_(API|ADMIN|MANAGEMENT)_KEY|DATABASE_URL"
)
_MOST_BYTES = 65_536


def read_environment(
    env_file: Path | None, environ: Mapping[str, str], cwd: Path | None = None
) -> Mapping[str, str]:
    """Merge the process's environment over a `.env` file; empty values count as unset in both.

    Without `env_file` it is `.env` of the current folder, if there is one. Values are taken
    literally: `${NAME}` in the file is not replaced. A secret may come from the file that
    `NAME_FILE` names.

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
                f"There is no file {file}.", "Correct --env-file, or omit it to use .env."
            )
        found = _read(file)
    merged = {**found, **{name: value for name, value in environ.items() if value.strip()}}
    return merged | _from_files(merged, folder)


def _from_files(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Read the secrets that stand in files of their own."""
    found: dict[str, str] = {}
    for variable in env:
        name = variable.removesuffix("_FILE")
        # Other programs have such variables as well, which are none of our business.
        if name == variable or not is_secret(name) or not _OURS.fullmatch(name):
            continue
        if value_of(env, name):
            raise SettingsError(f"{name} and {variable} are both set.", f"Unset {name}.")
        file = folder / value_of(env, variable)
        try:
            with file.open("rb") as opened:
                words = opened.read(_MOST_BYTES + 1).decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            words = ""
        except OSError as error:
            why = (error.strerror or "unknown error").lower()
            raise SettingsError(
                f"{variable} is {file}, which cannot be read: {why}.", f"ls -l {file}"
            ) from None
        if not words or "\n" in words or len(words) > _MOST_BYTES:
            raise SettingsError(
                f"{variable} is {file}, which is not a single line of text.",
                f"Write the value of {name} into it and nothing else.",
            )
        found[name] = words
    return found


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
                "Quote values with spaces or #; start comments with #.",
            )
        if binding.key is not None and (binding.value or "").strip():
            found[binding.key] = binding.value or ""
    return found


def _line(original: str, first: int) -> int:
    """Count past the blank lines that the parser takes for the statement's beginning."""
    return first + len(original) - len(original.lstrip("\r\n"))


def secret_values(env: Mapping[str, str]) -> frozenset[str]:
    """Return every value that must never appear in a log line, parts of lists and URLs too."""
    found: set[str] = set()
    for name, value in env.items():
        if "://" in value:
            found.update(logins_in(value))
        # Ollama's own takes any word for a key.
        if is_secret(name) and (name != "OLLAMA_API_KEY" or len(value) >= WORD):
            found.update(_parts(name, value.strip()))
    return frozenset(found)


def _parts(name: str, value: str) -> list[str]:
    if name == "GATEWAY_TOKENS":
        return [token.partition(":")[2].strip() for token in value.split(",")]
    if name == "DATABASE_URL":
        return []
    return [value]
