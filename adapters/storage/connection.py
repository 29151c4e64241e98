"""One transaction, alike on SQLite and PostgreSQL: SQL in plain sight, `?` for every value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Protocol

from adapters.storage.codec import micros_of, plain

_AS_IS = frozenset((int, float, bool, bytes, type(None)))


class Row(Protocol):
    """A row, read by the names of its columns. SQLite gives 0 and 1 for booleans."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column's value."""
        ...

    def keys(self) -> Iterable[str]:
        """Return the names of the columns."""
        ...


class Connection:
    """A transaction under way. Aware times are bound as whole microseconds since 1970 UTC.

    Text is bound without what no database keeps, and through `clean`, which takes secrets out.
    """

    def __init__(self, raw: Any, *, postgresql: bool, clean: Callable[[str], str] | None) -> None:
        self._raw = raw
        self._clean = clean
        self.postgresql = postgresql

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows of a query."""
        found: list[Row] = self._execute(sql, values).fetchall()
        return found

    def row(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, if there is one."""
        found: Row | None = self._execute(sql, values).fetchone()
        return found

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first value of the first row, or None."""
        row = self.row(sql, *values)
        return None if row is None else next(iter(dict(row).values()))

    def run(self, sql: str, *values: Any) -> int:
        """Carry out a statement and return how many rows it changed."""
        changed: int = self._execute(sql, values).rowcount
        return changed

    def run_each(self, sql: str, rows: Iterable[Sequence[Any]]) -> list[int]:
        """Carry out a statement with each row of values; return how many rows each changed."""
        if not self.postgresql:
            execute = self._raw.execute
            return [execute(sql, self._bound(values)).rowcount for values in rows]
        cursor = self._raw.cursor()
        cursor.executemany(_for_postgresql(sql), map(self._bound, rows), returning=True)
        return [result.rowcount for result in cursor.results()]

    def insert(self, table: str, values: Mapping[str, Any], more: str = "") -> int:
        """Insert a row and return 1, or 0 where `more` says to do nothing."""
        return self.run(insert_sql(table, values, more), *values.values())

    def insert_new(self, table: str, values: Mapping[str, Any]) -> int:
        """Insert a row and return its id."""
        return int(self.value(insert_sql(table, values, "RETURNING id"), *values.values()))

    def put(self, table: str, values: Mapping[str, Any], key: str) -> None:
        """Insert a row, or give the one with that key its values."""
        self.insert(table, values, f"ON CONFLICT ({key}) DO UPDATE SET {excluded(values, key)}")

    def update(self, table: str, values: Mapping[str, Any], where: str, *those: Any) -> int:
        """Change rows and return how many."""
        changes = ", ".join(f'"{name}" = ?' for name in values)
        return self.run(f"UPDATE {table} SET {changes} WHERE {where}", *values.values(), *those)

    def _execute(self, sql: str, values: Sequence[Any]) -> Any:
        if self.postgresql:
            sql = _for_postgresql(sql)
        return self._raw.execute(sql, self._bound(values))

    def _bound(self, values: Sequence[Any]) -> list[Any]:
        return [value if type(value) in _AS_IS else self._bind(value) for value in values]

    def _bind(self, value: Any) -> Any:
        if isinstance(value, str):
            value = plain(value)
            return self._clean(value) if self._clean is not None else value
        if isinstance(value, datetime):
            return micros_of(value)
        if isinstance(value, date) and not self.postgresql:
            return value.isoformat()
        return value


def insert_sql(table: str, names: Iterable[str], more: str = "") -> str:
    """Write an INSERT of one row."""
    columns = [f'"{name}"' for name in names]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)}) {more}"


def excluded(names: Iterable[str], key: str) -> str:
    """Write what an upsert sets: all but the key."""
    keys = key.split(", ")
    return ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in keys)


def marks(values: Iterable[Any]) -> str:
    """Write as many `?` as there are values: what is in `IN (…)`."""
    return ", ".join("?" for _ in values)


@lru_cache(maxsize=512)
def _for_postgresql(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")
