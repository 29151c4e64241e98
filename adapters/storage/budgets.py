"""The budget and its notices in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from adapters.storage import schema
from adapters.storage.database import Database, upsert
from bot.ports import Budget, BudgetPeriod

_budgets = schema.budgets
_notices = schema.budget_notices


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

    async def told(self, budget_id: int, period_start: datetime) -> frozenset[int]:
        """Return the percentages that were told in a period."""
        query = select(_notices.c.percent).where(
            _notices.c.budget_id == budget_id, _notices.c.period_start == period_start
        )
        return frozenset(await self._database.read(lambda c: c.scalars(query).all()))

    async def claim(self, budget_id: int, period_start: datetime, percent: int) -> bool:
        """Take the right to tell a percentage; False when another process was first."""
        return await self._database.write(lambda c: _claim(c, budget_id, period_start, percent))


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


def _claim(connection: Connection, budget_id: int, period_start: datetime, percent: int) -> bool:
    row = upsert(connection, _notices).values(
        budget_id=budget_id, period_start=period_start, percent=percent
    )
    new = row.on_conflict_do_nothing().returning(_notices.c.percent)
    return connection.execute(new).first() is not None
