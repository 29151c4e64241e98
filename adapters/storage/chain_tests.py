"""How the chain's tests went, in the database."""

from __future__ import annotations

from dataclasses import asdict

from adapters.storage.codec import time_of
from adapters.storage.database import Database
from bot.ports import ChainTest


class DatabaseChainTests:
    """The ChainTests port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, test: ChainTest) -> None:
        """Keep one."""
        await self._database.write(lambda c: c.insert("chain_tests", asdict(test)))

    async def last(self) -> ChainTest | None:
        """Return the newest."""
        row = await self._database.read(
            lambda c: c.row("SELECT * FROM chain_tests ORDER BY at DESC, id DESC LIMIT 1")
        )
        if row is None:
            return None
        return ChainTest(
            time_of(row["at"]),
            bool(row["chain_ok"]),
            row["answered"],
            row["hops"],
            row["would_serve"],
            row["actor_name"],
        )
