"""Budgets, chain tests and bill reads, without the database library until it is needed.

While an SQLite file is not there yet, there is none of them, which needs no library to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.storage.lazy import LazyDatabase
from bot.ports import (
    BillRead,
    Budget,
    ChainTest,
    MeterReading,
)

if TYPE_CHECKING:
    from adapters.storage.bill_log import SqlBillLog
    from adapters.storage.budgets import SqlBudgets
    from adapters.storage.chain_tests import SqlChainTests


class LazyBudgets:
    """The Budgets port; see the module's sentence."""

    def __init__(self, database: LazyDatabase) -> None:
        self._database = database
        self._opened: SqlBudgets | None = None

    async def budget(self) -> Budget | None:
        """Return the budget in force."""
        return None if self._database.empty else await self._open().budget()

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        """Put a budget in the place of the present one."""
        if budget is None and self._database.empty:
            return None
        return await self._open().set_budget(budget)

    def _open(self) -> SqlBudgets:
        if self._opened is None:
            from adapters.storage.budgets import SqlBudgets

            self._opened = SqlBudgets(self._database.open())
        return self._opened


class LazyChainTests:
    """The ChainTests port; see the module's sentence."""

    def __init__(self, database: LazyDatabase) -> None:
        self._database = database
        self._opened: SqlChainTests | None = None

    async def record(self, test: ChainTest) -> None:
        """Keep one."""
        await self._open().record(test)

    async def last(self) -> ChainTest | None:
        """Return the newest."""
        return None if self._database.empty else await self._open().last()

    def _open(self) -> SqlChainTests:
        if self._opened is None:
            from adapters.storage.chain_tests import SqlChainTests

            self._opened = SqlChainTests(self._database.open())
        return self._opened


class LazyBillLog:
    """The BillLog port; see the module's sentence."""

    def __init__(self, database: LazyDatabase) -> None:
        self._database = database
        self._opened: SqlBillLog | None = None

    async def note(self, read: BillRead) -> None:
        """Remember a read in the place of the provider's last one."""
        await self._open().note(read)

    async def reads(self) -> Sequence[BillRead]:
        """Return every provider's last read."""
        return [] if self._database.empty else await self._open().reads()

    async def add_reading(self, reading: MeterReading) -> None:
        """Keep a meter's reading."""
        await self._open().add_reading(reading)

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        """Return a meter's readings in [start, end], oldest first."""
        if self._database.empty:
            return []
        return await self._open().readings(provider, start, end)

    def _open(self) -> SqlBillLog:
        if self._opened is None:
            from adapters.storage.bill_log import SqlBillLog

            self._opened = SqlBillLog(self._database.open())
        return self._opened
