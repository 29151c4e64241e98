"""Bringing the database to the schema this program works with, whoever comes first.

Every schema version is a file in `migrations`: its number, then a word on it. Many processes may
start on an empty database at once: the check is repeated under a lock.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from adapters.storage.calls import running
from adapters.storage.connection import Connection
from adapters.storage.database_errors import newer, replaced
from adapters.storage.pool import Pool
from adapters.storage.url import DatabaseUrl

MIGRATIONS = sorted(Path(__file__).parent.glob("migrations/*.sql"))

REVISIONS = [path.name[:4] for path in MIGRATIONS]
"""Every schema version there was, oldest first."""

HEAD = REVISIONS[-1]
"""The schema version this program works with."""

# What the two databases call by different names.
_SQLITE = {
    "{integer}": "INTEGER",
    "{autoincrement}": " AUTOINCREMENT",
    "{without_rowid}": "WITHOUT ROWID",
    "{bytes}": "BLOB",
    "{false}": "0",
}
_POSTGRESQL = {
    "{integer}": "BIGSERIAL",
    "{autoincrement}": "",
    "{without_rowid}": "",
    "{bytes}": "BYTEA",
    "{false}": "false",
}
# The table's name is older than this runner; other releases look for it.
_VERSION = "SELECT version_num FROM alembic_version"
_ADVISORY_LOCK = 0x6368616E6765
_log = logging.getLogger("changeover")


def prepare(pool: Pool, url: DatabaseUrl, *, timeout_s: float) -> None:
    """Make or update the tables where that is needed.

    Raises:
        StorageError: a newer release made this database.
    """
    with pool.transaction(writes=False) as connection:
        if _version(connection) == HEAD:
            return
    if url.path is not None:
        _use_wal(url.path, timeout_s)
    with pool.transaction(writes=True) as connection:
        if connection.postgresql:
            connection.run(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        version = _version(connection)
        if version is None:
            upgrade(connection)
        elif version not in REVISIONS:
            raise newer(url)
        elif version != HEAD:
            _update(connection, url, version)


def check_version(connection: Connection, url: DatabaseUrl) -> None:
    """Refuse to write into tables of another release, within the writer's transaction.

    On PostgreSQL the row is held meanwhile, so that no release can take over in between.

    Raises:
        StorageError: they are another release's.
    """
    version = connection.value(_VERSION + (" FOR SHARE" if connection.postgresql else ""))
    if version in REVISIONS[:-1]:
        raise replaced(url)
    if version != HEAD:
        raise newer(url)


def upgrade(connection: Connection, since: str = "", to: str = HEAD) -> None:
    """Run the migrations after `since` up to `to`, within the connection's transaction."""
    if not since:
        connection.run(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.insert("alembic_version", {"version_num": to})
    for revision, path in zip(REVISIONS, MIGRATIONS, strict=True):
        if since < revision <= to:
            sql = path.read_text(encoding="utf-8")
            for name, word in (_POSTGRESQL if connection.postgresql else _SQLITE).items():
                sql = sql.replace(name, word)
            for statement in sql.split(";\n")[:-1]:
                connection.run(statement)
    connection.run("UPDATE alembic_version SET version_num = ?", to)


def _update(connection: Connection, url: DatabaseUrl, version: str) -> None:
    """Run the migrations, however long they take; writers of the old release wait, then stop."""
    running().patient = True
    _log.info("updating %s from schema %s to %s", url.label, version, HEAD)
    if connection.postgresql:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.run(f"SET LOCAL {name} = 0")
        connection.run(f"{_VERSION} FOR UPDATE")
    upgrade(connection, version)
    _log.info("%s is up to date", url.label)


def _version(connection: Connection) -> str | None:
    there = (
        "SELECT to_regclass('alembic_version')"
        if connection.postgresql
        else "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
    )
    if connection.value(there) is None:
        return None
    version: str | None = connection.value(_VERSION)
    return version


def _use_wal(path: str, timeout_s: float) -> None:
    """Turn the write-ahead log on, which stays on.

    SQLite does not always wait its busy timeout for this, so this does.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=timeout_s)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.Error as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
