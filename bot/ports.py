"""What the core needs of the world, as Protocols. Adapters implement them, fakes stand in.

Methods that may wait are coroutines. No port raises an SDK's own exception: each names what it
raises, out of the tree in `bot.errors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.access import Actor
from bot.card import Action, Card
from bot.models import FailureReason, ModelRef, Price, Provider, Secret

Json = Any
"""A parsed JSON value: dict, list, str, int, float, bool or None."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present as aware UTC."""
        ...


# --- the config document -------------------------------------------------------------------


def revision_of(raw: bytes) -> str:
    """Name a config's bytes: the sha256 in hex, as OpenClaw's `config.get` does."""
    return hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """The config as it was read once: its bytes, their revision, and the files it includes.

    `included` maps what `$include` says to the bytes found there; None where it could not be
    read.
    """

    raw: bytes
    revision: str
    included: Mapping[str, bytes | None] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: bytes) -> Document:
        """Wrap bytes that include nothing."""
        return cls(raw, revision_of(raw))


class ConfigSession(Protocol):
    """The config while nobody else of ours may write it."""

    async def read(self) -> Document:
        """Read it afresh. Raises ConfigMissingError, ConfigUnreadableError."""
        ...

    async def write(self, raw: bytes, *, expected_revision: str) -> Document:
        """Replace the bytes at once and whole, keeping a backup, and return what is now read.

        Raises:
            ConfigConflictError: the present revision is not the expected one; nothing written.
            ConfigWriteError: the store refused; the file is as it was.
        """
        ...


class ConfigStore(Protocol):
    """Where the config document lives: a file that other programs also write, or a database."""

    @property
    def location(self) -> str:
        """The resolved place, which also names the document in the journal."""
        ...

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        ...

    def exclusive(self) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock. Entering raises ConfigLockedError when it stays taken."""
        ...

    def watch(self) -> AsyncIterator[Document]:
        """Yield the document each time its revision has changed, until cancelled."""
        ...


# --- the journal ---------------------------------------------------------------------------

Path = tuple[str | int, ...]
"""Keys and list positions from the document's root."""


class Absent(StrEnum):
    """Stands where a path has no value, since JSON's null is a value."""

    ABSENT = "__absent__"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Touched:
    """One value a change made different: where, and what stood there before and after."""

    path: Path
    before: Json | Absent
    after: Json | Absent


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change of the config about to be written.

    `old` and `new` are the headline value's JSON: a string or None for a primary, a list for a
    chain. `view` is the model-related part of the document afterwards, kept so that an edit from
    outside can be told apart later. `reverts` is the id of the change this one takes back.
    """

    document: str
    at: datetime
    actor: Actor
    action: str
    reason: str
    old: Json
    new: Json
    touched: tuple[Touched, ...]
    revision_before: str
    revision: str
    diff: str
    view: Json
    reverts: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the config that happened, as the journal keeps it."""

    id: int
    document: str
    at: datetime
    actor_key: str
    actor_name: str
    surface: str
    action: str
    reason: str
    old: Json
    new: Json
    touched: tuple[Touched, ...]
    revision_before: str
    revision: str
    diff: str
    reverts: int | None


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the journal last knew of a document: its revision and model-related part."""

    revision: str
    view: Json


class RevertState(StrEnum):
    """What became of a timed switch."""

    PENDING = "pending"
    DONE = "done"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Revert:
    """A switch that goes back at `due_at` unless the value has moved on since."""

    id: int
    document: str
    change_id: int
    due_at: datetime
    state: RevertState


class Journal(Protocol):
    """Who changed what, kept for good. Every method raises StorageError when it cannot."""

    async def begin(self, change: NewChange) -> int:
        """Note what is about to be written and return its id; invisible until `confirm`."""
        ...

    async def confirm(self, change_id: int) -> None:
        """The write happened: the change is history and the document's known state moves on."""
        ...

    async def abandon(self, change_id: int) -> None:
        """The write did not happen: forget the note."""
        ...

    async def settle(self, document: str, revision: str) -> None:
        """After a crash: confirm a note whose revision is the present one, drop stale ones.

        Call it only while holding the document's lock.
        """
        ...

    async def known(self, document: str) -> KnownState | None:
        """Return the last known state, or None for a document never seen."""
        ...

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        """Record an edit from outside, once.

        Compare-and-swap on the known revision: the first process to see it writes the row, the
        others get False. `known_revision` None stores the first known state without a row.
        """
        ...

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        """Return the newest changes first."""
        ...

    async def add_revert(self, document: str, change_id: int, due_at: datetime) -> Revert:
        """Remember to go back."""
        ...

    async def reverts(self, document: str) -> Sequence[Revert]:
        """Return what is pending, soonest first."""
        ...

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        """Put a pending revert off or forward."""
        ...

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        """End a pending revert; False when another process was first."""
        ...

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        """Keep a refusal in the audit trail."""
        ...

    async def beat(self, service: str, at: datetime) -> None:
        """A running service says that it lives."""
        ...

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        ...


# --- what the gateway knows ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A provider's key, or one model, that is left alone until `until`.

    `scope` is `provider` or `provider/model`; `failures` counts in a row.
    """

    scope: str
    reason: FailureReason
    until: datetime
    failures: int = 1


@dataclass(frozen=True, slots=True)
class FallbackEvent:
    """A request that another than the chain's first hop answered, or nobody did (`to` None)."""

    at: datetime
    request_id: str
    from_model: str
    to_model: str | None
    reason: FailureReason
    source: str = "gateway"


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as `/fallback status` lists it."""

    id: int
    state: str
    primary: str
    reason: str
    opened_at: datetime
    resolved_at: datetime | None
    requests: int
    served_by: str | None


class FallbackLog(Protocol):
    """Cool-downs, fallback events, incidents and the mute. Raises StorageError."""

    async def cooldowns(self, now: datetime) -> Sequence[Cooldown]:
        """Return those still in force."""
        ...

    async def set_cooldown(self, cooldown: Cooldown) -> None:
        """Start or prolong one."""
        ...

    async def clear_cooldown(self, scope: str) -> None:
        """End one."""
        ...

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        ...

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append."""
        ...

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        ...

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        ...

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        ...


# --- providers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a provider; headers may hold a key, so it never shows itself."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. `failure` is set, and `status` 0, when there was none (`network`, `timeout`).

    `detail` says in a few words what the network did; `elapsed_s` is wall time.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float
    failure: FailureReason | None = None
    detail: str = ""


class Upstream(Protocol):
    """Sends one request to a provider over the gateway's own hot path."""

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        """Send it and read the whole answer (at most 1 MiB); never raises for the network's sake."""
        ...


class ModelLists(Protocol):
    """Asks providers which models they have (free of charge)."""

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids, empty when the provider would not say; never raises."""
        ...


class Prices(Protocol):
    """Unit prices: the operator's own, and those that are published."""

    def operator(self, ref: ModelRef) -> Price | None:
        """Return the price the operator set for a model."""
        ...

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        """Return the published price in force at that time: genai-prices, else the catalog."""
        ...

    def knows(self, ref: ModelRef) -> bool:
        """Decide whether the model's name is known, whatever it costs."""
        ...

    def context_window(self, ref: ModelRef) -> int | None:
        """Return the model's context window in tokens, if known."""
        ...


# --- buttons -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """Who clicked first, and when."""

    actor_name: str
    at: datetime


class ButtonStore(Protocol):
    """Buttons with conditions, so that they outlive a restart. Raises StorageError."""

    async def remember(self, action: Action, at: datetime) -> str:
        """Keep an action and return a short id (at most 40 characters, URL-safe)."""
        ...

    async def recall(self, button_id: str) -> Action | None:
        """Return the action, or None for an id nobody knows any more."""
        ...

    async def claim(self, button_id: str, actor: Actor, at: datetime) -> Claim | None:
        """Take the one click a button has: None for the first, else who was first."""
        ...


# --- chat ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageRef:
    """A posted message, so that it can be edited later."""

    surface: str
    channel: str
    id: str


class Chat(Protocol):
    """Posts cards to the team's channel and edits them. Raises ChatError kinds of its adapter."""

    async def post(self, card: Card) -> MessageRef:
        """Post to the alert channel."""
        ...

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit a posted message in place."""
        ...

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer in the message's thread."""
        ...
