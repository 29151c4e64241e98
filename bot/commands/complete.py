"""Completion: what may come next in a line, for the console and for Discord's autocomplete."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.registry import Command, Kind, Param, Registry

WHENS = ("weekdays 22:00-07:00", "weekends", "daily 22:00-07:00", "off-peak")
SHARES = ("5%", "10%", "25%", "50%")
_NAMED = frozenset({Kind.MODEL, Kind.MODELS})


def complete(words: str, registry: Registry, models: Sequence[str]) -> list[str]:
    """Return the words that may be at the end of `words`, those that begin like it first."""
    typed = words.lstrip().removeprefix("/")
    parts = typed.split()
    last = "" if typed.endswith(" ") or not parts else parts.pop()
    return matching(last, _choices(parts, registry, models))


def matching(last: str, choices: Sequence[str]) -> list[str]:
    """Filter choices by what is typed of them: beginnings first, then what contains it."""
    lowered = last.lower()
    begin = [c for c in choices if c.lower().startswith(lowered)]
    return [*begin, *(c for c in choices if lowered in c.lower() and c not in begin)]


def _choices(parts: list[str], registry: Registry, models: Sequence[str]) -> list[str]:
    if not parts:
        return list(registry.groups)
    group = parts[0].lower()
    if group not in registry.groups:
        return []
    if len(parts) == 1:
        return [command.name for command in registry.of(group)]
    command = registry.find(group, parts[1].lower())
    if command is not None:
        return _arguments(command, parts[2:], models)
    default = registry.default(group)
    if any(parts[1].lower() in param.introduced_by for param in default.params):
        return _arguments(default, parts[1:], models)
    return []


def _arguments(command: Command, parts: list[str], models: Sequence[str]) -> list[str]:
    keyworded = {word: p for p in command.params for word in p.introduced_by}
    if parts and (param := keyworded.get(parts[-1].lower())):
        return _values(param, models)
    used = {part.lower() for part in parts}
    offered = {p.introduced_by[0]: p for p in command.params if p.keyword}
    offered |= {word: p for p in command.params for word in p.also}
    words = [word for word, p in offered.items() if used.isdisjoint(p.introduced_by)]
    positional = [p for p in command.params if not p.keyword]
    filled = sum(1 for part in parts if part.lower() not in keyworded)
    if positional and (filled < len(positional) or positional[-1].kind is Kind.MODELS):
        param = positional[min(filled, len(positional) - 1)]
        # A word that is there or not comes after what most people want to say.
        flag = param.choices == (param.name,)
        values = _values(param, models)
        return [*words, *values] if flag else [*values, *words]
    return words


def _values(param: Param, models: Sequence[str]) -> list[str]:
    if param.choices:
        return list(param.choices)
    if param.kind is Kind.DEADLINE:
        return ["30m", "1h", "2h", "1d", "until 18:00"]
    if param.kind is Kind.WHEN:
        return list(WHENS)
    if param.kind is Kind.SHARE:
        return list(SHARES)
    return [*param.offered, *models] if param.kind in _NAMED else []
