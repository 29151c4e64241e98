"""Each surface is brought up to date on its own time: one that hangs holds no other up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import aiohttp

from bot.card import Card, Command, text
from bot.errors import ChatError
from bot.ports import Chat, ChatHistory, MessageRef

CALL_WITHIN_S = 90.0
"""Longer than a chat asks to wait as a rule, so that such a request can be obeyed."""

LOOK_IN_S = 0.5
LAST_WORDS_S = 3.0

Deliver = Callable[[str], Coroutine[None, None, None]]
"""Surface → once everything that is due there has been tried."""


class SurfaceWorkers:
    """At most one delivery a surface is under way; each begins when the one before has ended."""

    def __init__(self, deliver: Deliver, look_in_s: float = LOOK_IN_S) -> None:
        self._deliver = deliver
        self._look_in_s = look_in_s
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, surfaces: Iterable[str]) -> None:
        """Begin to deliver wherever nobody is at it."""
        for surface in surfaces:
            if surface not in self._tasks:
                self._tasks[surface] = asyncio.create_task(self._deliver(surface))

    async def look_in(self) -> None:
        """Wait a moment for what is under way; what takes longer goes on by itself.

        Raises:
            StorageError: one of those that have ended found the database away.
        """
        if not self._tasks:
            return
        done, _ = await asyncio.wait(self._tasks.values(), timeout=self._look_in_s)
        self._tasks = {name: task for name, task in self._tasks.items() if task not in done}
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def stop(self, within_s: float = LAST_WORDS_S) -> None:
        """Let what is under way come to its end; break off what does not in time.

        A message that is broken off may be there or not: the next start finds out.
        """
        tasks, self._tasks = list(self._tasks.values()), {}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
