"""Whatever order events come in, and whatever else happens: the end is the same, and quiet."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.grouping import sort_in
from bot.errors import ChatError
from bot.incident import Incident
from bot.models import FailureReason
from bot.ports import FallbackEvent
from tests.support.fakes_alerts import FLASH, LLAMA, NOON, AlertBench, apply, apply_all, event

LATER = NOON + timedelta(days=1)

EVENTS = st.builds(
    lambda number, second, to, asked: event(
        number, NOON + timedelta(seconds=second), to=to, asked=asked
    ),
    st.integers(0, 40),
    st.integers(0, 3600),
    st.sampled_from([FLASH, LLAMA]),
    st.booleans(),
)


def told_once(events: list[FallbackEvent]) -> list[FallbackEvent]:
    """Make each request one event: a request does not fail at two times."""
    return list({one.request_id: one for one in events}.values())


@given(st.lists(EVENTS, min_size=1, max_size=40).map(told_once), st.randoms())
def test_events_in_any_order_and_twice_make_the_same_incident(events, random):
    straight = apply_all(None, events, LATER)
    shuffled = [*events, *random.sample(events, len(events) // 2)]
    random.shuffle(shuffled)
    one_by_one: Incident | None = None
    for one in shuffled:
        one_by_one = apply(one_by_one, one, LATER)
    assert one_by_one == straight
    assert straight.requests == len(events)
    assert straight.opened_at == min(one.at for one in events)
    assert straight.last_event_at == max(one.at for one in events)
    assert sum(count for _, count in straight.served) == straight.rerouted


@given(st.lists(EVENTS, min_size=2, max_size=40).map(told_once), st.integers(1, 39))
def test_events_in_batches_make_the_same_incidents(events, cut):
    whole = sort_in([], events, LATER)
    first = sort_in([], events[:cut], LATER)
    rest = sort_in(first, events[cut:], LATER)
    by_group = {(one.primary, one.reason): one for one in [*first, *rest]}
    assert by_group == {(one.primary, one.reason): one for one in whole}


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("fail"), st.integers(1, 9), st.sampled_from([None, FLASH, LLAMA])),
        st.tuples(st.just("key"), st.just(1), st.just(FLASH)),
        st.tuples(st.just("good"), st.integers(1, 4), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 900), st.none()),
        st.tuples(st.just("jump"), st.sampled_from([-3600, 3600]), st.none()),
        st.tuples(st.just("deaf"), st.booleans(), st.none()),
        st.tuples(st.just("delete"), st.just(0), st.none()),
        st.tuples(st.just("restart"), st.just(0), st.none()),
        st.tuples(st.just("mute"), st.integers(0, 60), st.none()),
    ),
    max_size=14,
)


async def act(bench: AlertBench, kind: str, value: Any, to: str | None) -> None:
    match kind:
        case "fail":
            await bench.fails(value, to=to)
        case "key":
            await bench.fails(value, to=to, reason=FailureReason.AUTH)
        case "good":
            bench.answers(value)
        case "wait":
            await bench.wait(step_s=20, seconds=value)
        case "jump":
            bench.clock.at += timedelta(seconds=value)
        case "deaf":
            trouble = ChatError("Slack is away.") if value else None
            bench.slack.fail_post = bench.slack.fail_update = trouble
        case "delete" if bench.slack.messages:
            bench.slack.delete()
        case "restart":
            bench.start()
        case "mute":
            await bench.log.mute(bench.now + timedelta(minutes=value) if value else None)


async def live_through(acts: list[tuple[str, Any, str | None]]) -> AlertBench:
    bench = AlertBench()
    for one in acts:
        await act(bench, *one)
        await bench.tick()
    bench.slack.fail_post = bench.slack.fail_update = None
    await bench.log.mute(None)
    for _ in range(3):
        await bench.wait(step_s=60, minutes=30)
        bench.answers()
    await bench.wait(step_s=60, minutes=70)
    return bench


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_whatever_happens_it_ends_well(acts):
    bench = asyncio.run(live_through(acts))
    rows = bench.log.incident_rows
    assert all(row.state == "resolved" for row in rows)
    counted = sum(row.requests for row in rows)
    assert counted == sum(times for kind, times, _ in acts if kind in ("fail", "key"))
    for shown in bench.slack.main:
        assert not shown.title.startswith(("Fallback", "Nobody", "Unstable")), shown.text
        gaps = [b - a for a, b in pairwise(shown.edited_at)]
        assert not any(timedelta() <= gap < timedelta(seconds=5) for gap in gaps)
    incidents = [line for shown in bench.slack.main for line in shown.text.splitlines()]
    marks = [line for line in incidents if line.startswith("Incident ")]
    assert len(marks) == len(set(marks))
    known = asyncio.run(bench.store.incidents(NOON - timedelta(days=365)))
    announced = {incident.id for incident in known if incident.announced}
    assert {int(mark.split()[1]) for mark in marks} <= announced
