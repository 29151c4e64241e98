"""What columns hold, alike on SQLite and PostgreSQL, and the book in which all tables stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, Text, TypeDecorator

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

Id = BigInteger().with_variant(Integer, "sqlite")
"""A row's number; SQLite counts only whole INTEGER keys up by itself."""
