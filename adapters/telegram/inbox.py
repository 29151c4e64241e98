"""What comes in from Telegram: noted as ours, then carried out as a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from telegram import CallbackQuery, Message, Update
from telegram.error import TelegramError

from adapters.shared.chat import Seen
from adapters.telegram.api import Api, Moved, TelegramTrouble, log
from adapters.telegram.chat import TelegramChat
from adapters.telegram.commands import overview, read_command
from adapters.telegram.home import Home
from adapters.telegram.outbox import Outbox, Place
from bot.access import Actor
from bot.card import Card, Tone, Visibility, text
from bot.commands.registry import Registry
from bot.errors import ChangeoverError, ChatError, RefusedError, StorageError
from bot.messages.errors import error_card
from bot.settings import Settings

LATE = timedelta(minutes=10)
"""Telegram keeps what was sent for a day; a command as old as this may no longer be meant."""
UPDATES = ("message", "callback_query", "my_chat_member")


class Triggers(Protocol):
    """Remembers which updates were acted on."""

    async def claim(self, trigger: str) -> bool:
        """Note a trigger; False when it was noted before. Raises StorageError."""
        ...


class Core(Protocol):
    """What a surface needs of `bot.app.App`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def registry(self) -> Registry: ...

    async def handle(self, actor: Actor, words: str) -> Card: ...

    async def persist_buttons(self, card: Card) -> Card: ...

    async def click(
        self,
        actor: Actor,
        button_id: str,
        *,
        shown_at: datetime | None = None,
        asked: bool = True,
    ) -> Card: ...


class Inbox:
    """Commands and clicks. It knows no command: the core reads every line."""

    def __init__(
        self,
        core: Core,
        api: Api,
        home: Home,
        outbox: Outbox,
        chat: TelegramChat,
        triggers: Triggers,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._core = core
        self._api = api
        self._home = home
        self._outbox = outbox
        self._chat = chat
        self._triggers = triggers
        self._now = now
        self._seen = Seen()
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, update: Update) -> None:
        """Note an update as acted on, and begin to act on it; one that comes again does nothing.

        When this returns, Telegram may forget the update.
        """
        work = self._work(update)
        if work is None:
            return
        noted = asyncio.Event()
        task = asyncio.create_task(self._act(update.update_id, work, noted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await noted.wait()

    async def drain(self, timeout_s: float) -> None:
        """Let what has begun come to its end; what is slower than that is cut off."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("%d replies to Telegram were cancelled at shutdown", len(late))
            await asyncio.wait(late)

    def _work(self, update: Update) -> Callable[[], Awaitable[None]] | None:
        message, query, member = update.message, update.callback_query, update.my_chat_member
        if query is not None:
            return lambda: self._click(query)
        if member is not None and member.chat.id == self._home.chat_id:
            log.info("the bot is now %s in its Telegram chat", member.new_chat_member.status)
        if message is None:
            return None
        new = message.migrate_to_chat_id
        if new is not None:
            return lambda: self._home.moved(message.chat.id, new)
        return (lambda: self._message(message)) if message.text else None

    async def _comes_first(self, update_id: int) -> bool:
        """Return whether an update is new, also to a process of before.

        No offset is kept over a restart: after a quiet week Telegram begins with other numbers,
        and would forget all that are below an old one. While the database is away, what this
        process remembers has to do.
        """
        if not self._seen.first(update_id):
            return False
        try:
            return await self._triggers.claim(f"telegram {self._api.bot.id} {update_id}")
        except StorageError:
            return True

    async def _message(self, message: Message) -> None:
        user, sender = message.from_user, message.sender_chat
        if message.is_automatic_forward or (sender is None and (user is None or user.is_bot)):
            return
        private = message.chat.type == message.chat.PRIVATE
        line = read_command(
            message.text or "", self._api.bot.username, self._core.settings.prefix,
            self._core.registry,
        )  # fmt: skip
        if line is None and not private:
            return
        # An anonymous administrator speaks as the group itself.
        who = sender.id if sender is not None else user.id if user is not None else 0
        name = (sender.effective_name if sender else user.full_name if user else "") or str(who)
        place = Place(
            chat_id=message.chat.id,
            user_id=user.id if user is not None else who,
            message_id=message.message_id,
            topic_id=message.message_thread_id if message.is_topic_message else None,
            private=private,
        )

        async def work(actor: Actor) -> Card:
            if self._now() - message.date > LATE:
                raise RefusedError(
                    "Changeover was offline when this was sent, so nothing was done.",
                    "Send it again.",
                )
            if not line:
                card = overview(self._core.registry)
                return card if not actor.stranger else await self._core.handle(actor, "/model help")
            return await self._core.handle(actor, line)

        await self._answer(place, await self._as_actor(place, who, name, work))

    async def _click(self, query: CallbackQuery) -> None:
        # At once: the client shows a waiting button until then. Late is no reason to do nothing.
        with suppress(TelegramError):
            await self._api.bot.answer_callback_query(query.id)
        message, user = query.message, query.from_user
        if message is None:
            return
        whole = message if isinstance(message, Message) else None
        ephemeral = message.api_kwargs.get("ephemeral_message_id")
        place = Place(
            chat_id=message.chat.id,
            user_id=user.id,
            message_id=message.message_id or None,
            topic_id=whole.message_thread_id if whole and whole.is_topic_message else None,
            private=message.chat.type == message.chat.PRIVATE,
            query_id=query.id,
            ephemeral_id=ephemeral,
        )
        shown_at = (whole.edit_date or whole.date) if whole else None
        button = query.data or ""
        card = await self._as_actor(
            place, user.id, user.full_name,
            lambda actor: self._core.click(actor, button, shown_at=shown_at, asked=False),
        )  # fmt: skip
        await self._answer(place, card)
        if ephemeral is not None and card.error is None:
            await self._outbox.take_away(place)

    async def _as_actor(
        self, place: Place, who: int, name: str, work: Callable[[Actor], Awaitable[Card]]
    ) -> Card:
        """Do it as the person who asks, or say that nobody knows whether they belong here."""
        try:
            actor = await self._home.actor(who, name, place.chat_id, private=place.private)
            return await work(actor)
        except ChangeoverError as error:
            return error_card(error, "")

    async def _answer(self, place: Place, card: Card) -> None:
        """Answer where it was asked; a change made in private is announced in the chat too."""
        card = await self._core.persist_buttons(card)
        try:
            await self._outbox.answer(place, card)
        except Moved as moved:
            await self._home.moved(place.chat_id, moved.chat_id)
            place = replace(place, chat_id=moved.chat_id, message_id=None, topic_id=None)
            await self._outbox.answer(place, card)
        public = card.visibility is Visibility.CHANNEL and card.tone is Tone.CHANGE
        home = self._home.chat_id
        if not (place.private and public) or home in (None, place.chat_id):
            return
        try:
            await self._chat.post(card)
        except ChatError as error:
            note = Card(
                title=text("The change was made but not announced in the chat."),
                tone=Tone.WARNING,
                body=(text(f"{error.message} {error.hint}"),),
                visibility=Visibility.PRIVATE,
            )
            await self._outbox.answer(place, note)

    async def _act(
        self, update_id: int, work: Callable[[], Awaitable[None]], noted: asyncio.Event
    ) -> None:
        try:
            first = await self._comes_first(update_id)
        finally:
            noted.set()
        if not first:
            return
        try:
            await work()
        except TelegramTrouble as error:
            log.warning("a reply was not delivered: %s %s", error.message, error.hint)
        except Exception:  # noqa: BLE001
            # Whatever it was, the next update is answered; the log has the details.
            log.exception("an update from Telegram failed unexpectedly")
