"""The budget in the database."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, insert, select, update

from adapters.storage import schema
from adapters.storage.database import Database
from bot.ports import Budget, BudgetPeriod

_budgets = schema.budgets


class SqlBudgets:
    """The Budgets port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def budget(self) -> Budget | None:
        """Return the budget in force: the newest, should two have been set at once."""
        query = select(_budgets).where(_budgets.c.in_force).order_by(_budgets.c.id.desc()).limit(1)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        return Budget(
            row.amount_nano_usd, BudgetPeriod(row.period), row.then, row.set_by, row.set_at, row.id
        )

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        """Put a budget in the place of the present one (None: no budget); return it with its id."""
        return await self._database.write(lambda c: _set(c, budget))


def _set(connection: Connection, budget: Budget | None) -> Budget | None:
    connection.execute(update(_budgets).where(_budgets.c.in_force).values(in_force=False))
    if budget is None:
        return None
    row = insert(_budgets).values(
        amount_nano_usd=budget.amount_nano_usd,
        period=budget.period.value,
        then=budget.then,
        set_by=budget.set_by,
        set_at=budget.set_at,
        in_force=True,
    )
    return replace(budget, id=connection.execute(row.returning(_budgets.c.id)).scalar_one())
