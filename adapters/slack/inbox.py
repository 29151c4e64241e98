"""What comes in from Slack: acknowledged at once, then carried out as a task of its own."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from slack_bolt.async_app import AsyncAck, AsyncApp

from adapters.shared.chat import Seen
from adapters.slack.api import Api, asking
from adapters.slack.chat import SlackChat
from adapters.slack.home import home_lines, home_view, lending_line
from adapters.slack.mrkdwn import mentioned, read
from adapters.slack.outbox import Outbox, Place
from adapters.slack.people import People, came_from
from bot.access import Actor
from bot.card import Card, Tone, Visibility, spelled_card, text
from bot.commands.registry import Registry
from bot.errors import ChatError, StorageError
from bot.settings import Settings

log = logging.getLogger("changeover.slack")
HEAD_START_S = 0.02
"""Work waits this long, so that of many at once all are acknowledged before one is worked on."""
ANY = re.compile(r".*", re.DOTALL)


class Triggers(Protocol):
    """Remembers which commands and clicks were acted on."""

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
        self, actor: Actor, button_id: str, *, shown_at: datetime | None = ..., asked: bool = ...
    ) -> Card: ...


def said_here(core: Core, card: Card) -> Card:
    """Return a card with the commands it names under the workspace's prefix."""
    return spelled_card(card, lambda command: command.in_chat(core.settings.prefix))


class Inbox:
    """Commands, clicks and the Home tab. It knows no command: the core reads every line."""

    def __init__(
        self,
        core: Core,
        api: Api,
        people: People,
        outbox: Outbox,
        chat: SlackChat,
        triggers: Triggers,
    ) -> None:
        self._core = core
        self._api = api
        self._people = people
        self._outbox = outbox
        self._chat = chat
        self._triggers = triggers
        self._events = Seen()
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, bolt: AsyncApp) -> None:
        """Listen to everything: what nobody knows gets an answer too, rather than a timeout."""
        bolt.command(ANY)(self.on_command)
        bolt.action(ANY)(self.on_click)
        bolt.event("app_home_opened")(self.on_home)
        bolt.event(ANY)(self.on_other)
        for other in (bolt.shortcut, bolt.view, bolt.options):
            other(ANY)(self.on_other)

    async def drain(self, timeout_s: float) -> None:
        """Let what has begun come to its end; what is slower than that is cut off."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("%d replies to Slack were cancelled at shutdown", len(late))
            await asyncio.wait(late)

    async def on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a slash command."""
        await ack()
        if self._comes_first(body):
            self._spawn(self._command, body)

    async def on_click(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take a click on a button."""
        await ack()
        if self._comes_first(body):
            self._spawn(self._click, body)

    async def on_home(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """Take the opening of the Home tab; Slack may tell it more than once."""
        await ack()
        event = body.get("event") or {}
        again = "event_id" in body and not self._events.first(str(body["event_id"]))
        if event.get("tab", "home") == "home" and not again:
            self._spawn(self._home, str(event.get("user", "")), came_from(body))

    async def on_other(self, ack: AsyncAck) -> None:
        """Take any other event, so that Slack does not send it again."""
        await ack()

    def _comes_first(self, body: dict[str, Any]) -> bool:
        """Return whether this was delivered before: each command and click has one trigger."""
        trigger = str(body.get("trigger_id") or "")
        return not trigger or self._events.first(f"trigger {trigger}")

    async def _command(self, body: dict[str, Any]) -> None:
        channel = str(body.get("channel_id", ""))
        place = Place(
            user=str(body.get("user_id", "")),
            channel=channel,
            response_url=str(body.get("response_url") or ""),
            thread=str(body.get("thread_ts") or ""),
            private=channel.startswith("D") or body.get("channel_name") == "directmessage",
        )
        if await self._acted_on(body):
            return
        actor = await self._people.actor(
            place.user, str(body.get("user_name", "")), came_from(body)
        )
        typed = str(body.get("text") or "")
        names = {user: await self._people.name(user) for user in mentioned(typed)[:5]}
        line = f"{body.get('command', '')} {read(typed, names)}".strip()
        await self._answer(place, await self._core.handle(actor, line))

    async def _click(self, body: dict[str, Any]) -> None:
        user = body.get("user") or {}
        container = body.get("container") or {}
        channel = str((body.get("channel") or {}).get("id") or container.get("channel_id") or "")
        place = Place(
            user=str(user.get("id", "")),
            channel=channel,
            response_url=str(body.get("response_url") or ""),
            thread=str(container.get("thread_ts") or ""),
            private=not channel or channel.startswith("D"),
            asked=bool(container.get("is_ephemeral")),
        )
        name = str(user.get("username") or user.get("name") or "")
        if await self._acted_on(body):
            return
        actor = await self._people.actor(place.user, name, came_from(body))
        clicked = (body.get("actions") or [{}])[0]
        picked = clicked.get("selected_option") or {}
        button = str(clicked.get("value") or picked.get("value") or "")
        asked = _has_dialog(body, clicked)
        card = await self._core.click(actor, button, shown_at=_shown_at(body), asked=asked)
        await self._answer(place, card)
        if place.asked and place.response_url and card.error is None:
            await self._outbox.take_away(place)
        if not channel:
            await self._home(place.user, came_from(body))

    async def _home(self, user: str, sent_from: frozenset[str]) -> None:
        actor = await self._people.actor(user, "", sent_from)
        lines = home_lines(self._core.registry)
        # A stranger is turned away once.
        cards = [
            await self._for_home(actor, line) for line in (lines[:1] if actor.stranger else lines)
        ]
        line = "" if actor.stranger else lending_line(self._core.registry)
        lends = await self._for_home(actor, line) if line else None
        with asking("show the Home tab"):
            await self._api.web.views_publish(user_id=user, view=home_view(cards, lends))

    async def _for_home(self, actor: Actor, line: str) -> Card:
        card = await self._core.persist_buttons(await self._core.handle(actor, line))
        return said_here(self._core, card)

    async def _answer(self, place: Place, card: Card) -> None:
        """Answer where it was asked; a change made in private is told to the channel too."""
        card = await self._core.persist_buttons(card)
        await self._outbox.answer(place, card)
        public = card.visibility is Visibility.CHANNEL
        if not (place.private and public and card.tone is Tone.CHANGE and self._chat.configured):
            return
        try:
            if await self._chat.channel_id() != place.channel:
                await self._chat.post(card)
        except ChatError as error:
            note = Card(
                title=text("The change was made but not announced in the channel."),
                tone=Tone.WARNING,
                body=(text(f"{error.message} {error.hint}"),),
                visibility=Visibility.PRIVATE,
            )
            await self._outbox.answer(place, note)

    async def _acted_on(self, body: dict[str, Any]) -> bool:
        """Return whether a command or click was acted on, also by a process of before.

        A signed request can be sent again for five minutes, whoever recorded it. While the
        database is away, what this process remembers has to do.
        """
        trigger = str(body.get("trigger_id") or body.get("response_url") or "")
        try:
            again = bool(trigger) and not await self._triggers.claim(trigger)
        except StorageError:
            return False
        if again:
            log.warning("Slack's request %s was sent again: nothing was done", trigger[:40])
        return again

    def _spawn(self, work: Callable[..., Awaitable[None]], *about: Any) -> None:
        task = asyncio.create_task(self._carefully(work, *about))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carefully(self, work: Callable[..., Awaitable[None]], *about: Any) -> None:
        try:
            await asyncio.sleep(HEAD_START_S)
            await work(*about)
        except ChatError as error:
            log.warning("a reply was not delivered: %s %s", error.message, error.hint)
        except Exception:
            log.exception("an event from Slack failed unexpectedly")


def _shown_at(body: dict[str, Any]) -> datetime | None:
    """Return when a message was posted or edited last; None where Slack does not tell."""
    message = body.get("message") or {}
    edited = (message.get("edited") or {}).get("ts")
    at = edited or message.get("ts") or (body.get("container") or {}).get("message_ts")
    try:
        return datetime.fromtimestamp(float(at or ""), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _has_dialog(body: dict[str, Any], clicked: dict[str, Any]) -> bool:
    """Return whether Slack asked before the click; what an older release posted has no dialog."""
    shown = (body.get("message") or body.get("view") or {}).get("blocks") or ()
    elements = [e for block in shown for e in block.get("elements") or ()]
    same = (e for e in elements if e.get("action_id") == clicked.get("action_id"))
    return any("confirm" in element for element in (clicked, *same))
