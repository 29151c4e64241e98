"""What this surface has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.models import Secret


class DiscordSetup(Protocol):
    """One bot: its token, the alert channel, the guild for instant commands, other addresses."""

    @property
    def bot_token(self) -> Secret: ...

    @property
    def channel_id(self) -> int | None: ...

    @property
    def guild_id(self) -> int | None: ...

    @property
    def api_url(self) -> str | None: ...

    @property
    def gateway_url(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: waits between two attempts and before a new session; how old names may grow."""

    first_retry_s: float = 5.0
    longest_retry_s: float = 300.0
    identify_s: float = 5.0
    names_s: float = 15.0
