"""Whether the program that owns the config took a change up, and who will not follow it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.errors import ErrorInfo


class ReloadOutcome(StrEnum):
    """What became of a change."""

    IN_FORCE = "in_force"
    NOT_SEEN = "not_seen"
    REJECTED = "rejected"
    NEEDS_RESTART = "needs_restart"
    UNKNOWN_MODEL = "unknown_model"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and what the owner said with it."""

    taken: ReloadOutcome
    detail: str = ""


class PinKind(StrEnum):
    """What has a model of its own beside the config."""

    SESSION = "session"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Pin:
    """A session or cron job whose own model stays whatever the config says.

    `by_tool` marks a session that was given its model by a tool, not by a person. `sessions` are
    the ledger's names of the sessions that it is known to have run in.
    """

    kind: PinKind
    key: str
    name: str
    model: str
    agent: str = ""
    by_tool: bool = False
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pins:
    """All that was found; `unreachable` says why OpenClaw cannot change it, where it cannot."""

    found: tuple[Pin, ...] = ()
    unreachable: ErrorInfo | None = None


NO_PINS = Pins()


@dataclass(frozen=True, slots=True)
class PinChange:
    """A pin's model before and after a change; None is no model of its own."""

    kind: PinKind
    key: str
    name: str
    before: str | None
    after: str | None


class PinOutcome(StrEnum):
    """What became of a change of a pin."""

    DONE = "done"
    MOVED_ON = "moved_on"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PinResult:
    """A change of a pin, and what became of it; `error` is set when OpenClaw failed it."""

    change: PinChange
    outcome: PinOutcome
    error: ErrorInfo | None = None


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

    async def pinned(self) -> Pins:
        """Return who will not follow a change of the config."""
        ...

    async def repin(self, changes: Sequence[PinChange]) -> Sequence[PinResult]:
        """Give each its new model where it still has the one before; never raises."""
        ...

    async def neighbour(self) -> Neighbour:
        """Return what is known of the program itself."""
        ...


class NoReloads:
    """Nobody but us reads the config."""

    async def begin(self) -> Reload | None:
        """Nothing is to be waited for."""
        return None

    async def pinned(self) -> Pins:
        """Nobody pinned a session."""
        return NO_PINS

    async def repin(self, changes: Sequence[PinChange]) -> Sequence[PinResult]:
        """There is nobody to ask."""
        return [PinResult(one, PinOutcome.GONE) for one in changes]

    async def neighbour(self) -> Neighbour:
        """There is no such program."""
        return NO_NEIGHBOUR
