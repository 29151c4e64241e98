"""What is said of an incident, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.alerts.counting import answered, broke
from bot.alerts.mute import QuietHours
from bot.alerts.policy import AlertSettings, Decision, EvaluationContext, Step, decide
from bot.alerts.transitions import carry_out, details_key, message_key, read_key, wants
from bot.incident import End, Incident, State
from bot.models import FailureReason
from tests.support.fakes_alerts import NOON, OPUS, apply_all, event

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
RULES = AlertSettings()
NIGHT = replace(RULES, quiet=QuietHours(time(11), time(13), ZoneInfo("UTC")))
PLAIN = EvaluationContext()


def failing(*seconds: float, **more) -> Incident:
    events = [event(n, NOON + s * SECOND, **more) for n, s in enumerate(seconds or (0,))]
    return replace(apply_all(None, events, NOON + 5 * HOUR), id=1)


def told(incident: Incident, at=NOON + 30 * SECOND, **more) -> Incident:
    said = carry_out(incident, Decision(Step.OPEN), at, PLAIN, None)
    return replace(said, **more)


def good(incident: Incident, times: int = 3) -> Incident:
    return answered(incident, times, incident.last_event_at + SECOND)


def step(incident: Incident, after: timedelta, scene=PLAIN, rules=RULES) -> Step:
    return decide(incident, NOON + after, rules, scene).step


# --- the first word -------------------------------------------------------------------------------


def test_the_first_word_waits_half_a_minute():
    incident = failing(0, 5)
    assert decide(incident, NOON, RULES, PLAIN) == Decision(Step.WAIT, NOON + 30 * SECOND)
    assert step(incident, 29.9 * SECOND) is Step.WAIT
    assert decide(incident, NOON + 30 * SECOND, RULES, PLAIN) == Decision(Step.OPEN)


def test_a_blip_says_nothing():
    incident = good(failing(0, 2), 1)
    assert step(incident, 30 * SECOND) is Step.BLIP
    assert decide(incident, NOON + MINUTE, RULES, PLAIN).due_at == NOON + 62 * SECOND
    assert decide(incident, NOON + 62 * SECOND, RULES, PLAIN) == Decision(Step.CLOSE, end=End.BLIP)


def test_a_model_that_somebody_has_switched_away_from_at_once_says_nothing():
    left = replace(failing(0, 2), was_primary=True, replaced=True)
    assert step(left, 30 * SECOND) is Step.BLIP
    closed = Decision(Step.CLOSE, end=End.MOVED_ON)
    assert decide(left, NOON + 62 * SECOND, RULES, PLAIN) == closed
    assert step(replace(left, replaced=False), 30 * SECOND) is Step.OPEN
    asked_on = replace(failing(0, 31), was_primary=True, replaced=True)
    assert step(asked_on, 40 * SECOND) is Step.OPEN
    loud = replace(failing(0, reason=FailureReason.AUTH), was_primary=True, replaced=True)
    assert step(loud, MINUTE) is Step.OPEN


def test_failures_that_go_on_for_longer_are_no_blip():
    assert step(good(failing(0, 31), 1), 40 * SECOND) is Step.OPEN
    assert step(good(failing(0, 29), 1), 40 * SECOND) is Step.BLIP


def test_an_outage_that_nobody_watched_gets_its_first_word_late():
    over = good(failing(0, 600))
    assert step(over, 2 * HOUR) is Step.OPEN


@pytest.mark.parametrize("reason", ["auth", "billing"])
def test_what_only_a_person_mends_is_said_at_once_and_calls_somebody(reason):
    loud = failing(0, reason=FailureReason(reason))
    assert decide(loud, NOON, RULES, PLAIN) == Decision(Step.OPEN, mention=True)
    assert decide(failing(0, to=None), NOON, RULES, PLAIN) == Decision(Step.OPEN, mention=True)
    broken = broke(None, "/x", ("no", ""), NOON, NOON)
    assert decide(broken, NOON, RULES, PLAIN) == Decision(Step.OPEN, mention=True)


def test_a_dead_chain_hides_its_parts():
    dead = EvaluationContext(exhausted=frozenset({OPUS}))
    assert step(failing(0), MINUTE, dead) is Step.HIDDEN
    assert step(failing(0, reason=FailureReason.AUTH), MINUTE, dead) is Step.HIDDEN
    assert step(failing(0, to=None), MINUTE, dead) is Step.OPEN
    assert step(failing(0), MINUTE, EvaluationContext(exhausted=frozenset({"a/b"}))) is Step.OPEN


def test_the_third_first_word_in_an_hour_is_that_it_is_unstable():
    assert step(failing(0), MINUTE, EvaluationContext(opens=1)) is Step.OPEN
    assert step(failing(0), MINUTE, EvaluationContext(opens=2)) is Step.UNSTABLE
    loud = failing(0, reason=FailureReason.AUTH)
    assert decide(loud, NOON, RULES, EvaluationContext(opens=5)) == Decision(
        Step.UNSTABLE, mention=True
    )


def test_a_mute_and_quiet_hours_hold_the_first_word_back():
    muted = EvaluationContext(muted_until=NOON + HOUR)
    assert decide(failing(0), NOON + MINUTE, RULES, muted) == Decision(Step.MUTED, NOON + HOUR)
    assert decide(failing(0), NOON + MINUTE, NIGHT, PLAIN) == Decision(Step.QUIET, NOON + HOUR)
    assert step(failing(0, to=None), MINUTE, muted, NIGHT) is Step.OPEN
    assert step(failing(0), HOUR, muted, NIGHT) is Step.OPEN


def test_what_was_held_back_and_is_over_is_never_said():
    over = replace(good(failing(0, 600)), held=True)
    decision = decide(over, NOON + HOUR, RULES, PLAIN)
    assert decision == Decision(Step.CLOSE, end=End.RECOVERED)
    going_on = replace(failing(0, 600), held=True)
    assert step(going_on, HOUR) is Step.OPEN


def test_a_config_that_was_mended_before_anybody_was_told_is_no_matter():
    mended = answered(broke(None, "/x", ("no", ""), NOON, NOON), 1, NOON + SECOND)
    assert decide(mended, NOON + SECOND, RULES, PLAIN).step is Step.CLOSE


# --- while it goes on -----------------------------------------------------------------------------


def test_edits_come_at_most_every_five_seconds_and_only_for_news():
    said = told(failing(0))
    assert step(said, 40 * SECOND) is Step.REST
    news = apply_all(said, [event(9, NOON + 31 * SECOND)], NOON + HOUR)
    soon = decide(news, NOON + 33 * SECOND, RULES, PLAIN)
    assert soon == Decision(Step.WAIT, NOON + 35 * SECOND)
    assert step(news, 35 * SECOND) is Step.EDIT


def test_edits_get_rarer_with_time():
    old = told(failing(0, 3600), NOON + 30 * SECOND)
    news = apply_all(old, [event(9, NOON + HOUR)], NOON + 2 * HOUR)
    edited = replace(news, last_edit_at=NOON + HOUR)
    assert step(edited, HOUR + 35 * SECOND) is Step.WAIT
    assert step(edited, HOUR + 36 * SECOND) is Step.EDIT


def test_it_is_said_again_after_four_hours_if_it_still_fails():
    said = told(failing(0, 14_000))
    at = NOON + 30 * SECOND + 4 * HOUR
    assert decide(said, at, RULES, PLAIN).step is Step.REPEAT
    assert decide(said, at - SECOND, RULES, PLAIN).step is not Step.REPEAT
    again = carry_out(said, Decision(Step.REPEAT), at, PLAIN, None)
    assert decide(again, at + 4 * HOUR, RULES, PLAIN).step is not Step.REPEAT
    later = apply_all(again, [event(9, at + 3.5 * HOUR)], at + 9 * HOUR)
    assert decide(later, at + 4 * HOUR, RULES, PLAIN).step is Step.REPEAT


def test_a_repeat_of_something_loud_calls_again():
    loud = told(failing(0, 17_000, reason=FailureReason.BILLING))
    assert decide(loud, NOON + 5 * HOUR, RULES, PLAIN) == Decision(Step.REPEAT, mention=True)


def test_it_is_not_said_again_to_whoever_looks_after_it():
    said = told(failing(0, 14_000), acknowledged_by="Ana")
    assert decide(said, NOON + 5 * HOUR, RULES, PLAIN).step is Step.REST


def test_it_is_not_said_again_where_nobody_asked_since():
    said = told(failing(0))
    assert decide(said, NOON + 5 * HOUR, RULES, PLAIN) == Decision(Step.REST)


def test_it_is_not_said_again_while_muted_quiet_or_hidden():
    said = told(failing(0, 14_000))
    at = NOON + 5 * HOUR
    muted = EvaluationContext(muted_until=at + HOUR)
    night = replace(RULES, quiet=QuietHours(time(16), time(18), ZoneInfo("UTC")))
    assert decide(said, at, RULES, muted) == Decision(Step.REST)
    assert decide(said, at, night, PLAIN) == Decision(Step.REST)
    hidden = decide(said, at, RULES, EvaluationContext(exhausted=frozenset({OPUS})))
    assert hidden.step is Step.REST


def test_a_config_that_stays_broken_is_said_again():
    broken = told(broke(None, "/x", ("no", ""), NOON, NOON), NOON)
    assert step(broken, 3 * HOUR) is Step.REST
    assert step(broken, 4 * HOUR) is Step.REPEAT


# --- the end --------------------------------------------------------------------------------------


def test_it_is_over_after_good_answers_and_minutes_without_a_failure():
    said = told(failing(0, 60))
    assert step(good(said, 2), 7 * MINUTE) is not Step.RESOLVE
    assert step(good(said, 3), 5 * MINUTE) is not Step.RESOLVE
    decision = decide(good(said, 3), NOON + 6 * MINUTE, RULES, PLAIN)
    assert decision == Decision(Step.RESOLVE, end=End.RECOVERED)


def test_it_is_over_after_one_good_answer_and_a_longer_while():
    said = good(told(failing(0)), 1)
    assert step(said, 9 * MINUTE) is not Step.RESOLVE
    assert step(said, 10 * MINUTE) is Step.RESOLVE
    assert step(told(failing(0)), 10 * MINUTE) is not Step.RESOLVE


def test_requests_that_pass_the_primary_over_do_not_keep_it_from_ending():
    said = good(told(failing(0)))
    passed = apply_all(said, [event(9, NOON + 4 * MINUTE, asked=False)], NOON + HOUR)
    assert step(passed, 5 * MINUTE) is Step.RESOLVE


def test_what_is_unstable_has_to_stay_good_for_an_hour():
    shaky = good(told(failing(0, 60), opens=3))
    assert step(shaky, 60 * MINUTE) is not Step.RESOLVE
    assert step(shaky, 61 * MINUTE) is Step.RESOLVE


def test_it_is_over_when_another_model_is_the_primary():
    said = told(failing(0), was_primary=True)
    moved = EvaluationContext(primaries=frozenset({"a/b"}))
    assert decide(said, NOON + 5 * MINUTE, RULES, moved).end is End.MOVED_ON
    assert step(said, 4 * MINUTE, moved) is Step.REST
    assert step(said, 5 * MINUTE, EvaluationContext(primaries=None)) is Step.REST
    assert step(said, 5 * MINUTE, EvaluationContext(primaries=frozenset({OPUS}))) is Step.REST
    by_name = told(failing(0), was_primary=False)
    assert step(by_name, 5 * MINUTE, moved) is Step.REST


def test_it_is_over_when_nobody_asks_for_a_day():
    said = told(failing(0))
    assert decide(said, NOON + 24 * HOUR, RULES, PLAIN).end is End.SILENCE
    assert step(said, 23 * HOUR) is Step.REST


def test_a_broken_config_is_over_as_soon_as_it_is_mended():
    broken = told(broke(None, "/x", ("no", ""), NOON, NOON), NOON)
    mended = answered(broken, 1, NOON + MINUTE)
    decision = decide(mended, NOON + MINUTE, RULES, PLAIN)
    assert decision == Decision(Step.RESOLVE, end=End.RECOVERED)


def test_after_the_end_a_late_count_is_put_right():
    over = carry_out(good(told(failing(0))), Decision(Step.RESOLVE), NOON + HOUR, PLAIN, None)
    assert decide(over, NOON + 2 * HOUR, RULES, PLAIN) == Decision(Step.REST)
    late = apply_all(over, [event(9, NOON)], NOON + 2 * HOUR)
    assert decide(late, NOON + 2 * HOUR, RULES, PLAIN).step is Step.EDIT
    unsaid = replace(late, announced_at=None)
    assert decide(unsaid, NOON + 2 * HOUR, RULES, PLAIN).step is Step.REST


# --- what a step makes of it ----------------------------------------------------------------------


def test_steps_are_kept_in_the_incident():
    incident = failing(0)
    said = told(incident, NOON)
    assert (said.state, said.announced_at, said.messages) == (State.OPEN, NOON, 1)
    assert (said.told, said.version) == (said.changed, 1)
    edited = carry_out(said, Decision(Step.EDIT), NOON + MINUTE, PLAIN, None)
    assert (edited.version, edited.last_edit_at, edited.messages) == (2, NOON + MINUTE, 1)
    again = carry_out(edited, Decision(Step.REPEAT), NOON + HOUR, PLAIN, None)
    assert (again.messages, again.last_repeat_at) == (2, NOON + HOUR)
    ended = carry_out(
        good(again), Decision(Step.RESOLVE, end=End.RECOVERED), NOON + 2 * HOUR, PLAIN, None
    )
    assert (ended.state, ended.end, ended.resolved_at) == (
        State.RESOLVED,
        End.RECOVERED,
        NOON + 2 * HOUR,
    )
    assert ended.ended_at == NOON + SECOND
    assert ended.seen == ()
    for step_ in (Step.WAIT, Step.BLIP, Step.REST):
        assert carry_out(said, Decision(step_), NOON, PLAIN, None) is said


def test_an_end_without_a_good_answer_is_the_last_failure():
    ended = carry_out(told(failing(0, 60)), Decision(Step.RESOLVE), NOON + HOUR, PLAIN, None)
    assert ended.ended_at == NOON + MINUTE


def test_what_is_held_back_is_marked_once_and_knows_its_night():
    incident = failing(0)
    muted = carry_out(incident, Decision(Step.MUTED), NOON, PLAIN, NIGHT.quiet)
    assert (muted.held, muted.night) == (True, "")
    quiet = carry_out(muted, Decision(Step.QUIET), NOON, PLAIN, NIGHT.quiet)
    assert quiet.night == "2026-03-02"
    assert carry_out(quiet, Decision(Step.QUIET), NOON, PLAIN, NIGHT.quiet) is quiet
    assert carry_out(incident, Decision(Step.QUIET), NOON, PLAIN, NIGHT.quiet).night
    assert carry_out(muted, Decision(Step.MUTED), NOON, PLAIN, None) is muted
    unstable = carry_out(quiet, Decision(Step.UNSTABLE), NOON, EvaluationContext(opens=2), None)
    assert (unstable.opens, unstable.held) == (3, False)


def test_which_messages_a_step_asks_for():
    said = told(failing(0))
    both = ("slack", "discord")
    keys = [(want.key, want.surface, want.version) for want in wants(said, Step.OPEN, both)]
    assert keys == [
        ("incident:1:1", "slack", 1),
        ("incident:1:details", "slack", 1),
        ("incident:1:1", "discord", 1),
        ("incident:1:details", "discord", 1),
    ]
    again = replace(said, messages=2, version=7)
    assert [want.key for want in wants(again, Step.REPEAT, ("slack",))] == [
        "incident:1:2",
        "incident:1:1",
    ]
    assert [want.key for want in wants(again, Step.EDIT, ("slack",))] == ["incident:1:2"]
    assert wants(again, Step.CLOSE, both) == []


def test_keys_can_be_read_back():
    assert read_key(message_key(12, 3)) == (12, "3")
    assert read_key(details_key(12)) == (12, "details")
    assert read_key("morning:2026-03-02") is None
