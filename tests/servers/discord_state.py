"""Who and what is in the simulated Discord: users, messages, interactions."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

EPHEMERAL = 1 << 6
_serial = itertools.count(1)


def snowflake() -> int:
    """An id of now, as Discord makes them."""
    return (int(time.time() * 1000) - 1_420_070_400_000 << 22) + next(_serial) % (1 << 22)


@dataclass(frozen=True)
class User:
    """Somebody who types and clicks."""

    id: int
    name: str
    roles: tuple[int, ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "username": self.name.lower(),
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
        }

    def member(self) -> dict[str, Any]:
        return {
            "user": self.json(),
            "nick": None,
            "avatar": None,
            "roles": [str(role) for role in self.roles],
            "joined_at": "2024-01-01T00:00:00+00:00",
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "permissions": "2147483647",
        }


@dataclass
class Message:
    """A message as the people in the channel see it."""

    id: int
    channel: int
    author: dict[str, Any]
    payload: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    flags: int = 0
    edits: int = 0
    deleted: bool = False
    reference: int | None = None
    nonce: str | None = None

    @property
    def private(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def content(self) -> str:
        return self.payload.get("content") or ""

    @property
    def embed(self) -> dict[str, Any]:
        return self.payload["embeds"][0]  # type: ignore[no-any-return]

    @property
    def words(self) -> str:
        """Everything it says."""
        parts = [self.content]
        for embed in self.payload.get("embeds") or []:
            parts += [(embed.get("author") or {}).get("name", ""), embed.get("title", "")]
            parts.append(embed.get("description", ""))
            parts += [w for f in embed.get("fields") or [] for w in (f["name"], f["value"])]
            parts.append((embed.get("footer") or {}).get("text", ""))
        return "\n".join(filter(None, parts))

    @property
    def buttons(self) -> dict[str, str]:
        """Labels and their ids."""
        rows = self.payload.get("components") or []
        found = [b for row in rows for b in row["components"] if b["type"] == 2]
        return {b["label"]: b["custom_id"] for b in found}

    @property
    def menu(self) -> dict[str, Any]:
        """The menu, of which a message has one at most."""
        rows = self.payload.get("components") or []
        menu: dict[str, Any] = next(c for row in rows for c in row["components"] if c["type"] == 3)
        return menu

    def _above(self) -> dict[str, Any]:
        return {"type": 0, "message_id": str(self.reference), "channel_id": str(self.channel)}

    def json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "channel_id": str(self.channel),
            "author": self.author,
            "content": self.content,
            "timestamp": "2026-11-23T12:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [
                {"id": str(i), "filename": name, "size": len(data), "url": "", "proxy_url": ""}
                for i, (name, data) in enumerate(self.files.items())
            ],
            "embeds": self.payload.get("embeds") or [],
            "components": self.payload.get("components") or [],
            "pinned": False,
            "type": 19 if self.reference else 0,
            **({"message_reference": self._above()} if self.reference else {}),
            "flags": self.flags,
        }


@dataclass
class Exchange:
    """One interaction, from its event to all that was answered."""

    id: int
    token: str
    kind: int
    user: User
    channel: int
    data: dict[str, Any]
    sent_at: float
    guild: int | None
    message: Message | None = None
    acked_after_s: float | None = None
    callback: int | None = None
    private_ack: bool = False
    loading: bool = False
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[dict[str, Any]] | None = None
    expired: bool = False

    @property
    def done(self) -> bool:
        """True when the person who asked has got an answer."""
        if self.choices is not None or self.followups:
            return True
        if self.original is self.message and self.message is not None:
            return False
        return self.original is not None and not self.loading and not self.original.deleted

    @property
    def answer(self) -> Message:
        """The answer, wherever it stands."""
        if self.followups:
            return self.followups[-1]
        assert self.original is not None
        return self.original
