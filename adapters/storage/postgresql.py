"""A connection to PostgreSQL of one's own: for being told of changes."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from adapters.storage.database_errors import storage_error
from adapters.storage.url import CONNECT, SESSION, DatabaseUrl
from bot.errors import StorageError

Connection = psycopg.AsyncConnection[Any]


async def connect(url: DatabaseUrl) -> Connection:
    """Open a connection in which every statement is a transaction. Raises StorageError."""
    try:
        at = make_url(url.text)
        arguments, options = at.get_dialect()().create_connect_args(at)
        given = {**CONNECT, **options}
        connection = await psycopg.AsyncConnection.connect(*arguments, autocommit=True, **given)
        await connection.execute(SESSION)
    except psycopg.Error as error:
        raise trouble(error, url) from None
    except (ArgumentError, ValueError):
        raise trouble(None, url) from None
    return connection


def trouble(error: psycopg.Error | None, url: DatabaseUrl) -> StorageError:
    """Put what the server said into words for the person, without a secret."""
    return storage_error(DBAPIError("", None, error or psycopg.Error()), url)
