"""The `Chat` port: the team's chat in Telegram.

Telegram shows a bot no history, so there is no `find`: a message whose posting was cut short is
posted again, and says that it may appear twice.
"""

from __future__ import annotations

from telegram import Message as Sent

from adapters.telegram.api import Moved
from adapters.telegram.home import Home
from adapters.telegram.outbox import Outbox
from bot.card import Card
from bot.errors import ChatError
from bot.ports import MessageRef

SURFACE = "telegram"


class TelegramChat:
    """Posts to TELEGRAM_CHAT_ID, in its topic where one is set; raises ChatError kinds."""

    def __init__(self, outbox: Outbox, home: Home, topic_id: int | None = None) -> None:
        self._outbox = outbox
        self._home = home
        self._topic_id = topic_id

    @property
    def configured(self) -> bool:
        """True when there is a chat to post to."""
        return self._home.chat_id is not None

    async def post(self, card: Card) -> MessageRef:
        """Post to the alert chat, wherever it has moved to."""
        return await self._post(card)

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit a posted message; ChatError with `gone` where it is no longer there."""
        if message.channel != str(self._chat_id()):
            raise _left_behind()
        try:
            await self._outbox.edit(int(message.channel), int(message.id), card)
        except Moved as moved:
            await self._home.moved(int(message.channel), moved.chat_id)
            raise _left_behind() from moved

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer a message; where it was deleted, the answer is a message of its own."""
        here = message.channel == str(self._chat_id())
        return await self._post(card, int(message.id) if here else None)

    async def _post(self, card: Card, under: int | None = None) -> MessageRef:
        chat_id = self._chat_id()
        try:
            sent = await self._outbox.post(chat_id, card, topic_id=self._topic_id, under=under)
        except Moved as moved:
            # Ids of messages and topics begin anew in a supergroup.
            await self._home.moved(chat_id, moved.chat_id)
            sent = await self._outbox.post(moved.chat_id, card)
        return _ref(sent)

    def _chat_id(self) -> int:
        chat_id = self._home.chat_id
        if chat_id is None:
            raise ChatError(
                "No Telegram chat to post to: TELEGRAM_CHAT_ID is not set.",
                "Set TELEGRAM_CHAT_ID to the group's id and restart.",
            )
        return chat_id


def _ref(sent: Sent) -> MessageRef:
    return MessageRef(SURFACE, str(sent.chat.id), str(sent.message_id))


def _left_behind() -> ChatError:
    return ChatError("The message is in the group as it was before it moved.", gone=True)
