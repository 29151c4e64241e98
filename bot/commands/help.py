"""Help, derived from the registry: of a group, and of one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.access import Permission
from bot.card import Card, Span, Strong, Visibility, text
from bot.card import Command as Typed
from bot.commands.registry import Args, Command, Registry
from bot.messages.words import joined
from bot.spans import Sentence

if TYPE_CHECKING:
    from bot.commands.context import Context

_WHO = {Permission.READ: "", Permission.CHANGE: " · operators", Permission.ADMIN: " · admins"}
_MOST_EXAMPLES = 4


def help_card(registry: Registry, group: str, name: str = "") -> Card:
    """Show a group's commands, or one: form, what it does, who may, examples."""
    one = registry.find(group, name)
    commands = (one,) if one else registry.of(group)
    lines = tuple(text(c.usage, f" · {c.help}{_WHO[c.permission]}") for c in commands)
    if one:
        lines += tuple(text(Strong(param.name), f" · {param.help}") for param in one.params)
    examples: list[Span] = [
        typed(example)
        for c in commands
        for example in (c.examples if one else c.examples[:1])
        if c.params
    ]
    return Card(
        title=text(Typed(group if one is None else one.full_name)),
        body=lines,
        footer=text("For example: ", *joined(examples[:_MOST_EXAMPLES], ", ")) if examples else (),
        visibility=Visibility.PRIVATE,
        command=f"{group} help",
        data={"commands": [_data(c) for c in commands]},
    )


async def show_help(ctx: Context, args: Args, group: str) -> Card:
    """Answer `/model help`, and `/model help cheap` with that command's own form."""
    return help_card(ctx.registry, group, args.text("name") or "")


def typed(line: str) -> Typed:
    """Return an example line of the registry as what is typed."""
    program = line.startswith("changeover ")
    return Typed(line.removeprefix("changeover " if program else "/"), program=program)


def _data(command: Command) -> dict[str, Any]:
    return {
        "name": command.full_name,
        "usage": Sentence(command.usage),
        "help": command.help,
        "permission": command.permission,
        "examples": [Sentence(typed(example)) for example in command.examples],
    }
