"""Mutes, and quiet hours on the days when clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bot.alerts.mute import Hold, QuietHours, hold
from bot.durations import in_force
from bot.outage import AlertReason
from tests.support.fakes_alerts import NOON

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(22), time(7), BERLIN)
HOUR = timedelta(hours=1)


def at(day: int, hour: float, month: int = 3, fold: int = 0) -> datetime:
    whole = int(hour)
    local = datetime(2026, month, day, whole, round((hour - whole) * 60), tzinfo=BERLIN, fold=fold)
    return local.astimezone(UTC)


@pytest.mark.parametrize(
    ("hour", "night"),
    [(21.98, None), (22, "2026-03-02"), (23.5, "2026-03-02"), (6.98, "2026-03-01"), (7, None)],
)
def test_quiet_hours_over_midnight(hour, night):
    found = NIGHT.at(at(2, hour))
    assert (found.name if found else None) == night


def test_quiet_hours_within_a_day():
    siesta = QuietHours(time(13), time(15), BERLIN)
    assert siesta.at(at(2, 12.9)) is None
    found = siesta.at(at(2, 14))
    assert found is not None
    assert (found.start, found.end) == (at(2, 13), at(2, 15))
    assert siesta.latest(at(2, 12)).name == "2026-03-01"


def test_the_latest_night_is_the_one_that_began_last():
    assert NIGHT.latest(at(3, 12)).name == "2026-03-02"
    assert NIGHT.latest(at(3, 12)).end == at(3, 7)
    assert NIGHT.latest(at(3, 23)).name == "2026-03-03"


def test_a_night_in_which_clocks_go_forward_is_an_hour_shorter():
    night = NIGHT.at(at(29, 1))
    assert night is not None
    assert night.end - night.start == 8 * HOUR
    assert NIGHT.at(at(29, 6.9)) == night
    assert NIGHT.at(at(29, 7)) is None


def test_a_night_in_which_clocks_go_back_is_an_hour_longer():
    night = NIGHT.at(at(25, 1, month=10))
    assert night is not None
    assert night.end - night.start == 10 * HOUR


def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_once():
    short = QuietHours(time(23), time(2, 30), BERLIN)
    now, seen = at(24, 22, month=10), []
    while now < at(25, 5, month=10):
        seen.append(short.at(now) is not None)
        now += timedelta(minutes=10)
    assert [a != b for a, b in pairwise(seen)].count(True) == 2


def test_quiet_hours_that_end_in_the_hour_that_does_not_exist_end_all_the_same():
    short = QuietHours(time(23), time(2, 30), BERLIN)
    night = short.at(at(29, 1))
    assert night is not None
    assert short.at(night.end) is None
    assert night.end in (at(29, 3), at(29, 3.5))


def test_quiet_hours_that_begin_in_the_hour_that_comes_twice_begin_once():
    late = QuietHours(time(2, 15), time(8), BERLIN)
    start = late.latest(at(25, 12, month=10)).start
    assert late.at(start - timedelta(minutes=1)) is None
    assert late.at(at(25, 2.5, month=10, fold=1)) is not None


EVERY = list(AlertReason)
BREAKS_MUTE = {AlertReason.CHAIN_EXHAUSTED}
BREAKS_NIGHT = BREAKS_MUTE | {AlertReason.AUTH, AlertReason.BILLING, AlertReason.CONFIG_INVALID}


@pytest.mark.parametrize("reason", EVERY)
def test_what_breaks_through(reason):
    until = NOON + HOUR
    muted = hold(reason, NOON, until, None)
    assert muted == (None if reason in BREAKS_MUTE else (Hold.MUTED, until))
    midnight = at(3, 0)
    quiet = hold(reason, midnight, None, NIGHT)
    assert quiet == (None if reason in BREAKS_NIGHT else (Hold.QUIET, at(3, 7)))
    assert hold(reason, NOON, NOON, NIGHT) is None


def test_a_mute_longer_than_a_mute_can_be_was_set_by_a_wrong_clock():
    assert in_force(None, NOON) is None
    assert in_force(NOON, NOON) is None
    assert in_force(NOON + timedelta(hours=1), NOON) == NOON + timedelta(hours=1)
    assert in_force(NOON + timedelta(days=366), NOON) == NOON + timedelta(days=366)
    assert in_force(NOON + timedelta(days=367), NOON) is None
    assert hold(AlertReason.TIMEOUT, NOON, NOON + timedelta(days=3650), None) is None
