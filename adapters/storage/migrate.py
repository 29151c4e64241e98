"""Bringing the database to the schema this program works with, whoever comes first.

Many processes may start on an empty database at once: the check is repeated under a lock. Alembic
is slow to import and only needed for a database that an older release made.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from adapters.storage.calls import running
from adapters.storage.codec import HEAD, REVISIONS
from adapters.storage.database_errors import newer, replaced
from adapters.storage.schema import metadata
from adapters.storage.url import DatabaseUrl

MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"
_ADVISORY_LOCK = 0x6368616E6765
_log = logging.getLogger("changeover")


def prepare(engine: Engine, url: DatabaseUrl, *, timeout_s: float) -> None:
    """Make or update the tables where that is needed.

    Raises:
        StorageError: a newer release made this database.
        SQLAlchemyError: the database refused.
    """
    with engine.connect() as connection, connection.begin():
        if _version(connection) == HEAD:
            return
    if url.path is not None:
        _use_wal(engine, timeout_s)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if url.path is None:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        version = _version(connection)
        if version is None:
            _create(connection)
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
    version = connection.exec_driver_sql(
        f"SELECT version_num FROM {_VERSION_TABLE}"  # noqa: S608
        + ("" if url.path is not None else " FOR SHARE")
    ).scalar()
    if version in REVISIONS[:-1]:
        raise replaced(url)
    if version != HEAD:
        raise newer(url)


def _update(connection: Connection, url: DatabaseUrl, version: str) -> None:
    """Run the migrations, however long they take; writers of the old release wait, then stop."""
    running().patient = True
    _log.info("updating %s from schema %s to %s", url.label, version, HEAD)
    if url.path is None:
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {name} = 0"))
        connection.execute(text(f"SELECT 1 FROM {_VERSION_TABLE} FOR UPDATE"))  # noqa: S608
    upgrade(connection)
    _log.info("%s is up to date", url.label)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run the migrations that are missing, within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _version(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, _VERSION_TABLE):
        return None
    version = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608
    return None if version is None else str(version)


def _create(connection: Connection) -> None:
    """Make all tables in an empty database and sign it as Alembic would."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            f"CREATE TABLE {_VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
            f"CONSTRAINT {_VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(
        text(f"INSERT INTO {_VERSION_TABLE} (version_num) VALUES (:head)"),  # noqa: S608
        {"head": HEAD},
    )


def _use_wal(engine: Engine, timeout_s: float) -> None:
    """Turn the write-ahead log on, which stays on.

    SQLite does not always wait its busy timeout for this, so this does.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            raw = engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
            finally:
                raw.close()
        except sqlite3.Error as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise OperationalError("PRAGMA journal_mode=WAL", None, error) from None
            time.sleep(0.01)
        else:
            return
