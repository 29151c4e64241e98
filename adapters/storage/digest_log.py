"""Which digest stands where, and how the chain's tests went, in the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from adapters.storage import schema
from adapters.storage.database import Database, upsert
from bot.ports import ChainTest, DigestRow, MessageRef

_digests = schema.digests
_tests = schema.chain_tests


class SqlDigestLog:
    """The DigestLog port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, kind: str, channel: str, period: str) -> DigestRow | None:
        """Return the row, if there is one."""
        query = select(_digests).where(_is(kind, channel, period))
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        message = None
        if row.message_id is not None:
            message = MessageRef(row.surface, row.message_channel, row.message_id)
        return DigestRow(row.kind, row.channel, row.period, row.claimed_at, message)

    async def claim(self, kind: str, channel: str, period: str, at: datetime) -> bool:
        """Make the row; False when it was there."""
        values = {"kind": kind, "channel": channel, "period": period, "claimed_at": at}

        def work(connection: Connection) -> bool:
            row = upsert(connection, _digests).values(values).on_conflict_do_nothing()
            return connection.execute(row.returning(_digests.c.period)).first() is not None

        return await self._database.write(work)

    async def take_over(self, row: DigestRow, at: datetime) -> bool:
        """Claim anew what its claimant has left lying; False when another was first."""
        change = (
            update(_digests)
            .where(
                _is(row.kind, row.channel, row.period),
                _digests.c.claimed_at == row.claimed_at,
                _digests.c.message_id.is_(None),
            )
            .values(claimed_at=at)
        )
        return await self._database.write(lambda c: c.execute(change).rowcount == 1)

    async def posted(self, row: DigestRow, message: MessageRef) -> None:
        """Remember the message; the digest stands."""
        change = (
            update(_digests)
            .where(_is(row.kind, row.channel, row.period))
            .values(surface=message.surface, message_channel=message.channel, message_id=message.id)
        )
        await self._database.write(lambda c: c.execute(change))


class SqlChainTests:
    """The ChainTests port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, test: ChainTest) -> None:
        """Keep one."""
        values: dict[str, Any] = {
            "at": test.at,
            "chain_ok": test.chain_ok,
            "answered": test.answered,
            "hops": test.hops,
            "would_serve": test.would_serve,
            "actor_name": test.actor_name,
        }
        await self._database.write(lambda c: c.execute(insert(_tests).values(values)))

    async def last(self) -> ChainTest | None:
        """Return the newest."""
        query = select(_tests).order_by(_tests.c.at.desc(), _tests.c.id.desc()).limit(1)
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        return ChainTest(
            row.at, row.chain_ok, row.answered, row.hops, row.would_serve, row.actor_name
        )


def _is(kind: str, channel: str, period: str) -> ColumnElement[bool]:
    return and_(_digests.c.kind == kind, _digests.c.channel == channel, _digests.c.period == period)
