"""Slack, Discord and Telegram, as far as the environment configures them."""

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
    from multidict import CIMultiDict

    from adapters.discord.service import DiscordSurface
    from adapters.slack.app import SlackSurface
    from adapters.telegram.service import TelegramSurface

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
        self.telegram: TelegramSurface | None = None
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
        if service.telegram is not None:
            from adapters.telegram.service import TelegramSurface

            triggers = DatabaseTriggers(wired.database, wired.clock)
            memory = KeyValueStore(wired.database)
            self.telegram = TelegramSurface(wired.app, service.telegram, memory, triggers, _draw)
            if service.telegram.chat_id is not None:
                self.channels["telegram"] = self.telegram.chat

    @property
    def posts(self) -> dict[str, Chat]:
        """The channels to post to, by name; without any, the log."""
        return self.channels or {"log": SpokenChat(_to_log)}

    @property
    def surfaces(self) -> list[ChatSurface]:
        """Those that are configured."""
        found = (self.slack, self.discord, self.telegram)
        return [surface for surface in found if surface is not None]

    def mount(self, application: web.Application) -> bool:
        """Add the routes that chats call; False when there is none to add."""
        called = self.slack is not None and self.slack.mode == "http"
        if self.slack is not None:
            self.slack.mount(application)
        if self.telegram is not None:
            called = self.telegram.mount(application) or called
        return called

    async def answer(
        self, path: str, raw: bytes, query: str, headers: CIMultiDict[str]
    ) -> web.Response:
        """Answer what a chat has sent to a worker of the gateway."""
        from aiohttp import web

        from adapters.telegram.settings import UPDATES_PATH

        if path == UPDATES_PATH and self.telegram is not None:
            return web.Response(status=await self.telegram.receive(raw, headers))
        if path != UPDATES_PATH and self.slack is not None:
            return await self.slack.answer(raw, query, headers)
        return web.Response(status=404)

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
