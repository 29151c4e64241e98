"""When a crontab line last struck, over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.cron import last_fire
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
        ("0 9 30 2 *", None),
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
