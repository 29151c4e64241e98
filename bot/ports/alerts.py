"""What alerting keeps: events not yet looked at, incidents, what stands in which channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bot.access import Actor
from bot.errors import StorageError
from bot.models import ModelRef, Usage
from bot.ports.chat import MessageRef
from bot.ports.config import Json
from bot.ports.fallbacks import FallbackEvent

if TYPE_CHECKING:  # a command reads no incident
    from bot.incident import Incident


class NoticeKind(StrEnum):
    """A message that is no incident's: told once."""

    OUTSIDE = "outside"
    TROUBLE = "trouble"
    MORNING = "morning"
    CHAIN_TEST = "chain_test"
    REVERT = "revert"
    BUDGET = "budget"
    BUDGET_SWITCH = "budget_switch"
    PRICE = "price"
    RETIREMENT = "retirement"
    PLAN = "plan"
    APPROVAL = "approval"
    DIGEST = "digest"
    TRIAL = "trial"
    TRIAL_STOPPED = "trial_stopped"
    INCIDENT = "incident"
    CHANGE = "change"
    UNDELIVERED = "undelivered"


class AlertConflictError(StorageError):
    """Another process was at work on the same rows; nothing was written."""

    code = "alert_conflict"


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """A fallback event that no incident has counted yet."""

    id: int
    event: FallbackEvent


@dataclass(frozen=True, slots=True)
class DesiredMessage:
    """A message that is to be said or edited on a surface; a higher version replaces a lower."""

    key: str
    surface: str
    version: int


@dataclass(frozen=True, slots=True)
class MessageState:
    """A message on a surface: which version is wanted, which is shown, and what came between.

    While `claimed_at` stands, a post was begun and its end is not known; `message` is then the
    one before, if there was one.
    """

    key: str
    surface: str
    wanted: int
    shown: int
    wanted_at: datetime
    message: MessageRef | None = None
    claimed_at: datetime | None = None
    shown_at: datetime | None = None
    retry_at: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message that is no incident's says, in plain values."""

    key: str
    kind: NoticeKind
    at: datetime
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChannelTrouble:
    """A surface that takes no alerts: since when, why, and how to fix it."""

    surface: str
    since: datetime
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class GoodAnswers:
    """How many requests were answered well, and when the first of them was made."""

    count: int = 0
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rerouted:
    """What the requests that one model answered in another's place used and cost.

    `unpriced` counts those whose cost nobody knows.
    """

    model: ModelRef
    requests: int
    usage: Usage
    cost_nano_usd: int
    unpriced: int = 0


class AlertDesk(Protocol):
    """The part of an AlertStore that commands use. Every method raises StorageError."""

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        """Note who looks after an open incident; False when it is not open or somebody does."""
        ...

    async def troubles(self) -> Sequence[ChannelTrouble]:
        """Return the surfaces that take no alerts."""
        ...


class AlertStore(AlertDesk, Protocol):
    """Events as an outbox, incidents with their state, messages with their ids.

    Every method raises StorageError.
    """

    async def queued(self, limit: int) -> Sequence[QueuedEvent]:
        """Return events that no commit has taken yet, the oldest rows first."""
        ...

    async def incidents(self, since: datetime) -> Sequence[Incident]:
        """Return the open incidents and those that were resolved since, by id."""
        ...

    async def incident(self, incident_id: int) -> Incident | None:
        """Return one incident."""
        ...

    async def commit(
        self,
        taken: Sequence[int],
        incidents: Sequence[Incident],
        wants: Sequence[DesiredMessage],
        at: datetime,
    ) -> None:
        """Take events, save incidents (id 0: new) and ask for messages, in one transaction.

        Each save raises the revision. Who acknowledged an incident is kept by `acknowledge` alone.

        Raises:
            AlertConflictError: an event was taken, or an incident saved, by another process.
        """
        ...

    async def good_answers(
        self, models: Sequence[str], since: datetime, until: datetime, most: int, *, by_any: bool
    ) -> GoodAnswers:
        """Count the good answers of models in (since, until], up to `most`.

        `anthropic/` stands for all models of a provider. `by_any` counts what others answered in
        their place too.
        """
        ...

    async def rerouted(self, model: str, start: datetime, end: datetime) -> Sequence[Rerouted]:
        """Add up by model what answered when a model failed in [start, end)."""
        ...

    async def usage_of(self, model: str, start: datetime, end: datetime) -> Usage:
        """Add up what a model's own answers used in [start, end)."""
        ...

    async def behind(self, surface: str) -> Sequence[MessageState]:
        """Return the messages that do not show what is wanted, the oldest wish first."""
        ...

    async def post(self, key: str, surface: str) -> MessageState | None:
        """Return one message."""
        ...

    async def claim(self, post: MessageState, at: datetime) -> bool:
        """Take the right to post; False when another process took it since the row was read."""
        ...

    async def posted(
        self, post: MessageState, message: MessageRef, shown: int, at: datetime
    ) -> None:
        """Remember the message and which version it shows."""
        ...

    async def put_off(
        self, post: MessageState, retry_at: datetime, *, unclaim: bool = False
    ) -> None:
        """Count a failure and try again later; `unclaim` when surely nothing was posted."""
        ...

    async def give_up(self, post: MessageState) -> None:
        """Leave the message as it is, shown or not."""
        ...

    async def add_notice(self, notice: Notice, surfaces: Sequence[str]) -> bool:
        """Keep a notice and ask for its messages; False when its key is known already."""
        ...

    async def amend_notice(self, notice: Notice, surfaces: Sequence[str]) -> None:
        """Change what a notice says and ask for its messages to be edited."""
        ...

    async def notice(self, key: str) -> Notice | None:
        """Return a notice."""
        ...

    async def set_trouble(self, trouble: ChannelTrouble) -> None:
        """Remember that a surface takes no alerts; the first `since` stays."""
        ...

    async def clear_trouble(self, surface: str) -> None:
        """The surface takes alerts again."""
        ...

    async def recall(self, key: str) -> str | None:
        """Return what was remembered under a key of at most 64 characters."""
        ...

    async def remember(self, key: str, value: str) -> None:
        """Remember a value in the place of the one before."""
        ...

    async def forget(self, before: datetime) -> int:
        """Drop messages, notices and details of what was over before then; return how many."""
        ...


class Outbox(Protocol):
    """Takes messages that are no incident's, for all channels. Every method raises StorageError."""

    async def find(self, key: str) -> Notice | None:
        """Return a notice that was put."""
        ...

    async def put(self, notice: Notice) -> bool:
        """Keep a notice, to be posted once; False when its key is known already."""
        ...

    async def amend(self, notice: Notice) -> None:
        """Let a notice's message say something else from now on."""
        ...


class Leader(Protocol):
    """Elects the one process that posts."""

    async def leads(self) -> str | None:
        """Return the term in which this process may post, or None; asking keeps it alive."""
        ...

    async def holds(self, term: str) -> bool:
        """Return whether that term goes on: to be asked just before each post."""
        ...

    async def resign(self) -> None:
        """Let another process take over at once."""
        ...


class AlwaysLeader:
    """The leader of a process that is alone."""

    async def leads(self) -> str | None:
        """Lead."""
        return "alone"

    async def holds(self, term: str) -> bool:
        """Go on."""
        return True

    async def resign(self) -> None:
        """There is nobody to take over."""
