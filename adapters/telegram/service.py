"""Telegram, whole: polls or is called, comes back by itself, and goes in good order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telegram import Update
from telegram.error import BadRequest, TelegramError

from adapters.shared.chat import Seen
from adapters.telegram.api import Api, TelegramTrouble, log, trouble
from adapters.telegram.chat import TelegramChat
from adapters.telegram.commands import menu, prefix_here
from adapters.telegram.home import Home
from adapters.telegram.inbox import UPDATES, Core, Inbox, Triggers
from adapters.telegram.outbox import Draw, Outbox
from adapters.telegram.settings import UPDATES_PATH, Memory, Pace, TelegramSetup
from bot.card import Card, spelled_card

if TYPE_CHECKING:
    from aiohttp import web

DRAIN_S = 6.0
MOST_BYTES = 1 << 20
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105
_PATIENCE = Pace()


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness and metrics want to know; `trouble` is empty when all is well."""

    ok: bool
    user: str = ""
    trouble: str = ""


class TelegramSurface:
    """The Telegram surface; `chat` is its port to the team's chat.

    `memory` keeps where a group has moved to, `triggers` what was acted on over a restart. `draw`
    turns a chart into a PNG; without it charts are told in words.
    """

    def __init__(
        self,
        core: Core,
        setup: TelegramSetup,
        memory: Memory,
        triggers: Triggers | None = None,
        draw: Draw | None = None,
        *,
        pace: Pace = _PATIENCE,
    ) -> None:
        self._core = core
        self._setup = setup
        self._pace = pace
        self.api = Api(setup, pace)
        self._outbox = Outbox(self.api, self._ready, draw)
        self._home = Home(setup, self.api.bot, memory)
        self.chat = TelegramChat(self._outbox, self._home, setup.topic_id)
        self._inbox = Inbox(core, self.api, self._home, self._outbox, self.chat, triggers or Seen())
        self._trouble = ""
        self._connected = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def called(self) -> bool:
        """True where Telegram calls us, rather than being polled."""
        return self._setup.webhook_url is not None

    async def start(self) -> None:
        """Begin to connect, and go on trying; returns at once."""
        await self._home.recall()
        self._life = asyncio.create_task(self._stay_alive())

    async def ready(self) -> None:
        """Wait until updates come in."""
        await self._connected.wait()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take nothing new, bring what has begun to its end, and close."""
        self._stopping = True
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
        await self._inbox.drain(drain_s)
        await self.api.close()

    def health(self) -> Health:
        """Describe the state of the connection, without asking Telegram."""
        ok = self._connected.is_set()
        return Health(ok, self.api.bot.username if ok else "", "" if ok else self._trouble)

    def mount(self, application: web.Application) -> bool:
        """Add the route that Telegram calls; False when it is polled."""
        if self.called:
            application.router.add_post(UPDATES_PATH, self._on_request)
        return self.called

    async def _on_request(self, request: web.Request) -> web.Response:
        from aiohttp import web

        raw = await request.clone(client_max_size=MOST_BYTES).read()
        return web.Response(status=await self.receive(raw, request.headers))

    async def receive(self, raw: bytes, headers: Mapping[str, str]) -> int:
        """Take one update that was sent to us, and return the HTTP status to answer with."""
        if self._stopping or not self._connected.is_set():
            # Telegram sends it again.
            return 503
        said = headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(said.encode(), secret_of(self._setup).encode()):
            log.warning("A request to %s was refused: it is not Telegram's.", UPDATES_PATH)
            return 401
        try:
            update = Update.de_json(json.loads(raw), self.api.bot)
        except (ValueError, TypeError, KeyError, AttributeError):
            return 400
        await self._inbox.take(update)
        return 200

    async def _ready(self, card: Card) -> Card:
        armed = card
        if any(not b.id for b in card.buttons) or card.menu is not None:
            armed = await self._core.persist_buttons(card)
        prefix = prefix_here(self._core.settings.prefix)
        return spelled_card(armed, lambda command: command.in_chat(prefix))

    async def _stay_alive(self) -> None:
        wait_s = self._pace.first_retry_s
        while True:
            try:
                await self._live()
            except TelegramTrouble as error:
                self._trouble = f"{error.message} {error.hint}".strip()
            except Exception:  # noqa: BLE001
                # Nothing that Telegram does may end the process; the log has the details.
                self._trouble = "Unexpected error; see the log."
                log.exception("Telegram: the connection failed unexpectedly")
            if self._connected.is_set():
                wait_s = self._pace.first_retry_s
            self._connected.clear()
            log.error("Telegram: %s Next try in %.1f s.", self._trouble, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._pace.longest_retry_s)

    async def _live(self) -> None:
        """Log in and take updates until something fails."""
        name = await self.api.log_in()
        try:
            await self._offer_commands()
            await self._arrange()
        except TelegramError as error:
            raise trouble("set the bot up", error) from error
        if self.called:
            self._up(name)
            await asyncio.Event().wait()
        await self._poll(name)

    async def _offer_commands(self) -> None:
        commands = menu(self._core.registry, self._core.settings.prefix)
        try:
            await self.api.bot.set_my_commands(commands)
        except BadRequest as error:
            log.warning("Telegram did not accept the list of commands: %s", error.message)

    async def _arrange(self) -> None:
        """Say how updates are to come: a webhook that is left over keeps polling from working."""
        url = self._setup.webhook_url
        if url is None:
            await self.api.bot.delete_webhook()
            return
        await self.api.bot.set_webhook(
            f"{url}{UPDATES_PATH}", allowed_updates=UPDATES, secret_token=secret_of(self._setup)
        )

    async def _poll(self, name: str) -> None:
        offset: int | None = None
        while True:
            try:
                updates = await self.api.bot.get_updates(
                    offset, timeout=self._pace.poll_s if self._connected.is_set() else 0,
                    allowed_updates=UPDATES,
                )  # fmt: skip
            except TelegramError as error:
                raise trouble("send updates", error) from error
            self._up(name)
            # What was asked for with an offset has confirmed all before it.
            offset = updates[-1].update_id + 1 if updates else None
            for update in updates:
                await self._inbox.take(update)

    def _up(self, name: str) -> None:
        if not self._connected.is_set():
            how = "called at the webhook" if self.called else "polling"
            log.info("Telegram: connected as @%s, %s", name, how)
        self._trouble = ""
        self._connected.set()


def secret_of(setup: TelegramSetup) -> str:
    """Return the secret by which Telegram's calls are known: the same in every process."""
    token = setup.bot_token.reveal().encode()
    return hmac.new(token, b"changeover webhook", hashlib.sha256).hexdigest()
