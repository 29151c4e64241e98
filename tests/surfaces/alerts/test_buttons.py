"""The buttons below an alert, pressed in Slack and in Discord."""

from __future__ import annotations

import pytest

from adapters.simulated import SimulatedProviders
from tests.servers.discord import ANA, BO
from tests.surfaces.alerts.world import World, discord_text, slack_text


async def press(world: World, surface: str, label: str, *, operator: bool) -> tuple[str, bool]:
    """Press a button; return the answer and whether only the presser sees it."""
    if surface == "slack":
        before = len(world.slack.posted)
        user = "U1" if operator else "U2"
        delivery = await world.slack.click(world.slack.main[0], label, user=user)
        await delivery.acked()
        await world.until(lambda: len(world.slack.posted) > before)
        message = world.slack.posted[before]
        return slack_text(message), message.to == user
    by = ANA if operator else BO
    exchange = await world.discord.click(world.discord.main[0], label, by=by)
    if "Confirm" in exchange.answer.buttons:
        # Discord has no dialog of its own: a click that switches asks in private first.
        assert exchange.answer.private
        exchange = await world.discord.click(exchange.answer, "Confirm", by=by)
    return discord_text(exchange.answer), exchange.answer.private


@pytest.mark.parametrize("surface", ["slack", "discord"])
async def test_each_button_asks_for_the_right_and_does_what_it_says(
    world: World, surface: str
) -> None:
    async with SimulatedProviders(latency_s=0, clock=world.clock) as providers:
        world.env |= providers.env()
        await world.start()
        await world.fails(3)
        await world.wait(seconds=30, step_s=30)
        for label, words, seen_by_all in (
            ("Test chain", "Chain OK: 4 of 4 hops answered", True),
            ("Mute 1 h", "Muted until 13:0", True),
            ("Switch to claude-sonnet-4.5", "Primary: best → openrouter/anthropic/claude", True),
            ("Acknowledge", "Incident 1 acknowledged by Ana", False),
        ):
            answer, private = await press(world, surface, label, operator=False)
            assert "needs the change permission, but you are not in CHANGEOVER_OPERATORS." in answer
            assert private
            answer, private = await press(world, surface, label, operator=True)
            assert answer.startswith(words)
            assert private is not seen_by_all
            await world.wait(seconds=6, step_s=6)
    shown = world.texts(surface)[0]
    assert "\nAcknowledged by Ana at 12:00.\n" in shown
    assert "\nanthropic/claude-opus-4-5 is no longer the primary.\n" in shown
    assert shown.endswith("[Test chain] [Retry now] [Mute 1 h]")
    await world.wait(minutes=5)
    assert world.texts(surface)[0].startswith(
        "Closed: anthropic/claude-opus-4-5 is no longer the primary\n"
    )
