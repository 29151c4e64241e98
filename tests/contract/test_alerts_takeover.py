"""Two real processes on one PostgreSQL: the one that posts is killed, the other goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.demo import DEMO_CONFIG
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from bot.models import FailureReason
from bot.ports import FallbackEvent
from tests.servers.discord import CHANNEL, GUILD, TOKEN, DiscordServer
from tests.servers.slack import APP_TOKEN, BOT_TOKEN, SlackServer
from tests.surfaces.test_program import Program

OPUS, FLASH = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"
LEADER = """
    SELECT holder FROM leases WHERE name = 'alerts'
    AND until > extract(epoch FROM clock_timestamp()) * 1000000
"""
TAKEN_OVER_WITHIN_S = 15.0


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    server = DiscordServer()
    await server.start()
    yield server
    await server.stop()


def program(
    folder: Path, name: str, url: str, slack: SlackServer, discord: DiscordServer
) -> Program:
    own = folder / name
    own.mkdir()
    return Program(
        own,
        {
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_API_URL": slack.api_url,
            "SLACK_CHANNEL": "C0OPS",
            "DISCORD_BOT_TOKEN": TOKEN,
            "DISCORD_CHANNEL_ID": str(CHANNEL),
            "DISCORD_GUILD_ID": str(GUILD),
            "DISCORD_API_URL": discord.api_url,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "CHANGEOVER_CONFIG": str(folder / "moltbot.json"),
            "CHANGEOVER_DIGEST": "off",
            "ANTHROPIC_API_KEY": "k",
            "DATABASE_URL": url,
        },
    )


async def until(there: Callable[[], object], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not there():  # noqa: ASYNC110 - what is waited for is not ours
            await asyncio.sleep(0.02)


async def test_another_process_takes_over_in_time_and_doubles_nothing(
    tmp_path: Path, new_postgresql: Callable[[], str], slack: SlackServer, discord: DiscordServer
):
    url = new_postgresql()
    (tmp_path / "moltbot.json").write_text(DEMO_CONFIG)
    database = Database(url)
    log = DatabaseFallbackLog(database)
    serial = iter(range(99))

    async def fails(reason: FailureReason, model: str = OPUS, to: str = FLASH) -> None:
        at = SystemClock().now() - timedelta(milliseconds=5)
        request = f"req-{next(serial)}"
        await log.add_events([FallbackEvent(at, request, model, to, reason, "gateway")])

    def channels() -> list[list[str]]:
        main = [m.words for m in slack.posted if not m.thread_ts]
        return [main, [m.words for m in discord.seen() if m.reference is None]]

    def leader() -> int:
        with psycopg.connect(url, autocommit=True) as admin:
            row = admin.execute(LEADER).fetchone()
        assert row is not None
        return int(row[0].partition("-")[0])

    await fails(FailureReason.AUTH)
    programs = [program(tmp_path, name, url, slack, discord) for name in ("one", "two")]
    started = [await each.start("bot") for each in programs]
    running = {process.pid: process for process in started}
    try:
        await until(lambda: [len(said) for said in channels()] == [1, 1])
        await until(lambda: len(slack.sockets) == 2)
        killed = running.pop(leader())
        killed.kill()
        await killed.communicate()
        await fails(FailureReason.BILLING, FLASH, OPUS)
        await until(lambda: [len(said) for said in channels()] == [2, 2], TAKEN_OVER_WITHIN_S)
        assert {leader()} == set(running)
        for said in channels():
            assert ["rejected the API key" in said[0], "is out of credit" in said[1]] == [
                True,
                True,
            ]
    finally:
        await database.close()
        for process in running.values():
            process.terminate()
        for process in running.values():
            _, err = await asyncio.wait_for(process.communicate(), 60)
            assert "Traceback" not in err.decode()
