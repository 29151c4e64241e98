"""When a crontab line last struck, over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.schedule.cron import last_fire, next_fire, trigger
from bot.errors import SettingsError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)


def last(expression, now=NOW, zone=BERLIN):
    return last_fire("CHANGEOVER_DIGEST", expression, zone, now)


@pytest.mark.parametrize(
    ("expression", "at"),
    [
        ("0 9 * * mon", datetime(2026, 3, 30, 7, 0, tzinfo=UTC)),
        ("0 15 * * mon", datetime(2026, 3, 23, 14, 0, tzinfo=UTC)),
        ("* * * * *", NOW),
        ("0 9 1 * *", datetime(2026, 3, 1, 8, 0, tzinfo=UTC)),
        ("0 9 1 6 *", datetime(2025, 6, 1, 7, 0, tzinfo=UTC)),
        ("0 9 29 2 *", None),
    ],
)
def test_the_last_time_a_line_struck(expression, at):
    assert last(expression) == at


def test_a_moment_before_and_at_the_stroke():
    stroke = datetime(2026, 3, 30, 7, 0, tzinfo=UTC)
    assert last("0 9 * * mon", stroke) == stroke
    earlier = last("0 9 * * mon", stroke - timedelta(seconds=1))
    assert earlier == datetime(2026, 3, 23, 8, 0, tzinfo=UTC)


def test_a_half_hour_zone():
    at = last("30 9 * * mon", zone=ZoneInfo("Asia/Kolkata"))
    assert at == datetime(2026, 3, 30, 4, 0, tzinfo=UTC)


def test_a_line_that_is_none_names_its_variable():
    with pytest.raises(SettingsError) as error:
        last("soon")
    assert "CHANGEOVER_DIGEST" in error.value.message


MONDAY = datetime(2026, 11, 30, 0, 0, tzinfo=UTC)


def days(weekday, day="*"):
    """The weekdays and dates on which a line fires within two weeks of a Monday."""
    fires = trigger("X", f"0 9 {day} * {weekday}", UTC)
    found, at = [], MONDAY
    while (at := fires.get_next_fire_time(None, at)) and at < MONDAY + timedelta(days=14):
        found.append(at)
        at += timedelta(seconds=1)
    return found


@pytest.mark.parametrize(
    ("weekday", "names"),
    [
        ("0", "Sun"), ("7", "Sun"), ("1", "Mon"), ("6", "Sat"), ("sun", "Sun"), ("MON", "Mon"),
        ("1-5", "Mon Tue Wed Thu Fri"), ("mon-fri", "Mon Tue Wed Thu Fri"),
        ("0,6", "Sat Sun"), ("5-7", "Fri Sat Sun"), ("0-2", "Mon Tue Sun"),
        ("sat-mon", "Mon Sat Sun"), ("*/2", "Tue Thu Sat Sun"), ("1-5/2", "Mon Wed Fri"),
        ("1,3,sun", "Mon Wed Sun"), ("0-7", "Mon Tue Wed Thu Fri Sat Sun"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)  # fmt: skip
def test_weekdays_are_crontabs(weekday, names):
    week = [f"{at:%a}" for at in days(weekday) if at < MONDAY + timedelta(days=7)]
    assert week == names.split()


def test_a_day_of_the_month_or_a_weekday_is_enough_where_both_are_limited():
    assert [f"{at:%a %d}" for at in days("1", day="2,3")] == [
        "Mon 30",
        "Wed 02",
        "Thu 03",
        "Mon 07",
    ]


@pytest.mark.parametrize(
    "line", ["0 9 * * 8", "0 9 * * x", "0 9 * * 1-", "0 9 * * 1/0", "61 9 * * *", "9 * * *", ""]
)
def test_what_is_no_cron_line_is_refused(line):
    with pytest.raises(SettingsError) as error:
        trigger("CHANGEOVER_DIGEST", line, UTC)
    assert "CHANGEOVER_DIGEST must be a cron line" in error.value.message


@pytest.mark.parametrize("line", ["0 9 30 2 *", "0 9 31 4,6 *"])
def test_a_line_that_never_comes_is_refused(line):
    with pytest.raises(SettingsError) as error:
        trigger("CHANGEOVER_DIGEST", line, UTC)
    assert "never comes" in error.value.message
    assert trigger("CHANGEOVER_DIGEST", "0 9 29 2 mon", UTC)


def test_the_next_time_is_in_the_teams_zone():
    assert next_fire("X", "0 9 * * 1", BERLIN, MONDAY) == datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
