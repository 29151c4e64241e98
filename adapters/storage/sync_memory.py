"""Small things to remember between two starts, such as which commands Discord was last told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.storage.lazy import LazyDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection


class LazyMemory:
    """Text by key; the database library is not needed while there is no SQLite file."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database

    async def get(self, key: str) -> str | None:
        """Return what was put last. Raises StorageError."""
        if self._database.empty:
            return None
        return await self._database.open().read(lambda c: _get(c, key))

    async def put(self, key: str, value: str) -> None:
        """Remember a text in the place of the last one. Raises StorageError."""
        await self._database.open().write(lambda c: put(c, key, value))

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()


def _get(connection: Connection, key: str) -> str | None:
    from sqlalchemy import select

    from adapters.storage.schema import memory

    value: str | None = connection.scalar(select(memory.c.value).where(memory.c.key == key))
    return value


def put(connection: Connection, key: str, value: str) -> None:
    """Remember a text in the place of the last one."""
    from adapters.storage.database import upsert
    from adapters.storage.schema import memory

    row = upsert(connection, memory).values(key=key, value=value)
    connection.execute(
        row.on_conflict_do_update(index_elements=[memory.c.key], set_={"value": row.excluded.value})
    )
