"""The `Chat` and `ChatHistory` ports: the team's channel in Discord."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import TypeVar

import discord

from adapters.discord.markup import unescaped
from adapters.discord.outgoing import TROUBLE, CardSender, edited, fresh, patiently
from bot.card import Card
from bot.errors import ChatError
from bot.ports import MessageRef

T = TypeVar("T")
SURFACE = "discord"
_UNKNOWN_CHANNEL, _UNKNOWN_MESSAGE = 10003, 10008
_TAKES_NONE = {
    50008: (
        "The Discord channel does not accept plain messages (a forum or category).",
        "Set DISCORD_CHANNEL_ID to a text channel, then restart.",
    ),
    50083: (
        "The Discord thread is archived.",
        "Reopen it, or set DISCORD_CHANNEL_ID to another channel, then restart.",
    ),
}
_TAKE, _READ = "accept the message", "show the channel's history"
_UNREADABLE = (
    "The bot may not read the Discord channel.",
    "Give its role View Channel and Read Message History there.",
)


class DiscordChat:
    """Posts to DISCORD_CHANNEL_ID; `client` returns the present login, if there is one."""

    def __init__(
        self, client: Callable[[], discord.Client | None], press: CardSender, channel_id: int | None
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
        channel_id = self._own_channel()
        message = await self._press.message(card)
        channel = self._channel(channel_id)
        nonce = _nonce()
        sent = await _asking(lambda: channel.send(nonce=nonce, **fresh(message)))
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
        nonce = _nonce()
        sent = await _asking(lambda: channel.send(nonce=nonce, reference=to, **fresh(ready)))
        return _ref(sent)

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        """Return a message of our own since then that has the words in its text, if any.

        The newest of several; an answer to another message is none.
        """
        channel = self._channel(self._own_channel())
        client = self._client()
        own = client.user if client else None
        if client is not None and _is_closed(client.get_channel(channel.id)):
            raise ChatError(*_UNREADABLE)

        async def look() -> MessageRef | None:
            async for message in channel.history(limit=None, after=since, oldest_first=False):
                mine = message.author == own and message.reference is None
                if mine and any(words in said for said in _said(message)):
                    return _ref(message)
            return None

        return await _asking(look, _READ)

    def _own_channel(self) -> str:
        if self._channel_id is None:
            raise ChatError(
                "No Discord channel to post to: DISCORD_CHANNEL_ID is not set.",
                "Set DISCORD_CHANNEL_ID to the channel's id and restart.",
            )
        return str(self._channel_id)

    def _channel(self, channel_id: str) -> discord.PartialMessageable:
        client = self._client()
        if client is None or client.is_closed() or client.application_id is None:
            raise ChatError(
                "Discord is not connected at the moment.", "See the server's log for the cause."
            )
        return client.get_partial_messageable(int(channel_id))


def _nonce() -> str:
    """Name one post, so that Discord does not take it twice when it is sent again."""
    return secrets.token_hex(8)


def _ref(message: discord.Message) -> MessageRef:
    return MessageRef(SURFACE, str(message.channel.id), str(message.id))


def _is_closed(channel: object) -> bool:
    """Return whether the channel's past is kept from the bot: Discord then shows an empty one."""
    if not isinstance(channel, discord.abc.GuildChannel):
        return False
    me: discord.Member | None = channel.guild.me
    return me is not None and not channel.permissions_for(me).read_message_history


def _said(message: discord.Message) -> Iterator[str]:
    """Yield every text in a message, as it was before it was made inert."""
    yield unescaped(message.content)
    for embed in message.embeds:
        texts = [embed.author.name, embed.title, embed.description, embed.footer.text]
        for field in embed.fields:
            texts += [field.name, field.value]
        yield from (unescaped(words) for words in texts if words)


async def _asking(send: Callable[[], Awaitable[T]], doing: str = _TAKE) -> T:
    try:
        return await patiently(send)
    except TROUBLE as error:
        raise chat_error(error, doing) from error


def chat_error(error: BaseException, doing: str = _TAKE) -> ChatError:
    """Describe what Discord refused to do, and how to fix it."""
    code = error.code if isinstance(error, discord.HTTPException) else 0
    match error:
        case discord.HTTPException() if code in _TAKES_NONE:
            return ChatError(*_TAKES_NONE[code])
        case discord.NotFound() if code == _UNKNOWN_CHANNEL:
            return ChatError(
                "The Discord channel no longer exists.",
                "Set DISCORD_CHANNEL_ID to another channel and restart.",
                gone=True,
            )
        case discord.NotFound():
            return ChatError(
                "The Discord message no longer exists.",
                gone=code == _UNKNOWN_MESSAGE,
            )
        case discord.Forbidden() if doing == _READ:
            return ChatError(*_UNREADABLE)
        case discord.Forbidden():
            return ChatError(
                "The bot may not post in the Discord channel.",
                "Give its role View Channel, Send Messages, Embed Links and Attach Files there.",
            )
        case discord.HTTPException(status=429):
            return ChatError(f"Discord did not {doing}: rate limited.", "Wait a minute.")
        case discord.HTTPException(status=status):
            return ChatError(f"Discord did not {doing} (HTTP {status}, code {code}).")
        case _:
            return ChatError(f"Discord is unreachable ({type(error).__name__}).")
