"""The Bot API: one client, its errors in words, its limits kept.

The token is part of every address, so no error of the HTTP client is shown or logged as it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import httpx
from telegram import Bot
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from adapters.shared.proxy import proxy_for
from adapters.telegram.settings import TELEGRAM_API, Pace, TelegramSetup
from bot.errors import ChatError

T = TypeVar("T")
CALL_TIMEOUT_S, CONNECT_TIMEOUT_S = 30.0, 10.0
MOST_TRIES, LONGEST_WAIT_S = 4, 60.0
MOST_CONNECTIONS = 16
log = logging.getLogger("changeover.telegram")

# The library's own switch: waits as a timedelta, without a warning for each.
os.environ.setdefault("PTB_TIMEDELTA", "true")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_GONE = (
    "message to edit not found",
    "message_id_invalid",
    "message to delete not found",
)
_NO_TOPIC = ("message thread not found", "topic_deleted", "topic_closed", "topic_id_invalid")
_NO_RIGHTS = ("not enough rights", "have no rights", "chat_write_forbidden", "need administrator")


class TelegramTrouble(ChatError):
    """A call that Telegram refused; `reason` is its own description, in lower case."""

    def __init__(
        self, message: str, hint: str = "", *, reason: str = "", gone: bool = False,
        unsure: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message, hint, gone=gone, unsure=unsure)
        self.reason = reason

    @property
    def topic_gone(self) -> bool:
        """True where the forum topic is closed or deleted."""
        return any(words in self.reason for words in _NO_TOPIC)


class Moved(Exception):
    """A group has become a supergroup with another id; its old messages cannot be edited."""

    def __init__(self, chat_id: int) -> None:
        super().__init__(f"the chat is now {chat_id}")
        self.chat_id = chat_id


class Api:
    """One bot on one server; `ask` is how everything that a chat sees is sent."""

    def __init__(self, setup: TelegramSetup, pace: Pace) -> None:
        self.setup = setup
        self._pace = pace
        base = setup.api_url or TELEGRAM_API
        self.bot = Bot(
            setup.bot_token.reveal(),
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            request=_client(base, CALL_TIMEOUT_S),
            get_updates_request=_client(base, CALL_TIMEOUT_S),
        )
        self._turns: dict[int, _Turns] = {}

    async def log_in(self) -> str:
        """Ask Telegram who the bot is and return its user name. Raises TelegramTrouble."""
        try:
            await self.bot.initialize()
        except TelegramError as error:
            raise trouble("log the bot in", error) from error
        return self.bot.username

    async def close(self) -> None:
        """Close the connections."""
        await self.bot.shutdown()

    async def ask(
        self, doing: str, call: Callable[[], Awaitable[T]], chat_id: int | None = None
    ) -> T:
        """Call, in the chat's turn, and again where Telegram says to wait.

        Raises:
            TelegramTrouble: it was refused, or it is not known whether it arrived.
            Moved: the group has another id.
        """
        for attempt in range(MOST_TRIES):
            if chat_id is not None:
                await self._turn(chat_id)
            try:
                return await call()
            except ChatMigrated as error:
                raise Moved(error.new_chat_id) from error
            except RetryAfter as error:
                wait_s = _seconds(error.retry_after)
                if wait_s > LONGEST_WAIT_S or attempt == MOST_TRIES - 1:
                    raise trouble(doing, error) from error
                log.info("Telegram asks to wait %.1f s", wait_s)
                await asyncio.sleep(wait_s)
            except TelegramError as error:
                raise trouble(doing, error) from error
        raise AssertionError("the last try returns or raises")

    async def _turn(self, chat_id: int) -> None:
        turns = self._turns.setdefault(chat_id, _Turns(self._pace, group=chat_id < 0))
        await turns.wait()


class _Turns:
    """One chat's messages: one a second, and of a group 20 a minute."""

    def __init__(self, pace: Pace, *, group: bool) -> None:
        self._pace = pace
        self._lock = asyncio.Lock()
        self._next_s = 0.0
        self._sent: deque[float] | None = deque(maxlen=pace.group_most) if group else None

    async def wait(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._lock:
            at_s = max(self._next_s, loop.time())
            if self._sent is not None and len(self._sent) == self._sent.maxlen:
                at_s = max(at_s, self._sent[0] + self._pace.group_window_s)
            await asyncio.sleep(at_s - loop.time())
            self._next_s = loop.time() + self._pace.chat_s
            if self._sent is not None:
                self._sent.append(loop.time())


def _client(base: str, timeout_s: float) -> HTTPXRequest:
    return HTTPXRequest(
        connection_pool_size=MOST_CONNECTIONS,
        read_timeout=timeout_s,
        write_timeout=timeout_s,
        connect_timeout=CONNECT_TIMEOUT_S,
        pool_timeout=timeout_s,
        proxy=proxy_for(base),
        # httpx's own reading of the environment would send loopback through a proxy as well.
        httpx_kwargs={"trust_env": False, "verify": ssl.create_default_context()},
    )


def _seconds(wait: int | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)


def trouble(doing: str, error: TelegramError) -> TelegramTrouble:
    """Describe what Telegram refused to do, and how to fix it."""
    reason = error.message.lower()
    match error:
        case InvalidToken():
            return TelegramTrouble(
                "Telegram rejected the token in TELEGRAM_BOT_TOKEN.",
                "Copy it again from @BotFather (/token), put it in .env and restart.",
                reason=reason,
            )
        case Conflict() if "webhook" in reason:
            return TelegramTrouble(
                "A webhook is set for this bot, so it cannot be polled.",
                "Set TELEGRAM_WEBHOOK_URL, or end the program that sets the webhook.",
                reason=reason,
            )
        case Conflict():
            return TelegramTrouble(
                "Another program polls Telegram with the same token.",
                "Stop it, use a bot of its own for each, or set TELEGRAM_WEBHOOK_URL.",
                reason=reason,
            )
        case Forbidden():
            return _forbidden(reason)
        case BadRequest():
            return _bad_request(doing, reason)
        case RetryAfter():
            return TelegramTrouble(
                f"Telegram did not {doing}: rate limited.", "Wait a minute.", reason=reason
            )
        case TimedOut() | NetworkError():
            return _network(doing, error)
        case _:
            return TelegramTrouble(f"Telegram did not {doing}.", reason=reason)


def _forbidden(reason: str) -> TelegramTrouble:
    if "user" in reason or "initiate" in reason:
        return TelegramTrouble(
            "Telegram lets a bot write to people only after they have started it.",
            "Open a private chat with the bot and press Start.",
            reason=reason,
        )
    return TelegramTrouble(
        "The bot was removed from the Telegram chat.",
        "Add it to the group again, or set TELEGRAM_CHAT_ID to another chat and restart.",
        reason=reason,
    )


def _bad_request(doing: str, reason: str) -> TelegramTrouble:
    if "chat not found" in reason:
        return TelegramTrouble(
            "The Telegram chat does not exist, or the bot is not in it.",
            "Add the bot to the group and check TELEGRAM_CHAT_ID.",
            reason=reason,
            gone=True,
        )
    if any(words in reason for words in _GONE):
        return TelegramTrouble("The Telegram message no longer exists.", reason=reason, gone=True)
    if any(words in reason for words in _NO_TOPIC):
        return TelegramTrouble(
            "The topic of the Telegram group is closed or deleted.",
            "Reopen it, or set TELEGRAM_TOPIC_ID to another topic, then restart.",
            reason=reason,
        )
    if any(words in reason for words in _NO_RIGHTS):
        return TelegramTrouble(
            "The bot may not post in the Telegram chat.",
            "Give it the right to send messages and photos in the group's permissions.",
            reason=reason,
        )
    return TelegramTrouble(f"Telegram did not {doing}: {reason[:200]}.", reason=reason)


def _network(doing: str, error: TelegramError) -> TelegramTrouble:
    cause = error.__cause__
    if cause is None and error.message.lower().startswith("too many requests"):
        return TelegramTrouble(f"Telegram did not {doing}: rate limited.", "Wait a minute.")
    if cause is None:
        return TelegramTrouble(f"Telegram did not {doing}: a fault of the server.", unsure=True)
    return TelegramTrouble(
        f"Telegram is unreachable ({type(cause).__name__}).",
        "Check the network, and TELEGRAM_API_URL if it is set.",
        unsure=not isinstance(cause, _NOT_SENT),
    )
