"""A copy of the whole database, made while others use it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

from adapters.storage.url import DatabaseUrl, parse_url
from bot.errors import StorageError
from bot.spans import Command, text


def back_up(url: str, path: Path, environ: Mapping[str, str]) -> str:
    """Copy the database to a new file and return its kind, `sqlite` or `postgresql`.

    The file gets its name when it is whole.

    Raises:
        StorageError: there is such a file, or the copy cannot be made.
    """
    at = parse_url(url)
    partial = path.with_name(f"{path.name}.partial")
    try:
        # For this user alone, and never over anything.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise _refused(partial, error) from None
    try:
        if at.path is not None:
            _copy_sqlite(at.path, partial)
        else:
            _dump_postgresql(at, partial, environ)
        with partial.open("rb") as whole:
            os.fsync(whole.fileno())
        os.link(partial, path)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        partial.unlink(missing_ok=True)
    return "sqlite" if at.path is not None else "postgresql"


def _copy_sqlite(source: str, target: Path) -> None:
    if not os.path.exists(source):
        raise StorageError(f"There is no database {source} yet.", "Set DATABASE_URL to yours.")
    try:
        reader = sqlite3.connect(f"{Path(source).as_uri()}?mode=ro", uri=True, timeout=10)
        writer = sqlite3.connect(target)
        try:
            # All pages at once: in steps, every write of another process would start it over.
            reader.backup(writer, pages=-1)
            found = writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            writer.execute("PRAGMA journal_mode=DELETE")
        finally:
            writer.close()
            reader.close()
    except sqlite3.Error as error:
        raise StorageError(f"The database {source} cannot be copied: {error}.", _LOOK) from None
    if found != "ok":
        raise StorageError(f"The database {source} is corrupt: {found[:200]}.", _LOOK)


_LOOK = text("Run ", Command("doctor", program=True), ".")


def _dump_postgresql(at: DatabaseUrl, target: Path, environ: Mapping[str, str]) -> None:
    program = shutil.which("pg_dump", path=environ.get("PATH"))
    if program is None:
        raise StorageError(
            "A PostgreSQL backup needs pg_dump, which is not installed here.",
            f'pg_dump --format=custom --file={target.stem} "$DATABASE_URL"',
        )
    # Late: SQLite needs no PostgreSQL driver.
    from psycopg.conninfo import make_conninfo

    from adapters.storage.postgresql import written

    given = written(at)
    # Not on the command line, where every user of the machine could read it.
    secret = {"PGPASSWORD": given.pop("password")} if "password" in given else {}
    where = make_conninfo(**given)
    done = subprocess.run(  # noqa: S603
        [program, "--format=custom", "--no-owner", f"--file={target}", f"--dbname={where}"],
        env={**environ, "PGCONNECT_TIMEOUT": "10", **secret},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = next(iter(done.stderr.decode(errors="replace").splitlines()), "")[:300]
        raise StorageError(f"pg_dump failed: {said}", "Its version must be the server's or newer.")


def _refused(path: Path, error: OSError) -> StorageError:
    if isinstance(error, FileExistsError):
        return StorageError(f"{path} exists; nothing was overwritten.", "Choose another name.")
    why = (error.strerror or "unknown error").lower()
    return StorageError(f"{path} cannot be written: {why}.", f"ls -ld {path.parent}")
