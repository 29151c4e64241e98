"""One grammar for every surface: words → a command and its arguments.

`MODEL … [for DURATION] [agent ID] [reason TEXT]`: arguments without a keyword stand in order,
those with one anywhere after, and `reason` takes the rest of the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.card import Command as Typed
from bot.card import Text, text
from bot.commands.registry import Args, Command, Kind, Param, Registry
from bot.config.naming import near
from bot.durations import shorten
from bot.errors import UsageError
from bot.messages.words import joined

LONGEST_LINE = 4000
LONGEST_REASON = 500
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'"})
_MORE = re.compile(r"\d+[a-zA-Z]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class Call:
    """A command with its arguments, ready to be carried out."""

    command: Command
    args: Args


def parse(line: str, registry: Registry) -> Call:
    """Read a line such as `/model cheap for 2h reason batch import`.

    Raises:
        UsageError: it is no command; the hint names the nearest one.
    """
    if len(line) > LONGEST_LINE:
        raise UsageError(
            f"The line has {len(line)} characters; the limit is {LONGEST_LINE}.",
            text("Shorten it. All forms: ", Typed("model help")),
        )
    words = _CONTROL.sub(" ", line).translate(_QUOTES).split()
    group = words[0].removeprefix("/").lower() if words else ""
    if group not in registry.groups:
        raise _no_group(group, registry)
    command, rest = _command(group, words[1:], registry)
    return Call(command, _arguments(command, rest))


def bind(group: str, name: str, options: Mapping[str, Any], registry: Registry) -> Call:
    """Take arguments that a surface has already told apart, such as Discord's options.

    Raises:
        UsageError: the command is not known, or an argument is missing or wrong.
    """
    command = registry.find(group, name)
    if command is None:
        raise _no_command(group, name, registry)
    values: dict[str, Any] = {}
    for param in command.params:
        value = options.get(param.name)
        if value is None or value == "":
            continue
        words = _CONTROL.sub(" ", str(value)).translate(_QUOTES).split()
        values[param.name], rest = _take(param, words, command)
        if rest:
            raise _unexpected(rest[0], command)
    _check_order(command, values)
    return Call(command, _complete(command, values))


def _check_order(command: Command, values: Mapping[str, Any]) -> None:
    """Refuse an option that in words would be taken for an earlier one, which is missing.

    Raises:
        UsageError: the earlier one is missing.
    """
    missing: Param | None = None
    for param in command.params:
        if param.keyword:
            continue
        if param.name not in values:
            missing = missing or param
        elif missing is not None:
            raise UsageError(f"{param.name} needs {missing.name} as well.", _usage(command))


def _command(group: str, words: list[str], registry: Registry) -> tuple[Command, list[str]]:
    if not words:
        return registry.default(group), []
    name = words[0].lower()
    command = registry.find(group, name)
    if command is not None:
        return command, words[1:]
    default = registry.default(group)
    if any(_fits(param, words[0]) for param in default.params):
        return default, words
    for bare in registry.of(group):
        if bare.bare and bare.params and _fits(bare.params[0], words[0]):
            return bare, words
    raise _no_command(group, words[0], registry)


def _fits(param: Param, word: str) -> bool:
    if param.keyword:
        return word.lower() in param.introduced_by
    if param.choices:
        return word.lower() in param.choices
    return param.kind is Kind.DEADLINE and word[:1].isdigit()


def _arguments(command: Command, words: list[str]) -> Args:
    values: dict[str, Any] = {}
    keyworded = {word: p for p in command.params for word in p.introduced_by}
    positional = [p for p in command.params if not p.keyword]
    while words:
        param = keyworded.get(words[0].lower())
        if param is not None:
            words = words if words[0].lower() in param.also else words[1:]
        elif positional:
            param = positional.pop(0)
        else:
            raise _unexpected(words[0], command)
        if param.name in values:
            raise UsageError(f"{param.name} was given twice.", _usage(command))
        values[param.name], words = _take(param, words, command, frozenset(keyworded))
    return _complete(command, values)


def _complete(command: Command, values: dict[str, Any]) -> Args:
    for param in command.params:
        if param.required and not values.get(param.name):
            raise UsageError(
                text(command.typed, f" needs {param.help[0].lower()}{param.help[1:]}."),
                _usage(command),
            )
    return Args(values)


def _take(
    param: Param, words: list[str], command: Command, stops: frozenset[str] = frozenset()
) -> tuple[Any, list[str]]:
    """Read one argument off the front of the words and return it with the rest."""
    if not words:
        raise UsageError(
            f"{param.name} needs {param.help[0].lower()}{param.help[1:]}.",
            _usage(command),
        )
    match param.kind:
        case Kind.TEXT:
            return shorten(_unquoted(" ".join(words)), LONGEST_REASON), []
        case Kind.MODELS:
            end = next((i for i, w in enumerate(words) if w.lower() in stops), len(words))
            models = tuple(m for w in words[:end] for m in w.strip("\"'").split(",") if m)
            return models, words[end:]
        case Kind.DEADLINE:
            return _deadline(words, stops)
        case Kind.WHEN:
            end = next((i for i, w in enumerate(words) if w.lower() in stops), len(words))
            return shorten(_unquoted(" ".join(words[:end]))), words[end:]
        case Kind.SHARE:
            apart = words[1:2] == ["%"]
            return "".join(words[: 1 + apart]), words[1 + apart :]
        case Kind.COUNT:
            return _count(param, words[0], command), words[1:]
        case Kind.CHOICE:
            return _choice(param, words[0], command), words[1:]
        case _:
            return words[0].strip("\"'"), words[1:]


def _unquoted(words: str) -> str:
    quoted = len(words) > 1 and words[0] == words[-1] and words[0] in "\"'"
    return words[1:-1] if quoted else words


def _deadline(words: list[str], stops: frozenset[str]) -> tuple[str, list[str]]:
    if words[0].lower() == "until":
        return " ".join(words[:2]), words[2:]
    end = 1
    if words[0].isdigit() and len(words) > 1 and words[1].isalpha() and words[1] not in stops:
        end = 2
    while end < len(words) and _MORE.fullmatch(words[end]):
        end += 1
    return " ".join(words[:end]), words[end:]


def _count(param: Param, word: str, command: Command) -> int:
    if not (word.isascii() and word.isdigit() and int(word[:9]) > 0 and len(word) < 9):
        raise UsageError(
            f"Expected a whole number from 1, not {shorten(word)!r}.",
            _usage(command),
        )
    return int(word)


def _choice(param: Param, word: str, command: Command) -> str:
    lowered = word.lower()
    if lowered in param.choices:
        return lowered
    if param.choices == (param.name,):
        # A word that is there or not: anything else does not belong here at all.
        raise _unexpected(word, command)
    guess = near(lowered, param.choices)
    raise UsageError(
        f"{shorten(word)!r} is not one of {', '.join(param.choices)}.",
        f"Did you mean {guess}?" if guess else _usage(command),
    )


def _no_group(group: str, registry: Registry) -> UsageError:
    guess = near(group, registry.groups)
    if not group:
        return UsageError(
            "No command given.",
            text("Try ", Typed("model status"), " or ", Typed("model help")),
        )
    helps = joined([Typed(f"{known} help") for known in registry.groups], " or ")
    return UsageError(
        f"/{shorten(group)} is not a command.",
        text("Did you mean ", Typed(guess), "?") if guess else text("Try ", *helps),
    )


def _no_command(group: str, word: str, registry: Registry) -> UsageError:
    guess = near(word, [c.name for c in registry.of(group)])
    hint = (
        text("Did you mean ", Typed(f"{group} {guess}"), "?")
        if guess
        else text(Typed(f"{group} help"), " shows every form.")
    )
    return UsageError(text("Unknown command ", Typed(f"{group} {shorten(word)}"), "."), hint)


def _unexpected(word: str, command: Command) -> UsageError:
    said = text(f"Unexpected {shorten(word)!r} in ", command.typed, ".")
    if not command.params:
        said = text(command.typed, " takes no arguments.")
    return UsageError(said, _usage(command))


def _usage(command: Command) -> Text:
    return text("Usage: ", command.usage)
