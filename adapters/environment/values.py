"""Reading one variable: its value, or a sentence that names it and says what would be right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from bot.durations import shorten
from bot.errors import SettingsError
from bot.models import Secret

_SECRET_ENDS = ("_KEY", "_TOKEN", "_TOKENS", "_SECRET", "_PASSWORD")
_SECRET_NAMES = ("DATABASE_URL", "PGPASSWORD", "CHANGEOVER_WEBHOOK_URL", "ALERTMANAGER_URL")

Env = Mapping[str, str]


def is_secret(name: str) -> bool:
    """Return whether a variable's value must never be shown, by its name."""
    return name.upper().endswith(_SECRET_ENDS) or name.upper() in _SECRET_NAMES


def value_of(env: Env, name: str) -> str:
    """Return a variable without surrounding blanks; empty means unset."""
    return env.get(name, "").strip()


def wrong(name: str, value: str, problem: str, hint: str) -> SettingsError:
    """Make the error of a wrong value that `must be` another; a secret's value is left out."""
    if is_secret(name):
        return SettingsError(f"{name} {problem}.", hint)
    return SettingsError(f"{name} {problem}, not {shorten(value)!r}.", hint)


def secret(env: Env, name: str) -> Secret | None:
    """Read a secret."""
    value = value_of(env, name)
    return Secret(value) if value else None


def seconds(env: Env, name: str, default: float) -> float:
    """Read a time span of more than nothing and at most a day, in seconds."""
    value = value_of(env, name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number <= 86400:
        raise wrong(
            name,
            value,
            "must be a number of seconds between 0 and 86400",
            f"For example: {name}={default:g} (the default)",
        )
    return number


def ratio(env: Env, name: str, default: Decimal) -> Decimal:
    """Read a factor of at least one."""
    value = value_of(env, name)
    if not value:
        return default
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 1:
        raise wrong(
            name,
            value,
            "must be a number from 1 upwards",
            f"For example: {name}={default} (the default)",
        )
    return number


def whole(env: Env, name: str, default: int, most: int) -> int:
    """Read a whole number from 0."""
    value = value_of(env, name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= most):
        raise wrong(
            name,
            value,
            f"must be a whole number up to {most}",
            f"For example: {name}={default} (the default)",
        )
    return int(value)


def choice(env: Env, name: str, default: str, words: Sequence[str]) -> str:
    """Read one of a few words, however it is written."""
    value = value_of(env, name).lower() or default
    if value not in words:
        said = ", ".join(words)
        raise wrong(name, value, f"must be {said}", f"For example: {name}={default}")
    return value


def address(env: Env, name: str, schemes: Sequence[str], example: str) -> str | None:
    """Read a URL of one of the schemes, without a slash at its end."""
    value = value_of(env, name)
    if not value:
        return None
    scheme, colon, rest = value.partition("://")
    host = rest.partition("/")[0]
    if scheme.lower() not in schemes or not (colon and host) or any(map(str.isspace, value)):
        said = " or ".join(f"{word}://" for word in schemes)
        raise wrong(
            name, value, f"must be a URL that begins with {said}", f"For example: {example}"
        )
    return value.rstrip("/")


def path(env: Env, name: str, cwd: Path, home: Path) -> Path | None:
    """Read a path; `~` is the home folder, and what is relative starts at the current folder."""
    value = value_of(env, name)
    return expand(value, cwd, home) if value else None


def expand(value: str, cwd: Path, home: Path) -> Path:
    """Make a path absolute. Raises SettingsError for one that no file can have."""
    if "\0" in value:
        raise SettingsError(f"{shorten(value)!r} is not a path.", "Remove the NUL character.")
    if value == "~" or value.startswith("~/"):
        return home / value[2:]
    return cwd / value
