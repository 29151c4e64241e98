"""The writers' lock of a config that lives in the database; it ends when its holder dies.

SQLite serves one machine, so there it is a lock file beside the database, which the kernel lets
go of; a lock inside SQLite would keep the journal from writing to the same file. PostgreSQL has
advisory locks, which end with the connection that took them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.storage.files.lock import writers_lock, writers_turn
from adapters.storage.url import DatabaseUrl
from bot.errors import ConfigLockedError, ConfigWriteError, StorageError

# The first half of the key says what is locked, the second in which schema.
_WHAT = 0x63666721
_TURN = 0x63666722
_TAKE = "SELECT pg_advisory_lock(%s, hashtext(coalesce(current_schema(), '')))"


@asynccontextmanager
async def config_lock(url: DatabaseUrl, *, timeout_s: float) -> AsyncIterator[None]:
    """Hold the lock.

    Raises:
        ConfigLockedError: somebody else kept it for `timeout_s`.
        ConfigWriteError: the database cannot be reached.
    """
    if url.path is None:
        async with _advisory_lock(url, timeout_s, _WHAT):
            yield
        return
    async with writers_lock(url.path, timeout_s=timeout_s):
        yield


@asynccontextmanager
async def config_turn(url: DatabaseUrl, *, timeout_s: float) -> AsyncIterator[None]:
    """Be the only editor who prepares a write. Raises as `config_lock`."""
    if url.path is None:
        async with _advisory_lock(url, timeout_s, _TURN):
            yield
        return
    async with writers_turn(url.path, timeout_s=timeout_s):
        yield


@asynccontextmanager
async def _advisory_lock(url: DatabaseUrl, timeout_s: float, what: int) -> AsyncIterator[None]:
    # Late: SQLite needs no PostgreSQL driver.
    import psycopg

    from adapters.storage.database_errors import storage_error
    from adapters.storage.postgresql import connect_alone

    try:
        connection = await connect_alone(url)
    except StorageError as error:
        raise ConfigWriteError(error.said, error.step) from error
    async with connection:
        try:
            wait_ms = max(1, round(timeout_s * 1000))
            await connection.execute(f"SET lock_timeout = {wait_ms}".encode())
            await connection.execute(_TAKE, (what,))
        except psycopg.errors.LockNotAvailable:
            raise ConfigLockedError(
                f"The config in {url.label} is locked by another process; waited {timeout_s:g} s.",
                "Run the command again in a moment.",
            ) from None
        except psycopg.Error as error:
            refusal = storage_error(error, url)
            raise ConfigWriteError(refusal.message, refusal.hint) from None
        yield
