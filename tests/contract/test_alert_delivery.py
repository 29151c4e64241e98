"""Outages on a real database: one process, several at once, and one that dies in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.journal import DatabaseJournal
from adapters.storage.leader import LeaseLeader
from adapters.storage.ledger.store import DatabaseLedger
from bot.alerts.impact import Impacts
from bot.alerts.pipeline import AlertPorts, Pipeline
from bot.catalog import shipped
from bot.errors import StorageError
from bot.ports.alerts import AlwaysLeader, Leader
from tests.support.fakes_alerts import CONFIG, FLASH, NOON, OPUS, FakeChat, event
from tests.support.fakes_core import KEYS, FakePrices
from tests.support.fakes_ledger import attempt
from tests.support.fakes_storage import FakeClock, FakeConfigStore


class Process(NamedTuple):
    """The alerts of one process."""

    pipeline: Pipeline
    leader: Leader


class Site:
    """A database that any number of processes share, and the channels they post to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = FakeClock(NOON)
        self.chats = {name: FakeChat(name, self.clock) for name in ("slack", "discord")}
        self.databases: list[Database] = []
        self.log = DatabaseFallbackLog(self.database())
        self.ledger = DatabaseLedger(self.databases[0])
        self.serial = 0

    def database(self) -> Database:
        self.databases.append(Database(self.url))
        return self.databases[-1]

    def process(self, *, elected: bool = True) -> Process:
        database = self.database()
        log = DatabaseFallbackLog(database)
        config = FakeConfigStore(json.dumps(CONFIG).encode())
        leader = LeaseLeader(database, self.clock) if elected else AlwaysLeader()
        ports = AlertPorts(
            self.clock,
            DatabaseAlertStore(database),
            Impacts(config, log, FakePrices(), shipped(), KEYS),
            DatabaseJournal(database),
            self.chats,
            histories=self.chats,
            leader=leader,
        )
        return Process(Pipeline(ports, wait_s=60), leader)

    async def fails(self, times: int) -> None:
        numbers = range(self.serial, self.serial + times)
        self.serial += times
        now = self.clock.now()
        await self.log.add_events([event(n, now) for n in numbers])
        await self.ledger.add(
            [
                attempt(n, at=now, model=FLASH, cost=140_000, tokens=(1000, 0), fallback=True)
                for n in numbers
            ]
        )

    async def answers(self) -> None:
        now = self.clock.now()
        await self.ledger.add([attempt(f"good-{n}", at=now, model=OPUS) for n in range(3)])

    async def run(self, *processes: Process, steps: int = 60) -> None:
        """Let ten minutes pass, with failures in the first and good answers from the fifth on."""
        for step in range(steps):
            if step in (0, 4, 6):
                await self.fails(5)
            if step == 30:
                await self.answers()
            self.clock.advance(timedelta(seconds=10))
            for error in await asyncio.gather(
                *(process.pipeline.tick() for process in processes), return_exceptions=True
            ):
                # Another process may hold the same rows for a moment: the next look settles it.
                assert error is None or isinstance(error, StorageError), error


@pytest.fixture(params=["sqlite", "postgresql"])
async def site(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Site]:
    site = Site(new_database(request.param))
    yield site
    for database in site.databases:
        await database.close()


def told_once(site: Site) -> None:
    for chat in site.chats.values():
        assert chat.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
        assert "15 requests rerouted, none refused." in chat.main[0].text
        assert "$0.07 less than usual." in chat.main[0].text
        assert len(chat.messages) == 2


async def test_an_outage(site: Site) -> None:
    process = site.process()
    await site.run(process)
    told_once(site)
    [row] = await site.log.incidents(open_only=False, limit=9)
    assert (row.state, row.requests, row.served_by) == ("resolved", 15, FLASH)
    await process.leader.resign()


async def test_three_processes_elect_one_that_posts(site: Site) -> None:
    processes = [site.process() for _ in range(3)]
    await site.run(*processes)
    told_once(site)
    for process in processes:
        await process.leader.resign()


async def test_two_processes_that_both_believe_to_lead(site: Site) -> None:
    await site.run(site.process(elected=False), site.process(elected=False))
    told_once(site)


async def test_another_process_takes_over_in_mid_outage(site: Site) -> None:
    one, two = site.process(), site.process()
    await site.run(one, two, steps=10)
    await one.leader.resign()
    await two.leader.resign()
    heir = site.process()
    site.clock.advance(timedelta(minutes=2))
    await site.answers()
    for _ in range(40):
        site.clock.advance(timedelta(seconds=10))
        await heir.pipeline.tick()
    told_once(site)
    await heir.leader.resign()
