"""Where the config may be, in the order of the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from adapters.environment.values import expand, value_of
from bot.errors import ConfigMissingError
from bot.spans import Command, text

DATABASE: Literal["db:"] = "db:"
FILE_VARIABLES = (
    "CHANGEOVER_CONFIG",
    "OPENCLAW_CONFIG_PATH",
    "MOLTBOT_CONFIG_PATH",
    "CLAWDBOT_CONFIG_PATH",
)
_HERE = ("moltbot.json", "data/moltbot.json")
_STATE_VARIABLES = {
    "OPENCLAW_STATE_DIR": "openclaw.json",
    "MOLTBOT_STATE_DIR": "moltbot.json",
    "CLAWDBOT_STATE_DIR": "clawdbot.json",
}
_HOME_FOLDERS = (".openclaw", ".clawdbot", ".moltbot")
_NAMES = ("openclaw.json", "moltbot.json", "clawdbot.json")


def find_config(
    env: Mapping[str, str], cwd: Path, home: Path, override: str | None = None
) -> tuple[Path | Literal["db:"], str]:
    """Return where the config is and what made us look there.

    `override` is `--config`. What is named, by it or by a variable, is taken even when nothing
    is there: the error then names the file that was meant, and no other file is edited instead.

    Raises:
        ConfigMissingError: nothing is named and nothing found; the message lists the places.
    """
    if override:
        return _named(override, cwd, home), "--config"
    for variable in FILE_VARIABLES:
        if value := value_of(env, variable):
            return _named(value, cwd, home), variable
    for name in _HERE:
        if os.path.lexists(cwd / name):
            return cwd / name, "the current folder"
    for variable, default in _STATE_VARIABLES.items():
        if value := value_of(env, variable):
            folder = expand(value, cwd, home)
            there = (folder / name for name in _NAMES if os.path.lexists(folder / name))
            return next(there, folder / default), variable
    for file in _in_home(home):
        if os.path.lexists(file):
            return file, "the home folder"
    raise ConfigMissingError(
        f"No config file found; looked for {', '.join(f'./{name}' for name in _HERE)} and in "
        f"{', '.join(f'~/{name}' for name in _HOME_FOLDERS)}.",
        text(
            "Create one here with ",
            Command("init", program=True),
            ", or set CHANGEOVER_CONFIG to its path.",
        ),
    )


def _named(value: str, cwd: Path, home: Path) -> Path | Literal["db:"]:
    return DATABASE if value.strip().lower() == DATABASE else expand(value.strip(), cwd, home)


def _in_home(home: Path) -> Iterator[Path]:
    """List the releases' own files, the newest release first."""
    return (home / folder / name for folder in _HOME_FOLDERS for name in _NAMES)
