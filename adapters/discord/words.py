"""Between Discord's options and typed words: the same command as a line, and what may come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.commands.complete import SHARES, WHENS, matching
from bot.commands.registry import Command, Kind, Param

MOST_CHOICES, MOST_CHOICE = 25, 100
_DEADLINES = ("30m", "1h", "2h", "1d", "until 18:00")
_COMPLETED = frozenset(
    {Kind.MODEL, Kind.MODELS, Kind.PROVIDER, Kind.DEADLINE, Kind.WHEN, Kind.SHARE}
)


def line_of(command: Command, values: Mapping[str, Any]) -> str:
    """Write a call as it is typed: `model use cheap for 2h reason batch import`.

    `values` are bound arguments: text, whole numbers, tuples of words. Those without a keyword
    come first, in order; the one that takes the rest of the line comes last.
    """
    ordered = sorted(command.params, key=lambda p: (p.keyword, p.kind is Kind.TEXT))
    words = [command.full_name]
    for param in ordered:
        value = values.get(param.name)
        if value is None or value == ():
            continue
        told = " ".join(value) if isinstance(value, tuple) else str(value)
        introduced = not param.keyword or told.split(" ")[0].lower() in param.also
        words.append(told if introduced else f"{param.introduced_by[0]} {told}")
    return " ".join(words)


def completes(param: Param) -> bool:
    """Return whether an option is completed while it is typed."""
    return param.kind in _COMPLETED and not param.choices


def suggestions(param: Param, typed: str, names: Sequence[str]) -> list[str]:
    """Return at most 25 values for an option, by what is typed of it; the last word of a list."""
    before, last = "", typed
    if param.kind is Kind.MODELS:
        before, _, last = typed.rpartition(" ")
        before = f"{before} " if before else ""
    found = (before + name for name in matching(last, _values(param, names)))
    return [name for name in found if len(name) <= MOST_CHOICE][:MOST_CHOICES]


def _values(param: Param, names: Sequence[str]) -> Sequence[str]:
    if param.kind is Kind.DEADLINE:
        return _DEADLINES
    if param.kind is Kind.WHEN:
        return WHENS
    if param.kind is Kind.SHARE:
        return SHARES
    if param.kind is Kind.PROVIDER:
        return sorted({name.partition("/")[0] for name in names if "/" in name})
    return [*param.offered, *names]
