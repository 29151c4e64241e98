"""A command, declared once; parsing, help, completion and Discord's tree derive from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bot.access import Permission
from bot.card import Card
from bot.card import Command as Typed

if TYPE_CHECKING:
    from bot.commands.context import Context


class Kind(StrEnum):
    """What an argument is; grammar, completion and Discord's option types follow from it."""

    MODEL = "model"
    MODELS = "models"
    PROVIDER = "provider"
    NAME = "name"
    DATE = "date"
    DEADLINE = "deadline"
    COUNT = "count"
    CHOICE = "choice"
    AMOUNT = "amount"
    SHARE = "share"
    TEXT = "text"
    WHEN = "when"


class Danger(StrEnum):
    """What a surface should know before it runs a command."""

    NONE = "none"
    CHANGES = "changes"
    COSTS = "costs"


@dataclass(frozen=True, slots=True)
class Param:
    """One argument.

    `keyword` arguments are introduced by their name in text (`for 2h`); the others stand in
    order. `words` introduce it in the place of its name (`per day`, of a `period`); `also` are
    others that introduce it and belong to the value (`until 18:00`). `offered` are words that
    completion offers besides the values.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    keyword: bool = False
    also: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()

    @property
    def introduced_by(self) -> tuple[str, ...]:
        """The words that introduce it in a line, the usual one first; none if it stands alone."""
        if not self.keyword:
            return ()
        return tuple(dict.fromkeys((*(self.words or (self.name,)), self.name, *self.also)))


@dataclass(frozen=True, slots=True)
class Args:
    """The arguments of one call, by name: text, a whole number, or a tuple of words."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return an argument that is one text."""
        value = self.values.get(name)
        return None if value is None else str(value)

    def need(self, name: str) -> str:
        """Return a required text; the grammar has seen to it that it is there."""
        return str(self.values[name])

    def count(self, name: str) -> int | None:
        """Return an argument that is a whole number."""
        value = self.values.get(name)
        return None if value is None else int(value)

    def words(self, name: str) -> tuple[str, ...]:
        """Return an argument that is a list of words."""
        return tuple(self.values.get(name) or ())


Handler = Callable[["Context", Args], Awaitable[Card]]


def late(module: str, name: str) -> Handler:
    """Return a handler of `bot.commands` that is loaded when it is called: help needs none."""

    async def handler(ctx: Context, args: Args) -> Card:
        found: Handler = getattr(import_module(f"bot.commands.{module}"), name)
        return await found(ctx, args)

    return handler


@dataclass(frozen=True, slots=True)
class Command:
    """A command: `group` is the slash command, `name` its subcommand.

    `default` marks the one that the bare slash command means. `bare` lets its first argument stand
    right after the slash command, its name left out (`/cost 3d`). `hidden` ones work where they
    are typed in full and are offered nowhere. `private` ones answer the asker alone. `examples`
    are complete lines.
    """

    group: str
    name: str
    help: str
    permission: Permission
    handler: Handler
    params: tuple[Param, ...] = ()
    danger: Danger = Danger.NONE
    default: bool = False
    examples: tuple[str, ...] = ()
    discord_names: tuple[str, ...] = ()
    bare: bool = False
    hidden: bool = False
    private: bool = False

    @property
    def full_name(self) -> str:
        """`model use`, as `--json` names it."""
        return f"{self.group} {self.name}"

    @property
    def typed(self) -> Typed:
        """The command as it is typed."""
        return Typed(self.full_name)

    @property
    def usage(self) -> Typed:
        """The command's form: `/fallback add MODEL [at N]`."""
        return Typed(" ".join([self.full_name, *map(_shape, self.params)]), form=True)


def _shape(param: Param) -> str:
    value = "|".join(param.choices) if param.choices else _PLACES[param.kind]
    flag = param.choices == (param.name,)
    shape = f"{param.introduced_by[0]} {value}" if param.keyword and not flag else value
    return shape if param.required else f"[{shape}]"


_PLACES = {
    Kind.MODEL: "MODEL",
    Kind.MODELS: "MODEL…",
    Kind.PROVIDER: "PROVIDER",
    Kind.NAME: "NAME",
    Kind.DATE: "DATE",
    Kind.DEADLINE: "DURATION",
    Kind.COUNT: "N",
    Kind.CHOICE: "WORD",
    Kind.AMOUNT: "AMOUNT",
    Kind.SHARE: "SHARE",
    Kind.TEXT: "TEXT",
    Kind.WHEN: "WHEN",
}


class Registry:
    """Every command, by group and name."""

    def __init__(self, commands: tuple[Command, ...]) -> None:
        self._commands = commands
        self._by_name = {(c.group, c.name): c for c in commands}

    @property
    def groups(self) -> tuple[str, ...]:
        """The slash commands, in order."""
        return tuple(dict.fromkeys(c.group for c in self._commands))

    def of(self, group: str) -> tuple[Command, ...]:
        """Return a group's commands in order, hidden ones left out."""
        return tuple(c for c in self._commands if c.group == group and not c.hidden)

    def find(self, group: str, name: str) -> Command | None:
        """Return one command."""
        return self._by_name.get((group, name))

    def default(self, group: str) -> Command:
        """Return what the bare slash command means."""
        return next(c for c in self.of(group) if c.default)


# What several commands take.
REASON = Param("reason", Kind.TEXT, "A reason for the channel and history", keyword=True)
AGENT = Param("agent", Kind.NAME, "The agent to switch (default: the default model)", keyword=True)


def model_param(help_: str) -> Param:
    """Return the one model that a command cannot do without."""
    return Param("model", Kind.MODEL, help_, required=True)
