"""DATABASE_URL, read without a driver."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from bot.errors import StorageError

_HINT = "Set DATABASE_URL to sqlite:///changeover.db or postgresql://USER:PASSWORD@HOST/NAME."
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where the database is.

    `path` is SQLite's absolute file. `text` is PostgreSQL's address; it may hold a
    password and so never shows itself.
    """

    path: str | None = None
    text: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """What to call it in a sentence; never a secret."""
        return self.path or "the PostgreSQL database of DATABASE_URL"


def place_of(url: str) -> str:
    """Name a database by a digest of where it is, without who logs in."""
    at = parse_url(url)
    where = at.path or at.text.partition("://")[2].rpartition("@")[2].partition("?")[0]
    return hashlib.blake2b(where.encode(), digest_size=8).hexdigest()


def parse_url(url: str) -> DatabaseUrl:
    """Read DATABASE_URL; a relative SQLite file starts from the working folder.

    Raises:
        StorageError: it is neither SQLite's nor PostgreSQL's.
    """
    scheme, found, rest = url.strip().partition("://")
    if not found:
        raise StorageError("DATABASE_URL is not a URL.", _HINT)
    if scheme in _POSTGRESQL:
        return DatabaseUrl(text=f"postgresql://{rest}")
    if scheme != "sqlite":
        # Only what is surely a kind and no part of a password is said back.
        kind = f" of type {scheme}" if scheme.isalpha() and len(scheme) < 20 else ""
        raise StorageError(f"DATABASE_URL is a URL{kind} that is not supported.", _HINT)
    path = rest.partition("?")[0]
    if not path.startswith("/") or path in ("/", "/:memory:"):
        raise StorageError("DATABASE_URL names no SQLite file.", _HINT)
    return DatabaseUrl(path=os.path.abspath(path[1:]))
