"""What alerting is put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.alerts.outlook import Outlooks
from bot.alerts.policy import AlertSettings
from bot.card import Person
from bot.ports import Chat, ChatHistory, Journal
from bot.ports.alerts import AlertStore, AlwaysLeader, Leader


@dataclass(slots=True)
class Engine:
    """The ports that alerts work with; `chats` are the configured surfaces by name.

    `calls` are the people whom loud alerts call, each on their own surface. What the engine
    remembers besides only spares it work: all that matters is in the store.
    """

    store: AlertStore
    outlooks: Outlooks
    journal: Journal
    chats: Mapping[str, Chat]
    settings: AlertSettings = field(default_factory=AlertSettings)
    histories: Mapping[str, ChatHistory] = field(default_factory=dict)
    calls: Sequence[Person] = ()
    leader: Leader = field(default_factory=AlwaysLeader)
    summed_up: str = ""
    outside_at: datetime | None = None
    alive_at: datetime | None = None

    def poke(self) -> None:
        """Look for edits from outside at the next chance: the config has just changed."""
        self.outside_at = None
