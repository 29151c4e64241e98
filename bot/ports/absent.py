"""What stands where a part of the world is not there: it knows nothing and keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from bot.errors import StorageError
from bot.models import GroupBy
from bot.ports.costs import (
    Amendment,
    BillRead,
    Budget,
    ChainTest,
    MeterReading,
    RowPage,
)
from bot.ports.ledger import Attempt, Bill, Spend
from bot.spans import Command


class NoLedger:
    """A ledger that was never written."""

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Forget them."""

    async def spend(
        self, start: datetime, end: datetime, by: GroupBy, *, zone: str = "UTC"
    ) -> Sequence[Spend]:
        """Nothing was spent."""
        return ()

    async def first_at(self) -> datetime | None:
        """Nothing was counted."""
        return None

    async def kept_since(self) -> datetime | None:
        """Nothing was dropped."""
        return None

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        """Nothing was attempted."""
        return ()

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        """Forget them."""

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        """Nobody sent a bill."""
        return ()


class NoBudgets:
    """There is no budget and none can be set."""

    async def budget(self) -> Budget | None:
        """There is none."""
        return None

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        """Refuse, since nothing would watch it."""
        raise StorageError(
            "A budget needs a database; this process has none.",
            Command("doctor", program=True),
        )


class NoChainTests:
    """No test was ever made."""

    async def record(self, test: ChainTest) -> None:
        """Forget it."""

    async def last(self) -> ChainTest | None:
        """There is none."""
        return None


class NoBillLog:
    """No bill was ever read."""

    async def note(self, read: BillRead) -> None:
        """Forget it."""

    async def reads(self) -> Sequence[BillRead]:
        """There is none."""
        return ()

    async def add_reading(self, reading: MeterReading) -> None:
        """Forget it."""

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        """There is none."""
        return ()


class NoCorrections:
    """There are no rows to correct."""

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        """There is none."""
        return RowPage((), None)

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        """Nothing is amended."""
        return 0
