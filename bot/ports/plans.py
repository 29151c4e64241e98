"""Plans: recurring switches of the primary, and which of their windows were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SwitchPlan:
    """A recurring switch of one config's primary.

    `number` counts from 1 within the document. `model` and `when` are as typed and checked:
    `cheap`, `weekdays 22:00-07:00`; `ref` is the model it was then. `approved` are the approval
    rules that hold it no more (`*`: all of them). `ended_at` is None while it is in force.
    """

    document: str
    number: int
    model: str
    when: str
    reason: str
    set_by: str
    set_by_key: str
    surface: str
    set_at: datetime
    ref: str = ""
    approved: str = ""
    ended_at: datetime | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class PlanRun:
    """A window of a plan that is dealt with.

    `change_id` is the switch that was made; without one, `why` says why none was, and is empty
    where the primary was the plan's model already.
    """

    number: int
    start_at: datetime
    end_at: datetime
    change_id: int | None = None
    why: str = ""


class Plans(Protocol):
    """Plans and their windows. Every method raises StorageError when it cannot."""

    async def plans(self, document: str, *, ended: bool = False) -> Sequence[SwitchPlan]:
        """Return a document's plans by number: those in force, or those that ended as well."""
        ...

    async def add(self, plan: SwitchPlan) -> bool:
        """Keep a new plan; False when its number is taken, so that others were set meanwhile."""
        ...

    async def end(self, document: str, number: int, by: str, at: datetime) -> bool:
        """End a plan; False when it is not in force."""
        ...

    async def runs(self, document: str, since: datetime) -> Sequence[PlanRun]:
        """Return the windows dealt with that end after a time, the oldest first."""
        ...

    async def keep_run(self, document: str, run: PlanRun) -> bool:
        """Note that a window is dealt with; False when it was already."""
        ...

    async def drop_run(self, document: str, run: PlanRun) -> None:
        """Forget that a window was dealt with: it has not come yet."""
        ...
