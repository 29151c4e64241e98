"""The command tree, built from the registry: groups, subcommands, typed options, completion."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Optional, Protocol

import discord
from discord import app_commands

from adapters.discord.words import MOST_CHOICES, completes, suggestions
from bot.commands.registry import Command, Kind, Param, Registry
from bot.errors import SettingsError

MOST_DESCRIPTION = 100
MOST_COUNT = 99_999_999

Interaction = discord.Interaction[Any]
Run = Callable[[Interaction, Command, Mapping[str, Any]], Awaitable[None]]
Names = Callable[[], Sequence[str]]
Admits = Callable[[Interaction], Awaitable[bool]]
OnError = Callable[[Interaction, app_commands.AppCommandError], Awaitable[None]]


class SyncMemory(Protocol):
    """Remembers between two starts which commands Discord was told of."""

    async def get(self, key: str) -> str | None:
        """Return what was put there, if anything. Raises StorageError."""
        ...

    async def put(self, key: str, value: str) -> None:
        """Keep a value. Raises StorageError."""
        ...


class Tree(app_commands.CommandTree[Any]):
    """discord.py's tree, with our own answer to what it cannot match."""

    def __init__(self, client: discord.Client, on_error: OnError) -> None:
        super().__init__(client)
        self._answer_error = on_error

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        await self._answer_error(interaction, error)


def fill(
    tree: Tree, registry: Registry, prefix: str, run: Run, names: Names, admits: Admits
) -> None:
    """Add every command of the registry; only those whom `admits` lets in are shown names.

    Raises:
        SettingsError: the prefix makes a name that Discord does not take.
    """
    for group in registry.groups:
        commands = registry.of(group)
        listed = ", ".join(name for c in commands for name, _ in forms(c))
        try:
            parent = app_commands.Group(name=f"{prefix}{group}", description=_short(listed))
        except ValueError as error:
            raise SettingsError(
                f"Discord does not allow a command named /{prefix}{group}.",
                "Set CHANGEOVER_COMMAND_PREFIX to small letters, digits and hyphens, "
                "32 characters with the command at most.",
            ) from error
        for command in commands:
            for name, fixed in forms(command):
                parent.add_command(_subcommand(command, name, fixed, run, names, admits))
        tree.add_command(parent)


def forms(command: Command) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a command's subcommands here, each with the options that its name decides.

    Most commands are one subcommand. One with `discord_names` is several: a name that is among
    the choices of a parameter stands for that choice, and the parameter is no option any more.
    """
    if not command.discord_names:
        yield command.name, {}
        return
    for name in command.discord_names:
        yield name, {param.name: name for param in command.params if name in param.choices}


def fingerprint(tree: Tree) -> str:
    """Return a digest of everything Discord would be told; the same for the same tree."""
    payload = [command.to_dict(tree) for command in tree.get_commands()]
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()


def _subcommand(
    command: Command,
    name: str,
    fixed: Mapping[str, Any],
    run: Run,
    names: Names,
    admits: Admits,
) -> app_commands.Command[Any, ..., Any]:
    decided_by_name = frozenset(command.discord_names)
    params = {
        f"option_{i}": param
        for i, param in enumerate(command.params)
        if not decided_by_name.intersection(param.choices)
    }

    async def callback(interaction: Interaction, **options: Any) -> None:
        given = {params[key].name: value for key, value in options.items() if value is not None}
        await run(interaction, command, {**given, **fixed})

    # discord.py reads a command's options off its callback's signature.
    vars(callback)["__signature__"] = inspect.Signature(
        [
            inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *(_parameter(key, param) for key, param in params.items()),
        ]
    )
    described: Any = callback
    for decorate in _decorators(params, names, admits):
        described = decorate(described)
    return app_commands.Command(name=name, description=_short(command.help), callback=described)


def _parameter(key: str, param: Param) -> inspect.Parameter:
    annotation: Any = str
    if param.kind is Kind.COUNT:
        annotation = app_commands.Range[int, 1, MOST_COUNT]
    return inspect.Parameter(
        key,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if param.required else None,
        annotation=annotation if param.required else Optional[annotation],  # noqa: UP045
    )


def _decorators(
    params: Mapping[str, Param], names: Names, admits: Admits
) -> Iterator[Callable[[Any], Any]]:
    if not params:
        return
    yield app_commands.rename(**{key: param.name for key, param in params.items()})
    yield app_commands.describe(**{key: _short(param.help) for key, param in params.items()})
    yield app_commands.choices(
        **{
            key: [app_commands.Choice(name=c, value=c) for c in param.choices[:MOST_CHOICES]]
            for key, param in params.items()
            if param.choices
        }
    )
    yield app_commands.autocomplete(
        **{
            key: _completion(param, names, admits)
            for key, param in params.items()
            if completes(param)
        }
    )


def _completion(param: Param, names: Names, admits: Admits) -> Any:
    async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        found = suggestions(param, typed, names()) if await admits(interaction) else ()
        return [app_commands.Choice(name=name, value=name) for name in found]

    return complete


def _short(words: str) -> str:
    return words if len(words) <= MOST_DESCRIPTION else f"{words[: MOST_DESCRIPTION - 1]}…"
