"""Channels that are deleted, archived or away while an outage goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.access import SERVICE
from tests.servers.discord import CHANNEL
from tests.servers.slack import Fault
from tests.surfaces.alerts.world import OPS, World, slack_sleeps

OVER = "Recovered: anthropic/claude-opus-4-5 responds again"


async def open_outage(world: World) -> None:
    await world.start()
    await world.fails(3)
    await world.wait(seconds=30, step_s=30)
    assert len(world.said()) == 1


async def deaf(world: World) -> list[str]:
    """What /fallback status says of channels that take nothing."""
    card = await world.wired.app.handle(SERVICE, "fallback status")
    return [one["message"] for one in card.data["channels_in_trouble"]]


async def ended(world: World) -> list[tuple[str, int]]:
    """Each incident's state and requests, whatever became of its messages."""
    rows = await world.wired.app.ports.log.incidents(open_only=False, limit=9)
    return [(row.state, row.requests) for row in rows]


async def test_a_message_that_a_person_deleted_is_posted_afresh_once(world: World) -> None:
    await open_outage(world)
    world.slack.posted.remove(world.slack.main[0])
    world.discord.delete(world.discord.main[0])
    await world.wait(minutes=2)
    assert world.said() == []
    await world.fails(1)
    await world.wait(minutes=1)
    [text] = world.said()
    assert "4 requests since 12:00" in text
    await world.answers()
    await world.wait(minutes=6, step_s=60)
    assert world.titles("slack") == [OVER]
    assert len(world.said()) == 1


async def test_a_channel_archived_in_mid_incident_and_back_again(world: World) -> None:
    await open_outage(world)
    world.slack.channels[OPS].archived = True
    await world.fails(2)
    await world.wait(minutes=4)
    assert world.texts("discord")[1] == (
        "Alerts do not reach Slack\n"
        "Since 12:00: Slack did not post the message: the channel is archived.\n"
        "Set SLACK_CHANNEL to another channel.\n"
        "Until this is fixed, alerts are posted only here.\n"
        f"{world.texts('discord')[1].splitlines()[-1]}"
    )
    assert await deaf(world) == ["Slack did not post the message: the channel is archived."]
    world.slack.channels[OPS].archived = False
    await world.answers()
    await world.wait(minutes=6)
    assert world.titles("slack") == [OVER]
    assert world.titles("discord") == [OVER, "Alerts reach Slack again"]
    assert "No alerts were delivered for 5 min, since 12:00." in world.texts("discord")[1]
    assert await deaf(world) == []
    assert await ended(world) == [("resolved", 5)]


async def test_a_channel_without_rights_and_then_deleted(world: World) -> None:
    await open_outage(world)
    refusal = {"message": "Missing Access", "code": 50001}
    messages = f"/channels/{CHANNEL}/messages"
    world.discord.fail("PATCH", messages, 403, refusal, times=999)
    world.discord.denied = 0xFFFF
    await world.fails(2)
    await world.wait(minutes=3)
    assert world.titles("slack")[1:] == ["Alerts do not reach Discord"]
    assert "The bot may not post in the Discord channel.\nGive its role" in world.texts("slack")[1]
    world.discord.wrong.clear()
    kept = world.discord.channels.pop(CHANNEL)
    await world.wait(minutes=2)
    assert await deaf(world) == ["The Discord channel no longer exists."]
    world.discord.denied, world.discord.channels[CHANNEL] = 0, kept
    await world.answers()
    await world.wait(minutes=6)
    assert world.titles("discord") == [OVER]
    assert world.titles("slack") == [OVER, "Alerts reach Discord again"]
    assert await ended(world) == [("resolved", 5)]


async def test_slack_away_for_an_hour_catches_up_with_one_message(world: World) -> None:
    await world.start()
    world.slack.away = "502"
    for away in ("502", "refusing", "refusing", "502"):
        world.slack.away = away
        await world.fails(5)
        await world.wait(minutes=12, step_s=90)
    await world.answers()
    await world.wait(minutes=12, step_s=90)
    assert world.slack.posted == []
    assert world.titles("discord") == [OVER, "Alerts do not reach Slack"]
    world.slack.away = ""
    await world.wait(minutes=2)
    [text] = world.texts("slack")
    assert text.startswith(f"{OVER}\nDown 48 min, 12:00 to 12:48.\n20 requests rerouted")
    assert [m.edits for m in world.slack.posted] == [0, 0], "the message, and the answer below it"
    assert world.titles("discord") == [OVER, "Alerts reach Slack again"]
    assert await ended(world) == [("resolved", 20)]


async def test_both_away_the_worst_comes_first_and_what_is_over_is_no_news(world: World) -> None:
    await world.start()
    world.slack.away = "502"
    channel = world.discord.channels.pop(CHANNEL)
    await world.fails(5)
    await world.wait(minutes=10, step_s=60)
    await world.fails(5, to=None)
    await world.wait(minutes=10, step_s=60)
    world.slack.away = ""
    await world.wait(minutes=3)
    assert world.titles("slack") == [
        "Fallback: anthropic/claude-opus-4-5 is rate limited",
        "All models down: no fallback for anthropic/claude-opus-4-5 responded",
        "Alerts do not reach Discord",
    ]
    world.discord.channels[CHANNEL] = channel
    await world.answers()
    await world.wait(minutes=10, step_s=60)
    dead_over = "Recovered: the chain of anthropic/claude-opus-4-5 responds again"
    assert world.titles("slack") == [OVER, dead_over, "Alerts reach Discord again"]
    # That Slack was deaf was never told here, so that it hears again is no news.
    assert world.titles("discord") == [OVER, dead_over]


async def test_a_message_that_arrived_though_its_answer_was_lost_is_found_again(
    world: World,
) -> None:
    await world.start()
    world.slack.answers_to_lose = 2
    await world.fails(3, detail="HTTP 429")
    await world.wait(minutes=3, step_s=10)
    assert world.titles("slack") == ["Fallback: anthropic/claude-opus-4-5 is rate limited"]
    assert len(world.slack.threads) == 1
    assert world.slack.answers_to_lose == 0
    assert await deaf(world) == []
    assert world.titles("discord") == world.titles("slack")


async def test_slack_asks_for_patience_and_gets_it(world: World) -> None:
    await world.start()
    waits: list[float] = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    for _ in range(2):
        fault = Fault(status=429, headers={"Retry-After": "30"})
        world.slack.faults["chat.postMessage"].append(fault)
    await world.fails(3)
    with slack_sleeps(at_once):
        await world.wait(seconds=30, step_s=30)
    assert [int(wait) for wait in waits] == [30, 30]
    assert len(world.said()) == 1
    assert await deaf(world) == []


async def test_a_chat_that_hangs_delays_no_other_and_no_decision(world: World) -> None:
    await world.start()
    world.slack.hold = hang = asyncio.Event()
    world.alerts.pipeline.workers.wait_s = 0.02
    await world.fails(3)
    world.clock.advance(timedelta(seconds=30))
    await world.alerts.tick()
    await world.until(lambda: world.discord.main)
    await world.answers()
    for _ in range(20):
        world.clock.advance(timedelta(seconds=20))
        await world.alerts.tick()
    await world.until(lambda: world.titles("discord") == [OVER])
    assert world.slack.posted == []
    hang.set()
    await world.tick()
    await world.wait(seconds=20)
    assert world.titles("slack") == [OVER]
    assert world.titles("discord") == [OVER]
