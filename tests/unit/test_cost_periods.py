"""Stretches of time in zones with whole, half and quarter hours, over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.costs.period import (
    Span,
    calendar,
    day_of,
    day_spans,
    days_of,
    earlier,
    last,
    midnight,
    today,
    week_before,
    whole_utc_days,
    zone_name,
)
from bot.ports import BudgetPeriod

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Havana",
    "Pacific/Chatham",
    "Africa/Casablanca",
]
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
moments = st.integers(0, 10 * 366 * 86400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


@given(moments, st.sampled_from(ZONES))
def test_the_week_before_is_seven_local_days_that_are_over(at, name):
    zone = ZoneInfo(name)
    week = week_before(at, zone)
    # Seven days of the calendar: with the clocks, seven times 24 hours is another moment.
    monday = week.end.astimezone(zone).date()
    assert week.end <= at < midnight(monday + timedelta(days=7), zone)
    days = days_of(week, zone)
    assert len(days) == 7
    assert days[0].weekday() == 0
    assert week_before(week.end, zone) == week
    assert earlier(week, zone).end == week.start
    assert [day.weekday() for day in days_of(earlier(week, zone), zone)] == list(range(7))


@given(moments, st.sampled_from(ZONES), st.integers(1, 40 * 24))
def test_a_span_cut_at_midnights_leaves_no_gap(at, name, hours):
    zone = ZoneInfo(name)
    span = Span(at - hours * HOUR, at)
    parts = [part for _, part in day_spans(span, zone)]
    assert parts[0].start == span.start
    assert parts[-1].end == span.end
    assert all(one.end == other.start for one, other in pairwise(parts))
    for day, part in day_spans(span, zone):
        assert part.start.astimezone(zone).date() == day


@given(moments, st.sampled_from(ZONES), st.sampled_from(BudgetPeriod))
def test_now_lies_in_its_calendar_period_and_the_next_follows_at_once(at, name, period):
    zone = ZoneInfo(name)
    span = calendar(period, at, zone)
    assert span.start <= at < span.end
    assert calendar(period, span.end, zone).start == span.end
    assert calendar(period, span.start, zone) == span


def test_a_day_has_as_many_hours_as_the_clocks_give_it():
    assert day_of(date(2026, 3, 29), BERLIN).length == 23 * HOUR
    assert day_of(date(2026, 10, 25), BERLIN).length == 25 * HOUR
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert day_of(date(2026, 10, 4), lord_howe).length == timedelta(hours=23, minutes=30)


def test_a_midnight_that_is_skipped_or_doubled_begins_the_day_once():
    santiago, havana = ZoneInfo("America/Santiago"), ZoneInfo("America/Havana")
    skipped = midnight(date(2026, 9, 6), santiago)
    assert skipped == datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert skipped.astimezone(santiago).hour == 1
    doubled = day_of(date(2026, 11, 1), havana)
    assert doubled.start == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert doubled.length == 25 * HOUR


def test_half_and_quarter_hours():
    assert midnight(date(2026, 3, 2), ZoneInfo("Asia/Kolkata")).minute == 30
    assert midnight(date(2026, 3, 2), ZoneInfo("Asia/Kathmandu")).minute == 15


def test_today_is_compared_with_yesterday_until_the_same_time():
    now = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)
    span = today(now, BERLIN)
    assert span == Span(datetime(2026, 3, 28, 23, tzinfo=UTC), now)
    # Yesterday's 12:30 was an hour later in UTC, for the clocks went forward in between.
    assert earlier(span, BERLIN) == Span(
        datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 28, 11, 30, tzinfo=UTC)
    )


@pytest.mark.parametrize("day", [2, 29, 30])
def test_seven_rolling_days_are_compared_with_the_seven_before(day):
    now = datetime(2026, 3, day, 10, tzinfo=UTC)
    span = last(timedelta(days=7), now)
    before = earlier(span, BERLIN)
    assert abs(before.length - timedelta(days=7)) <= HOUR
    assert abs(before.end - span.start) <= HOUR


def test_a_few_hours_are_compared_with_those_just_before():
    now = datetime(2026, 3, 2, 10, tzinfo=UTC)
    span = last(2 * HOUR, now)
    assert earlier(span, UTC) == Span(now - 4 * HOUR, now - 2 * HOUR)


def test_only_whole_utc_days_have_bills():
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert whole_utc_days(Span(start, start + timedelta(days=2))) == (
        date(2026, 3, 2),
        date(2026, 3, 3),
    )
    assert whole_utc_days(Span(start, start + HOUR)) == (date(2026, 3, 2), date(2026, 3, 2))
    whole = day_of(date(2026, 3, 1), UTC)
    assert whole_utc_days(whole) == (date(2026, 3, 1), date(2026, 3, 2))


def test_nothing_has_no_days_and_a_zone_has_a_name():
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert days_of(Span(now, now), UTC) == []
    assert day_spans(Span(now, now - HOUR), UTC) == []
    assert (zone_name(BERLIN), zone_name(UTC)) == ("Europe/Berlin", "UTC")
