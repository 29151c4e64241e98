"""Slack and Discord, as far as the environment configures them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from adapters.charts import ResvgCharts
from adapters.main.wiring import Wired
from adapters.storage.buttons import DatabaseTriggers
from adapters.storage.key_values import KeyValueStore
from bot.card import Card, Chart, plain
from bot.ports import Chat, MessageRef

if TYPE_CHECKING:
    from aiohttp import web

    from adapters.discord.service import DiscordSurface
    from adapters.slack.app import SlackSurface

_log = logging.getLogger("changeover")


class ChatSurface(Protocol):
    """A chat that connects by itself and goes on trying."""

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        ...

    async def stop(self) -> None:
        """Bring what has begun to its end and close."""
        ...


class SpokenChat:
    """A channel that only speaks: the log of a service without chat, or the demo's console."""

    def __init__(self, say: Callable[[Card], Awaitable[None]], surface: str = "log") -> None:
        self._say = say
        self._surface = surface
        self._count = 0

    async def post(self, card: Card) -> MessageRef:
        """Say a card."""
        await self._say(card)
        self._count += 1
        return MessageRef(self._surface, self._surface, str(self._count))

    async def update(self, message: MessageRef, card: Card) -> None:
        """Say it again as it is now: what was said cannot be edited."""
        await self._say(card)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Say an answer."""
        return await self.post(card)


class Chats:
    """Every configured chat surface; one that cannot log in does not disturb the other."""

    def __init__(self, wired: Wired) -> None:
        service = wired.service
        self.slack: SlackSurface | None = None
        self.discord: DiscordSurface | None = None
        self.channels: dict[str, Chat] = {}
        if service.slack is not None:
            from adapters.slack.app import SlackSurface

            triggers = DatabaseTriggers(wired.database, wired.clock)
            self.slack = SlackSurface(
                wired.app, service.slack, _draw, triggers, KeyValueStore(wired.database)
            )
            if service.slack.channel:
                self.channels["slack"] = self.slack.chat
        if service.discord is not None:
            from adapters.discord.service import DiscordSurface

            memory = KeyValueStore(wired.database)
            self.discord = DiscordSurface(wired.app, service.discord, memory, _draw)
            if service.discord.channel_id:
                self.channels["discord"] = self.discord.chat

    @property
    def posts(self) -> dict[str, Chat]:
        """The channels to post to, by name; without any, the log."""
        return self.channels or {"log": SpokenChat(_to_log)}

    @property
    def surfaces(self) -> list[ChatSurface]:
        """Those that are configured."""
        return [surface for surface in (self.slack, self.discord) if surface is not None]

    def mount(self, application: web.Application) -> bool:
        """Add the route Slack calls in HTTP mode; False when there is none to add."""
        if self.slack is None or self.slack.mode != "http":
            return False
        self.slack.mount(application)
        return True

    async def start(self) -> None:
        """Begin to connect everywhere. Raises SettingsError."""
        for surface in self.surfaces:
            await surface.start()

    async def stop(self) -> None:
        """Drain and close everywhere at once."""
        await asyncio.gather(*(surface.stop() for surface in self.surfaces))


def words_of(card: Card) -> str:
    """Write a card as one line."""
    return " | ".join([plain(card.title), *(plain(line) for line in card.body)])


async def _to_log(card: Card) -> None:
    _log.info("%s", words_of(card))


async def _draw(chart: Chart) -> bytes:
    """Draw a chart off the loop: it takes some tens of milliseconds."""
    return await asyncio.to_thread(ResvgCharts().png, chart.svg)
