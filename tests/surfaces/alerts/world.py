"""Slack and Discord on loopback, one database, and processes that live and die beside them.

The clock stands still until a test lets time pass; messages bear its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from slack_sdk.http_retry.builtin_interval_calculators import FixedValueRetryIntervalCalculator

from adapters.demo import DEMO_CONFIG
from adapters.discord.service import DiscordSurface
from adapters.discord.settings import Pace
from adapters.main.alerts import Alerts
from adapters.main.wiring import Wired, wire
from adapters.slack.app import SlackSurface
from adapters.storage.key_values import KeyValueStore
from bot.models import FailureReason
from bot.ports import FallbackEvent
from tests.servers import discord_api
from tests.servers.discord import CHANNEL, GUILD, TOKEN, DiscordServer
from tests.servers.discord_state import Message
from tests.servers.slack import APP_TOKEN, BOT_TOKEN, Posted, SlackServer
from tests.support.fakes_discord import pointed_at
from tests.support.fakes_ledger import attempt
from tests.support.fakes_storage import FakeClock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPUS = "anthropic/claude-opus-4-5"
SONNET = "openrouter/anthropic/claude-sonnet-4.5"
FLASH = "deepseek/deepseek-flash"
OPS = "C0OPS"
_TONE = re.compile(r"^(?:\W*)(?:Warning|OK|Problem|Error|Changed)(?: · |\n)")
DISCORD_EPOCH_MS = 1_420_070_400_000
QUICK = Pace(first_retry_s=0.02, longest_retry_s=0.05, identify_s=0.0, names_s=0.0)


class Workspace(SlackServer):
    """A Slack whose messages bear the clock's time, and that can be away."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.away = ""
        self.tries = 0
        self.hold: asyncio.Event | None = None
        self.answers_to_lose = 0
        self.channels[OPS].member = True

    def _put(self, channel: str, arguments: Any, via: str, to: str | None = None) -> Posted:
        message = super()._put(channel, arguments, via, to)
        serial = message.ts.partition(".")[0][-6:]
        message.ts = f"{self.clock.now().timestamp():.0f}.{serial}"
        return message

    async def _api(self, request: web.Request) -> web.StreamResponse:
        if self.away and request.match_info["method"].startswith(("chat.", "conversations.")):
            self.tries += 1
            if self.away == "refusing":
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=502, text="<html>Bad Gateway</html>")
        if self.hold is not None and request.match_info["method"].startswith("chat."):
            await self.hold.wait()
        answer = await super()._api(request)
        if self.answers_to_lose and request.match_info["method"] == "chat.postMessage":
            self.answers_to_lose -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer

    def _do_chat_update(self, arguments: Any) -> Any:
        return self._barred(arguments["channel"]) or super()._do_chat_update(arguments)

    @property
    def main(self) -> list[Posted]:
        """The channel as everybody reads it, threads aside."""
        return [m for m in self.posted if m.channel == OPS and not m.to and not m.thread_ts]

    @property
    def threads(self) -> list[Posted]:
        return [m for m in self.posted if m.channel == OPS and m.thread_ts]


class Guild(DiscordServer):
    """A Discord whose channel can be deleted by a person, and come back."""

    def delete(self, message: Message) -> None:
        message.deleted = True

    @property
    def main(self) -> list[Message]:
        return [m for m in self.seen(CHANNEL) if m.reference is None]

    @property
    def threads(self) -> list[Message]:
        return [m for m in self.seen(CHANNEL) if m.reference is not None]


class Process:
    """One `changeover bot`: a core, both chats, the alerts."""

    def __init__(self, wired: Wired, *, slack: bool, discord: bool) -> None:
        self.wired = wired
        service = wired.service
        self.slack = self.discord = None
        self.chats: dict[str, Any] = {}
        if slack and service.slack is not None:
            self.slack = SlackSurface(wired.app, service.slack, None, pace_s=0, first_wait_s=0.02)
            for handler in self.slack.api.web.retry_handlers:
                handler.interval_calculator = FixedValueRetryIntervalCalculator(0)
            for handler in self.slack.api.quick.retry_handlers:
                handler.interval_calculator = FixedValueRetryIntervalCalculator(0)
            self.chats["slack"] = self.slack.chat
        if discord and service.discord is not None:
            memory = KeyValueStore(wired.database)
            self.discord = DiscordSurface(wired.app, service.discord, memory, None, pace=QUICK)
            self.chats["discord"] = self.discord.chat
        self.alerts = Alerts(wired, self.chats)

    async def start(self) -> None:
        document = await self.wired.app.ports.store.read()
        await self.wired.app.begin()
        await self.alerts.config_changed(document)
        for surface in (self.slack, self.discord):
            if surface is not None:
                await surface.start()
        for surface in (self.slack, self.discord):
            if surface is not None:
                await asyncio.wait_for(surface.ready(), 60)

    async def stop(self, *, killed: bool = False) -> None:
        """End in good order, or without a word and without giving anything back."""
        if not killed:
            await self.alerts.stop()
        else:
            await self.alerts.pipeline.workers.stop(0)
        for surface in (self.slack, self.discord):
            if surface is not None:
                await surface.stop(0.5)
        await self.wired.close()


class World:
    """Everything outside of the process, and the one that runs now."""

    def __init__(self, folder: Path, at: datetime = NOON, env: Mapping[str, str] | None = None):
        self.clock = FakeClock(at)
        self.folder = folder
        self.slack = Workspace(self.clock)
        self.discord = Guild()
        self.env = dict(env or {})
        self.process: Process | None = None
        self.serial = 0
        self.surfaces = {"slack": True, "discord": True}

    async def open(self) -> None:
        """Bring the chats up, and write the config."""
        await self.slack.start()
        await self.discord.start()
        (self.folder / "moltbot.json").write_text(DEMO_CONFIG, encoding="utf-8")

    async def close(self) -> None:
        if self.process is not None:
            await self.process.stop()
        await self.slack.stop()
        await self.discord.stop()

    async def start(self) -> Process:
        """Start a process; ends the one before in good order."""
        if self.process is not None:
            await self.process.stop()
        wired = wire(self._environment(), clock=self.clock, cwd=self.folder)
        self.process = Process(wired, **self.surfaces)
        await self.process.start()
        return self.process

    async def kill(self) -> Process:
        """Let the process vanish and start another; its lease is over by then."""
        assert self.process is not None
        process, self.process = self.process, None
        await process.stop(killed=True)
        self.clock.advance(timedelta(seconds=13))
        return await self.start()

    def _environment(self) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_CHANNEL": OPS,
            "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_CHANNEL_ID": str(CHANNEL),
            "DISCORD_GUILD_ID": str(GUILD),
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "CHANGEOVER_OPERATORS": "slack:U1,discord:11",
            "CHANGEOVER_CONFIG": str(self.folder / "moltbot.json"),
            "CHANGEOVER_TIMEZONE": "UTC",
            "DATABASE_URL": f"sqlite:///{self.folder / 'changeover.db'}",
            "ANTHROPIC_API_KEY": "k1",
            "OPENROUTER_API_KEY": "k2",
            "DEEPSEEK_API_KEY": "k3",
            **self.env,
        }

    @property
    def alerts(self) -> Alerts:
        assert self.process is not None
        return self.process.alerts

    @property
    def wired(self) -> Wired:
        assert self.process is not None
        return self.process.wired

    async def fails(
        self,
        times: int = 1,
        *,
        to: str | None = SONNET,
        reason: FailureReason = FailureReason.RATE_LIMIT,
        at: datetime | None = None,
        primary: str = OPUS,
        detail: str = "",
    ) -> list[FallbackEvent]:
        """Let requests be rerouted, or refused with `to=None`, as the gateway writes it down."""
        from adapters.storage.ledger.store import DatabaseLedger

        events, rows = [], []
        when = at or self.clock.now()
        for _ in range(times):
            self.serial += 1
            events.append(
                FallbackEvent(
                    when, f"req-{self.serial}", primary, to, reason, "gateway", detail, True
                )
            )
            if to is not None:
                rows.append(
                    attempt(
                        self.serial,
                        at=when,
                        number=2,
                        model=to,
                        tokens=(1000, 100),
                        cost=4_500_000,
                        fallback=True,
                    )
                )
        await self.wired.app.ports.log.add_events(events)
        if rows:
            await DatabaseLedger(self.wired.database).add(rows)
        return events

    async def answers(self, times: int = 3, model: str = OPUS) -> None:
        """Let the model answer well right now."""
        from adapters.storage.ledger.store import DatabaseLedger

        rows = []
        for _ in range(times):
            self.serial += 1
            rows.append(attempt(self.serial, at=self.clock.now(), model=model))
        await DatabaseLedger(self.wired.database).add(rows)

    async def look_at_the_config(self) -> None:
        """See the config as the watcher of a running service would."""
        await self.alerts.config_changed(await self.wired.app.ports.store.read())

    async def tick(self) -> None:
        """Look once, and let every delivery come to its end."""
        await self.alerts.tick()
        workers = self.alerts.pipeline.workers
        while workers.busy:
            await workers.wait()

    async def wait(self, step_s: float = 20, **span: float) -> None:
        """Let time pass in steps, looking after each."""
        end = self.clock.now() + timedelta(**span)
        await self.tick()
        while self.clock.now() < end:
            self.clock.at = min(self.clock.now() + timedelta(seconds=step_s), end)
            await self.tick()

    async def until(self, there: Callable[[], object]) -> None:
        """Wait, in real time, until something is so."""
        async with asyncio.timeout(10):
            while not there():  # noqa: ASYNC110 - what is waited for is not ours
                await asyncio.sleep(0.005)

    def titles(self, surface: str) -> list[str]:
        """The first lines of what stands in a channel."""
        return [first_line(text) for text in self.texts(surface)]

    def texts(self, surface: str) -> list[str]:
        """What stands in a channel, as it is read."""
        if surface == "slack":
            return [slack_text(message) for message in self.slack.main]
        return [discord_text(message) for message in self.discord.main]

    def said(self) -> list[str]:
        """What stands in both channels, which say the same but for the people they call."""
        slack, discord = self.texts("slack"), self.texts("discord")
        alike = [_calls_nobody(t) for t in slack] == [_calls_nobody(t) for t in discord]
        assert alike, (slack, discord)
        return slack


def first_line(text: str) -> str:
    """Return the line that says what it is about."""
    return text.partition("\n")[0]


def _calls_nobody(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if "<@" not in line)


def slack_text(message: Posted) -> str:
    """Put a Slack message down as it stands on the screen."""
    lines: list[str] = []
    for block in message.blocks:
        match block["type"]:
            case "rich_text":
                parts = [e for section in block["elements"] for e in section["elements"]]
                lines.append("".join(map(_element, parts)))
            case "context":
                lines += [element["text"] for element in block["elements"]]
            case "actions":
                lines.append(" ".join(f"[{e['text']['text']}]" for e in block["elements"]))
            case "table" | "data_table":
                head, *rows = [[_cell(cell) for cell in row] for row in block["rows"]]
                for first, *rest in rows:
                    pairs = zip(head[1:], rest, strict=True)
                    lines += [first, " · ".join(f"{title}: {cell}" for title, cell in pairs)]
            case other:
                lines.append(f"({other}) {block}")
    return _TONE.sub("", plain_marks("\n".join(lines)))


def _cell(cell: Any) -> str:
    if cell["type"] == "rich_text":
        return "".join(map(_element, cell["elements"][0]["elements"]))
    return str(cell["text"])


def _element(element: Any) -> str:
    match element["type"]:
        case "date":
            return datetime.fromtimestamp(element["timestamp"], UTC).strftime("%H:%M")
        case "user" | "usergroup" as kind:
            return f"<@{element[f'{kind}_id']}>"
    return str(element["text"])


def discord_text(message: Message) -> str:
    """Put a Discord message down as it stands on the screen."""
    buttons = " ".join(f"[{label}]" for label in message.buttons)
    calls = f"{message.content}\n" if message.content else ""
    words = _TONE.sub("", plain_marks(message.words.removeprefix(calls)))
    return "\n".join(part for part in (words, buttons) if part)


def plain_marks(text: str) -> str:
    """Take the marks away that neither chat shows, and write dates alike."""
    text = re.sub(r"<!date\^(\d+)\^[^|>]*\|[^>]*>", _date, text)
    text = re.sub(r"<t:(\d+)(?::\w)?>", _date, text)
    text = re.sub(r"\[([^\]]*)\]\((https?://[^)]*)\)", r"\1", text)
    text = re.sub(r"<(https?://[^|>]*)\|([^>]*)>", r"\2", text)
    text = re.sub(r"Notice [0-9a-f]{8} · ?", "", text)
    text = re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", text)
    return re.sub(r"[*`\u2060]", "", text)


def _date(found: re.Match[str]) -> str:
    return datetime.fromtimestamp(int(found[1]), UTC).strftime("%H:%M")


@contextlib.contextmanager
def slack_sleeps(sleep: Callable[[float], Awaitable[None]]) -> Iterator[None]:
    """Let Slack's library wait by `sleep`, where Slack asked it to."""
    module = sys.modules["slack_sdk.http_retry.builtin_async_handlers"]

    class Sleeping:
        """asyncio, but for one function."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

    patient = Sleeping()
    patient.__dict__["sleep"] = sleep
    module.asyncio = patient  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.asyncio = asyncio  # type: ignore[attr-defined]


@contextlib.contextmanager
def discord_time(clock: FakeClock) -> Iterator[None]:
    """Let Discord's ids tell the clock's time."""
    original = getattr(discord_api, "snowflake")  # noqa: B009 - it is not exported
    serial = iter(range(1, 1 << 22))

    def now() -> int:
        return (int(clock.now().timestamp() * 1000) - DISCORD_EPOCH_MS << 22) + next(serial)

    discord_api.snowflake = now  # type: ignore[attr-defined]
    try:
        with pointed_at(None, None):
            yield
    finally:
        discord_api.snowflake = original  # type: ignore[attr-defined]
