"""The databases that the storage ports are held to: SQLite, and a real PostgreSQL server."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Start a PostgreSQL server for this run and yield the address of its first database."""
    import psycopg

    from tests.support.databases import start_postgresql

    # Not below pytest's own folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = start_postgresql(folder / "data")
    try:
        address = server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            # What the tests write need not outlive a power cut.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield address
    finally:
        server.cleanup()
        os.rmdir(folder)


@pytest.fixture
def new_postgresql(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Make an empty PostgreSQL database and return its DATABASE_URL; starts the server at need."""

    def make() -> str:
        import psycopg

        server: str = request.getfixturevalue("postgresql_server")
        name = f"changeover_{uuid.uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            # A schema of its own is as empty as a database of its own, and made much sooner.
            connection.execute(f'CREATE SCHEMA "{name}"'.encode())
        return f"{server}&options=-csearch_path%3D{name}"

    return make


@pytest.fixture
def new_database(tmp_path: Path, new_postgresql: Callable[[], str]) -> Callable[[str], str]:
    """Return the DATABASE_URL of an empty database of the named kind."""

    def make(kind: str) -> str:
        if kind == "postgresql":
            return new_postgresql()
        return f"sqlite:///{tmp_path / 'changeover.db'}"

    return make
