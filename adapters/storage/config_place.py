"""The config that lives in the database: its name, and what is said of it. Loads no library."""

from __future__ import annotations

from bot.errors import ConfigConflictError, ConfigMissingError, ConfigWriteError
from bot.spans import Command, text

LOCATION = "db:"
"""How CHANGEOVER_CONFIG names it."""


def missing() -> ConfigMissingError:
    """Say that there is no document yet."""
    return ConfigMissingError(
        "No config in the database yet.",
        text(
            "Take one over: ",
            Command("config import FILE", program=True, form=True),
            ", or start with a new one: ",
            Command("init", program=True),
        ),
    )


def moved_on() -> ConfigConflictError:
    """Say that another was quicker."""
    return ConfigConflictError(
        "The config in the database changed meanwhile; nothing was written.",
        "Run the command again.",
    )


def already() -> ConfigWriteError:
    """Say that a first document is not the first."""
    return ConfigWriteError(
        "The database already has a config; nothing was written.",
        Command("model status"),
    )
