"""Processes that are stopped, and databases that fail: nobody is silenced, nothing is doubled."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders
from tests.servers.slack import SlackServer
from tests.surfaces.gateway.test_process import Serving, free_port
from tests.surfaces.test_program import Program

_CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


class Site:
    """A gateway and bots on one SQLite file, with Slack and simulated providers."""

    def __init__(self, folder: Path, providers: SimulatedProviders, slack: SlackServer) -> None:
        self.folder, self.providers, self.slack = folder, providers, slack
        self._env = providers.env() | {
            "SLACK_BOT_TOKEN": "xoxb-the-bot",
            "SLACK_APP_TOKEN": "xapp-the-app",
            "SLACK_API_URL": slack.api_url,
            "SLACK_CHANNEL": "#llm-ops",
        }
        (folder / "moltbot.json").write_text(DEMO_CONFIG)

    @asynccontextmanager
    async def running(self, command: str) -> AsyncIterator[Serving]:
        port = free_port()
        program = Program(self.folder, self._env | {"PORT": str(port)})
        one = Serving(await program.start(command), port)
        try:
            await one.until("is up on")
            yield one
        finally:
            await one.end(signal.SIGKILL)

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.folder / "changeover.db", timeout=30) as database:
            found = database.execute(query).fetchall()
        database.close()
        return found

    async def until_rows(self, query: str, wanted: list[Any]) -> None:
        for _ in range(600):
            if self.rows(query) == wanted:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{query}: {self.rows(query)}")

    async def leader(self) -> int:
        """Return the process that leads, once one does."""
        for _ in range(600):
            if found := self.rows("SELECT holder FROM leases WHERE name = 'alerts'"):
                return int(found[0][0].partition("-")[0])
            await asyncio.sleep(0.1)
        raise AssertionError("nobody leads")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    slack = SlackServer()
    await slack.start()
    async with SimulatedProviders(latency_s=0) as providers:
        yield Site(tmp_path, providers, slack)
    await slack.stop()


async def ask(one: Serving, times: int = 1) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(times):
            async with session.post(f"{one.url}/v1/chat/completions", json=_CHAT) as answer:
                assert answer.status == 200


async def test_a_stopped_leader_is_replaced_and_says_nothing_when_it_wakes(site: Site) -> None:
    async with AsyncExitStack() as stack:
        bots = [await stack.enter_async_context(site.running("bot")) for _ in range(2)]
        gateway = await stack.enter_async_context(site.running("gateway"))
        first = await site.leader()
        (frozen,) = (bot.process for bot in bots if bot.process.pid == first)
        frozen.send_signal(signal.SIGSTOP)
        site.providers.break_provider("anthropic", "auth")
        await ask(gateway)
        # Only whoever takes over can say it.
        await site.slack.until(lambda: len(site.slack.posted) == 1, 60)
        assert await site.leader() != first
        frozen.send_signal(signal.SIGCONT)
        site.providers.break_provider("openrouter", "auth")
        await ask(gateway, 3)
        query = "SELECT count(*) FROM alert_posts WHERE wanted > shown OR message_id IS NULL"
        await site.until_rows("SELECT count(*) FROM fallback_events WHERE taken_at IS NULL", [(0,)])
        await site.until_rows(query, [(0,)])
        messages = site.rows("SELECT message_id FROM alert_posts WHERE message_id IS NOT NULL")
        assert len(site.slack.posted) == len(set(messages))


async def test_a_stopped_gateway_goes_on_where_it_was(site: Site) -> None:
    async with site.running("gateway") as gateway:
        await ask(gateway)
        gateway.process.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(ask(gateway, 3))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        gateway.process.send_signal(signal.SIGCONT)
        await waiting
        assert await gateway.end() == 0
    assert site.rows("SELECT count(*), count(DISTINCT request_id) FROM attempts") == [(4, 4)]


async def test_a_file_that_stays_locked_loses_nothing(site: Site) -> None:
    async with site.running("gateway") as gateway:
        await ask(gateway)
        await site.until_rows("SELECT count(*) FROM attempts", [(1,)])
        holder = sqlite3.connect(site.folder / "changeover.db", isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            await ask(gateway, 4)
            await _said(gateway, "stay in memory until the database is back")
            await ask(gateway, 4)
        finally:
            holder.close()
        await _said(gateway, "buffered rows were written")
        assert await gateway.end() == 0
    assert site.rows("SELECT count(*), count(DISTINCT request_id) FROM attempts") == [(9, 9)]


async def test_a_full_disk_costs_no_answer_and_no_row(site: Site) -> None:
    async with site.running("bot") as bot, site.running("gateway") as gateway:
        await ask(gateway)
        await site.until_rows("SELECT count(*) FROM attempts", [(1,)])
        for one in (bot, gateway):
            # No file may grow any more: what a full disk is to them.
            resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        site.providers.break_provider("anthropic", "auth")
        await ask(gateway, 4)
        await _said(gateway, "stay in memory until the database is back")
        await ask(gateway, 4)
        for one in (bot, gateway):
            resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (-1, resource.RLIM_INFINITY))
        await _said(gateway, "buffered rows were written")
        await site.slack.until(lambda: len(site.slack.posted) == 1, 60)
        for one in (bot, gateway):
            assert await one.end() == 0
            assert not any("Traceback" in line for line in one.log)
        assert any("the disk" in line for line in gateway.log)
    query = "SELECT count(DISTINCT request_id) FROM attempts WHERE answered"
    assert site.rows(query) == [(9,)]


async def test_a_corrupt_file_is_told_in_words_and_costs_no_answer(site: Site) -> None:
    async with site.running("bot") as bot, site.running("gateway") as gateway:
        await ask(gateway)
        await site.until_rows("SELECT count(*) FROM attempts", [(1,)])
        for name in ("changeover.db", "changeover.db-wal"):
            with (site.folder / name).open("r+b") as file:
                size = file.seek(0, 2)
                file.seek(0)
                file.write(b"no database" * (size // 11))
        site.providers.break_provider("anthropic", "auth")
        await ask(gateway, 4)
        await _said(gateway, "stay in memory until the database is back")
        await ask(gateway, 4)
        for one in (bot, gateway):
            # It is corrupt, or no database any more: that depends on what is read first.
            await _said(one, "changeover.db is ")
            await one.end()
            assert not any("Traceback" in line for line in one.log)


async def _said(one: Serving, words: str) -> None:
    for _ in range(600):
        if any(words in line for line in one.log):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{words!r} is not said, but: {one.log}")
