"""Chat: posted cards, and buttons that outlive a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from bot.access import Actor
from bot.card import Action, Card


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


@runtime_checkable
class ChatHistory(Protocol):
    """Looks back into the channel that a Chat posts to. Raises ChatError when it may not."""

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        """Return a message of our own since then that has the words in its text, if any."""
        ...
