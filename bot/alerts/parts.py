"""What alerting is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.alerts.delivery import RenderedMessage
from bot.alerts.impact import Impacts
from bot.alerts.policy import AlertSettings
from bot.card import Person
from bot.ports import Chat, ChatHistory, Journal
from bot.ports.alerts import AlertStore, AlwaysLeader, Leader, Notice

WriteDigest = Callable[[Notice], Awaitable[RenderedMessage | None]]
"""Gathers a digest when it is to be posted; None when there is nothing to say any more."""


async def _no_digest(_: Notice) -> None:
    return None


@dataclass(slots=True)
class Engine:
    """The ports that alerts work with; `chats` are the configured surfaces by name.

    `calls` are the people whom loud alerts call, each on their own surface. What the engine
    remembers besides only spares it work: all that matters is in the store.
    """

    store: AlertStore
    outlooks: Impacts
    journal: Journal
    chats: Mapping[str, Chat]
    settings: AlertSettings = field(default_factory=AlertSettings)
    histories: Mapping[str, ChatHistory] = field(default_factory=dict)
    calls: Sequence[Person] = ()
    leader: Leader = field(default_factory=AlwaysLeader)
    digest: WriteDigest = _no_digest
    summed_up: str = ""
    outside_at: datetime | None = None
    alive_at: datetime | None = None

    def poke(self) -> None:
        """Look for edits from outside at the next chance: the config has just changed."""
        self.outside_at = None
