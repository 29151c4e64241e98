"""A port that is imported when it is first used: most commands need few of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

Port = TypeVar("Port")


def late(load: Callable[[], Port]) -> Port:
    """Return a stand-in for a port, which loads it at the first call of a method."""
    return cast(Port, _Late(load))


class _Late:
    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._load(), name)
        setattr(self, name, found)
        return found
