"""What an incident makes of events, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from adapters.storage.codec import micros_of
from adapters.storage.incidents import incident_of
from bot.alerts.counting import MOST_SAMPLES, MOST_SEEN, answered, broke, in_step, signals_of
from bot.alerts.grouping import LATE, sort_in
from bot.incident import Incident, Sample, State
from bot.models import FailureReason
from bot.outage import AlertReason
from tests.support.fakes_alerts import FLASH, LLAMA, NOON, OPUS, apply, apply_all, event

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def opened(*numbers: int, now=NOON) -> Incident:
    return apply_all(None, [event(n, NOON + n * SECOND) for n in numbers or (0,)], now + HOUR)


def test_an_incident_counts_who_answered():
    events = [event(1), event(2, NOON + SECOND, to=LLAMA), event(3, NOON + 2 * SECOND)]
    incident = apply_all(None, events, NOON + MINUTE)
    assert (incident.primary, incident.reason) == (OPUS, AlertReason.RATE_LIMIT)
    assert (incident.rerouted, incident.refused, incident.requests) == (3, 0, 3)
    assert incident.served == ((FLASH, 2), (LLAMA, 1))
    assert incident.served_by == FLASH
    assert (incident.opened_at, incident.last_event_at) == (NOON, NOON + 2 * SECOND)
    assert incident.state is State.PENDING
    assert not incident.announced
    assert not incident.unstable


def test_a_request_that_nobody_answered_is_a_dead_chain():
    dead = apply(None, event(1, to=None, reason=FailureReason.AUTH), NOON)
    assert dead.reason is AlertReason.CHAIN_EXHAUSTED
    assert (dead.rerouted, dead.refused, dead.served_by) == (0, 1, None)
    assert dead.samples[0].reason == "auth"
    [alone] = signals_of(event(1, reason=FailureReason.AUTH))
    assert alone.reason is AlertReason.AUTH


def test_an_event_told_twice_counts_once():
    incident = opened(1, 2)
    again = apply_all(incident, [event(1), event(2)], NOON + HOUR)
    assert again is incident
    assert apply(incident, event(3), NOON + HOUR).requests == 3


def test_events_without_a_request_are_told_apart_by_their_time():
    nameless = [replace(event(1, NOON + n * SECOND), request_id="") for n in (0, 1, 1)]
    assert apply_all(None, nameless, NOON + HOUR).requests == 2


def test_what_is_remembered_does_not_grow():
    incident = None
    for n in range(MOST_SEEN + 50):
        incident = apply(incident, event(n, NOON + n * SECOND), NOON + HOUR)
    assert incident is not None
    assert len(incident.seen) == MOST_SEEN
    assert len(incident.samples) == MOST_SAMPLES
    assert [one.request_id for one in incident.samples] == [f"req-{n}" for n in range(5)]


def test_a_late_event_moves_the_beginning_and_takes_its_place_among_the_first():
    incident = opened(10, 20, 30, 40, 50, 60)
    late = apply(incident, event(5, NOON + 5 * SECOND), NOON + HOUR)
    assert late.opened_at == NOON + 5 * SECOND
    assert late.last_event_at == NOON + 60 * SECOND
    assert [one.request_id for one in late.samples] == [
        "req-5",
        *[f"req-{n}0" for n in range(1, 5)],
    ]
    later = apply(late, event(55, NOON + 55 * SECOND), NOON + HOUR)
    assert later.samples == late.samples


def test_a_failure_takes_the_good_answers_back_unless_it_came_late():
    incident = answered(opened(1, 30), 2, NOON + MINUTE)
    assert (incident.good, incident.good_since) == (2, NOON + MINUTE)
    late = apply(incident, event(7, NOON + 7 * SECOND), NOON + HOUR)
    assert late.good == 2
    failed = apply(incident, event(8, NOON + 2 * MINUTE), NOON + HOUR)
    assert (failed.good, failed.good_since) == (0, None)


def test_a_request_that_passed_the_primary_over_says_nothing_of_it():
    incident = answered(opened(1, 30), 1, NOON + MINUTE)
    passed = apply(incident, event(8, NOON + 2 * MINUTE, asked=False), NOON + HOUR)
    assert (passed.requests, passed.last_event_at) == (3, NOON + 2 * MINUTE)
    assert (passed.good, passed.failed_at, passed.bad_at) == (
        1,
        NOON + 30 * SECOND,
        passed.failed_at,
    )
    alone = apply(None, event(1, NOON, asked=False), NOON)
    assert (alone.failed_at, alone.bad_at) == (None, NOON)
    dead = apply(None, event(1, NOON, to=None, asked=False), NOON)
    assert dead.failed_at == NOON


def test_only_the_turn_to_good_answers_is_worth_an_edit():
    incident = opened(1)
    turned = answered(incident, 1, NOON + MINUTE)
    assert turned.changed == incident.changed + 1
    more = answered(turned, 2, NOON + MINUTE)
    assert (more.good, more.changed) == (2, turned.changed)
    assert answered(more, 2, NOON + MINUTE) is more
    assert answered(more, 0, None).changed == more.changed + 1


def test_an_event_of_the_future_happened_now():
    ahead = apply(None, event(1, NOON + HOUR), NOON)
    assert (ahead.opened_at, ahead.last_event_at) == (NOON, NOON)


def test_a_clock_that_is_put_back_takes_the_incident_with_it():
    incident = replace(
        opened(1),
        announced_at=NOON + MINUTE,
        last_edit_at=NOON + MINUTE,
        last_repeat_at=NOON - HOUR,
        good_since=NOON + MINUTE,
    )
    now = NOON - HOUR
    back = in_step(incident, now)
    assert {back.opened_at, back.last_event_at, back.announced_at, back.last_edit_at} == {now}
    assert back.good_since == now
    assert in_step(back, now) is back
    assert back.acknowledged_at is None


def test_a_config_breaks_breaks_differently_and_breaks_again():
    broken = broke(None, "/srv/moltbot.json", ("no JSON5", "mend it"), NOON + HOUR, NOON)
    assert (broken.reason, broken.primary) == (AlertReason.CONFIG_INVALID, "/srv/moltbot.json")
    assert broken.opened_at == NOON
    assert broke(broken, "/srv/moltbot.json", ("no JSON5", "mend it"), NOON, NOON) is broken
    other = broke(broken, "/srv/moltbot.json", ("no model", ""), NOON + MINUTE, NOON + MINUTE)
    assert other.says == ("no model", "")
    assert other.changed == broken.changed + 1
    mended = answered(other, 1, NOON + 2 * MINUTE)
    again = broke(mended, "/srv/moltbot.json", ("no model", ""), NOON + 3 * MINUTE, NOON + HOUR)
    assert (again.good, again.last_event_at) == (0, NOON + 3 * MINUTE)


# --- which incident an event belongs to -----------------------------------------------------------


def over(incident: Incident, number: int = 1, after=10 * MINUTE) -> Incident:
    at = incident.last_event_at + after
    return replace(incident, id=number, state=State.RESOLVED, resolved_at=at, announced_at=NOON)


def test_events_are_sorted_by_model():
    limited = [event(1), event(3, primary=FLASH), event(4)]
    events = [event(2, NOON + SECOND, reason=FailureReason.TIMEOUT), *limited]
    found = sort_in([], events, NOON)
    assert sorted((one.primary, one.reason, one.requests) for one in found) == [
        (OPUS, "timeout", 3),
        (FLASH, "rate_limit", 1),
    ]


def test_what_openclaw_did_before_it_was_attached_opens_nothing():
    assert sort_in([], [replace(event(1), source="openclaw-history")], NOON) == []


def test_a_first_hop_of_another_dialect_opens_nothing_but_counts_where_it_failed_too():
    passed = replace(event(1, reason=FailureReason.MODEL_NOT_FOUND), asked=False)
    assert sort_in([], [passed], NOON) == []
    failed = event(2, reason=FailureReason.MODEL_NOT_FOUND)
    [found] = sort_in([], [passed, failed], NOON)
    assert found.requests == 2


def test_events_go_to_the_incident_that_is_open():
    present = replace(opened(1), id=7)
    [changed] = sort_in([over(opened(1)), present], [event(9, NOON + HOUR)], NOON + HOUR)
    assert (changed.id, changed.requests) == (7, 2)
    assert sort_in([present], [event(1)], NOON) == []


def test_an_event_that_comes_after_the_end_counts_there_and_opens_nothing():
    past = over(opened(1))
    [changed] = sort_in([past], [event(5, NOON + 5 * SECOND)], NOON + HOUR)
    assert (changed.id, changed.state, changed.requests) == (1, State.RESOLVED, 2)
    assert changed.changed == past.changed + 1
    assert sort_in([past], [event(1)], NOON + HOUR) == []


def test_an_event_after_the_end_of_the_last_incident_opens_another():
    past = over(opened(1))
    assert past.resolved_at is not None
    [fresh] = sort_in([past], [event(9, past.resolved_at + SECOND)], NOON + HOUR)
    assert (fresh.id, fresh.requests) == (0, 1)
    [older] = sort_in([past], [event(9, past.opened_at - LATE - SECOND)], NOON + HOUR)
    assert older.id == 0


def test_a_late_event_belongs_to_the_incident_before_the_open_one():
    past, present = over(opened(1)), replace(opened(1800), id=2)
    late = [event(2, NOON + 2 * SECOND), event(1900, NOON + 1900 * SECOND)]
    changed = sort_in([past, present], late, NOON + HOUR)
    assert sorted((one.id, one.requests) for one in changed) == [(1, 2), (2, 2)]


def test_after_a_clock_was_put_back_failures_are_no_late_ones():
    past = over(opened(1))
    assert past.resolved_at is not None
    now = past.resolved_at - MINUTE
    [fresh] = sort_in([past], [event(9, now)], now)
    assert fresh.id == 0


# --- kept -----------------------------------------------------------------------------------------


def test_a_row_without_details_is_read_all_the_same():
    for details in ("{}", "null", '{"message":1}'):
        row = {
            "id": 4,
            "state": "open",
            "primary_model": OPUS,
            "reason": "timeout",
            "opened_at": micros_of(NOON),
            "resolved_at": None,
            "requests": 37,
            "details": details,
            "gaps": None,
            "revision": 0,
            "acknowledged_by": None,
            "acknowledged_key": None,
            "acknowledged_at": None,
        }
        incident = incident_of(row)
        assert (incident.id, incident.requests, incident.last_event_at) == (4, 37, NOON)


def test_samples_keep_what_the_provider_said():
    said = apply(None, event(1, detail="HTTP 429"), NOON)
    assert said.samples == (Sample(NOON, "req-1", FLASH, "rate_limit", "HTTP 429"),)
