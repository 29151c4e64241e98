"""How bills were read, and what meters showed, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from adapters.storage.codec import time_of
from adapters.storage.database import Database
from bot.ports import BillRead, MeterReading


class DatabaseBillLog:
    """The BillLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, read: BillRead) -> None:
        """Remember a read in the place of the provider's last one."""
        await self._database.write(lambda c: c.put("bill_reads", asdict(read), "provider"))

    async def reads(self) -> Sequence[BillRead]:
        """Return every provider's last read, by name."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM bill_reads ORDER BY provider")
        )
        return [
            BillRead(row["provider"], time_of(row["at"]), row["trouble"], row["hint"])
            for row in rows
        ]

    async def add_reading(self, reading: MeterReading) -> None:
        """Keep a meter's reading; two of one moment are one."""
        await self._database.write(
            lambda c: c.insert("meter_readings", asdict(reading), "ON CONFLICT DO NOTHING")
        )

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        """Return a meter's readings in [start, end], oldest first."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM meter_readings WHERE provider = ? AND at >= ? AND at <= ? "
                "ORDER BY at",
                provider,
                start,
                end,
            )
        )
        return [
            MeterReading(
                row["provider"],
                time_of(row["at"]),
                row["amount_nano"],
                row["currency"],
                bool(row["rises"]),
                row["account"],
            )
            for row in rows
        ]
