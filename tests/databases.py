"""Ways to reach a test's database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from adapters.storage.database import Database
from adapters.storage.fallback_log import SqlFallbackLog
from adapters.storage.journal import SqlJournal
from adapters.storage.lazy import LazyFallbackLog, LazyJournal
from bot.ports import Change, Cooldown, FallbackEvent, IncidentRow, KnownState, Revert

T = TypeVar("T")


async def once(url: str, sql: str, *, busy_timeout_s: float = 30.0) -> list[Any]:
    """Open a database, run one statement in a writing transaction, and close it."""
    database = Database(url, busy_timeout_s=busy_timeout_s)
    try:
        return await database.write(lambda c: fetch(c, sql))
    finally:
        await database.close()


def fetch(connection: Connection, sql: str) -> list[Any]:
    result = connection.execute(text(sql))
    return [tuple(row) for row in result] if result.returns_rows else []


class LookingJournal(SqlJournal):
    """Writes as a service does; reads as a command that only looks, from a cold start."""

    def __init__(self, database: Database, url: str) -> None:
        super().__init__(database)
        self._url = url

    async def _look(self, read: Callable[[LazyJournal], Awaitable[T]]) -> T:
        cold = LazyJournal(self._url)
        try:
            found = await read(cold)
            assert cold._database._database is None, "it opened the database to look"
            return found
        finally:
            await cold.close()

    async def known(self, document: str) -> KnownState | None:
        return await self._look(lambda cold: cold.known(document))

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        return await self._look(lambda cold: cold.changes(document, limit))

    async def reverts(self, document: str) -> Sequence[Revert]:
        return await self._look(lambda cold: cold.reverts(document))

    async def last_beat(self, service: str) -> datetime | None:
        return await self._look(lambda cold: cold.last_beat(service))


class LookingFallbackLog(SqlFallbackLog):
    """Writes as a service does; reads as a command that only looks, from a cold start."""

    def __init__(self, database: Database, url: str) -> None:
        super().__init__(database)
        self._url = url

    async def _look(self, read: Callable[[LazyFallbackLog], Awaitable[T]]) -> T:
        cold = LazyFallbackLog(self._url)
        try:
            found = await read(cold)
            assert cold._database._database is None, "it opened the database to look"
            return found
        finally:
            await cold.close()

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        return await self._look(lambda cold: cold.cooldowns(after))

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        return await self._look(lambda cold: cold.events(since, limit))

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        return await self._look(lambda cold: cold.incidents(open_only=open_only, limit=limit))

    async def staying(self, since: datetime) -> Mapping[str, int]:
        return await self._look(lambda cold: cold.staying(since))

    async def muted_until(self) -> datetime | None:
        return await self._look(lambda cold: cold.muted_until())
