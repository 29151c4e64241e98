"""Receivers on loopback: what they are sent, in which order, and what becomes of their failures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from adapters.environment.receivers import ReceiverSettings, WebhookSettings
from adapters.main.receivers import examine_receivers
from adapters.receivers.webhook import WebhookReceiver
from bot.access import Actor, Surface
from bot.models import Secret
from bot.ports import NewChange
from bot.ports.alerts import Notice, NoticeKind
from tests.servers.receivers import SECRET, WebhookServer
from tests.support.fakes_alerts import AlertBench

OMAR = Actor(Surface.SLACK, "U1", "omar")
LIFE = ["incident.opened", "incident.resolved"]


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[WebhookServer]:
    server = WebhookServer()
    async with server.running():
        yield server
    assert server.faults == []


class Bench(AlertBench):
    """The pipeline with a webhook beside Slack."""

    def __init__(self, url: str, **more: Any) -> None:
        self.url = url
        self.opened: list[WebhookReceiver] = []
        super().__init__(**more)

    def start(self, **ports: Any) -> Any:
        self.receiver = WebhookReceiver(Secret(f"{self.url}/hook"), Secret(SECRET))
        self.opened.append(self.receiver)
        return super().start(**{"receivers": {"webhook": self.receiver}, **ports})

    async def outage(self, **span: float) -> None:
        """Let one begin, last and end."""
        await self.fails(3)
        await self.wait(20, **(span or {"seconds": 40}))
        self.clock.at += timedelta(seconds=1)
        self.answers()
        await self.wait(30, minutes=7)


@pytest_asyncio.fixture
async def bench(hook: WebhookServer) -> AsyncIterator[Bench]:
    bench = Bench(hook.url)
    await bench.tick()
    yield bench
    for receiver in bench.opened:
        await receiver.aclose()


async def test_an_outage_is_sent_as_signed_json(hook: WebhookServer, bench: Bench) -> None:
    await bench.outage()
    assert hook.turns == LIFE
    opened, *_, resolved = hook.arrivals.values()
    assert opened["version"] == 1
    assert opened["title"] == "Fallback: anthropic/claude-opus-4-5 is rate limited"
    assert opened["timestamp"] == "2026-03-02T12:00:40Z"
    assert opened["data"]["incident"]["state"] == "open"
    assert opened["data"]["incident"]["severity"] == "warning"
    assert resolved["data"]["incident"]["end"] == "recovered"
    assert resolved["data"]["incident"]["requests"] == 3
    assert resolved["data"]["incident"]["key"] == opened["data"]["incident"]["key"]
    assert hook.copies == 0


async def test_figures_come_once_a_minute_and_a_person_at_once(
    hook: WebhookServer, bench: Bench
) -> None:
    await bench.fails(1)
    await bench.wait(10, seconds=40)
    await bench.store.acknowledge(1, OMAR, bench.now)
    await bench.tick()
    assert hook.types == ["incident.opened", "incident.acknowledged"]
    for _ in range(12):
        await bench.fails(1)
        await bench.wait(5, seconds=10)
    assert hook.types[2:] == ["incident.updated"] * 2
    assert [said["data"]["incident"]["acknowledged_by"] for said in hook.arrivals.values()] == [
        None, "omar", "omar", "omar",
    ]  # fmt: skip


async def test_a_chain_that_dies_meanwhile_is_sent_as_worse(
    hook: WebhookServer, bench: Bench
) -> None:
    await bench.fails(2)
    await bench.wait(10, seconds=40)
    await bench.fails(2, to=None)
    await bench.wait(10, minutes=2)
    severities = [said["data"]["incident"]["severity"] for said in hook.arrivals.values()]
    assert "critical" in severities


@pytest.mark.parametrize("answer", [500, 429, 401, 307, 0])
async def test_what_is_refused_for_an_hour_arrives_once_in_its_order(
    hook: WebhookServer, bench: Bench, answer: int
) -> None:
    hook.answer = answer
    hook.headers = {"location": "http://127.0.0.1:9/", "retry-after": "30"}
    bench.receiver._endpoint._within_s = 0.05
    await bench.fails(3)
    await bench.wait(30, minutes=60 if answer else 4)
    assert hook.asked < 130
    assert bench.slack.titles[-1] == "Alerts do not reach the webhook"
    assert hook.url not in bench.slack.messages[-1].text
    bench.answers()
    await bench.wait(60, minutes=12)
    assert len([title for title in bench.slack.titles if "webhook" in title]) == 1
    hook.answer = None
    await bench.wait(30, minutes=2)
    assert hook.turns == LIFE
    assert bench.slack.titles[-1] == "Alerts reach the webhook again"
    assert await bench.store.troubles() == []


async def test_one_that_wants_no_more_is_left_alone_also_after_a_restart(
    hook: WebhookServer, bench: Bench
) -> None:
    hook.answer = 410
    await bench.outage()
    bench.start()
    await bench.outage()
    assert hook.asked == 1
    assert [title for title in bench.slack.titles if "webhook" in title] == [
        "Alerts do not reach the webhook"
    ]
    hook.answer = None
    bench.url += "/other"
    bench.clock.at += timedelta(hours=2)
    bench.start()
    await bench.outage()
    assert hook.turns == LIFE


async def test_an_event_that_is_rejected_holds_no_other_up(
    hook: WebhookServer, bench: Bench
) -> None:
    hook.answer = 422
    await bench.fails(3)
    await bench.wait(20, minutes=3)
    hook.answer = None
    bench.answers()
    await bench.wait(30, minutes=12)
    assert "incident.opened" not in hook.types
    assert hook.types[-1] == "incident.resolved"
    lost = [shown for shown in bench.slack.main if "not delivered" in shown.title]
    assert len(lost) == 1
    assert "HTTP 422" in lost[0].text


async def test_muted_is_not_sent_but_a_dead_chain_is(hook: WebhookServer, bench: Bench) -> None:
    await bench.log.mute(bench.now + timedelta(hours=1))
    await bench.fails(3)
    await bench.wait(20, minutes=2)
    assert hook.types == []
    await bench.fails(2, to=None)
    await bench.wait(5, seconds=10)
    assert hook.types == ["incident.opened"]


async def test_a_new_receiver_hears_of_what_is_open_and_not_of_what_is_over(
    hook: WebhookServer,
) -> None:
    old = AlertBench()
    await old.fails(3)
    await old.wait(20, seconds=40)
    old.answers()
    await old.wait(30, minutes=7)
    await old.fails(3, primary="deepseek/deepseek-flash", to="ollama/llama3.3")
    await old.wait(20, seconds=40)
    receiver = WebhookReceiver(Secret(hook.url), Secret(SECRET))
    old.start(receivers={"webhook": receiver})
    await old.wait(5, seconds=10)
    await receiver.aclose()
    assert [said["data"]["incident"]["id"] for said in hook.arrivals.values()] == [2]


async def test_a_change_by_any_hand_is_sent(hook: WebhookServer, bench: Bench) -> None:
    change = NewChange(
        bench.config.location,
        bench.now,
        OMAR,
        "use",
        "release",
        "a/b",
        "c/d",
        (),
        "r1",
        "r2",
        "",
        {},
    )
    number = await bench.journal.begin(change)
    await bench.journal.confirm(number)
    await bench.wait(1, seconds=4)
    assert hook.types == ["config.changed"]
    said = next(iter(hook.arrivals.values()))
    assert said["title"] == "omar: a/b → c/d"
    assert said["data"]["change"]["actor_key"] == "slack:U1"
    assert said["data"]["change"]["reason"] == "release"


async def test_what_channels_are_posted_is_sent_too(hook: WebhookServer, bench: Bench) -> None:
    data = {
        "trouble": None,
        "hops": [["a/b", "timeout", "ok", ""]],
        "would_serve": None,
        "gone": [],
    }
    await bench.pipeline.outbox.put(Notice("test:1", NoticeKind.CHAIN_TEST, bench.now, data))
    await bench.tick()
    said = json.loads(json.dumps(next(iter(hook.arrivals.values()))))
    assert said["type"] == "chain.tested"
    assert said["data"] == {
        "chain_ok": False,
        "would_serve": None,
        "hops": [{"model": "a/b", "verdict": "timeout", "before": "ok"}],
        "gone": [],
    }


async def test_the_doctor_sends_no_event(hook: WebhookServer) -> None:
    hook.answer = 405
    settings = ReceiverSettings(WebhookSettings(Secret(f"{hook.url}/p4th"), Secret(SECRET)))
    (check,) = await examine_receivers(settings)
    assert check.ok
    assert hook.arrivals == {}
    gone = ReceiverSettings(WebhookSettings(Secret("http://127.0.0.1:9/p4th"), Secret(SECRET)))
    (check,) = await examine_receivers(gone)
    assert not check.ok
    assert "unreachable" in str(check.detail)
    assert "p4th" not in str(check)
