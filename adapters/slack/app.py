"""Slack, whole: logging in, Socket Mode or HTTP, health, and the way out at the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

from adapters.shared.chat import Seen
from adapters.slack.api import SDK_LOG, Api, SlackTrouble
from adapters.slack.chat import SlackChat
from adapters.slack.forms import Forms, Memory
from adapters.slack.inbox import Core, Inbox, Triggers, said_here
from adapters.slack.login import Login, channel_check, log_in, scopes_check
from adapters.slack.manifest import EVENTS_PATH
from adapters.slack.outbox import Draw, Outbox
from adapters.slack.people import Home, People
from adapters.slack.settings import Mode, SlackSetup, mode_of
from adapters.slack.socket import FIRST_WAIT_S, SocketLine, waits
from bot.durations import Seldom

log = logging.getLogger("changeover.slack")
MOST_BYTES = 1 << 20
LONGEST_TIMESTAMP = 12
DRAIN_S = 6.0
LOGIN_WITHIN_S = 10.0
OLDEST_S = 300
COMPLAIN_EVERY = timedelta(minutes=10)
NOT_SLACKS = "it has no Slack signature."
SKEWED = (
    "its timestamp is more than 5 min off. Check this machine's clock: timedatectl. "
    "A proxy that holds requests back does this too."
)
WRONG_SIGNATURE = (
    "the signature is wrong. Check that SLACK_SIGNING_SECRET is the app's Signing Secret "
    "(Basic Information). A proxy must not change the body."
)


class State(StrEnum):
    """How far the surface is."""

    STARTING = "starting"
    CONNECTED = "connected"
    RETRYING = "retrying"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness and metrics want to know; `trouble` is empty when all is well."""

    state: State
    mode: Mode
    team: str
    bot_user: str
    missing_scopes: tuple[str, ...]
    trouble: str

    @property
    def ok(self) -> bool:
        """True while events come in."""
        return self.state is State.CONNECTED


class SlackSurface:
    """The Slack surface; `chat` is its port to the team's channel.

    `draw` turns a chart into a PNG; without it charts are told in words. `triggers` remembers what
    was acted on over a restart, `memory` which channel a name meant. `pace_s` is the time
    between two messages to one channel.
    """

    def __init__(
        self,
        core: Core,
        setup: SlackSetup,
        draw: Draw | None = None,
        triggers: Triggers | None = None,
        memory: Memory | None = None,
        *,
        pace_s: float = 1.0,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self.mode = mode_of(setup)
        self.api = Api(setup, pace_s)
        forms = Forms(memory, lambda: self._login.team_id if self._login else "")
        self.outbox = Outbox(self.api, core.persist_buttons, draw, partial(said_here, core), forms)
        self.chat = SlackChat(self.api, self.outbox, setup.channel or "", memory)
        people = People(self.api, core.settings.access, self._home)
        self._inbox = Inbox(core, self.api, people, self.outbox, self.chat, triggers or Seen())
        self._first_wait_s = first_wait_s
        self._login: Login | None = None
        self._logged_in = asyncio.Event()
        self._state, self._trouble = State.STARTING, ""
        self._connected = asyncio.Event()
        self._complaints = Seldom(COMPLAIN_EVERY, 3)
        self._life: asyncio.Task[None] | None = None
        self._bolt = self._make_bolt()
        self._inbox.listen(self._bolt)

    async def start(self) -> None:
        """Begin to connect, and go on trying; returns at once."""
        await self.api.open()
        self._life = asyncio.create_task(self._stay_alive())

    async def ready(self) -> None:
        """Wait until events come in."""
        await self._connected.wait()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take nothing new, bring what has begun to its end, and close."""
        self._state = State.STOPPED
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
        await self._inbox.drain(drain_s)
        await self.api.close()

    def mount(self, application: web.Application) -> None:
        """Add the route that Slack calls in HTTP mode."""
        if self.mode is Mode.HTTP:
            application.router.add_post(EVENTS_PATH, self.on_request)

    async def on_request(self, request: web.Request) -> web.Response:
        """Take one request of Slack's, if it is signed over the raw body and not too old."""
        if self._state is State.STOPPED:
            return web.Response(status=503)
        raw = await request.clone(client_max_size=MOST_BYTES).read()
        return await self.answer(raw, request.query_string, request.headers)

    async def answer(self, raw: bytes, query: str, headers: Mapping[str, str]) -> web.Response:
        """Answer a request's content; names in `headers` are found in any case."""
        if self._state is State.STOPPED:
            return web.Response(status=503)
        body = raw.decode("utf-8", "replace")
        if why := self._unsigned(body, headers):
            if self._complaints.lets(why, time.monotonic()):
                log.warning("A request to %s was refused: %s", EVENTS_PATH, why)
            return web.Response(status=401)
        try:
            # Only now: bolt reads a body before it looks whose it is, and trips over odd ones.
            asked = AsyncBoltRequest(body=body, query=query, headers=dict(headers))
        except (ValueError, AttributeError, TypeError):
            return web.Response(status=400)
        return await to_aiohttp_response(await self._bolt.async_dispatch(asked))

    def _unsigned(self, body: str, headers: Mapping[str, str]) -> str:
        """Return why a request is not Slack's, or too old; empty when all is well."""
        secret = self.api.setup.signing_secret
        at = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        plain = at.isdecimal() and len(at) <= LONGEST_TIMESTAMP and (at + signature).isascii()
        if secret is None or not plain or not signature:
            return NOT_SLACKS
        if abs(time.time() - int(at)) > OLDEST_S:
            return SKEWED
        signed = SignatureVerifier(secret.reveal()).is_valid(body, at, signature)
        return "" if signed else WRONG_SIGNATURE

    def health(self) -> Health:
        """Describe the state of the connection, without asking Slack."""
        login = self._login
        return Health(
            state=self._state,
            mode=self.mode,
            team=login.team if login else "",
            bot_user=login.bot_user if login else "",
            missing_scopes=login.missing if login else (),
            trouble=self._trouble,
        )

    async def _stay_alive(self) -> None:
        for wait_s in waits(self._first_wait_s):
            try:
                await self._live()
            except Exception:
                log.exception("Slack: the connection failed unexpectedly")
            else:
                return
            self._told(False, "unexpected error; see the log")
            await asyncio.sleep(wait_s)

    async def _live(self) -> None:
        self._login = login = await self._log_in()
        self._logged_in.set()
        log.info("Slack: %s in %s, %s mode", login.bot_name, login.team, self.mode)
        for check in (scopes_check(login), await channel_check(self.chat, login)):
            if not check.ok:
                log.warning("Slack: %s %s", check.detail, check.resolution)
        if self.mode is Mode.HTTP:
            self._told(True, "")
            return
        await SocketLine(self.api, self._bolt, self._told, self._first_wait_s).run()

    async def _home(self) -> Home:
        """Return whose the bot is; requests may come before Slack has told. Raises ChatError."""
        try:
            async with asyncio.timeout(LOGIN_WITHIN_S):
                await self._logged_in.wait()
        except TimeoutError:
            raise SlackTrouble("log the bot in", "timeout") from None
        assert self._login is not None
        return Home(self._login.team_id, self._login.enterprise_id)

    async def _log_in(self) -> Login:
        patience = waits(self._first_wait_s)
        while True:
            try:
                return await log_in(self.api)
            except SlackTrouble as trouble:
                wait_s = next(patience)
                self._told(False, f"{trouble.message} {trouble.hint}")
                log.warning("%s %s Next try in %.1f s.", trouble.message, trouble.hint, wait_s)
                await asyncio.sleep(wait_s)

    def _told(self, connected: bool, trouble: str) -> None:
        if self._state is State.STOPPED:
            return
        self._state = State.CONNECTED if connected else State.RETRYING
        self._trouble = trouble
        if connected:
            self._connected.set()
        else:
            self._connected.clear()

    def _make_bolt(self) -> AsyncApp:
        signing, token = self.api.setup.signing_secret, self.api.setup.bot_token

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            # From what is known already: bolt's own way asks Slack before it acknowledges.
            login = self._login
            return AuthorizeResult(
                enterprise_id=enterprise_id,
                team_id=team_id,
                bot_token=token.reveal(),
                bot_id=login.bot_id if login else None,
                bot_user_id=login.bot_user if login else None,
            )

        return AsyncApp(
            # Bolt sets the level of the logger of this name.
            name="changeover.slack.sdk.app",
            logger=SDK_LOG,
            client=self.api.web,
            authorize=authorize,
            signing_secret=signing.reveal() if signing else "",
            # Listeners only acknowledge and start a task: waiting for them here is quicker than
            # bolt's looking every 10 ms whether they have.
            process_before_response=True,
        )
