"""The chat that the bot belongs to, where it has moved to, and who is of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from telegram import Bot, ChatMember, ChatMemberRestricted
from telegram.error import BadRequest, TelegramError

from adapters.telegram.api import log
from adapters.telegram.settings import Memory, TelegramSetup
from bot.access import Actor, Surface
from bot.errors import RefusedError, StorageError

MEMBER_TTL_S = 30.0
"""For so long somebody who has left may still ask in a private chat."""
MOST_MEMBERS = 5000


class Home:
    """TELEGRAM_CHAT_ID, and the supergroup's id once the group has become one."""

    def __init__(
        self,
        setup: TelegramSetup,
        bot: Bot,
        memory: Memory,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configured = setup.chat_id
        self._bot = bot
        self._memory = memory
        self._now_s = now_s
        self._moved_to: int | None = None
        self._members: dict[int, tuple[float, bool]] = {}

    @property
    def chat_id(self) -> int | None:
        """The chat's present id."""
        return self._moved_to or self._configured

    async def recall(self) -> None:
        """Remember a move that was noticed before a restart."""
        if self._configured is None:
            return
        try:
            known = await self._memory.get(self._key)
        except StorageError as error:
            log.warning("Telegram's group may have moved, which is not known: %s", error.message)
            return
        self._moved_to = int(known) if known else None

    async def moved(self, old: int, new: int) -> None:
        """Follow a group that became a supergroup."""
        if old != self.chat_id or old == new:
            return
        self._moved_to = new
        log.warning("the Telegram group is now a supergroup: set TELEGRAM_CHAT_ID=%d", new)
        try:
            await self._memory.put(self._key, str(new))
        except StorageError as error:
            log.warning("the group's new id could not be saved: %s", error.message)

    async def actor(self, user_id: int, name: str, chat_id: int, *, private: bool) -> Actor:
        """Return who asks.

        Raises:
            RefusedError: no chat is configured, or whether they belong here cannot be told.
        """
        home = self.chat_id
        if home is None:
            raise RefusedError(
                "No chat is set yet, so this bot answers no commands in Telegram.",
                f"In .env, set TELEGRAM_CHAT_ID={chat_id} for this chat, then restart.",
            )
        if private and home > 0:
            stranger = user_id != home
        elif private:
            stranger = not await self._is_member(home, user_id)
        else:
            stranger = chat_id not in (home, self._configured)
        where = "" if stranger else str(home)
        return Actor(Surface.TELEGRAM, str(user_id), name, home=where, stranger=stranger)

    @property
    def _key(self) -> str:
        return f"telegram.moved.{self._configured}"

    async def _is_member(self, home: int, user_id: int) -> bool:
        at_s, member = self._members.get(user_id, (float("-inf"), False))
        if self._now_s() - at_s < MEMBER_TTL_S:
            return member
        try:
            member = _belongs(await self._bot.get_chat_member(home, user_id))
        except BadRequest as error:
            if "chat not found" in error.message.lower():
                raise _unsure(error) from error
            member = False
        except TelegramError as error:
            raise _unsure(error) from error
        if len(self._members) >= MOST_MEMBERS:
            self._members.clear()
        self._members[user_id] = (self._now_s(), member)
        return member


def _belongs(member: ChatMember) -> bool:
    if isinstance(member, ChatMemberRestricted):
        return member.is_member
    return member.status not in (ChatMember.LEFT, ChatMember.BANNED)


def _unsure(error: TelegramError) -> RefusedError:
    log.warning("Telegram did not report a member of the group: %s", type(error).__name__)
    return RefusedError(
        "Telegram did not confirm that you are in the bot's group; nothing was done.",
        "Try again in a minute.",
    )
