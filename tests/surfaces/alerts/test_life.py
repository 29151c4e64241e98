"""Outages from their first word to their end, as people read them in Slack and in Discord."""

from __future__ import annotations

from bot.models import FailureReason
from tests.surfaces.alerts.world import FLASH, World, discord_text, slack_text

FIRST_WORD = """\
Fallback: anthropic/claude-opus-4-5 is rate limited
3 requests since 12:00 were answered by openrouter/anthropic/claude-sonnet-4.5 (2nd of 4).
Unit price: 40% cheaper.
If it lasts: /model use openrouter/anthropic/claude-sonnet-4.5
Incident 1 · /fallback status
[Test chain] [Switch to claude-sonnet-4.5] [Retry now] [Mute 1 h] [Acknowledge]"""
LAST_WORD = """\
Recovered: anthropic/claude-opus-4-5 responds again
Down 1 min, 12:00 to 12:01.
18 requests rerouted, none refused.
15 answered by openrouter/anthropic/claude-sonnet-4.5, 3 by deepseek/deepseek-flash.
$0.05 less than usual.
Incident 1 · /fallback status"""


async def test_an_outage_is_one_message_followed_to_its_end(world: World) -> None:
    await world.start()
    await world.fails(3, detail="HTTP 429: slow down, your key is sk-ant-api03-abcdefghijklmnop")
    await world.wait(seconds=28, step_s=14)
    assert world.said() == []
    await world.wait(seconds=2)
    assert world.said() == [FIRST_WORD]
    for _ in range(6):
        await world.fails(2)
        await world.wait(seconds=2)
    # A burst of twelve in as many seconds is two edits and not six.
    assert [world.slack.main[0].edits, world.discord.main[0].edits] == [2, 2]
    await world.fails(3, to=FLASH)
    await world.wait(seconds=20)
    await world.answers(3)
    await world.wait(minutes=6)
    assert world.said() == [LAST_WORD]
    threads = [slack_text(m) for m in world.slack.threads]
    threads += [discord_text(m) for m in world.discord.threads]
    assert len(threads) == 2
    for details in threads:
        assert "req-1)" in details
        assert "slow down" in details
        assert "abcdefghijklmnop" not in details


async def test_a_blip_says_nothing(world: World) -> None:
    await world.start()
    await world.fails(2)
    await world.wait(seconds=10, step_s=5)
    await world.answers(2)
    await world.wait(minutes=10, step_s=60)
    assert world.said() == []


async def test_a_dead_chain_is_said_at_once_and_hides_its_parts(world: World) -> None:
    await world.start()
    await world.fails(2)
    await world.fails(1, to=None)
    await world.tick()
    assert world.said() == [
        "All models down: no fallback for anthropic/claude-opus-4-5 responded\n"
        "1 request since 12:00 was refused. anthropic/claude-opus-4-5 is rate limited.\n"
        "Run /fallback test for a fix per hop.\n"
        "<@U1>\n"
        "Incident 2 · /fallback status\n"
        "[Test chain] [Retry now] [Mute 1 h] [Acknowledge]"
    ]
    await world.wait(minutes=1)
    await world.answers(3)
    await world.wait(minutes=6)
    assert world.said() == [
        "Recovered: the chain of anthropic/claude-opus-4-5 responds again\n"
        "Down 1 min, 12:00 to 12:01.\n"
        "1 request refused.\n"
        "Incident 2 · /fallback status"
    ]


async def test_a_refused_key_and_then_an_empty_account_call_the_operators_once(
    world: World,
) -> None:
    await world.start()
    await world.fails(1, reason=FailureReason.AUTH)
    await world.tick()
    assert world.said() == [
        "Fallback: anthropic/claude-opus-4-5 rejected the API key\n"
        "1 request since 12:00 was answered by openrouter/anthropic/claude-sonnet-4.5 (2nd of 4).\n"
        "Unit price: 40% cheaper.\n"
        "Renew ANTHROPIC_API_KEY at Anthropic's keys and restart.\n"
        "<@U1>\n"
        "Incident 1 · /fallback status\n"
        "[Test chain] [Switch to claude-sonnet-4.5] [Retry now] [Mute 1 h] [Acknowledge]"
    ]
    await world.fails(2, reason=FailureReason.BILLING)
    await world.wait(seconds=30)
    [empty] = world.said()
    assert "is out of credit\n" in empty
    assert "Add credit at Anthropic's billing.\n" in empty
    [message] = world.discord.main
    # Discord pings for what stands in the text, and for nobody that is not allowed.
    assert message.content == "<@11> Fallback: anthropic/claude-opus-4-5 is out of credit"
    assert message.payload["allowed_mentions"] == {"users": [11], "parse": []}
    await world.answers()
    await world.wait(minutes=6)
    assert world.said() == [
        "Recovered: anthropic/claude-opus-4-5 responds again\n"
        "Down 30 s, at 12:00.\n"
        "3 requests rerouted, none refused.\n"
        "3 answered by openrouter/anthropic/claude-sonnet-4.5.\n"
        "$0.009 less than usual.\n"
        "Incident 1 · /fallback status"
    ]
    assert message.content == ""


async def test_a_config_that_breaks_under_an_outage_and_is_mended(world: World) -> None:
    await world.start()
    config = world.folder / "moltbot.json"
    good = config.read_text(encoding="utf-8")
    await world.fails(3)
    await world.wait(seconds=30, step_s=30)
    config.write_text(good.replace("agents: {", "agents: {{"), encoding="utf-8")
    await world.look_at_the_config()
    await world.wait(seconds=20)
    assert world.said()[1:] == [
        "The config is invalid\n"
        f"Since 12:00: {config} is not valid JSON5 at line 3, column 12: expected a key.\n"
        "Fix that line or restore a backup of the file, then try again.\n"
        "<@U1>\n"
        "Incident 2 · /fallback status\n"
        "[Mute 1 h] [Acknowledge]"
    ]
    await world.fails(1)
    config.write_text(good.replace('"anthropic/claude-opus-4-5",', '"deepseek/deepseek-flash",'))
    await world.look_at_the_config()
    await world.wait(minutes=6)
    assert world.titles("slack") == [
        "Closed: anthropic/claude-opus-4-5 is no longer the primary",
        "Recovered: the config is valid again",
        "Config changed outside Changeover",
    ]
    over, mended, changed = world.said()
    assert "\n4 requests rerouted, none refused.\n" in over
    assert "\nInvalid for 20 s, at 12:00.\n" in mended
    assert "\nprimary: anthropic/claude-opus-4-5 → deepseek/deepseek-flash\n" in changed
    assert "<@" not in changed


async def test_it_is_said_again_after_four_hours_and_calls_again(world: World) -> None:
    await world.start()
    await world.fails(1, reason=FailureReason.AUTH)
    for _ in range(9):
        await world.wait(minutes=30, step_s=1800)
        await world.fails(1, reason=FailureReason.AUTH)
    await world.wait(minutes=3)
    older, newer = world.said()
    assert older == (
        "Still open: anthropic/claude-opus-4-5 rejected the API key\n"
        "See the newer message below.\n"
        "Incident 1 · /fallback status"
    )
    assert newer.startswith(
        "Reminder: anthropic/claude-opus-4-5 rejected the API key\n"
        "10 requests since 12:00 were answered by "
        "openrouter/anthropic/claude-sonnet-4.5 (2nd of 4)."
    )
    again = "<@11> Reminder: anthropic/claude-opus-4-5 rejected the API key"
    assert [m.content for m in world.discord.main] == ["", again]
    assert len(world.slack.threads) == 1
