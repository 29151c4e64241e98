"""What this surface has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.models import Secret

TELEGRAM_API = "https://api.telegram.org"
UPDATES_PATH = "/telegram/updates"
"""Where Telegram calls, if it calls: on the gateway's port."""


class TelegramSetup(Protocol):
    """One bot: its token, the team's chat and topic, another server, its own public address."""

    @property
    def bot_token(self) -> Secret: ...

    @property
    def chat_id(self) -> int | None: ...

    @property
    def topic_id(self) -> int | None: ...

    @property
    def api_url(self) -> str | None: ...

    @property
    def webhook_url(self) -> str | None: ...


class Memory(Protocol):
    """Remembers text by key over a restart. Raises StorageError."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two messages to a chat, the minute of a group's 20, waits and polls.

    Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
    """

    chat_s: float = 1.0
    group_window_s: float = 60.0
    group_most: int = 20
    first_retry_s: float = 2.0
    longest_retry_s: float = 60.0
    poll_s: int = 50
