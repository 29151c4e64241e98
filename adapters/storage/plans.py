"""Plans in the database, and the windows of them that are dealt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from adapters.storage.codec import time_of, time_or_none
from adapters.storage.connection import Row
from adapters.storage.database import Database
from bot.ports.plans import PlanRun, SwitchPlan


class DatabasePlans:
    """The Plans port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plans(self, document: str, *, ended: bool = False) -> Sequence[SwitchPlan]:
        """Return a document's plans by number."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM plans WHERE document = ? ORDER BY number", document)
        )
        return [_plan(row) for row in rows if ended or row["ended_at"] is None]

    async def add(self, plan: SwitchPlan) -> bool:
        """Keep a new plan; its number is a turn that one process alone can take."""
        added = await self._database.write(
            lambda c: c.insert("plans", asdict(plan), "ON CONFLICT (document, number) DO NOTHING")
        )
        return added == 1

    async def end(self, document: str, number: int, by: str, at: datetime) -> bool:
        """End a plan; False when it is not in force."""
        ended = await self._database.change(
            lambda c: c.update(
                "plans",
                {"ended_at": at, "ended_by": by},
                "document = ? AND number = ? AND ended_at IS NULL",
                document,
                number,
            )
        )
        return ended == 1

    async def runs(self, document: str, since: datetime) -> Sequence[PlanRun]:
        """Return the windows dealt with that end after a time, the oldest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM plan_runs WHERE document = ? AND end_at > ? "
                "ORDER BY start_at, number",
                document,
                since,
            )
        )
        return [
            PlanRun(
                row["number"],
                time_of(row["start_at"]),
                time_of(row["end_at"]),
                row["change_id"],
                row["why"],
            )
            for row in rows
        ]

    async def keep_run(self, document: str, run: PlanRun) -> bool:
        """Note that a window is dealt with; False when it was already."""
        row = {"document": document, **asdict(run)}
        key = "ON CONFLICT (document, number, start_at) DO NOTHING"
        return await self._database.write(lambda c: c.insert("plan_runs", row, key)) == 1

    async def drop_run(self, document: str, run: PlanRun) -> None:
        """Forget that a window was dealt with: it has not come yet."""
        await self._database.change(
            lambda c: c.run(
                "DELETE FROM plan_runs WHERE document = ? AND number = ? AND start_at = ?",
                document,
                run.number,
                run.start_at,
            )
        )


def _plan(row: Row) -> SwitchPlan:
    times = {"set_at": time_of(row["set_at"]), "ended_at": time_or_none(row["ended_at"])}
    return SwitchPlan(**{**dict(row), **times})
