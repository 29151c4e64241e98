"""The budget in the database."""

from __future__ import annotations

from dataclasses import replace

from adapters.storage.codec import time_of
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from bot.ports import Budget, BudgetPeriod


class DatabaseBudgets:
    """The Budgets port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def budget(self) -> Budget | None:
        """Return the budget in force: the newest, should two have been set at once."""
        row = await self._database.read(
            lambda c: c.row("SELECT * FROM budgets WHERE in_force ORDER BY id DESC LIMIT 1")
        )
        if row is None:
            return None
        return Budget(
            row["amount_nano_usd"],
            BudgetPeriod(row["period"]),
            row["then"],
            row["set_by"],
            time_of(row["set_at"]),
            row["id"],
        )

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        """Put a budget in the place of the present one (None: no budget); return it with its id."""
        if budget is None:
            await self._database.change(_end)
            return None
        return await self._database.write(lambda c: _set(c, budget))


def _end(connection: Connection) -> None:
    connection.update("budgets", {"in_force": False}, "in_force")


def _set(connection: Connection, budget: Budget) -> Budget:
    _end(connection)
    row = {
        "amount_nano_usd": budget.amount_nano_usd,
        "period": budget.period.value,
        "then": budget.then,
        "set_by": budget.set_by,
        "set_at": budget.set_at,
        "in_force": True,
    }
    return replace(budget, id=connection.insert_new("budgets", row))
