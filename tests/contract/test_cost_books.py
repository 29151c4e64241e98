"""Budgets, chain tests and the bill log, in memory, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.storage.bill_log import DatabaseBillLog
from adapters.storage.budgets import DatabaseBudgets
from adapters.storage.chain_tests import DatabaseChainTests
from adapters.storage.database import Database
from bot.ports import (
    BillLog,
    BillRead,
    Budget,
    BudgetPeriod,
    Budgets,
    ChainTest,
    ChainTests,
    MeterReading,
)
from tests.support.fakes_costs import FakeBillLog, FakeBudgets, FakeChainTests

NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUDGET = Budget(50_000_000_000, BudgetPeriod.DAY, "cheap", "Ana", NOW)


@dataclass
class Books:
    """The three ports on one store."""

    budgets: Budgets
    tests: ChainTests
    bills: BillLog


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def books(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Books]:
    if request.param == "fake":
        yield Books(FakeBudgets(), FakeChainTests(), FakeBillLog())
        return
    database = Database(new_database(request.param))
    yield Books(
        DatabaseBudgets(database),
        DatabaseChainTests(database),
        DatabaseBillLog(database),
    )
    await database.close()


async def test_empty_books(books: Books) -> None:
    assert await books.budgets.budget() is None
    assert await books.budgets.set_budget(None) is None
    assert await books.tests.last() is None
    assert list(await books.bills.reads()) == []
    assert list(await books.bills.readings("deepseek", NOW - HOUR, NOW)) == []


async def test_the_newest_budget_is_in_force_until_it_is_lifted(books: Books) -> None:
    first = await books.budgets.set_budget(BUDGET)
    assert first is not None
    assert first.id
    assert await books.budgets.budget() == first
    other = await books.budgets.set_budget(
        replace(BUDGET, amount_nano_usd=10**18, period=BudgetPeriod.MONTH, then=None)
    )
    assert other is not None
    assert other.id != first.id
    assert await books.budgets.budget() == other
    assert await books.budgets.set_budget(None) is None
    assert await books.budgets.budget() is None


async def test_the_newest_chain_test_is_the_last(books: Books) -> None:
    good = ChainTest(NOW, True, 4, 4, "a/b", "Ana")
    bad = ChainTest(NOW + HOUR, False, 0, 4, None, "Changeover")
    for one in (bad, good):
        await books.tests.record(one)
    assert await books.tests.last() == bad


async def test_a_providers_last_read_counts(books: Books) -> None:
    await books.bills.note(BillRead("openai", NOW, "It returned HTTP 500.", "It will be retried."))
    await books.bills.note(BillRead("anthropic", NOW))
    await books.bills.note(BillRead("openai", NOW + HOUR))
    assert list(await books.bills.reads()) == [
        BillRead("anthropic", NOW),
        BillRead("openai", NOW + HOUR),
    ]


async def test_readings_come_oldest_first(books: Books) -> None:
    late = MeterReading("deepseek", NOW, -5, "CNY", account="a")
    early = MeterReading("deepseek", NOW - HOUR, 10**18, rises=True)
    for one in (late, early, replace(late, amount_nano=7), replace(late, provider="openrouter")):
        await books.bills.add_reading(one)
    assert list(await books.bills.readings("deepseek", NOW - HOUR, NOW)) == [early, late]
    assert list(await books.bills.readings("deepseek", NOW - HOUR / 2, NOW + HOUR)) == [late]
