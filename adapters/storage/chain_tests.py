"""How the chain's tests went, in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from adapters.storage import schema
from adapters.storage.database import Database
from bot.ports import ChainTest

_tests = schema.chain_tests


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
