"""Recurring windows: what is typed, what the clocks do, what a provider's price bands say."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from adapters.prices import ListedPrices
from bot.catalog import shipped
from bot.errors import UsageError
from bot.models import ModelRef
from bot.windows import (
    Window,
    clock_windows,
    first_overlap,
    instant,
    low_windows,
    parse_when,
)

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ("weekdays 22:00-07:00", "weekdays 22:00-07:00"),
        ("Weekdays 22:00 – 7:00", "weekdays 22:00-07:00"),
        ("22:00-07:00", "daily 22:00-07:00"),
        ("every day 9:00-17:30", "daily 09:00-17:30"),
        ("weekends", "weekends 00:00-24:00"),
        ("sat,sun", "weekends 00:00-24:00"),
        ("mon-fri 09:00-24:00", "weekdays 09:00-24:00"),
        ("fri-mon 09:00-10:00", "mon,fri,sat,sun 09:00-10:00"),
        ("monday, wed 09:00-10:00", "mon,wed 09:00-10:00"),
    ],
)
def test_hours_are_read_as_people_write_them(words: str, read: str):
    assert str(parse_when(words)) == read


@pytest.mark.parametrize("words", ["off-peak", "Off peak", "offpeak"])
def test_off_peak_is_a_word_of_its_own(words: str):
    assert parse_when(words) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("weekdays 25:00-07:00", "'25:00' is not a time of day."),
        ("weekdays 22:00-07:60", "'07:60' is not a time of day."),
        ("weekdays 22:00-24:30", "'24:30' is not a time of day."),
        ("weekdays 24:00-07:00", "'24:00' is not a time of day."),
        ("weekdays 22:0-07:00", "'22:0' is not a time of day."),
        ("weekdays 22:00", "'22:00' has no start and end, such as 22:00-07:00."),
        ("weekdays 22:00-22:00", "22:00-22:00 starts and ends at the same time."),
        ("00:00-00:00", "00:00-00:00 starts and ends at the same time."),
        ("daily", "'daily' is always. Nothing would ever switch back."),
        ("mon-sun 00:00-24:00", "'mon-sun 00:00-24:00' is always."),
        ("caturdays 22:00-07:00", "'caturdays' is not a day."),
        ("mon,,wed 22:00-07:00", "'' is not a day."),
        ("at night", "'at night' is not a recurring time."),
        ("", "'' is not a recurring time."),
    ],
)
def test_what_is_no_window_is_refused_with_the_wrong_part_named(words: str, said: str):
    with pytest.raises(UsageError) as caught:
        parse_when(words)
    assert caught.value.message.startswith(said)
    assert (
        "model plan" in caught.value.hint
        or "weekdays" in caught.value.hint
        or ("model use" in caught.value.hint)
    )


def windows(words: str, start: datetime, days: int, zone: ZoneInfo = BERLIN) -> list[Window]:
    hours = parse_when(words)
    assert hours is not None
    return clock_windows(hours, zone, start, start + days * DAY)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on():
    found = windows("weekdays 22:00-07:00", utc(2026, 3, 2), 7)
    # Monday's to Friday's, each until the morning after; none on Saturday and Sunday evening.
    assert [one.start.astimezone(BERLIN).strftime("%a %H:%M") for one in found] == [
        f"{day} 22:00" for day in ("Mon", "Tue", "Wed", "Thu", "Fri")
    ]
    assert found[-1].end.astimezone(BERLIN).strftime("%a %H:%M") == "Sat 07:00"


def test_adjacent_days_are_one_window():
    [found] = windows("weekends", utc(2026, 3, 4), 7)
    assert found == Window(utc(2026, 3, 6, 23), utc(2026, 3, 8, 23))


def test_the_ends_are_the_clocks_whatever_the_clocks_do():
    # Put forward on 2026-03-29 (a night of 8 hours), back on 2026-10-25 (one of 10).
    spring = windows("daily 22:00-07:00", utc(2026, 3, 28, 12), 1)
    assert spring == [Window(utc(2026, 3, 28, 21), utc(2026, 3, 29, 5))]
    autumn = windows("daily 22:00-07:00", utc(2026, 10, 24, 12), 1)
    assert autumn == [Window(utc(2026, 10, 24, 20), utc(2026, 10, 25, 6))]


def test_an_hour_that_is_skipped_is_no_window_and_one_that_comes_twice_is_one():
    assert windows("daily 02:00-03:00", utc(2026, 3, 28, 12), 1) == []
    assert windows("daily 02:15-02:45", utc(2026, 10, 24, 12), 1) == [
        Window(utc(2026, 10, 25, 0, 15), utc(2026, 10, 25, 0, 45))
    ]


def test_a_time_that_is_skipped_is_the_moment_the_clocks_change():
    skipped = date(2026, 3, 29)
    assert instant(skipped, 2 * 60 + 30, BERLIN) == instant(skipped, 3 * 60, BERLIN)
    assert instant(skipped, 2 * 60, BERLIN) == utc(2026, 3, 29, 1)
    # Half an hour, and at another time of day.
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert instant(date(2026, 10, 4), 2 * 60 + 15, lord_howe) == utc(2026, 10, 3, 15, 30)


def test_windows_that_touch_do_not_overlap_on_any_night():
    for year in (2026, 2027):
        one = windows("daily 22:00-02:45", utc(year, 1, 1), 365)
        other = windows("daily 02:45-05:00", utc(year, 1, 1), 365)
        assert first_overlap(one, other) is None
        assert len(one) in (365, 366)


def test_the_first_stretch_of_both_is_found():
    one = windows("weekdays 22:00-07:00", utc(2026, 3, 2), 7)
    other = windows("weekends", utc(2026, 3, 2), 7)
    assert first_overlap(one, other) == Window(utc(2026, 3, 6, 23), utc(2026, 3, 7, 6))
    assert first_overlap(other, one) == first_overlap(one, other)
    assert first_overlap(one, []) is None


def low(name: str, start: datetime, days: int) -> list[Window]:
    prices, ref = ListedPrices(shipped()), ModelRef("deepseek", name)

    def price_at(at: datetime) -> Decimal | None:
        price = prices.listed(ref, at)
        return price.blended_usd_per_1m if price else None

    return low_windows(price_at, start, start + days * DAY)


def test_off_peak_is_when_the_provider_asks_least():
    # A Tuesday: peaks 01:00 to 04:00 and 06:00 to 10:00 UTC.
    found = low("deepseek-flash", utc(2026, 12, 1, 2), 1)
    assert found == [
        Window(utc(2026, 12, 1, 4), utc(2026, 12, 1, 6)),
        Window(utc(2026, 12, 1, 10), utc(2026, 12, 2, 1)),
    ]


def test_off_peak_knows_weekends_and_holidays():
    # Friday's last peak until Monday's first.
    assert Window(utc(2026, 12, 4, 10), utc(2026, 12, 7, 1)) in low(
        "deepseek-flash", utc(2026, 12, 3, 2), 7
    )
    # The National Day holidays of 2026, Thursday to Wednesday.
    assert Window(utc(2026, 9, 30, 10), utc(2026, 10, 8, 1)) in low(
        "deepseek-flash", utc(2026, 9, 29, 2), 14
    )


def test_a_price_that_never_changes_or_is_unknown_has_no_off_peak():
    start = utc(2026, 12, 1)
    assert low_windows(lambda at: Decimal(1), start, start + DAY) == []
    assert low_windows(lambda at: None, start, start + DAY) == []
    half = {True: Decimal(1), False: None}
    assert low_windows(lambda at: half[at.hour < 12], start, start + DAY) == []


def test_a_band_may_begin_on_a_quarter_of_an_hour():
    def price_at(at: datetime) -> Decimal:
        minute = at.hour * 60 + at.minute
        return Decimal(1) if minute >= 16 * 60 + 30 or minute < 45 else Decimal(2)

    start = utc(2026, 12, 1, 12)
    assert low_windows(price_at, start, start + DAY) == [
        Window(utc(2026, 12, 1, 16, 30), utc(2026, 12, 2, 0, 45))
    ]
