"""What goes out: cards made ready for discord.py, and patience where Discord asks for it."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import discord

from adapters.discord.render import Message, render
from bot.card import Card, Chart, spelled_card
from bot.errors import ChangeoverError

if TYPE_CHECKING:
    from bot.app import App

T = TypeVar("T")
Draw = Callable[[Chart], Awaitable[bytes]]
"""Chart → PNG; raises ChangeoverError kinds where it cannot."""

TROUBLE = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
"""What a call to Discord may raise."""
MOST_TRIES, LONGEST_WAIT_S = 4, 60.0
NO_TELLING_S = 1.0
_log = logging.getLogger("changeover.discord")


class CardSender:
    """Makes cards ready to send: buttons get their ids, charts become pictures."""

    def __init__(self, app: App, draw: Draw | None = None) -> None:
        self._app = app
        self._draw = draw

    async def message(self, card: Card) -> Message:
        """Return what to send for a card."""
        armed = await self._app.persist_buttons(card)
        prefix = self._app.settings.prefix
        here = spelled_card(armed, lambda command: command.in_chat(prefix))
        return render(here, await self._picture(card))

    async def _picture(self, card: Card) -> bytes | None:
        if card.chart is None or self._draw is None:
            return None
        try:
            return await self._draw(card.chart)
        except ChangeoverError as error:
            _log.warning("a chart was replaced by text: %s", error.message)
            return None


def fresh(message: Message) -> dict[str, Any]:
    """Return the arguments of discord.py's `send` methods.

    Files are read once and views bound to a message, so call it for each try.
    """
    arguments = _both(message)
    if message.content:
        arguments["content"] = message.content
    if message.components:
        arguments["view"] = _view(message.components)
    if message.uploads:
        arguments["files"] = _files(message)
    return arguments


def edited(message: Message) -> dict[str, Any]:
    """Return the arguments of discord.py's `edit` methods: all that was there is replaced."""
    return {
        **_both(message),
        "content": message.content or None,
        "view": _view(message.components) if message.components else None,
        "attachments": _files(message),
    }


def _both(message: Message) -> dict[str, Any]:
    return {
        "embeds": [discord.Embed.from_dict(embed) for embed in message.embeds],
        "allowed_mentions": discord.AllowedMentions(
            everyone=False,
            roles=[discord.Object(role) for role in message.roles] or False,
            replied_user=False,
            users=[discord.Object(user) for user in message.pings] or False,
        ),
    }


def _files(message: Message) -> list[discord.File]:
    return [
        discord.File(io.BytesIO(upload.content), upload.name, description=upload.description)
        for upload in message.uploads
    ]


def _view(rows: list[dict[str, Any]]) -> discord.ui.View:
    """Build the buttons and the menu; stopped, so that discord.py keeps no list of them.

    A click is answered by its `custom_id` alone, before and after a restart alike.
    """
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(rows):
        for component in row["components"]:
            view.add_item(
                _menu(component, number) if "options" in component else _button(component, number)
            )
    view.stop()
    return view


def _button(button: dict[str, Any], row: int) -> discord.ui.Button[discord.ui.View]:
    return discord.ui.Button(
        style=discord.ButtonStyle(button["style"]),
        label=button["label"],
        custom_id=button["custom_id"],
        row=row,
    )


def _menu(menu: dict[str, Any], row: int) -> discord.ui.Select[discord.ui.View]:
    return discord.ui.Select(
        custom_id=menu["custom_id"],
        placeholder=menu["placeholder"],
        options=[discord.SelectOption(**option) for option in menu["options"]],
        row=row,
    )


async def patiently(send: Callable[[], Awaitable[T]]) -> T:
    """Send, and again where Discord says to wait.

    discord.py waits by itself, except where an answer did not come through Discord's own
    front (its `Via` header is missing), for those that exhaust its own tries, and for a page of
    words in place of JSON.
    """
    for _ in range(MOST_TRIES - 1):
        try:
            return await send()
        except discord.HTTPException as error:
            wait_s = _wait_s(error)
            if wait_s is None:
                raise
        except TypeError:
            # discord.py looks for the wait in a 429's body, and trips over one that is no JSON.
            wait_s = NO_TELLING_S
        _log.info("Discord asks to wait %.1f s", wait_s)
        await asyncio.sleep(wait_s)
    return await send()


def _wait_s(error: discord.HTTPException) -> float | None:
    if error.status != 429:
        return None
    try:
        wait_s = float(error.response.headers.get("Retry-After", "1"))
    except ValueError:
        wait_s = 1.0
    return wait_s if 0 <= wait_s <= LONGEST_WAIT_S else None
