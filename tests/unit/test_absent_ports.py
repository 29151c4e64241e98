"""Ports that are not there know nothing, keep nothing and refuse what would be lost."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from bot.errors import StorageError
from bot.ports import (
    BillRead,
    ChainTest,
    GroupBy,
    MeterReading,
    NoBillLog,
    NoBudgets,
    NoChainTests,
    NoCorrections,
    NoLedger,
)
from tests.fakes_ledger import attempt

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY = date(2026, 3, 2)


async def test_no_ledger():
    ledger = NoLedger()
    await ledger.add([attempt()])
    await ledger.add_bills([])
    assert list(await ledger.spend(NOW, NOW, GroupBy.DAY)) == []
    assert await ledger.first_at() is None
    assert list(await ledger.attempts(NOW, NOW, 1)) == []
    assert list(await ledger.bills(DAY, DAY)) == []


async def test_no_budgets():
    budgets = NoBudgets()
    assert await budgets.budget() is None
    with pytest.raises(StorageError):
        await budgets.set_budget(None)


async def test_no_chain_tests_bills_or_corrections():
    tests, bills, corrections = NoChainTests(), NoBillLog(), NoCorrections()
    await tests.record(ChainTest(NOW, True, 1, 1, None, "Ana"))
    assert await tests.last() is None
    await bills.note(BillRead("openai", NOW))
    await bills.add_reading(MeterReading("deepseek", NOW, 1))
    assert list(await bills.reads()) == []
    assert list(await bills.readings("deepseek", NOW, NOW)) == []
    assert (await corrections.rows(NOW, NOW, 0, 9)).last is None
    assert await corrections.amend([], NOW, "why") == 0
