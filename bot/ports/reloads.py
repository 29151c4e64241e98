"""Whether the program that owns the config took a change up, and who will not follow it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Taken(StrEnum):
    """What became of a change."""

    IN_FORCE = "in_force"
    NOT_SEEN = "not_seen"
    REJECTED = "rejected"
    NEEDS_RESTART = "needs_restart"
    UNKNOWN_MODEL = "unknown_model"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and what the owner said with it."""

    taken: Taken
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pinned:
    """Sessions of an agent, or cron jobs, whose own model stays whatever the config says."""

    agent: str
    sessions: int
    models: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The Moltbot or OpenClaw that runs on the config, as far as it can be seen from here.

    `profiles` are the providers to which it has signed in by itself.
    """

    attached: bool = False
    profiles: frozenset[str] = frozenset()


NO_NEIGHBOUR = Neighbour()


class Reload(Protocol):
    """One change being watched, from before it is written."""

    async def confirm(self, models: Collection[str] = ()) -> Confirmation:
        """Wait a few seconds for the owner to tell what it made of a change to these models."""
        ...


class Reloads(Protocol):
    """A Moltbot or OpenClaw whose config this is."""

    async def begin(self) -> Reload | None:
        """Look at where things stand before a write; None when nobody runs on the config."""
        ...

    async def pinned(self) -> Sequence[Pinned]:
        """Return who will not follow a change of the config."""
        ...

    async def neighbour(self) -> Neighbour:
        """Return what is known of the program itself."""
        ...


class NoReloads:
    """Nobody but us reads the config."""

    async def begin(self) -> Reload | None:
        """Nothing is to be waited for."""
        return None

    async def pinned(self) -> Sequence[Pinned]:
        """Nobody pinned a session."""
        return ()

    async def neighbour(self) -> Neighbour:
        """There is no such program."""
        return NO_NEIGHBOUR
