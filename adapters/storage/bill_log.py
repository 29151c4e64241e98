"""How bills were read, and what meters showed, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from adapters.storage import schema
from adapters.storage.database import Database, upsert
from bot.ports import BillRead, MeterReading

_reads = schema.bill_reads
_readings = schema.meter_readings


class SqlBillLog:
    """The BillLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, read: BillRead) -> None:
        """Remember a read in the place of the provider's last one."""
        await self._database.write(lambda c: _note(c, read))

    async def reads(self) -> Sequence[BillRead]:
        """Return every provider's last read, by name."""
        query = select(_reads).order_by(_reads.c.provider)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [BillRead(row.provider, row.at, row.trouble, row.hint) for row in rows]

    async def add_reading(self, reading: MeterReading) -> None:
        """Keep a meter's reading; two of one moment are one."""
        values = {
            "provider": reading.provider,
            "at": reading.at,
            "amount_nano": reading.amount_nano,
            "currency": reading.currency,
            "rises": reading.rises,
            "account": reading.account,
        }
        await self._database.write(
            lambda c: c.execute(upsert(c, _readings).values(values).on_conflict_do_nothing())
        )

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        """Return a meter's readings in [start, end], oldest first."""
        query = (
            select(_readings)
            .where(
                _readings.c.provider == provider,
                _readings.c.at >= start,
                _readings.c.at <= end,
            )
            .order_by(_readings.c.at)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [
            MeterReading(r.provider, r.at, r.amount_nano, r.currency, r.rises, r.account)
            for r in rows
        ]


def _note(connection: Connection, read: BillRead) -> None:
    row = upsert(connection, _reads).values(
        provider=read.provider, at=read.at, trouble=read.trouble, hint=read.hint
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=[_reads.c.provider],
            set_={
                "at": row.excluded.at,
                "trouble": row.excluded.trouble,
                "hint": row.excluded.hint,
            },
        )
    )
