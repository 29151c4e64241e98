"""A chat whose calls end in time, and say whether what they sent may have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import aiohttp

from bot.card import Card, Command, text
from bot.errors import ChatError
from bot.ports import Chat, ChatHistory, MessageRef

CALL_WITHIN_S = 90.0
"""Longer than a chat asks to wait as a rule, so that such a request can be obeyed."""


class TimeoutChat:
    """A Chat whose calls end in time; what was sent by then may have arrived."""

    def __init__(self, surface: str, chat: Chat, within_s: float = CALL_WITHIN_S) -> None:
        self._surface = surface
        self._chat = chat
        self._within_s = within_s

    async def post(self, card: Card) -> MessageRef:
        """Post to the alert channel."""
        with _in_time(self._surface):
            async with asyncio.timeout(self._within_s):
                return await self._chat.post(card)

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit a posted message in place."""
        with _in_time(self._surface):
            async with asyncio.timeout(self._within_s):
                await self._chat.update(message, card)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer in the message's thread."""
        with _in_time(self._surface):
            async with asyncio.timeout(self._within_s):
                return await self._chat.reply(message, card)


class TimeoutHistory:
    """A ChatHistory whose calls end in time."""

    def __init__(self, surface: str, history: ChatHistory, within_s: float = CALL_WITHIN_S) -> None:
        self._surface = surface
        self._history = history
        self._within_s = within_s

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        """Return a message of our own since then that has the words in its text, if any."""
        with _in_time(self._surface):
            async with asyncio.timeout(self._within_s):
                return await self._history.find(words, since)


@contextmanager
def _in_time(surface: str) -> Iterator[None]:
    """Turn a call that did not end into a ChatError, and mark those whose answer was lost."""
    try:
        yield
    except TimeoutError as error:
        raise ChatError(
            f"{surface.capitalize()} did not answer in time.",
            text("Check the network: ", Command("doctor", program=True)),
            unsure=True,
        ) from error
    except ChatError as error:
        error.unsure = error.unsure or _was_sent(error.__cause__)
        raise


def _was_sent(cause: BaseException | None) -> bool:
    """Return whether a request had left when it failed, without an answer to it."""
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ClientResponseError):
        return False
    return isinstance(cause, TimeoutError | OSError | aiohttp.ClientError)
