"""Small things to remember between two starts, such as which commands Discord was last told."""

from __future__ import annotations

from adapters.storage.connection import Connection
from adapters.storage.database import Database


class KeyValueStore:
    """Text by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, key: str) -> str | None:
        """Return what was put last. Raises StorageError."""
        return await self._database.read(lambda c: value_at(c, key))

    async def put(self, key: str, value: str) -> None:
        """Remember a text in the place of the last one. Raises StorageError."""
        await self._database.write(lambda c: put_value(c, key, value))


def value_at(connection: Connection, key: str) -> str | None:
    """Return what was put last."""
    found: str | None = connection.value("SELECT value FROM memory WHERE key = ?", key)
    return found


def put_value(connection: Connection, key: str, value: str) -> None:
    """Remember a text in the place of the last one."""
    connection.put("memory", {"key": key, "value": value}, "key")
