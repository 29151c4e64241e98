"""The AlertStore in the database: the outbox of events, incidents, and what stands in channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from adapters.storage import alert_figures
from adapters.storage.alert_posts import AlertPosts, want
from adapters.storage.codec import time_of
from adapters.storage.connection import Connection, marks
from adapters.storage.fallback_log import event_of
from adapters.storage.incidents import columns_of, incident_of
from adapters.storage.key_values import put_value, value_at
from bot.access import Actor
from bot.incident import Incident
from bot.models import Usage
from bot.ports.alerts import (
    AlertConflictError,
    ChannelTrouble,
    DesiredMessage,
    GoodAnswers,
    QueuedEvent,
    Rerouted,
)

_AT_ONCE = 1000


class DatabaseAlertStore(AlertPosts):
    """The AlertStore port on a database that any number of processes share."""

    async def queued(self, limit: int) -> Sequence[QueuedEvent]:
        """Return events that no commit has taken yet, the oldest rows first."""
        query = "SELECT * FROM fallback_events WHERE taken_at IS NULL ORDER BY id LIMIT ?"
        return await self._database.read(
            lambda c: [QueuedEvent(row["id"], event_of(row)) for row in c.rows(query, limit)]
        )

    async def incidents(self, since: datetime) -> Sequence[Incident]:
        """Return the open incidents and those that were resolved since, by id."""
        rows = await self._database.read(
            lambda c: c.rows(
                "SELECT * FROM incidents WHERE resolved_at IS NULL OR resolved_at >= ? ORDER BY id",
                since,
            )
        )
        return [incident_of(row) for row in rows]

    async def incident(self, incident_id: int) -> Incident | None:
        """Return one incident."""
        row = await self._database.read(
            lambda c: c.row("SELECT * FROM incidents WHERE id = ?", incident_id)
        )
        return None if row is None else incident_of(row)

    async def commit(
        self,
        taken: Sequence[int],
        incidents: Sequence[Incident],
        wants: Sequence[DesiredMessage],
        at: datetime,
    ) -> None:
        """Take events, save incidents and ask for messages, all of it or nothing."""

        def work(connection: Connection) -> None:
            _take(connection, taken, at)
            for incident in incidents:
                _save(connection, incident)
            for one in wants:
                want(connection, one, at)

        await self._database.write(work)

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        """Note who looks after an open incident; the first stays."""
        who = {
            "acknowledged_by": actor.name,
            "acknowledged_key": actor.key,
            "acknowledged_at": at,
        }
        acknowledged = await self._database.change(
            lambda c: c.update(
                "incidents",
                who,
                "id = ? AND state IN ('pending', 'open') AND acknowledged_by IS NULL",
                incident_id,
            )
        )
        return acknowledged == 1

    async def good_answers(
        self, models: Sequence[str], since: datetime, until: datetime, most: int, *, by_any: bool
    ) -> GoodAnswers:
        """Count the good answers of models, up to `most`."""
        return await self._database.read(
            lambda c: alert_figures.good_answers(c, models, since, until, most, by_any=by_any)
        )

    async def rerouted(self, model: str, start: datetime, end: datetime) -> Sequence[Rerouted]:
        """Add up by model what answered when a model failed."""
        return await self._database.read(lambda c: alert_figures.rerouted(c, model, start, end))

    async def usage_of(self, model: str, start: datetime, end: datetime) -> Usage:
        """Add up what a model's own answers used."""
        return await self._database.read(lambda c: alert_figures.usage_of(c, model, start, end))

    async def set_trouble(self, trouble: ChannelTrouble) -> None:
        """Remember that a surface takes no alerts; the first `since` stays."""
        await self._database.write(
            lambda c: c.insert(
                "alert_troubles",
                asdict(trouble),
                "ON CONFLICT (surface) DO UPDATE "
                "SET message = excluded.message, hint = excluded.hint",
            )
        )

    async def clear_trouble(self, surface: str) -> None:
        """The surface takes alerts again."""
        await self._database.write(
            lambda c: c.run("DELETE FROM alert_troubles WHERE surface = ?", surface)
        )

    async def troubles(self) -> Sequence[ChannelTrouble]:
        """Return the surfaces that take no alerts."""
        rows = await self._database.read(
            lambda c: c.rows("SELECT * FROM alert_troubles ORDER BY surface")
        )
        return [
            ChannelTrouble(row["surface"], time_of(row["since"]), row["message"], row["hint"])
            for row in rows
        ]

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key."""
        return await self._database.read(lambda c: value_at(c, key))

    async def remember(self, key: str, value: str) -> None:
        """Remember a value in the place of the one before."""
        await self._database.write(lambda c: put_value(c, key, value))

    async def forget(self, before: datetime) -> int:
        """Drop what was over before then, and return how many rows that were.

        An incident's row stays for good, without its details; one that is open keeps everything.
        So does a digest's: by it a week is known to be posted, whatever the clock said meanwhile.
        """
        return await self._database.write(lambda c: _forget(c, before))


def _take(connection: Connection, taken: Sequence[int], at: datetime) -> None:
    ids = sorted(set(taken))
    for first in range(0, len(ids), _AT_ONCE):
        part = ids[first : first + _AT_ONCE]
        where = f"id IN ({marks(part)}) AND taken_at IS NULL"
        if connection.update("fallback_events", {"taken_at": at}, where, *part) != len(part):
            raise _conflict()


def _save(connection: Connection, incident: Incident) -> None:
    values = columns_of(incident)
    if not incident.id:
        connection.insert("incidents", values)
        return
    as_read = (incident.id, incident.revision)
    if connection.update("incidents", values, "id = ? AND revision = ?", *as_read) != 1:
        raise _conflict()


def _forget(connection: Connection, before: datetime) -> int:
    return (
        connection.run(
            """DELETE FROM alert_posts WHERE wanted_at < ? AND NOT EXISTS (
                SELECT 1 FROM incidents WHERE resolved_at IS NULL
                AND alert_posts.key LIKE 'incident:' || incidents.id || ':%')""",
            before,
        )
        + connection.run("DELETE FROM alert_notices WHERE at < ? AND kind <> 'digest'", before)
        + connection.update(
            "incidents", {"details": "{}"}, "resolved_at < ? AND details <> '{}'", before
        )
    )


def _conflict() -> AlertConflictError:
    return AlertConflictError("Another process changed the same alerts meanwhile.")
