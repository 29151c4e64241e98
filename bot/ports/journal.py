"""The journal: who changed what, kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.access import Actor
from bot.ports.config import Json

Path = tuple[str | int, ...]
"""Keys and list positions from the document's root."""


class Absent(StrEnum):
    """Stands where a path has no value, since JSON's null is a value."""

    ABSENT = "__absent__"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Touched:
    """One value a change made different: where, and what stood there before and after."""

    path: Path
    before: Json | Absent
    after: Json | Absent


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change of the config about to be written.

    `old` and `new` are the headline value's JSON: a string or None for a primary, a list for a
    chain. `view` is the model-related part of the document afterwards, kept so that an edit from
    outside can be told apart later. `reverts` is the id of the change this one takes back;
    `back_at` is when this one itself goes back, noted with it.
    """

    document: str
    at: datetime
    actor: Actor
    action: str
    reason: str
    old: Json
    new: Json
    touched: tuple[Touched, ...]
    revision_before: str
    revision: str
    diff: str
    view: Json
    reverts: int | None = None
    back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the config that happened, as the journal keeps it."""

    id: int
    document: str
    at: datetime
    actor_key: str
    actor_name: str
    surface: str
    action: str
    reason: str
    old: Json
    new: Json
    touched: tuple[Touched, ...]
    revision_before: str
    revision: str
    diff: str
    reverts: int | None


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the journal last knew of a document: its revision and model-related part."""

    revision: str
    view: Json


class RevertState(StrEnum):
    """What became of a timed switch."""

    PENDING = "pending"
    DONE = "done"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Revert:
    """A switch that goes back at `due_at` unless the value has moved on since."""

    id: int
    document: str
    change_id: int
    due_at: datetime
    state: RevertState


class Journal(Protocol):
    """Who changed what, kept for good. Every method raises StorageError when it cannot."""

    async def warm(self) -> None:
        """Load and open what writing takes, before anybody has to wait for it."""
        ...

    async def begin(self, change: NewChange) -> int:
        """Note what is about to be written and return its id; invisible until `confirm`."""
        ...

    async def confirm(self, change_id: int) -> None:
        """The write happened: the change is history and the document's known state moves on."""
        ...

    async def abandon(self, change_id: int) -> None:
        """The write did not happen: forget the note."""
        ...

    async def notes(self, document: str) -> Sequence[Change]:
        """Return what was begun and neither confirmed nor abandoned, oldest first."""
        ...

    async def recover(self, document: str, revision: str, *, forget: bool = True) -> None:
        """After a crash: confirm a note whose revision is the present one, drop stale ones.

        Without the document's lock, do not `forget`: somebody may be about to write.
        """
        ...

    async def known(self, document: str) -> KnownState | None:
        """Return the last known state, or None for a document never seen."""
        ...

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        """Record an edit from outside, once.

        Compare-and-swap on the known revision: the first process to see it writes the row, the
        others get False. `known_revision` None stores the first known state without a row.
        """
        ...

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        """Return the newest changes first."""
        ...

    async def changes_since(self, document: str, change_id: int) -> Sequence[Change]:
        """Return a change and all that came after it, newest first."""
        ...

    async def reverts(self, document: str) -> Sequence[Revert]:
        """Return what is pending of changes that happened, soonest first."""
        ...

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        """Put a pending revert off or forward."""
        ...

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        """End a pending revert; False when another process was first."""
        ...

    async def adopt(self, source: str, document: str) -> int:
        """Give a document another's history and timed switches; return how many are pending.

        A document with a history of its own keeps it, and nothing is moved.
        """
        ...

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        """Keep a refusal in the audit trail."""
        ...

    async def beat(self, service: str, at: datetime) -> None:
        """A running service says that it lives."""
        ...

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        ...
