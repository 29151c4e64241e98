"""Whole outages, from the first failure to the last edit, with a clock that runs ahead."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bot.access import Actor, Surface
from bot.alerts.grouping import note_config
from bot.card import Person, Tone
from bot.errors import ChatError, ConfigSyntaxError, StorageError
from bot.models import FailureReason
from bot.ports import NewChange, Touched
from bot.ports.alerts import AlertConflictError
from tests.support.fakes_alerts import (
    BY_BO,
    CONFIG,
    FLASH,
    LLAMA,
    NOON,
    OPUS,
    AlertBench,
    Answer,
    event,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ANA = Person("slack", "U1", "Ana", ping=True)
BO = Person("slack", "U2", "Bo", ping=True)
DOWN = ChatError("Slack could not be reached.", "Wait a minute.")
ARCHIVED = ChatError("The channel is archived.", "Set SLACK_CHANNEL to another.", gone=True)


# --- one outage, one message ----------------------------------------------------------------------


async def test_an_outage_from_its_first_word_to_its_end():
    bench = AlertBench("slack", "discord")
    await bench.fails(5)
    await bench.wait(seconds=25)
    assert bench.slack.messages == []
    await bench.wait(seconds=10)
    assert bench.slack.titles == ["Fallback: anthropic/claude-opus-4-5 is rate limited"]
    await bench.fails(32)
    await bench.wait(minutes=21)
    [message] = bench.slack.main
    assert "37 requests since 12:00 UTC were answered by deepseek/deepseek-flash" in message.text
    assert "2nd of 3" in message.text
    assert "meanwhile: images" not in message.text
    assert "[Test chain] [Switch to cheap] [Retry now] [Mute 1 h] [Acknowledge]" in message.text
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    assert "Down 21 min, 12:00 UTC to 12:21 UTC." in bench.slack.main[0].text
    assert "37 requests rerouted, none refused." in bench.slack.main[0].text
    assert bench.slack.main[0].card.tone is Tone.GOOD
    assert bench.slack.main[0].card.buttons == ()
    assert bench.discord.titles == bench.slack.titles
    assert [len(chat.messages) for chat in bench.chats.values()] == [2, 2]


async def test_the_first_events_stand_in_the_thread_without_secrets():
    bench = AlertBench()
    await bench.fails(2, detail='HTTP 429: {"error": "limit of key sk-ant-api03-abcdefghijkl"}')
    await bench.fails(9, detail="HTTP 429: slow down")
    await bench.wait(seconds=30)
    main, details = bench.slack.messages
    assert (main.thread, details.thread) == (None, main.id)
    assert details.text.count("rate limited, answered by deepseek/deepseek-flash") == 5
    assert "slow down" in details.text
    assert "abcdefghijkl" not in details.text
    await bench.fails(9, detail="HTTP 500: else")
    await bench.wait(minutes=1)
    assert bench.slack.messages[1].edits == 0


async def test_a_blip_says_nothing_at_all():
    bench = AlertBench()
    await bench.fails(2)
    bench.clock.advance(3 * SECOND)
    bench.answers()
    await bench.wait(hours=1, step_s=30)
    assert bench.slack.calls == 0
    assert [row.state for row in await bench.log.incidents(open_only=False, limit=9)] == [
        "resolved"
    ]


async def test_a_flood_is_one_message_and_an_edit_every_five_seconds():
    bench = AlertBench()
    for _ in range(60):
        await bench.fails(50)
        await bench.wait(step_s=1, seconds=1)
    [message] = bench.slack.main
    assert "3,000 requests" in message.text
    assert 5 <= message.edits <= 6
    gaps = [b - a for a, b in zip(message.edited_at, message.edited_at[1:], strict=False)]
    assert min(gaps) >= 5 * SECOND


async def test_each_model_is_an_incident_and_the_newest_reason_names_it():
    bench = AlertBench()
    await bench.fails()
    bench.clock.advance(SECOND)
    await bench.fails(reason=FailureReason.TIMEOUT)
    await bench.fails(primary=FLASH, to=LLAMA)
    await bench.wait(seconds=40)
    assert sorted(bench.slack.titles) == [
        "Fallback: anthropic/claude-opus-4-5 times out",
        "Fallback: deepseek/deepseek-flash is rate limited",
    ]


async def test_a_long_outage_is_said_again_and_ends_in_its_newest_message():
    bench = AlertBench()
    for _ in range(17):
        await bench.fails()
        await bench.wait(minutes=15, step_s=30)
    assert bench.slack.titles == [
        "Still open: anthropic/claude-opus-4-5 is rate limited",
        "Reminder: anthropic/claude-opus-4-5 is rate limited",
    ]
    bench.answers()
    await bench.wait(minutes=20, step_s=30)
    assert bench.slack.titles[1] == "Recovered: anthropic/claude-opus-4-5 responds again"
    assert bench.slack.titles[0].startswith("Still open")
    assert len(bench.slack.messages) == 3


async def test_ups_and_downs_become_one_unstable_message():
    bench = AlertBench()
    for _ in range(6):
        await bench.fails(3)
        await bench.wait(minutes=3)
        bench.answers()
        await bench.wait(minutes=6)
    assert bench.slack.titles == [
        "Recovered: anthropic/claude-opus-4-5 responds again",
        "Recovered: anthropic/claude-opus-4-5 responds again",
        "Unstable: anthropic/claude-opus-4-5 is rate limited, 3rd time within an hour",
    ]
    assert "12 requests" in bench.slack.main[2].text
    bench.answers()
    await bench.wait(hours=1, step_s=30)
    assert bench.slack.titles[2] == "Recovered: anthropic/claude-opus-4-5 responds again"
    assert "Unstable for" in bench.slack.main[2].text


async def test_what_rerouting_costs_is_told_as_it_goes_on_and_at_the_end():
    bench = AlertBench()
    for _ in range(20):
        await bench.fails(10)
        await bench.wait(minutes=1)
    # 1000 tokens in: 5,000,000 nano-dollars at opus, 140,000 as they were booked.
    text = bench.slack.main[0].text
    assert "less than usual so far, about $2." in text
    assert bench.slack.main[0].card.data["saving_usd"] > 0
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.main[0].card.data["saving_usd"] == 200 * Decimal("0.00486")
    assert "$0.97 less than usual." in bench.slack.main[0].text


@pytest.mark.parametrize(("cached_tokens", "told"), [(900_000, True), (100_000, False), (0, False)])
async def test_a_lost_cache_is_told_from_a_cent_on(cached_tokens: int, told: bool):
    bench = AlertBench()
    before = NOON - timedelta(minutes=5)
    bench.store.answers.append(Answer(before, OPUS, "", 1_000_000, 1, cached_tokens))
    for _ in range(5):
        await bench.fails(20)
        await bench.wait(minutes=1)
    [message] = bench.slack.main
    # At most 100,000 tokens that deepseek-flash has read anew.
    assert ("Lost prompt cache: about $0.0" in message.text) == told
    bench.answers()
    await bench.wait(minutes=6)
    assert ("Lost prompt cache: about $0.0" in message.text) == told
    assert bool(message.card.data["lost_cache_usd"]) == bool(cached_tokens)


async def test_a_cost_that_nobody_knows_is_not_told():
    bench = AlertBench()
    await bench.fails(3)
    bench.store.answers = [replace(a, cost_nano_usd=None) for a in bench.store.answers]
    await bench.fails(3)
    await bench.wait(minutes=2)
    await bench.fails(1)
    await bench.wait(minutes=1)
    assert "so far" not in bench.slack.main[0].text
    assert bench.slack.main[0].card.data["saving_usd"] is None


# --- loud ones ------------------------------------------------------------------------------------


async def test_a_dead_chain_is_said_at_once_and_calls_somebody():
    bench = AlertBench("slack", "discord", calls=[ANA])
    await bench.fails(to=None)
    await bench.tick()
    [message] = bench.slack.main
    assert message.title == "All models down: no fallback for anthropic/claude-opus-4-5 responded"
    assert "1 request since 12:00 UTC was refused." in message.text
    assert "anthropic/claude-opus-4-5 is rate limited." in message.text
    assert any(ANA in line for line in message.card.body)
    assert message.card.tone is Tone.BAD
    assert not any(ANA in line for line in bench.discord.main[0].card.body)


async def test_a_dead_chain_hides_its_parts_and_ends_when_anybody_answers():
    bench = AlertBench()
    await bench.fails(3)
    await bench.fails(2, to=None)
    await bench.wait(minutes=2)
    assert len(bench.slack.main) == 1
    bench.answers(3, OPUS)
    await bench.wait(minutes=7)
    assert bench.slack.titles == [
        "Recovered: the chain of anthropic/claude-opus-4-5 responds again"
    ]


async def test_a_part_of_a_dead_chain_that_lives_on_is_told_after_it():
    bench = AlertBench()
    await bench.fails(to=None)
    await bench.wait(minutes=2)
    for _ in range(8):
        await bench.fails(2)
        await bench.wait(minutes=1)
    assert bench.slack.titles == [
        "Recovered: the chain of anthropic/claude-opus-4-5 responds again",
        "Fallback: anthropic/claude-opus-4-5 is rate limited",
    ]


async def test_a_refused_key_is_said_at_once_with_what_mends_it():
    bench = AlertBench(calls=[ANA])
    await bench.fails(reason=FailureReason.AUTH)
    await bench.tick()
    [message] = bench.slack.main
    assert "Renew ANTHROPIC_API_KEY at Anthropic's keys" in message.text
    assert any(ANA in line for line in message.card.body)


async def test_an_acknowledged_incident_names_who_looks_after_it_and_is_said_again_to_them():
    bench = AlertBench(calls=[ANA])
    await bench.fails(reason=FailureReason.BILLING)
    await bench.wait(seconds=10)
    assert await bench.store.acknowledge(1, BY_BO, bench.now)
    await bench.wait(seconds=10)
    [message] = bench.slack.main
    assert "Acknowledged by Bo at 12:00 UTC." in message.text
    assert "[Acknowledge]" not in message.text
    assert not any(ANA in line for line in message.card.body)
    for _ in range(6):
        await bench.fails(reason=FailureReason.BILLING)
        await bench.wait(hours=1, step_s=60)
    assert bench.slack.titles == [
        "Still open: anthropic/claude-opus-4-5 is out of credit",
        "Reminder: anthropic/claude-opus-4-5 is out of credit",
    ]
    assert any(BO in line for line in bench.slack.main[1].card.body)


# --- mute and quiet hours -------------------------------------------------------------------------


async def test_a_muted_outage_that_ends_is_never_told():
    bench = AlertBench()
    await bench.log.mute(bench.now + HOUR)
    await bench.fails(3)
    await bench.wait(minutes=10, step_s=30)
    bench.answers()
    await bench.wait(hours=2, step_s=30)
    assert bench.slack.calls == 0


async def test_a_muted_outage_that_goes_on_is_told_after_the_mute():
    bench = AlertBench()
    await bench.log.mute(bench.now + HOUR)
    await bench.fails(3)
    await bench.wait(minutes=59, step_s=30)
    assert bench.slack.calls == 0
    await bench.wait(minutes=2)
    assert bench.slack.titles == ["Fallback: anthropic/claude-opus-4-5 is rate limited"]


async def test_a_dead_chain_breaks_through_a_mute_and_a_refused_key_does_not():
    bench = AlertBench()
    await bench.log.mute(bench.now + HOUR)
    await bench.fails(reason=FailureReason.AUTH)
    await bench.wait(minutes=1)
    assert bench.slack.calls == 0
    await bench.fails(to=None)
    await bench.tick()
    assert bench.slack.titles == [
        "All models down: no fallback for anthropic/claude-opus-4-5 responded"
    ]


async def test_a_mute_during_an_outage_lets_its_message_go_on():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    await bench.log.mute(bench.now + HOUR)
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]


async def test_the_night_is_summed_up_in_one_morning_message():
    night = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    bench = AlertBench(quiet="22:00-07:00", at=night)
    await bench.fails(40)
    await bench.wait(minutes=10, step_s=30)
    bench.answers()
    await bench.wait(minutes=30, step_s=30)
    for _ in range(3):
        await bench.fails(2, primary=FLASH, to=LLAMA, reason=FailureReason.TIMEOUT)
        await bench.wait(hours=2, step_s=60)
    assert bench.slack.calls == 0
    await bench.wait(hours=2, step_s=60)
    assert bench.slack.titles == [
        "Quiet hours: 2 outages, 1 still open",
        "Fallback: deepseek/deepseek-flash times out",
    ]
    summary = bench.slack.main[0].text
    assert "anthropic/claude-opus-4-5 is rate limited · 23:00 UTC · 23:10 UTC · 40" in summary
    going_on = "deepseek/deepseek-flash times out · 23:40 UTC · still open · 6"
    assert going_on in summary
    bench.start()
    await bench.wait(minutes=10)
    assert len(bench.slack.main) == 2


async def test_a_quiet_night_has_no_morning_message():
    bench = AlertBench(quiet="22:00-07:00", at=datetime(2026, 3, 2, 23, 0, tzinfo=UTC))
    await bench.wait(hours=10, step_s=300)
    assert bench.slack.calls == 0


async def test_what_is_loud_breaks_through_the_night():
    bench = AlertBench(quiet="22:00-07:00", at=datetime(2026, 3, 2, 23, 0, tzinfo=UTC))
    await bench.fails(reason=FailureReason.BILLING)
    await bench.tick()
    assert bench.slack.titles == ["Fallback: anthropic/claude-opus-4-5 is out of credit"]


async def test_an_outage_of_the_evening_is_followed_through_the_night_in_its_message():
    bench = AlertBench(quiet="22:00-07:00", at=datetime(2026, 3, 2, 21, 50, tzinfo=UTC))
    await bench.fails(3)
    await bench.wait(minutes=30, step_s=30)
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    await bench.wait(hours=12, step_s=300)
    assert len(bench.slack.main) == 1


# --- the config -----------------------------------------------------------------------------------


async def test_a_config_that_breaks_is_an_incident_until_it_is_mended():
    bench = AlertBench(calls=[ANA])
    error = ConfigSyntaxError("moltbot.json is not JSON5: line 4.", "Mend line 4.").info
    await note_config(bench.store, "/srv/moltbot.json", None, bench.now)
    await bench.tick()
    await note_config(bench.store, "/srv/moltbot.json", error, bench.now)
    await note_config(bench.store, "/srv/moltbot.json", error, bench.now + HOUR)
    await bench.tick()
    [message] = bench.slack.messages
    assert message.title == "The config is invalid"
    assert "moltbot.json is not JSON5: line 4." in message.text
    assert "Mend line 4." in message.text
    assert "Test chain" not in message.text
    assert any(ANA in line for line in message.card.body)
    await bench.wait(minutes=3)
    worse = ConfigSyntaxError("moltbot.json is not JSON5: line 9.").info
    await note_config(bench.store, "/srv/moltbot.json", worse, bench.now)
    await bench.tick()
    assert "line 9" in message.text
    bench.clock.advance(6 * SECOND)
    await note_config(bench.store, "/srv/moltbot.json", None, bench.now)
    await bench.wait(seconds=10)
    assert bench.slack.titles == ["Recovered: the config is valid again"]
    assert "Invalid for 3 min, 12:00 UTC to 12:03 UTC." in message.text
    assert "rerouted" not in message.text
    await note_config(bench.store, "/srv/moltbot.json", error, bench.now)
    await bench.tick()
    assert len(bench.slack.main) == 2


async def edited_outside(bench: AlertBench, new: str) -> None:
    state = await bench.journal.known("/srv/moltbot.json")
    before = state.revision if state else None
    touched = (Touched(("agents", "defaults", "model", "primary"), OPUS, new),)
    change = NewChange(
        "/srv/moltbot.json",
        bench.now,
        Actor(Surface.OUTSIDE, "outside", "outside"),
        "edit",
        "",
        OPUS,
        new,
        touched,
        before or "",
        f"rev-{new}",
        "",
        {},
    )
    await bench.journal.observe(change, before)


async def test_edits_by_other_hands_are_told_once_each_and_call_nobody():
    bench = AlertBench(calls=[ANA])
    await edited_outside(bench, "first/look")
    await edited_outside(bench, "of/before")
    await bench.tick()
    assert bench.slack.messages == []
    await edited_outside(bench, FLASH)
    await bench.tick()
    assert bench.slack.messages == []
    bench.pipeline.outside_edits.poke()
    await bench.tick()
    [message] = bench.slack.main
    assert message.title == "Config changed outside Changeover"
    assert f"primary: {OPUS} → {FLASH}" in message.text
    assert not any(ANA in line for line in message.card.body)
    bench.start()
    await bench.wait(minutes=1)
    await bench.log.mute(bench.now + HOUR)
    await edited_outside(bench, LLAMA)
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 1
    await bench.log.mute(None)
    await bench.wait(seconds=10)
    assert len(bench.slack.main) == 2


async def test_an_outage_ends_when_the_team_switches_away_from_it():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    switched = json.dumps(CONFIG).replace(f'"primary": "{OPUS}"', f'"primary": "{FLASH}"')
    assert "[Switch to cheap]" in bench.slack.main[0].text
    bench.config.edit_outside(switched.encode())
    await bench.wait(seconds=10)
    # The message says so at once, and offers no more what has been done.
    assert "anthropic/claude-opus-4-5 is no longer the primary.\n" in bench.slack.main[0].text
    assert "[Switch to" not in bench.slack.main[0].text
    bench.config.edit_outside(json.dumps(CONFIG).encode())
    await bench.wait(seconds=10)
    assert "[Switch to cheap]" in bench.slack.main[0].text
    bench.config.edit_outside(switched.encode())
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Closed: anthropic/claude-opus-4-5 is no longer the primary"]


async def test_an_outage_goes_on_while_the_config_cannot_be_read():
    bench = AlertBench()
    await bench.fails(3)
    bench.config.edit_outside(b"{ nonsense")
    await bench.wait(minutes=10, step_s=30)
    [message] = bench.slack.main
    assert message.title == "Fallback: anthropic/claude-opus-4-5 is rate limited"
    assert "/fallback test" in message.text


# --- late, twice, out of order, clocks ------------------------------------------------------------


async def test_events_that_come_late_are_counted_where_they_belong():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.answers()
    await bench.wait(minutes=6)
    assert "3 requests rerouted" in bench.slack.main[0].text
    late = [event("late", NOON + 10 * SECOND), event(1, NOON)]
    await bench.log.add_events(late)
    await bench.wait(seconds=10)
    assert "4 requests rerouted" in bench.slack.main[0].text
    assert len(bench.slack.messages) == 2


async def test_a_clock_that_jumps_back_an_hour_in_mid_outage():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=2)
    bench.clock.at -= HOUR
    await bench.fails(2)
    await bench.wait(minutes=2)
    assert "5 requests" in bench.slack.main[0].text
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    await bench.fails(1)
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 2


async def test_a_clock_that_jumps_ahead_an_hour_in_mid_outage():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=2)
    bench.clock.at += HOUR
    await bench.tick()
    await bench.fails(2)
    await bench.wait(minutes=2)
    assert bench.slack.titles == ["Fallback: anthropic/claude-opus-4-5 is rate limited"]
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]


async def test_one_look_after_hours_says_what_is_left_to_say():
    bench = AlertBench()
    await bench.fails(3)
    bench.clock.advance(5 * MINUTE)
    await bench.fails(3)
    bench.clock.advance(MINUTE)
    bench.answers()
    bench.clock.advance(HOUR)
    await bench.wait(seconds=10)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    assert bench.slack.main[0].edits == 1


async def test_what_is_older_than_a_day_is_history_and_no_alert():
    bench = AlertBench()
    await bench.log.add_events([event(1, NOON - 30 * HOUR)])
    await bench.wait(minutes=2)
    assert bench.slack.calls == 0
    assert list(await bench.store.queued(9)) == []


async def test_an_event_whose_gateway_died_before_its_probe_was_back_is_told_all_the_same():
    bench = AlertBench()
    refused = event(1, NOON, reason=FailureReason.AUTH)
    await bench.log.add_events([replace(refused, held_until=NOON + MINUTE)])
    await bench.wait(seconds=50)
    assert bench.slack.calls == 0
    await bench.wait(seconds=20)
    assert bench.slack.titles == ["Fallback: anthropic/claude-opus-4-5 rejected the API key"]


# --- restarts and other processes -----------------------------------------------------------------


async def test_an_incident_that_is_open_across_a_restart_keeps_its_message():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.start()
    await bench.fails(2)
    await bench.wait(minutes=1)
    bench.start()
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    assert "5 requests rerouted" in bench.slack.main[0].text


class Follower:
    """The leader of a process that does not lead."""

    async def leads(self) -> str | None:
        return None

    async def holds(self, term: str) -> bool:
        raise AssertionError

    async def resign(self) -> None:
        raise AssertionError


async def test_a_process_that_does_not_lead_says_nothing():
    bench = AlertBench()
    bench.start(leader=Follower())
    await bench.fails(to=None)
    await bench.wait(minutes=1)
    await bench.pipeline.deliver("slack")
    assert bench.slack.calls == 0
    assert len(await bench.store.queued(9)) == 1


class Overtaken(Follower):
    """The leader of a process that was stopped in mid-delivery and woke too late."""

    async def leads(self) -> str | None:
        return "old"

    async def holds(self, term: str) -> bool:
        assert term == "old"
        return False


async def test_a_process_whose_term_is_over_posts_and_edits_nothing():
    bench = AlertBench()
    await bench.fails(to=None)
    bench.start(leader=Overtaken())
    await bench.tick()
    assert bench.slack.calls == 0
    bench.start()
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 1
    shown, calls = bench.slack.titles, bench.slack.calls
    bench.start(leader=Overtaken())
    bench.answers()
    await bench.wait(minutes=6)
    assert (bench.slack.titles, bench.slack.calls) == (shown, calls)


async def test_a_conflict_with_another_process_is_settled_by_the_next_look(caplog):
    bench = AlertBench()
    await bench.fails(to=None)
    bench.store.fail = AlertConflictError("Another process was at work.")
    with caplog.at_level("INFO"):
        await bench.tick()
    assert "Retrying at the next run." in caplog.text
    bench.store.fail = None
    await bench.tick()
    assert len(bench.slack.main) == 1


async def test_a_database_that_is_away_is_told_to_the_caller_and_loses_nothing():
    bench = AlertBench()
    await bench.fails(to=None)
    bench.store.fail = StorageError("The database is away.")
    with pytest.raises(StorageError):
        await bench.tick()
    bench.store.fail = None
    await bench.tick()
    assert len(bench.slack.main) == 1


async def test_a_database_that_goes_away_between_the_decision_and_the_post():
    bench = AlertBench("slack", "discord")
    await bench.fails(to=None)
    await bench.pipeline.decide()
    bench.store.fail = StorageError("The database is away.")
    with pytest.raises(StorageError):
        await bench.pipeline.deliver("slack")
    bench.store.fail = None
    await bench.tick()
    assert len(bench.slack.main) == len(bench.discord.main) == 1


# --- chats that refuse ----------------------------------------------------------------------------


async def test_slack_down_for_an_hour_loses_and_doubles_nothing():
    bench = AlertBench("slack", "discord")
    bench.slack.fail_post = bench.slack.fail_update = bench.slack.fail_find = DOWN
    await bench.fails(3)
    await bench.wait(minutes=30)
    assert bench.slack.calls < 60
    [trouble] = await bench.store.troubles()
    assert (trouble.surface, trouble.message) == ("slack", "Slack could not be reached.")
    assert bench.discord.titles == [
        "Fallback: anthropic/claude-opus-4-5 is rate limited",
        "Alerts do not reach Slack",
    ]
    bench.answers()
    await bench.wait(minutes=30)
    bench.slack.fail_post = bench.slack.fail_update = bench.slack.fail_find = None
    await bench.wait(minutes=2)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
    assert bench.discord.titles == [
        "Recovered: anthropic/claude-opus-4-5 responds again",
        "Alerts reach Slack again",
    ]
    assert list(await bench.store.troubles()) == []
    assert [len(chat.messages) for chat in bench.chats.values()] == [2, 3]


async def test_a_short_refusal_is_not_worth_a_word_elsewhere():
    bench = AlertBench("slack", "discord")
    bench.slack.fail_post = DOWN
    await bench.fails(to=None)
    await bench.wait(seconds=30)
    bench.slack.fail_post = None
    await bench.wait(minutes=3)
    assert len(bench.discord.main) == len(bench.slack.main) == 1


async def test_what_a_channel_refuses_is_logged_once_a_change(caplog: pytest.LogCaptureFixture):
    bench = AlertBench()
    await bench.fails(3)
    with caplog.at_level("WARNING"):
        for bench.slack.fail_post in (ARCHIVED, DOWN):
            await bench.wait(minutes=3)
    assert [r.getMessage() for r in caplog.records if "do not reach" in r.getMessage()] == [
        f"alerts do not reach Slack: {one.message} {one.hint}" for one in (ARCHIVED, DOWN)
    ]


async def test_a_channel_that_is_archived_in_mid_incident():
    bench = AlertBench("slack", "discord")
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.slack.fail_post = bench.slack.fail_update = ARCHIVED
    await bench.fails(3)
    await bench.wait(minutes=5)
    assert "Alerts do not reach Slack" in bench.discord.titles
    bench.answers()
    await bench.wait(minutes=6)
    assert "Recovered: anthropic/claude-opus-4-5 responds again" in bench.discord.titles
    rows = await bench.log.incidents(open_only=True, limit=9)
    assert list(rows) == []


async def test_a_message_that_a_person_deleted_is_said_afresh():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.slack.delete()
    await bench.wait(minutes=1)
    assert bench.slack.main == []
    await bench.fails(3)
    await bench.wait(seconds=10)
    [again] = bench.slack.main
    assert "6 requests" in again.text
    bench.slack.delete(-1)
    bench.answers()
    await bench.wait(minutes=6)
    assert bench.slack.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]


async def test_an_edit_that_fails_again_and_again_is_posted_afresh():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.slack.fail_update = ChatError("Slack would not edit the message.")
    await bench.fails(3)
    await bench.wait(seconds=10)
    assert len(bench.slack.main) == 1
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 2
    assert "6 requests" in bench.slack.main[1].text


async def test_an_older_message_that_is_gone_is_left_alone():
    bench = AlertBench()
    for _ in range(16):
        await bench.fails()
        await bench.wait(minutes=15, step_s=30)
    await bench.fails()
    await bench.wait(seconds=25)
    bench.slack.messages = []
    await bench.wait(minutes=5)
    assert bench.slack.titles == ["Reminder: anthropic/claude-opus-4-5 is rate limited"]


async def test_an_older_message_that_was_never_said_is_not_said_later():
    bench = AlertBench()
    bench.slack.fail_post = DOWN
    for _ in range(18):
        await bench.fails()
        await bench.wait(minutes=15, step_s=30)
    bench.slack.fail_post = None
    await bench.wait(minutes=5)
    assert bench.slack.titles == ["Reminder: anthropic/claude-opus-4-5 is rate limited"]
    assert len(bench.slack.messages) == 1
    assert list(await bench.store.behind("slack")) == []


async def test_what_is_over_for_a_day_is_not_said_to_a_channel_that_was_deaf():
    bench = AlertBench()
    bench.slack.fail_post = DOWN
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.answers()
    await bench.wait(hours=26, step_s=300)
    bench.slack.fail_post = None
    await bench.wait(minutes=5)
    assert bench.slack.messages == []
    assert list(await bench.store.behind("slack")) == []


async def test_a_renderer_that_stumbles_over_one_message_keeps_no_other_back(caplog):
    bench = AlertBench()
    await bench.fails(to=None)
    bench.slack.fail_post = ZeroDivisionError()
    await bench.wait(seconds=10)
    assert "failed unexpectedly" in caplog.text
    bench.slack.fail_post = None
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 1


async def test_a_surface_added_later_is_told_of_what_is_open():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    other = AlertBench("slack", "discord")
    other.discord.clock = bench.clock
    bench.chats["discord"] = other.discord
    bench.start()
    await bench.fails(1)
    await bench.wait(minutes=1)
    assert bench.discord.titles == bench.slack.titles


async def test_without_any_channel_incidents_are_kept_all_the_same():
    bench = AlertBench()
    bench.chats.clear()
    await bench.fails(3)
    await bench.wait(minutes=1)
    await bench.tick()
    [row] = await bench.log.incidents(open_only=True, limit=9)
    assert (row.state, row.requests, row.served_by) == ("open", 3, FLASH)
