"""Cards on their way out: answers to the person who asked, posts, edits, pictures and files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram import Message as Sent
from telegram.constants import ParseMode
from telegram.error import TelegramError

from adapters.telegram.api import Api, Moved, TelegramTrouble, log
from adapters.telegram.markup import without_times
from adapters.telegram.render import MOST_FILE_BYTES, Message, render
from bot.card import Card, Chart, Tone, Visibility, text
from bot.errors import ChangeoverError

Draw = Callable[[Chart], Awaitable[bytes]]
"""Chart → PNG; raises ChangeoverError kinds where it cannot."""
Ready = Callable[[Card], Awaitable[Card]]
"""Card → the card with its buttons' ids, its commands as they are typed here."""
_NOT_MODIFIED, _NO_TEXT = "message is not modified", "no text in the message"
_NO_PICTURE = ("photo", "image", "media")


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asked.

    `private` says that only the asker is there; `query_id` is the click's, `ephemeral_id` the
    clicked message's where it was shown to the asker alone.
    """

    chat_id: int
    user_id: int
    message_id: int | None = None
    topic_id: int | None = None
    private: bool = False
    query_id: str | None = None
    ephemeral_id: int | None = None


class Outbox:
    """Sends cards; raises TelegramTrouble when every way is barred."""

    def __init__(self, api: Api, ready: Ready, draw: Draw | None = None) -> None:
        self._api = api
        self._ready = ready
        self._draw = draw
        self._dates = True
        self._ephemeral = True

    async def answer(self, place: Place, card: Card) -> None:
        """Answer the person who asked: alone if the card is private, else where it was asked."""
        card = await self._ready(card)
        if place.private or card.visibility is Visibility.CHANNEL:
            await self._here(place, card)
        elif not await self._whispered(place, card):
            await self._in_private(place, card)

    async def post(
        self, chat_id: int, card: Card, *, topic_id: int | None = None, under: int | None = None
    ) -> Sent:
        """Post to a chat, as an answer to a message of it where `under` is its id."""
        card = await self._ready(card)
        sent: Sent = await self._shaped(
            card, lambda message: self._send(message, chat_id, topic_id=topic_id, under=under)
        )
        await self._file(card, sent)
        return sent

    async def edit(self, chat_id: int, message_id: int, card: Card) -> None:
        """Put a card in the place of a message."""
        card = await self._ready(card)

        async def send(message: Message) -> bool:
            await self._edited(message, card, chat_id, message_id)
            return True

        await self._shaped(card, send)

    async def take_away(self, place: Place) -> None:
        """Remove the private question that was clicked."""
        about = {
            "chat_id": place.chat_id,
            "receiver_user_id": place.user_id,
            "ephemeral_message_id": place.ephemeral_id,
        }
        try:
            await self._api.bot.do_api_request("deleteEphemeralMessage", api_kwargs=about)
        except TelegramError:
            log.info("a confirmation could not be removed")

    async def _here(self, place: Place, card: Card) -> None:
        def send(topic_id: int | None) -> Awaitable[Sent]:
            return self._shaped(
                card,
                lambda message: self._send(
                    message, place.chat_id, topic_id=topic_id, under=place.message_id
                ),
            )

        try:
            sent = await send(place.topic_id)
        except TelegramTrouble as trouble:
            if place.topic_id is None or not trouble.topic_gone:
                raise
            sent = await send(None)
        await self._file(card, sent)

    async def _whispered(self, place: Place, card: Card) -> bool:
        """Answer in the group, shown to the asker alone; False where Telegram cannot."""
        if not self._ephemeral:
            return False
        to: dict[str, Any] = {"receiver_user_id": place.user_id}
        if place.query_id:
            to["callback_query_id"] = place.query_id
        try:
            sent = await self._shaped(
                card,
                lambda message: self._send(
                    message, place.chat_id, topic_id=place.topic_id, whisper=to
                ),
            )
        except TelegramTrouble as trouble:
            log.info("a private answer goes as a direct message: %s", trouble.message)
            return False
        if "ephemeral_message_id" in sent.api_kwargs:
            return card.attachment is None
        # A server that does not know the parameter shows the message to everybody.
        self._ephemeral = False
        await self._delete(sent)
        return False

    async def _delete(self, sent: Sent) -> None:
        try:
            await self._api.bot.delete_message(sent.chat.id, sent.message_id)
        except TelegramError:
            log.warning("Telegram showed a private answer to the group and did not delete it")

    async def _in_private(self, place: Place, card: Card) -> None:
        """Write to the asker; where that is barred, say in the group what may be said there."""
        try:
            await self.post(place.user_id, card)
        except TelegramTrouble as trouble:
            if trouble.unsure:
                raise
            await self._here(place, _for_everybody(card, self._api.bot.username))

    async def _file(self, card: Card, sent: Sent) -> None:
        """Send the card's file below its message."""
        if card.attachment is None or len(card.attachment.content) > MOST_FILE_BYTES:
            return
        name, content = card.attachment.filename, card.attachment.content
        topic_id = sent.message_thread_id if sent.is_topic_message else None
        try:
            await self._api.ask(
                "accept the file",
                lambda: self._api.bot.send_document(
                    sent.chat.id,
                    InputFile(content, filename=name),
                    message_thread_id=topic_id,
                    reply_parameters=_under(sent.message_id),
                ),
                sent.chat.id,
            )
        except (TelegramTrouble, Moved) as error:
            log.warning("the file %s was not delivered: %s", name, error)

    async def _shaped(self, card: Card, send: Callable[[Message], Awaitable[Any]]) -> Any:
        """Send a card as well as the server takes it: without date markup, without a picture."""
        message = render(card, await self._picture(card))
        if not self._dates:
            message = replace(message, html=without_times(message.html))
        try:
            return await send(message)
        except TelegramTrouble as trouble:
            if "tg-time" in trouble.reason:
                self._dates = False
                return await send(replace(message, html=without_times(message.html)))
            if message.photo is None or not any(w in trouble.reason for w in _NO_PICTURE):
                raise
            log.warning("a chart was replaced by text: %s", trouble.message)
            return await send(render(card))

    async def _picture(self, card: Card) -> bytes | None:
        if card.chart is None or self._draw is None:
            return None
        try:
            return await self._draw(card.chart)
        except ChangeoverError as error:
            log.warning("a chart was replaced by text: %s", error.message)
            return None

    async def _send(
        self,
        message: Message,
        chat_id: int,
        *,
        topic_id: int | None = None,
        under: int | None = None,
        whisper: dict[str, Any] | None = None,
    ) -> Sent:
        bot, photo = self._api.bot, message.photo
        common: dict[str, Any] = {
            "parse_mode": ParseMode.HTML,
            "reply_markup": _keyboard(message),
            "message_thread_id": topic_id,
            "reply_parameters": _under(under) if under is not None else None,
            "api_kwargs": {"ephemeral_message_parameters": whisper} if whisper else None,
        }

        def call() -> Awaitable[Sent]:
            if photo is not None:
                return bot.send_photo(chat_id, photo, caption=message.html, **common)
            return bot.send_message(
                chat_id, message.html, link_preview_options=_NO_PREVIEW, **common
            )

        return await self._api.ask("accept the message", call, chat_id)

    async def _edited(self, message: Message, card: Card, chat_id: int, message_id: int) -> None:
        try:
            await self._edit(message, chat_id, message_id, caption=False)
        except TelegramTrouble as trouble:
            if _NOT_MODIFIED in trouble.reason:
                return
            if _NO_TEXT not in trouble.reason:
                raise
            await self._edit(render(card, caption=True), chat_id, message_id, caption=True)

    async def _edit(
        self, message: Message, chat_id: int, message_id: int, *, caption: bool
    ) -> None:
        bot, photo, html, keys = self._api.bot, message.photo, message.html, _keyboard(message)
        about: dict[str, Any] = {
            "chat_id": chat_id,
            "message_id": message_id,
            "reply_markup": keys,
        }

        def call() -> Awaitable[Sent | bool]:
            if photo is not None:
                media = InputMediaPhoto(photo, caption=html, parse_mode=ParseMode.HTML)
                return bot.edit_message_media(media, **about)
            about["parse_mode"] = ParseMode.HTML
            if caption:
                return bot.edit_message_caption(caption=html, **about)
            return bot.edit_message_text(html, link_preview_options=_NO_PREVIEW, **about)

        await self._api.ask("edit the message", call, chat_id)


_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def _under(message_id: int) -> ReplyParameters:
    return ReplyParameters(message_id, allow_sending_without_reply=True)


def _keyboard(message: Message) -> InlineKeyboardMarkup | None:
    rows: Sequence[Sequence[InlineKeyboardButton]] = [
        [InlineKeyboardButton(key.label, callback_data=key.data) for key in row]
        for row in message.keys
    ]
    return InlineKeyboardMarkup(rows) if rows else None


def _for_everybody(card: Card, bot_name: str) -> Card:
    """Return what of a private answer the group may see: errors, and questions to one person."""
    asks = any(button.action.only for button in card.buttons)
    if (card.error is not None or asks) and card.attachment is None:
        return card
    return Card(
        title=text("This answer is private."),
        tone=Tone.WARNING,
        body=(text(f"Open a private chat with @{bot_name}, press Start and ask there."),),
    )
