"""The ledger, without the database library until it is needed.

While an SQLite file is not there yet, nothing was spent, which needs no library to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from adapters.storage.lazy import LazyDatabase
from bot.ports import Amendment, Attempt, Bill, GroupBy, RowPage, Spend

if TYPE_CHECKING:
    from adapters.storage.corrections import SqlCorrections
    from adapters.storage.ledger import SqlLedger


class LazyLedger:
    """The Ledger port; see the module's sentence."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._opened: SqlLedger | None = None

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts; known ones are left out."""
        if attempts:
            await self._open().add(attempts)

    async def spend(
        self, start: datetime, end: datetime, by: GroupBy, *, zone: str = "UTC"
    ) -> Sequence[Spend]:
        """Add up what lies in [start, end), dearest first."""
        return [] if self._database.empty else await self._open().spend(start, end, by, zone=zone)

    async def first_at(self) -> datetime | None:
        """When the oldest attempt was made."""
        return None if self._database.empty else await self._open().first_at()

    async def kept_since(self) -> datetime | None:
        """Since when attempts are still there; None when none were dropped."""
        return None if self._database.empty else await self._open().kept_since()

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        return [] if self._database.empty else await self._open().attempts(start, end, limit)

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        """Store what providers say."""
        if bills:
            await self._open().add_bills(bills)

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        """Return the bills of the days in [start, end)."""
        return [] if self._database.empty else await self._open().bills(start, end)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def _open(self) -> SqlLedger:
        if self._opened is None:
            from adapters.storage.ledger import SqlLedger

            self._opened = SqlLedger(self._database.open())
        return self._opened


class LazyCorrections:
    """The Corrections port; see the module's sentence."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._opened: SqlCorrections | None = None

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        """Return attempts of [start, end) in the order they were written, after a row id."""
        if self._database.empty:
            return RowPage((), None)
        return await self._open().rows(start, end, after, limit)

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        """Write new costs; return how many rows were still as they were read."""
        if not amendments or self._database.empty:
            return 0
        return await self._open().amend(amendments, at, why)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def _open(self) -> SqlCorrections:
        if self._opened is None:
            from adapters.storage.corrections import SqlCorrections

            self._opened = SqlCorrections(self._database.open())
        return self._opened
