"""The database's tables: one shape for SQLite and PostgreSQL.

A new table or column goes here and into a migration of `migrations/versions`, whose number is
appended to `codec.REVISIONS`; a test holds the three together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from adapters.storage.codec import micros_of, text_of, time_of, value_of


class UtcMicros(TypeDecorator[datetime]):
    """An aware time, kept as whole microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn a time into its number."""
        return None if value is None else micros_of(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn the number into aware UTC."""
        return None if value is None else time_of(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value as text, keys in their order; None is JSON's null, not SQL's."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Write the value."""
        return text_of(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the value back."""
        return None if value is None else value_of(value)


class PlainText(TypeDecorator[str]):
    """Text from a person or a file; what no database keeps (NUL, half a surrogate) is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be kept."""
        if value is None:
            return None
        return value.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")


metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
)

_Id = BigInteger().with_variant(Integer, "sqlite")

changes = Table(
    "changes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("document", PlainText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", UtcMicros, nullable=False),
    Column("actor_key", PlainText, nullable=False),
    Column("actor_name", PlainText, nullable=False),
    Column("surface", String(32), nullable=False),
    Column("action", PlainText, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("old", JsonText, nullable=False),
    Column("new", JsonText, nullable=False),
    Column("touched", JsonText, nullable=False),
    Column("revision_before", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("diff", PlainText, nullable=False),
    Column("view", JsonText, nullable=False),
    Column("reverts", BigInteger),
    Index(None, "document", "state", "id"),
    sqlite_autoincrement=True,
)
"""The config's history. A row is `pending` until its bytes are written, then `done`."""

document_state = Table(
    "document_state",
    metadata,
    Column("document", PlainText, primary_key=True),
    Column("revision", String(64), nullable=False),
    Column("view", JsonText, nullable=False),
    Column("change_id", BigInteger, nullable=False),
)
"""What was last known of a config, and by which row of `changes` (0: by looking at it first)."""

reverts = Table(
    "reverts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("document", PlainText, nullable=False),
    Column("change_id", BigInteger, nullable=False, index=True),
    Column("due_at", UtcMicros, nullable=False),
    Column("state", String(16), nullable=False),
    Index(None, "document", "state", "due_at"),
    sqlite_autoincrement=True,
)

refusals = Table(
    "refusals",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
    Column("actor_key", PlainText, nullable=False),
    Column("actor_name", PlainText, nullable=False),
    Column("surface", String(32), nullable=False),
    Column("command", PlainText, nullable=False),
    Column("why", PlainText, nullable=False),
    sqlite_autoincrement=True,
)

services = Table(
    "services",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("alive_at", UtcMicros, nullable=False),
)

cooldowns = Table(
    "cooldowns",
    metadata,
    Column("scope", PlainText, primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("until", UtcMicros, nullable=False),
    Column("failures", Integer, nullable=False),
)

fallback_events = Table(
    "fallback_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", UtcMicros, nullable=False, index=True),
    Column("request_id", PlainText, nullable=False),
    Column("from_model", PlainText, nullable=False),
    Column("to_model", PlainText),
    Column("reason", String(32), nullable=False),
    Column("source", String(32), nullable=False),
    sqlite_autoincrement=True,
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("state", String(32), nullable=False),
    Column("primary_model", PlainText, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("opened_at", UtcMicros, nullable=False, index=True),
    Column("resolved_at", UtcMicros),
    Column("requests", BigInteger, nullable=False),
    Column("served_by", PlainText),
    Column("details", JsonText, nullable=False),
    sqlite_autoincrement=True,
)

mutes = Table(
    "mutes",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("until", UtcMicros, nullable=False),
)
