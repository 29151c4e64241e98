"""Connections to PostgreSQL: where DATABASE_URL says, with limits to every wait."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from adapters.storage.database_errors import storage_error
from adapters.storage.url import DatabaseUrl
from bot.errors import StorageError

STALE = (psycopg.OperationalError, psycopg.InterfaceError)
"""What an idle connection raises whose server is gone."""

# A machine that is gone says no goodbye: both ends ask after each other, and nothing waits long.
_CONNECT = {
    # A server whose own encoding is SQL_ASCII would have the driver hand out bytes.
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
# A client that is stopped in mid-transaction blocks others only briefly.
_SESSION = (
    "SET statement_timeout = '20s'; SET lock_timeout = '8s'; "
    "SET idle_in_transaction_session_timeout = '8s'; "
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 2"
)


def written(url: DatabaseUrl) -> dict[str, Any]:
    """Read what DATABASE_URL says, by libpq's names. Raises StorageError.

    User and password are taken out first: libpq takes no `/` in them that is not written as %2F.
    """
    scheme, _, rest = url.text.partition("://")
    who, found, where = rest.partition("@")
    if not found or "?" in who:
        who, where = "", rest
    user, _, password = map(unquote, who.partition(":"))
    login = {name: text for name, text in (("user", user), ("password", password)) if text}
    try:
        read = conninfo_to_dict(f"{scheme}://{where}", **login)
        ports = str(read.get("port", "")).split(",")
        if not all(port.isdecimal() or not port for port in ports):
            raise ValueError
    except (psycopg.Error, ValueError):
        raise StorageError(
            "DATABASE_URL cannot be parsed.",
            "Use postgresql://USER:PASSWORD@HOST:PORT/NAME; "
            "in the password, write @ as %40, / as %2F, : as %3A.",
        ) from None
    return dict(read)


def arguments(url: DatabaseUrl) -> dict[str, Any]:
    """Read the driver's arguments, with limits to every wait where the URL has none of its own."""
    return {**_CONNECT, **written(url)}


def connect(given: dict[str, Any]) -> psycopg.Connection[dict[str, Any]]:
    """Open a connection for transactions."""
    connection = psycopg.connect(**given, row_factory=dict_row)
    try:
        connection.execute(_SESSION)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_alone(url: DatabaseUrl) -> psycopg.AsyncConnection[Any]:
    """Open a connection of one's own, each statement a transaction. Raises StorageError."""
    try:
        connection = await psycopg.AsyncConnection.connect(**arguments(url), autocommit=True)
        await connection.execute(_SESSION)
    except psycopg.Error as error:
        raise storage_error(error, url) from None
    return connection
