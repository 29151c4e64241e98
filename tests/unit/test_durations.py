"""Durations and deadlines as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.durations import parse_deadline, parse_duration, say_duration, shorten
from bot.errors import UsageError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "span"),
    [
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("1h30m", timedelta(minutes=90)),
        ("90 min", timedelta(minutes=90)),
        ("1 week", timedelta(days=7)),
        ("45 seconds", timedelta(seconds=45)),
        (" 2H ", timedelta(hours=2)),
    ],
)
def test_durations(words, span):
    assert parse_duration(words) == span


@pytest.mark.parametrize("words", ["", "2", "h", "2x", "-2h", "2h foo", "0m", "1.5h", "9" * 30])
def test_what_is_no_duration(words):
    with pytest.raises(UsageError) as caught:
        parse_duration(words)
    assert "until 18:00" in caught.value.hint


def test_too_long():
    with pytest.raises(UsageError, match="longer than 366 days"):
        parse_duration("400d")


@given(st.text(max_size=40))
def test_rubbish_is_an_error_of_ours_or_a_span(words):
    try:
        span = parse_duration(words)
    except UsageError:
        return
    assert timedelta() < span <= timedelta(days=366)


def test_until_is_the_next_such_time_in_the_teams_zone():
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_deadline("until 18:00", NOW, berlin) == datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
    assert parse_deadline("until 9:30", NOW, berlin) == datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
    assert parse_deadline("2h", NOW, berlin) == NOW + timedelta(hours=2)
    for wrong in ("until", "until 25:00", "until noon"):
        with pytest.raises(UsageError, match="not a time of day"):
            parse_deadline(wrong, NOW, berlin)


def test_until_across_the_change_to_summer_time():
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    assert parse_deadline("until 08:00", evening, berlin) == datetime(2026, 3, 29, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=5), "5 s"),
        (timedelta(minutes=22), "22 min"),
        (timedelta(minutes=59, seconds=50), "1 h"),
        (timedelta(hours=1, minutes=30), "1 h 30 min"),
        (timedelta(days=1), "24 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(hours=25, minutes=13), "25 h 13 min"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_saying(span, words):
    assert say_duration(span) == words


def test_rubbish_is_cut_before_it_is_quoted():
    assert len(shorten("x" * 500)) == 60
    assert "\x1b" not in shorten("\x1b[31m")


def test_until_in_an_hour_that_comes_twice_is_the_next_such_time():
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2026, 10, 25, hour, 50, tzinfo=UTC) for hour in (0, 1))
    assert parse_deadline("until 02:50", first - timedelta(minutes=5), berlin) == first
    assert parse_deadline("until 02:50", first, berlin) == second
    assert parse_deadline("until 02:50", second - timedelta(minutes=5), berlin) == second
    assert parse_deadline("until 02:50", second, berlin) == second + timedelta(days=1)


def test_until_a_time_that_is_skipped_is_the_hour_after():
    berlin, night = ZoneInfo("Europe/Berlin"), datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    at = parse_deadline("until 02:30", night, berlin)
    assert at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
