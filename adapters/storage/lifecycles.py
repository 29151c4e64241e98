"""What daily looks at the providers' lists have shown, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

from adapters.storage.codec import time_of, time_or_none
from adapters.storage.connection import Connection, Row
from adapters.storage.database import Database
from bot.models import ModelRef
from bot.ports.lifecycles import Lifecycle

_TIMES = ("listed_at", "absent_since", "answered_at", "refused_at", "remind_at")
_DATES = ("retires_on", "withdrawn_on")


class DatabaseLifecycles:
    """The Lifecycles port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self) -> Sequence[Lifecycle]:
        """Return what is known, by model."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM model_lifecycles ORDER BY model")
        )
        return [found for row in rows if (found := _lifecycle(row))]

    async def claim(self, provider: str, at: datetime, last_before: datetime) -> bool:
        """Take the turn: one statement, so that one process alone gets it."""
        more = (
            "ON CONFLICT (provider) DO UPDATE SET looked_at = excluded.looked_at "
            "WHERE model_lists.looked_at <= ? OR model_lists.looked_at > ?"
        )

        def take(connection: Connection) -> int:
            return connection.run(
                f"INSERT INTO model_lists (provider, looked_at, size) VALUES (?, ?, 0) {more}",
                provider,
                at,
                last_before,
                at,
            )

        return await self._database.write(take) == 1

    async def size(self, provider: str) -> int:
        """Return how many models the last complete list had."""
        found = await self._database.read(
            lambda c: c.value("SELECT size FROM model_lists WHERE provider = ?", provider)
        )
        return int(found or 0)

    async def keep(self, provider: str, size: int, found: Sequence[Lifecycle]) -> None:
        """Keep what a look has shown in one transaction."""

        def put(connection: Connection) -> None:
            if size:
                connection.update("model_lists", {"size": size}, "provider = ?", provider)
            for one in found:
                connection.put("model_lifecycles", _row(one), "model")

        await self._database.write(put)

    async def remind(self, ref: ModelRef, now: datetime, at: datetime | None) -> None:
        """Note when to remind of a model again; one that no look has seen gets its row."""

        def put(connection: Connection) -> None:
            row = _row(Lifecycle(ref, now))
            connection.insert("model_lifecycles", row, "ON CONFLICT (model) DO NOTHING")
            connection.update("model_lifecycles", {"remind_at": at}, "model = ?", str(ref))

        await self._database.write(put)


def _row(one: Lifecycle) -> dict[str, object]:
    values = {**asdict(one), "model": str(one.ref)}
    for name in _DATES:
        day = values[name]
        values[name] = day.isoformat() if day else None
    return {name: value for name, value in values.items() if name not in ("ref", "remind_at")}


def _lifecycle(row: Row) -> Lifecycle | None:
    values = dict(row)
    ref = ModelRef.parse(values.pop("model"))
    times = {name: time_or_none(values[name]) for name in _TIMES}
    days = {name: date.fromisoformat(values[name]) if values[name] else None for name in _DATES}
    given = {**values, **times, **days, "looked_at": time_of(values["looked_at"])}
    given["dated"] = bool(values["dated"])
    return Lifecycle(ref=ref, **given) if ref else None
