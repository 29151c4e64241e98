"""The Telegram surface on a local Bot API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from adapters.telegram.outbox import Draw
from adapters.telegram.service import TelegramSurface
from adapters.telegram.settings import Pace
from bot.models import Secret
from tests.servers.telegram import GROUP, TOKEN, TelegramServer
from tests.support.fakes_discord import FakeMemory

QUICK = Pace(chat_s=0.0, group_window_s=0.0, first_retry_s=0.02, longest_retry_s=0.05)
_TOKEN = Secret(TOKEN)


@dataclass(frozen=True)
class Setup:
    """What the environment would say."""

    bot_token: Secret = _TOKEN
    chat_id: int | None = GROUP
    topic_id: int | None = None
    api_url: str | None = None
    webhook_url: str | None = None


@asynccontextmanager
async def running(
    server: TelegramServer,
    core: Any,
    *,
    memory: FakeMemory | None = None,
    triggers: Any = None,
    draw: Draw | None = None,
    pace: Pace = QUICK,
    wait: bool = True,
    **setup: Any,
) -> AsyncIterator[TelegramSurface]:
    """Run the surface until the block ends."""
    told = Setup(api_url=server.api_url, **setup)
    surface = TelegramSurface(core, told, memory or FakeMemory(), triggers, draw, pace=pace)
    await surface.start()
    try:
        if wait:
            await server.until(lambda: surface.health().ok)
        yield surface
    finally:
        await surface.stop(2.0)
