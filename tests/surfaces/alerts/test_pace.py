"""Ups and downs, quiet nights, clocks that jump, and events in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.access import SERVICE
from bot.card import plain
from bot.models import FailureReason
from tests.surfaces.alerts.world import World

HOUR = timedelta(hours=1)
OVER = "Recovered: anthropic/claude-opus-4-5 responds again"
LATE = "anthropic/claude-opus-4-5 times out"


async def test_ups_and_downs_become_one_message(world: World) -> None:
    await world.start()
    for _ in range(6):
        await world.fails(2)
        await world.wait(seconds=40, step_s=40)
        await world.answers(3)
        await world.wait(minutes=6, step_s=120)
        world.clock.advance(timedelta(seconds=1))
    unstable = "Unstable: anthropic/claude-opus-4-5 is rate limited, 3rd time within an hour"
    assert world.titles("slack") == [OVER, OVER, unstable]
    assert "\n8 requests since 12:13 " in world.said()[2]
    assert "closes after 1 h without errors.\n" in world.said()[2]
    await world.wait(minutes=70, step_s=600)
    assert world.titles("slack") == [OVER, OVER, OVER]
    assert "\nUnstable for 21 min, 12:13 to 12:34; down 2 min.\n" in world.said()[2]


async def test_a_quiet_night_in_which_the_clocks_change_is_one_message_in_the_morning(
    world: World,
) -> None:
    world.clock.at = datetime(2026, 3, 28, 21, 30, tzinfo=UTC)
    world.env |= {"CHANGEOVER_QUIET_HOURS": "22:00-07:00", "CHANGEOVER_TIMEZONE": "Europe/Berlin"}
    await world.start()
    await world.fails(5)
    await world.wait(minutes=1)
    await world.answers()
    await world.wait(hours=1, step_s=600)
    await world.fails(1, reason=FailureReason.TIMEOUT)
    await world.wait(minutes=1)
    assert world.said() == []
    status = await world.wired.app.handle(SERVICE, "fallback status")
    words = [plain(line) for line in status.body]
    assert "Quiet hours until 05:00 UTC: urgent alerts only." in words
    await world.fails(1, reason=FailureReason.AUTH)
    await world.tick()
    assert world.titles("slack") == ["Fallback: anthropic/claude-opus-4-5 rejected the API key"]
    world.clock.advance(timedelta(seconds=1))
    await world.answers()
    # From three in the morning local time on, an hour after clocks went forward.
    await world.wait(hours=3, step_s=1200)
    assert world.titles("discord") == [OVER]
    await world.wait(hours=3, step_s=1200)
    await world.fails(1, reason=FailureReason.TIMEOUT)
    await world.wait(minutes=26, step_s=120)
    assert (world.clock.now().hour, world.titles("slack")) == (4, [OVER])
    await world.wait(minutes=10, step_s=60)
    for surface in ("slack", "discord"):
        titles = world.titles(surface)
        assert titles == [OVER, "Quiet hours: 3 outages, 1 still open", f"Fallback: {LATE}"]
    morning = world.texts("slack")[1]
    assert morning.startswith(
        "Quiet hours: 3 outages, 1 still open\n"
        "Night of 2026-03-28 · /fallback events 12h\n"
        "anthropic/claude-opus-4-5 is rate limited\n"
        "from: 21:30 · to: 21:31 · requests: 5\n"
    )
    assert morning.endswith("to: still open · requests: 1")


async def test_a_clock_that_jumps_an_hour_back_and_forth(world: World) -> None:
    await world.start()
    await world.fails(3)
    await world.wait(minutes=1)
    for jump in (-HOUR, HOUR, HOUR, -HOUR):
        world.clock.at += jump
        await world.fails(2)
        await world.wait(seconds=40)
    assert world.titles("slack") == ["Fallback: anthropic/claude-opus-4-5 is rate limited"]
    assert "\n11 requests since " in world.said()[0]
    await world.answers()
    await world.wait(minutes=8)
    assert world.titles("slack") == [OVER]
    assert "\n11 requests rerouted, none refused.\n" in world.said()[0]
    rows = await world.wired.app.ports.log.incidents(open_only=False, limit=9)
    assert [(row.state, row.requests) for row in rows] == [("resolved", 11)]


async def test_events_out_of_order_and_twice(world: World) -> None:
    await world.start()
    log = world.wired.app.ports.log
    early = await world.fails(2, at=world.clock.now() - timedelta(seconds=50))
    first = await world.fails(3)
    await log.add_events([*reversed(first), *early])
    await world.wait(seconds=40)
    await log.add_events([*first, *early])
    await world.fails(1, at=world.clock.now() - timedelta(seconds=45))
    await world.wait(seconds=40)
    assert [text.splitlines()[1].partition(" were")[0] for text in world.said()] == [
        "6 requests since 11:59"
    ]
    await world.answers()
    await world.wait(minutes=6)
    await log.add_events([*first, *early])
    await world.fails(1, at=world.clock.now() - timedelta(minutes=7))
    await world.wait(minutes=1)
    assert world.titles("slack") == [OVER]
    assert "\nDown 2 min, 11:59 to 12:01.\n7 requests rerouted, none refused.\n" in world.said()[0]
