"""Buttons and clicks in the database: they outlive a restart, and the first click counts."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from dataclasses import asdict
from datetime import datetime, timedelta

from adapters.storage.codec import micros_of, text_of, time_of, value_of
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from bot.access import Actor
from bot.card import Action
from bot.errors import StorageError
from bot.ports import Claim, Clock, Json

_ID_BYTES = 15
_KEPT_FOR = timedelta(days=30)
_TRIGGERS_KEPT_FOR = timedelta(days=1)
"""Far longer than a signature is good for."""


class DatabaseButtons:
    """The ButtonStore port on a database that any number of processes share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, action: Action, at: datetime) -> str:
        """Keep an action and return an id that nobody can guess; very old ones are forgotten."""
        button_id = urlsafe_b64encode(os.urandom(_ID_BYTES)).decode()
        await self._database.write(lambda c: _remember(c, button_id, action, at))
        return button_id

    async def recall(self, button_id: str) -> Action | None:
        """Return the action, or None for an id nobody knows any more."""
        found = await self._database.read(
            lambda c: c.value("SELECT action FROM buttons WHERE id = ?", button_id)
        )
        return None if found is None else _action_in(value_of(found))

    async def claim(self, button_id: str, actor: Actor, at: datetime) -> Claim | None:
        """Take the one click a button has: None for the first, else who was first."""
        return await self._database.change(lambda c: _claim(c, button_id, actor.name, at))


class DatabaseTriggers:
    """Commands and clicks that were acted on: sent again, they do nothing in any process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, trigger: str) -> bool:
        """Note a trigger; False when it was noted before. Raises StorageError."""
        now = self._clock.now()
        return await self._database.write(lambda c: _claim_trigger(c, trigger, now))


def _remember(connection: Connection, button_id: str, action: Action, at: datetime) -> None:
    connection.run("DELETE FROM buttons WHERE made_at < ?", at - _KEPT_FOR)
    row = {"id": button_id, "made_at": at, "action": text_of(_action_out(action))}
    connection.insert("buttons", row)


def _claim(connection: Connection, button_id: str, name: str, at: datetime) -> Claim | None:
    click = {"claimed_by": name, "claimed_at": at}
    if connection.update("buttons", click, "id = ? AND claimed_at IS NULL", button_id) == 1:
        return None
    row = connection.row("SELECT claimed_by, claimed_at FROM buttons WHERE id = ?", button_id)
    if row is None:
        raise StorageError("This button has expired.", "Type the command instead.")
    return Claim(row["claimed_by"], time_of(row["claimed_at"]))


def _action_out(action: Action) -> Json:
    out = asdict(action)
    if action.expires_at is not None:
        out["expires_at"] = micros_of(action.expires_at)
    return out


def _action_in(out: Json) -> Action:
    values = dict(out)
    if values["expires_at"] is not None:
        values["expires_at"] = time_of(values["expires_at"])
    if values.get("shown") is not None:
        values["shown"] = tuple(values["shown"])
    return Action(**values)


def _claim_trigger(connection: Connection, trigger: str, now: datetime) -> bool:
    connection.run("DELETE FROM triggers WHERE at < ?", now - _TRIGGERS_KEPT_FOR)
    return connection.insert("triggers", {"id": trigger, "at": now}, "ON CONFLICT DO NOTHING") == 1
