"""PagerDuty and Alertmanager on loopback: triggered once, resolved when resolved here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from adapters.environment.receivers import PagerDutySettings, ReceiverSettings
from adapters.main.receivers import examine_receivers, open_receivers
from adapters.receivers.webhook import WebhookReceiver
from bot.access import Actor, Surface
from bot.models import Secret
from tests.servers.receivers import SECRET, AlertmanagerServer, PagerDutyServer, WebhookServer
from tests.support.fakes_alerts import AlertBench
from tests.unit.test_alert_kills import Fate, Killed, Mortal

OMAR = Actor(Surface.SLACK, "U1", "omar")
WRITES = ("commit", "posted", "add_notice", "amend_notice", "remember", "give_up")


class Bench(AlertBench):
    """The pipeline with all receivers beside Slack; a struck process starts again."""

    def __init__(self, pager: PagerDutyServer, manager: AlertmanagerServer, hook: WebhookServer):
        self.servers = pager, manager, hook
        self.fate = Fate()
        self.opened: list[Any] = []
        super().__init__()

    @property
    def settings_of(self) -> ReceiverSettings:
        pager, manager, _ = self.servers
        key = PagerDutySettings(Secret(pager.key), pager.url)
        return ReceiverSettings(None, key, Secret(f"{manager.url}/am"))

    def start(self, **ports: Any) -> Any:
        receivers: dict[str, Any] = dict(open_receivers(self.settings_of))
        receivers["webhook"] = WebhookReceiver(Secret(self.servers[2].url), Secret(SECRET))
        self.opened += receivers.values()
        store = Mortal(self.store, self.fate)
        return super().start(store=store, receivers=receivers, **ports)

    async def tick(self) -> None:
        try:
            await super().tick()
        except Killed:
            await self.pipeline.workers.stop()
            self.start()


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        servers = PagerDutyServer(), AlertmanagerServer(), WebhookServer()
        for server in servers:
            await stack.enter_async_context(server.running())
        bench = Bench(*servers)
        await bench.tick()
        yield bench
        for receiver in bench.opened:
            await receiver.aclose()
        assert [fault for server in servers for fault in server.faults] == []


async def life(bench: Bench) -> None:
    """Let an outage begin, get worse, be taken and end."""
    await bench.fails(3)
    await bench.wait(20, seconds=40)
    await bench.store.acknowledge(1, OMAR, bench.now)
    await bench.wait(30, minutes=2)
    bench.answers()
    await bench.wait(60, minutes=9)


async def test_an_incident_is_triggered_acknowledged_and_resolved(bench: Bench) -> None:
    pager, manager, _ = bench.servers
    await bench.fails(3)
    await bench.wait(20, seconds=40)
    assert list(pager.states.values()) == ["trigger"]
    assert manager.firing(bench.now) == ["warning"]
    await bench.wait(20, minutes=3)
    await bench.store.acknowledge(1, OMAR, bench.now)
    await bench.wait(20, minutes=30)
    assert manager.firing(bench.now) == ["warning"]
    bench.answers()
    await bench.wait(60, minutes=9)
    assert [action for _, action in pager.log] == ["trigger", "acknowledge", "resolve"]
    assert manager.firing(bench.now) == []


async def test_a_dead_chain_is_critical_and_breaks_through_a_mute(bench: Bench) -> None:
    pager, manager, _ = bench.servers
    await bench.log.mute(bench.now + timedelta(hours=1))
    await bench.fails(3)
    await bench.wait(20, minutes=2)
    assert pager.log == []
    assert manager.firing(bench.now) == []
    await bench.fails(2, to=None)
    await bench.wait(5, seconds=10)
    assert [said["payload"]["severity"] for said in pager.arrivals.values()] == ["critical"]
    assert manager.firing(bench.now) == ["critical"]


async def test_what_was_over_before_the_pager_came_back_wakes_no_person(bench: Bench) -> None:
    pager, manager, _ = bench.servers
    pager.answer = manager.answer = 500
    await life(bench)
    assert "Alerts do not reach PagerDuty" in bench.slack.titles
    pager.answer = manager.answer = None
    await bench.wait(30, minutes=2)
    assert [action for _, action in pager.log] == ["resolve"]
    assert manager.firing(bench.now) == []
    assert "Alerts reach Alertmanager again" in bench.slack.titles


async def test_a_key_that_pagerduty_does_not_know_is_reported_and_can_be_corrected(
    bench: Bench,
) -> None:
    pager, _, _ = bench.servers
    pager.key, known = "S" * 32, pager.key
    await bench.fails(3)
    await bench.wait(20, minutes=4)
    (shown,) = [shown for shown in bench.slack.main if "PagerDuty" in shown.title]
    assert "does not know the routing key" in shown.text
    assert known not in shown.text
    bench.start()
    await bench.wait(20, minutes=2)
    assert [action for _, action in pager.log] == ["trigger"]


async def test_the_doctor_asks_each_and_sends_nothing(bench: Bench) -> None:
    checks = await examine_receivers(bench.settings_of)
    assert [check.ok for check in checks] == [True, True]
    pager, manager, _ = bench.servers
    assert (pager.log, manager.alerts) == ([], {})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_any_write_each_is_sent_once_and_resolved(
    bench: Bench, after: bool
) -> None:
    pager, manager, hook = bench.servers
    await life(bench)
    total = bench.fate.count
    assert total > 15
    wanted = ["incident.opened", "incident.acknowledged", "incident.resolved"]
    for at in range(1, total + 1):
        for server in (pager, manager, hook):
            server.arrivals.clear()
        pager.log.clear()
        pager.states.clear()
        manager.alerts.clear()
        struck = Bench(pager, manager, hook)
        struck.fate = Fate(at, after)
        struck.start()
        await life(struck)
        bench.opened += struck.opened
        where = f"{at} of {total}, {struck.fate.last}"
        assert hook.turns == wanted, where
        assert list(pager.states.values()) == ["resolve"], where
        actions = [action for _, action in pager.log]
        assert list(dict.fromkeys(actions)) == ["trigger", "acknowledge", "resolve"], where
        assert manager.firing(struck.now) == [], where
