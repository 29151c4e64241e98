"""From an interaction to its answer: acknowledge, ask the core, tell the right people.

Discord takes an answer to an interaction for 15 minutes, if it is acknowledged within 3 seconds;
whether the answer is private is settled with the acknowledgement.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from adapters.discord.ack import Acks, acknowledged
from adapters.discord.home import Home, role_rules
from adapters.discord.outgoing import TROUBLE, CardSender, edited, fresh, patiently
from adapters.discord.render import PREFIX
from adapters.discord.tree import Interaction
from adapters.discord.words import line_of
from bot.access import Actor, Surface
from bot.card import Card, Visibility
from bot.commands.grammar import bind
from bot.commands.registry import Command, Danger
from bot.errors import ChangeoverError, RefusedError, UsageError
from bot.messages.errors import error_card, unexpected_card
from bot.ports import Chat

if TYPE_CHECKING:
    from bot.app import App

_STRANGE = (
    app_commands.CommandNotFound,
    app_commands.CommandSignatureMismatch,
    app_commands.TransformerError,
)
_log = logging.getLogger("changeover.discord")


class Answers:
    """Answers commands and clicks; knows which are still being answered."""

    def __init__(self, app: App, press: CardSender, chat: Chat, home: Home) -> None:
        self._app = app
        self._home = home
        self._press = press
        self._chat = chat
        self._acks = Acks()
        self._busy: set[asyncio.Task[Any]] = set()
        self._leaving = False

    async def command(
        self, interaction: Interaction, command: Command, options: Mapping[str, Any]
    ) -> None:
        """Carry a command out and answer it."""
        if not self._acks.first(interaction):
            return
        with self._at_work():
            try:
                self._stay_open()
                call = bind(command.group, command.name, options, self._app.registry)
            except ChangeoverError as error:
                await self._at_once(interaction, error_card(error, command.full_name))
                return
            # Told before anybody is asked: the acknowledgement cannot wait for that.
            seen = Actor(
                Surface.DISCORD, str(interaction.user.id), "", role_rules(interaction.user),
                stranger=self._home.outside(interaction),
            )  # fmt: skip
            private = not self._app.settings.access.allows(seen, command.permission)
            private = private or command.private
            if not await self._acks.give(interaction, private=private):
                return
            await self._acks.others()
            line = line_of(command, call.args.values)
            card = await self._as_actor(interaction, lambda by: self._app.call(by, call, line))
            await self._tell(interaction, card, lambda: self._in_place(interaction, card, private))

    async def click(self, interaction: Interaction) -> None:
        """Do what a button does, as the person who clicked it."""
        if not self._acks.first(interaction):
            return
        with self._at_work():
            try:
                self._stay_open()
            except ChangeoverError as error:
                await self._at_once(interaction, error_card(error, ""))
                return
            if not await self._acks.give(interaction):
                return
            await self._acks.others()
            data: Mapping[str, Any] = interaction.data or {}
            custom_id = str(data.get("custom_id", ""))
            ours = custom_id.startswith(PREFIX)
            # Of a menu, what was picked is what would be a button's id.
            picked = (data.get("values") or [custom_id.removeprefix(PREFIX)])[0]
            button = str(picked) if ours else ""
            message = interaction.message
            shown_at = (message.edited_at or message.created_at) if message else None
            card = await self._as_actor(
                interaction,
                # Discord has no dialog of its own.
                lambda by: self._app.click(by, button, shown_at=shown_at, asked=False),
            )
            await self._tell(interaction, card, lambda: self._beside(interaction, card))

    async def _as_actor(
        self, interaction: Interaction, work: Callable[[Actor], Awaitable[Card]]
    ) -> Card:
        """Do it as the person who asks, or say that nobody knows whether they belong here."""
        try:
            actor = await self._home.actor(interaction)
        except ChangeoverError as error:
            return error_card(error, "")
        return await work(actor)

    async def failed(self, interaction: Interaction, error: Exception) -> None:
        """Answer what went wrong before or beside the core; the log has the details."""
        if isinstance(error, _STRANGE):
            _log.warning("Discord sent an unknown command: %s", error)
            told = UsageError(
                "This command no longer exists.",
                "Reload Discord (Ctrl+R) and try again.",
            )
            await self._at_once(interaction, error_card(told, ""))
            return
        cause = getattr(error, "original", error)
        _log.error("a reply to Discord failed unexpectedly", exc_info=cause)
        ran = interaction.command
        await self._at_once(interaction, unexpected_card(ran.qualified_name if ran else ""))

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, and let what is being answered come to its end, or cut it off."""
        self._leaving = True
        try:
            await self._ended(timeout_s)
        finally:
            await self._acks.close()

    async def _ended(self, timeout_s: float) -> None:
        if not self._busy:
            return
        _, late = await asyncio.wait(self._busy, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            _log.warning("%d replies to Discord were cancelled at shutdown", len(late))

    def _stay_open(self) -> None:
        if self._leaving:
            raise RefusedError(
                "Changeover is restarting; nothing was done.", "Try again in a minute."
            )

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            yield
        finally:
            self._busy.discard(task)

    async def _tell(
        self, interaction: Interaction, card: Card, answer: Callable[[], Awaitable[None]]
    ) -> None:
        """Answer; what the channel should know reaches it though the answer cannot, or was asked
        in private.
        """
        try:
            await answer()
        except TROUBLE as error:
            _log.warning("the reply to %s was not delivered: %s", card.command, error)
            answered = False
        else:
            answered = True
        change = card.ok and card.visibility is Visibility.CHANNEL and self._changes(card)
        if change and (interaction.guild_id is None or not answered):
            try:
                await self._chat.post(card)
            except ChangeoverError as error:
                _log.warning("%s was not announced in the channel: %s", card.command, error.message)

    def _changes(self, card: Card) -> bool:
        group, _, name = card.command.partition(" ")
        command = self._app.registry.find(group, name)
        return command is not None and command.danger is Danger.CHANGES

    async def _in_place(self, interaction: Interaction, card: Card, private: bool) -> None:
        """Put the answer where "thinking…" stands, or, where that is public and the answer is
        not, take it away and answer in private.
        """
        message = await self._press.message(card)
        public = card.visibility is Visibility.CHANNEL
        if private or public or interaction.guild_id is None:
            await patiently(lambda: interaction.edit_original_response(**edited(message)))
            return
        try:
            await patiently(interaction.delete_original_response)
        except discord.NotFound:
            _log.info("the placeholder reply was already deleted")
        await patiently(lambda: interaction.followup.send(ephemeral=True, **fresh(message)))

    async def _beside(self, interaction: Interaction, card: Card) -> None:
        """Answer a click with a message of its own; a private question that is settled goes."""
        message = await self._press.message(card)
        private = card.visibility is Visibility.PRIVATE
        await patiently(lambda: interaction.followup.send(ephemeral=private, **fresh(message)))
        asked = interaction.message
        if card.ok and not private and asked is not None and asked.flags.ephemeral:
            await patiently(interaction.delete_original_response)

    async def _at_once(self, interaction: Interaction, card: Card) -> None:
        """Answer privately without asking the core anything."""
        message = await self._press.message(card)
        done = acknowledged(interaction)
        send = interaction.followup.send if done else interaction.response.send_message
        try:
            await patiently(lambda: send(ephemeral=True, **fresh(message)))
        except TROUBLE as error:
            _log.warning("Discord did not accept a reply, so nothing was done: %s", error)
