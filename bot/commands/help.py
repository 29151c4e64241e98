"""Help, derived from the registry."""

from __future__ import annotations

from bot.access import Permission
from bot.card import Card, Code, Strong, Visibility, text
from bot.commands.context import Context

_WHO = {Permission.READ: "", Permission.CHANGE: " · operators", Permission.ADMIN: " · admins"}


async def show_help(ctx: Context, group: str) -> Card:
    """Show every command of a group: its form, what it does, who may, an example."""
    commands = ctx.registry.of(group)
    slash = ctx.slash("")
    lines = tuple(
        text(Code(c.usage.replace("/", slash, 1)), f" · {c.help}{_WHO[c.permission]}")
        for c in commands
    )
    examples = [e.replace("/", slash, 1) for c in commands for e in c.examples[:1] if c.params]
    return Card(
        title=text(Strong(ctx.slash(group))),
        body=lines,
        footer=text("For example: ", *_spaced(examples[:4])),
        visibility=Visibility.PRIVATE,
        data={
            "commands": [
                {
                    "name": c.full_name,
                    "usage": c.usage,
                    "help": c.help,
                    "permission": c.permission,
                    "examples": list(c.examples),
                }
                for c in commands
            ]
        },
    )


def _spaced(examples: list[str]) -> list[Code | str]:
    spans: list[Code | str] = []
    for example in examples:
        spans += [", ", Code(example)] if spans else [Code(example)]
    return spans
