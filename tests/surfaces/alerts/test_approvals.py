"""A change that waits: its card in both channels, pressed in Slack and in Discord."""

from __future__ import annotations

import pytest

from bot.access import SERVICE
from tests.servers.discord import ANA, BO
from tests.surfaces.alerts.world import World, discord_text, slack_text

WAITS = "Approval needed: anthropic/claude-opus-4-5 → deepseek/deepseek-flash"


async def run(world: World) -> None:
    """Let the service look at what is due, and post what there is to say."""
    await world.wired.app.run_due(world.alerts.outbox)
    # A message is edited a few seconds after it was posted at the soonest.
    await world.wait(seconds=6, step_s=6)


async def in_slack(world: World, user: str, text: str = "", label: str = "") -> tuple[str, bool]:
    """Type a command or press a button; return the answer and whether it is for one alone."""
    before = len(world.slack.posted)
    if text:
        delivery = await world.slack.command("/model", text, user=user)
    else:
        delivery = await world.slack.click(world.slack.main[0], label, user=user)
    await delivery.acked()
    await world.until(lambda: len(world.slack.posted) > before)
    message = world.slack.posted[before]
    return slack_text(message), message.to == user


async def primary(world: World) -> str:
    return str((await world.wired.app.handle(SERVICE, "model status")).data["preset"])


@pytest.fixture
def rules(world: World) -> World:
    world.env |= {
        "CHANGEOVER_APPROVAL": "all",
        "CHANGEOVER_OPERATORS": "slack:U1,slack:U3,discord:11",
    }
    return world


async def test_a_request_of_slack_is_approved_in_discord(rules: World) -> None:
    world = rules
    await world.start()
    answer, private = await in_slack(world, "U1", "cheap reason batch import")
    assert "Waiting for approval 1: " in answer
    assert private
    await run(world)
    for text in (slack_text(world.slack.main[0]), discord_text(world.discord.main[0])):
        assert WAITS in text
        assert "Reason: batch import" in text
        assert '- primary: "anthropic/claude-opus-4-5",' in text
        assert '+ primary: "deepseek/deepseek-flash",' in text
    # Its own author, a guest, and then a second operator.
    own, private = await in_slack(world, "U1", label="Approve")
    assert "Request 1 is your own" in own
    assert private
    guest = await world.discord.click(world.discord.main[0], "Approve", by=BO)
    assert guest.answer.private
    assert "needs the change permission" in discord_text(guest.answer)
    # The process may be another one by the time of the click.
    await world.kill()
    done = await world.discord.click(world.discord.main[0], "Approve", by=ANA)
    assert not done.answer.private
    assert "Primary: best → cheap" in discord_text(done.answer)
    assert "Approved by Ana." in discord_text(done.answer)
    assert await primary(world) == "cheap"
    late, private = await in_slack(world, "U3", label="Approve")
    assert "Ana approved request 1 already." in late
    assert private
    await run(world)
    for text in (slack_text(world.slack.main[0]), discord_text(world.discord.main[0])):
        assert "Approved: " in text
        assert "Approved by Ana at " in text
        assert "[Approve]" not in text


async def test_a_request_of_discord_is_rejected_in_slack_or_expires(rules: World) -> None:
    world = rules
    await world.start()
    asked = await world.discord.command("model use", {"model": "cheap"}, by=ANA)
    assert asked.answer.private
    await run(world)
    answer, private = await in_slack(world, "U3", label="Reject")
    assert "Request 1 rejected: " in answer
    assert not private
    await run(world)
    assert "Rejected: " in slack_text(world.slack.main[0])
    await world.discord.command("model local", {}, by=ANA)
    world.slack.posted.clear()
    await run(world)
    await world.wait(minutes=30, step_s=600)
    await run(world)
    assert "Expired: " in slack_text(world.slack.main[0])
    assert await primary(world) == "best"
