"""What providers say of their models' ends, and what was kept of it day by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.models import ModelRef

DELISTED_AFTER = 2
"""So many daily looks in a row that lack a model before its absence means anything."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in its provider's list.

    `dated` where the list says of the model when it ends, or that no end is planned.
    """

    id: str
    retires_on: date | None = None
    dated: bool = False


@dataclass(frozen=True, slots=True)
class ModelListing:
    """A provider's list; `complete` unless a page is missing or could not be read."""

    models: tuple[ListedModel, ...] = ()
    complete: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """The models' ids."""
        return tuple(model.id for model in self.models)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What daily looks have shown of a model.

    `absent` counts the looks since `listed_at` that lacked it, `absent_since` is the first of them.
    `withdrawn_on` is a date that its list gave and gives no more. `answered_at` and `refused_at`
    are our own one-token question's. `remind_at` is when somebody wants to hear of it again.
    """

    ref: ModelRef
    looked_at: datetime
    listed_at: datetime | None = None
    absent: int = 0
    absent_since: datetime | None = None
    retires_on: date | None = None
    dated: bool = False
    withdrawn_on: date | None = None
    answered_at: datetime | None = None
    refused_at: datetime | None = None
    remind_at: datetime | None = None

    @property
    def delisted(self) -> bool:
        """True when its provider lists it no longer."""
        return self.absent >= DELISTED_AFTER


class Lifecycles(Protocol):
    """Lifecycles by model, and whose turn it is to look. Every method raises StorageError."""

    async def rows(self) -> Sequence[Lifecycle]:
        """Return what is known, by model."""
        ...

    async def claim(self, provider: str, at: datetime, last_before: datetime) -> bool:
        """Take the turn to look at a provider's list; False when it was looked at since then.

        A last look that lies after `at` was a wrong clock's and holds nothing up.
        """
        ...

    async def size(self, provider: str) -> int:
        """Return how many models the last complete list had; 0 when there was none."""
        ...

    async def keep(self, provider: str, size: int, found: Sequence[Lifecycle]) -> None:
        """Keep what a look has shown, all but `remind_at`; a `size` of 0 keeps the last one."""
        ...

    async def remind(self, ref: ModelRef, now: datetime, at: datetime | None) -> None:
        """Note when to remind of a model again."""
        ...


class NoLifecycles:
    """The Lifecycles port where there is no database: nothing is known."""

    async def rows(self) -> Sequence[Lifecycle]:
        """Return nothing."""
        return ()

    async def claim(self, provider: str, at: datetime, last_before: datetime) -> bool:
        """Give no turn."""
        return False

    async def size(self, provider: str) -> int:
        """Return 0."""
        return 0

    async def keep(self, provider: str, size: int, found: Sequence[Lifecycle]) -> None:
        """Keep nothing."""

    async def remind(self, ref: ModelRef, now: datetime, at: datetime | None) -> None:
        """Note nothing."""
