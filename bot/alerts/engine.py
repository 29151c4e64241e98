"""The alerts at work: events in, decisions kept, messages out.

Each step is kept before the next begins, and every one can be done again: a process that dies
anywhere in between leaves nothing lost and nothing doubled. `judge` reads and decides, `deliver`
posts to one surface, so that a slow surface holds nothing up; `tick` does all of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.alerts.delivery import Delivery, Draft
from bot.alerts.incident import Incident, State, answered, broke, in_step
from bot.alerts.intake import sort_in
from bot.alerts.notices import (
    TELL_TROUBLE_AFTER,
    draft_of,
    from_outside,
    morning_notice,
    outside_notice,
    trouble_notice,
)
from bot.alerts.outage_cost import with_costs
from bot.alerts.outlook import Outlook, Outlooks
from bot.alerts.policy import AlertSettings, Decision, Scene, decide
from bot.alerts.record import incident_of, record_of
from bot.alerts.steps import DETAILS, SPEAKING, carry_out, read_key, wants
from bot.alerts.telling import first_events, older_card, present_card
from bot.card import Person
from bot.errors import ConfigError
from bot.messages.alerts import marker
from bot.ports import Chat, ChatHistory, Journal
from bot.ports.alerts import (
    AlertConflictError,
    AlertReason,
    AlertStore,
    AlwaysLeader,
    ChannelTrouble,
    Leader,
    Post,
    Want,
)

BATCH = 2000
MOST_BATCHES = 50
MOST_CHANGES = 100
OUTSIDE_EVERY = timedelta(seconds=5)
_CONFIG = "alerts.config"
_OUTSIDE = "alerts.outside"
_log = logging.getLogger("changeover.alerts")


@dataclass(slots=True)
class Engine:
    """What alerts work with; `chats` are the configured surfaces by name.

    `calls` are the people whom loud alerts call, each on their own surface.
    """

    store: AlertStore
    outlooks: Outlooks
    journal: Journal
    chats: Mapping[str, Chat]
    settings: AlertSettings = field(default_factory=AlertSettings)
    histories: Mapping[str, ChatHistory] = field(default_factory=dict)
    calls: Sequence[Person] = ()
    leader: Leader = field(default_factory=AlwaysLeader)
    _night: str = ""
    _outside_at: datetime | None = None

    def poke(self) -> None:
        """Look for edits from outside at the next chance: the config has just changed."""
        self._outside_at = None


async def tick(engine: Engine, now: datetime) -> None:
    """Read, decide and deliver once. Raises StorageError."""
    if not await engine.leader.leads():
        return
    await judge(engine, now)
    done = await asyncio.gather(
        *(deliver(engine, surface, now) for surface in engine.chats), return_exceptions=True
    )
    for error in done:
        if isinstance(error, BaseException):
            raise error
