"""The commands as Telegram knows them: `/model`, under the prefix, and what was typed."""

from __future__ import annotations

import re

from telegram import BotCommand

from bot.card import Card, Command, Strong, Visibility, text
from bot.commands.registry import Registry

MOST_COMMANDS, MOST_NAME, MOST_DESCRIPTION = 100, 32, 256
_LINE = re.compile(r"/(\w+)(?:@(\w+))?(?:\s+(.*))?\s*", re.DOTALL | re.ASCII)
_HELP = ("help", "start")
HELP_TEXT = "Show the commands"


def prefix_here(prefix: str) -> str:
    """Return the prefix as Telegram takes it: lower case, digits and underscores."""
    return re.sub(r"[^a-z0-9_]", "_", prefix.lower())


def menu(registry: Registry, prefix: str) -> list[BotCommand]:
    """Return what Telegram offers while somebody types."""
    here = prefix_here(prefix)
    groups = [
        BotCommand(f"{here}{group}"[:MOST_NAME], _help(registry, group)[:MOST_DESCRIPTION])
        for group in registry.groups
    ]
    return [*groups, BotCommand("help", HELP_TEXT)][:MOST_COMMANDS]


def read_command(typed: str, bot_name: str, prefix: str, registry: Registry) -> str | None:
    """Return a line for the core, empty for help; None where it is for somebody else."""
    found = _LINE.fullmatch(typed.strip())
    if found is None:
        return None
    name, addressee, rest = found[1].lower(), found[2], found[3] or ""
    if addressee and addressee.lower() != bot_name.lower():
        return None
    group = name.removeprefix(prefix_here(prefix))
    if name == f"{prefix_here(prefix)}{group}" and group in registry.groups:
        return f"/{prefix}{group} {rest}".strip()
    return "" if name in _HELP else None


def overview(registry: Registry) -> Card:
    """Show what there is to type."""
    return Card(
        title=text(Strong(HELP_TEXT)),
        body=tuple(
            text(Command(f"{group} help"), f" · {_help(registry, group)}")
            for group in registry.groups
        ),
        visibility=Visibility.PRIVATE,
        command="help",
    )


def _help(registry: Registry, group: str) -> str:
    default = next((c for c in registry.of(group) if c.default), registry.of(group)[0])
    return default.help
