"""The `Chat` port: the team's channel in Discord."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import discord

from adapters.discord.outgoing import TROUBLE, Press, edited, fresh, patiently
from bot.card import Card
from bot.errors import ChatError
from bot.ports import MessageRef

T = TypeVar("T")
SURFACE = "discord"
_UNKNOWN_CHANNEL, _UNKNOWN_MESSAGE = 10003, 10008


class DiscordChat:
    """Posts to DISCORD_CHANNEL_ID; `client` returns the present login, if there is one."""

    def __init__(
        self, client: Callable[[], discord.Client | None], press: Press, channel_id: int | None
    ) -> None:
        self._client = client
        self._press = press
        self._channel_id = channel_id

    @property
    def configured(self) -> bool:
        """True when there is a channel to post to."""
        return self._channel_id is not None

    async def post(self, card: Card) -> MessageRef:
        """Post to the alert channel."""
        if self._channel_id is None:
            raise ChatError(
                "There is no Discord channel to post to: DISCORD_CHANNEL_ID is not set.",
                "Set DISCORD_CHANNEL_ID to the channel's id and restart.",
            )
        message = await self._press.message(card)
        channel = self._channel(str(self._channel_id))
        sent = await _asking(lambda: channel.send(**fresh(message)))
        return _ref(sent)

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit a posted message; ChatError with `gone` where it, or its channel, is no more."""
        ready = await self._press.message(card)
        posted = self._channel(message.channel).get_partial_message(int(message.id))
        await _asking(lambda: posted.edit(**edited(ready)))

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer a message; where it was deleted, the answer stands by itself."""
        ready = await self._press.message(card)
        channel = self._channel(message.channel)
        to = discord.MessageReference(
            message_id=int(message.id), channel_id=int(message.channel), fail_if_not_exists=False
        )
        sent = await _asking(lambda: channel.send(reference=to, **fresh(ready)))
        return _ref(sent)

    def _channel(self, channel_id: str) -> discord.PartialMessageable:
        client = self._client()
        if client is None or client.is_closed() or client.application_id is None:
            raise ChatError(
                "Discord is not connected at the moment.", "The server's log says why it is not."
            )
        return client.get_partial_messageable(int(channel_id))


def _ref(message: discord.Message) -> MessageRef:
    return MessageRef(SURFACE, str(message.channel.id), str(message.id))


async def _asking(send: Callable[[], Awaitable[T]]) -> T:
    try:
        return await patiently(send)
    except TROUBLE as error:
        raise chat_error(error) from error


def chat_error(error: BaseException) -> ChatError:
    """Say what Discord refused, and what mends it."""
    code = error.code if isinstance(error, discord.HTTPException) else 0
    match error:
        case discord.NotFound() if code == _UNKNOWN_CHANNEL:
            return ChatError(
                "The Discord channel is no longer there.",
                "Set DISCORD_CHANNEL_ID to another channel and restart.",
                gone=True,
            )
        case discord.NotFound():
            return ChatError(
                "The Discord message is no longer there.",
                gone=code == _UNKNOWN_MESSAGE,
            )
        case discord.Forbidden():
            return ChatError(
                "The bot may not post in the Discord channel.",
                "Give its role View Channel, Send Messages, Embed Links and Attach Files there.",
            )
        case discord.HTTPException(status=status):
            return ChatError(f"Discord did not take the message (HTTP {status}, code {code}).")
        case _:
            return ChatError(f"Discord could not be reached ({type(error).__name__}).")
