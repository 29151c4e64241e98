"""Budgets, posting, bills, comparisons and figures: the decisions without the world."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from bot.costs.billed import beside, bill_days, metered
from bot.costs.budget import BudgetStep, decide, parse_amount
from bot.costs.compare import alternative, cheapest_first, traffic_of
from bot.costs.export_csv import COLUMNS, to_csv
from bot.costs.figures import merged, priced_nano, total_of, unpriced_models
from bot.costs.period import Span, week_before
from bot.costs.posting import (
    digest_mark,
    first_and_last,
    is_worth_posting,
    period_name,
)
from bot.errors import UsageError
from bot.models import ModelRef, Price, PriceTier, Usage
from bot.ports import Bill, Budget, BudgetPeriod, MeterReading, Spend
from tests.support.fakes_ledger import NOON, attempt

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BUDGET = Budget(1_000_000, BudgetPeriod.DAY, None, "Ana", NOON, 1)


# --- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "reached"),
    [
        (0, BudgetStep.NONE),
        (499_999, BudgetStep.NONE),
        (500_000, BudgetStep.HALF),
        (900_000, BudgetStep.MOST),
        (999_999, BudgetStep.MOST),
        (1_000_000, BudgetStep.ALL),
        (1_500_000, BudgetStep.HALF_AGAIN),
        (2_999_999, BudgetStep.TWICE),
        (9_000_000, BudgetStep.THRICE),
    ],
)
def test_the_highest_step_counts(spent, reached):
    assert decide(BUDGET, spent, NOON, UTC).reached is reached


def test_a_budgets_state_says_how_much_and_until_when():
    state = decide(BUDGET, 250_000, NOON, UTC)
    assert state.percent == 25
    assert state.period == Span(NOON.replace(hour=0), NOON.replace(hour=0) + DAY)
    assert state.passed == ()


@pytest.mark.parametrize(
    ("words", "nano"),
    [
        ("50", 50 * 10**9),
        ("$12.50", 12_500_000_000),
        ("12.5 USD", 12_500_000_000),
        ("US$1", 10**9),
        ("1,000", 1000 * 10**9),
        ("1,234,567.89", 1_234_567_890_000_000),
        ("0.000000001", 1),
        ("+5", 5 * 10**9),
    ],
)
def test_an_amount_as_people_type_it(words, nano):
    assert parse_amount(words) == nano


@pytest.mark.parametrize(("words", "point"), [("10,50", "10.50"), ("$12,5", "12.5")])
def test_a_decimal_comma_is_explained(words, point):
    with pytest.raises(UsageError) as error:
        parse_amount(words)
    assert "decimal comma" in error.value.message
    assert f"/cost budget {point}" in error.value.hint


@pytest.mark.parametrize(
    "words",
    [
        "abc",
        "",
        "0",
        "-5",
        "0.0000000001",
        "1e3",
        "nan",
        "inf",
        "12,5",
        "5€",
        "1" * 40,
        "$",
        "1..2",
    ],
)
def test_what_is_no_amount_is_refused_with_the_way_to_write_it(words):
    with pytest.raises(UsageError) as error:
        parse_amount(words)
    assert "/cost budget" in error.value.hint


# --- posting --------------------------------------------------------------------------------------

WEEK = week_before(NOON, UTC)


@pytest.mark.parametrize(
    ("first_at", "due_at", "worth"),
    [
        (WEEK.start, NOON - HOUR, True),
        (None, NOON - 9 * DAY, False),
        (WEEK.end, NOON - HOUR, False),
        (None, NOON + HOUR, True),
    ],
)
def test_which_digest_is_worth_posting(first_at, due_at, worth):
    assert is_worth_posting(WEEK, first_at, due_at, NOON) is worth


def test_a_period_is_named_by_its_days():
    assert period_name(WEEK, UTC) == "2026-02-23 to 2026-03-01"
    assert digest_mark(WEEK, UTC) == "week 2026-02-23 to 2026-03-01"
    assert first_and_last(WEEK, UTC) == (date(2026, 2, 23), date(2026, 3, 1))


# --- bills ----------------------------------------------------------------------------------------

MONDAY = date(2026, 2, 23)
MIDNIGHT = datetime(2026, 2, 23, tzinfo=UTC)


def readings(*amounts, start=MIDNIGHT, step=6 * HOUR, **more):
    return [
        MeterReading("deepseek", start + n * step, amount, **more)
        for n, amount in enumerate(amounts)
    ]


def test_a_days_bill_is_how_far_the_meter_fell():
    bill = metered(readings(100, 90, 90, 70, 65), MONDAY, NOON)
    assert bill == Bill("deepseek", MONDAY, 35, NOON)


def test_or_how_far_it_rose():
    assert metered(readings(5, 7, 7, 9, 12, rises=True), MONDAY, NOON).amount_usd_nano == 7


def test_credit_added_hides_what_was_spent():
    assert metered(readings(100, 90, 190, 170, 165), MONDAY, NOON) is None


@pytest.mark.parametrize(
    "found",
    [
        [],
        readings(100),
        readings(100, 90, 80),
        readings(100, 50, start=MIDNIGHT + 3 * HOUR, step=DAY),
        readings(100, 50, step=DAY, currency="CNY"),
        [*readings(100), *readings(50, start=MIDNIGHT + DAY, account="another")],
        [*readings(100), *readings(50, start=MIDNIGHT + DAY, rises=True)],
    ],
)
def test_a_meter_that_does_not_tell_a_day_makes_no_bill(found):
    assert metered(found, MONDAY, NOON) is None


def bill(provider, offset, amount=10, fetched=NOON):
    return Bill(provider, MONDAY + offset * DAY, amount, fetched)


def test_bills_are_put_beside_the_estimate_of_the_same_days():
    bills = [bill("a", 0), bill("a", 1, 30, NOON - HOUR), bill("b", 3, 50)]
    a_and_b = beside(bills, {"a": 35})
    assert [one.provider for one in a_and_b] == ["b", "a"]
    assert a_and_b[1].gap_nano == 5
    assert a_and_b[1].as_of == NOON - HOUR
    assert (a_and_b[1].first, a_and_b[1].end) == (MONDAY, MONDAY + 2 * DAY)
    assert a_and_b[0].gap_nano is None


def test_a_day_that_was_not_told_is_not_counted_as_nothing():
    assert bill_days([bill("a", 0), bill("a", 2), bill("a", 3)]) == {
        "a": (MONDAY + 2 * DAY, MONDAY + 4 * DAY)
    }
    assert beside([bill("a", 0, 99), bill("a", 2)], {})[0].amount_nano == 10


# --- figures --------------------------------------------------------------------------------------


def test_groups_add_up_key_by_key():
    one, other = Spend("a", 5, 1, input_tokens=7), Spend("a", 6, 2, unpriced=1)
    both = merged([[one], [other, Spend("b", 50)]])
    assert [group.key for group in both] == ["b", "a"]
    assert (both[1].cost_nano_usd, both[1].requests, both[1].input_tokens) == (11, 3, 7)
    assert total_of(both).cost_nano_usd == 61


def test_unpriced_is_not_free():
    assert priced_nano(Spend("a", 0, unpriced=2)) is None
    assert priced_nano(Spend("a", 3, unpriced=2)) == 3
    assert priced_nano(Spend("ollama", 0, 9)) == 0
    found = unpriced_models([Spend("a", unpriced=1), Spend("b", 5), Spend("c", unpriced=4)])
    assert [(one.model, one.requests) for one in found] == [("c", 4), ("a", 1)]


# --- comparison -----------------------------------------------------------------------------------

CHEAP = Price(Decimal(1), Decimal(2), cached_input_usd_per_1m=Decimal("0.1"))
REF = ModelRef("x", "cheap")


def test_the_same_tokens_are_priced_cache_included():
    by_model = [
        Spend("a/b", 9_000_000, 3, input_tokens=1000, cached_input_tokens=400, output_tokens=100),
        Spend("c/d", 0, 7, unpriced=7, input_tokens=10**9),
    ]
    traffic = traffic_of(by_model)
    assert (traffic.cost_nano, traffic.requests) == (9_000_000, 3)
    one = alternative(traffic, REF, "cheap", CHEAP)
    assert one.nano == 600_000 + 40_000 + 200_000
    assert one.saving_nano == 8_160_000
    assert one.saving_percent is not None
    assert round(one.saving_percent, 2) == Decimal("90.67")


def test_a_tier_is_told_from_the_sample():
    tiered = replace(CHEAP, tiers=(PriceTier(100, Decimal(2), Decimal(4)),))
    by_model = [Spend("a/b", 1, 2, input_tokens=300, output_tokens=20)]
    small = attempt(1, model="a/b", tokens=(100, 10))
    large = attempt(2, model="a/b", tokens=(200, 10))
    traffic = traffic_of(by_model, [small, large])
    # 100 + 2 x 10 at the base, (200 + 2 x 10) x 2 above, against 340 at the base.
    assert alternative(traffic, REF, None, tiered).nano == 560_000
    assert alternative(traffic_of(by_model), REF, None, tiered).nano == 340_000


def test_a_time_of_day_is_told_from_the_sample():
    peak = replace(CHEAP, input_usd_per_1m=Decimal(3), output_usd_per_1m=Decimal(6))
    by_model = [Spend("a/b", 1, 2, input_tokens=200, output_tokens=0)]
    sample = [
        attempt(1, model="a/b", tokens=(100, 0)),
        attempt(2, model="a/b", tokens=(100, 0), at=NOON + HOUR),
        attempt(3, model="not/priced", tokens=(10**6, 0), cost=None),
    ]
    by_model.append(Spend("not/priced", 0, 1, unpriced=1, input_tokens=10**6))
    one = alternative(
        traffic_of(by_model, sample), REF, None, CHEAP, lambda at: peak if at > NOON else None
    )
    assert one.nano == 400_000


def test_free_unknown_and_nothing_to_save_on():
    nothing = traffic_of([])
    free = alternative(nothing, REF, None, Price(Decimal(0), Decimal(0)))
    assert (free.nano, free.saving_nano, free.saving_percent) == (0, 0, None)
    unknown = alternative(nothing, ModelRef("x", "a"), None, None)
    assert unknown.nano is None
    assert cheapest_first([unknown, free]) == [free, unknown]


# --- CSV ------------------------------------------------------------------------------------------


def test_rows_as_csv_with_exact_money_and_their_price():
    price = Price(
        Decimal(5), Decimal("2.50"), Decimal("0.5"), None, "genai-prices", date(2026, 11, 22)
    )
    told = replace(
        attempt(1, cost=66_250_001, price=price, caller="ana"), usage=Usage(10, 5, 4, 2, 1, 3)
    )
    head, row, end = to_csv([told]).decode().split("\n")
    assert end == ""
    cells = dict(zip(COLUMNS, row.split(","), strict=True))
    assert head.split(",") == list(COLUMNS)
    assert cells["at"] == "2026-03-02T12:00:00Z"
    assert cells["cost_usd"] == "0.066250001"
    assert cells["cache_write_1h_tokens"] == "1"
    assert cells["price_source"] == "genai-prices"
    assert cells["price_as_of"] == "2026-11-22"
    assert cells["output_usd_per_1m"] == "2.50"
    assert cells["cache_write_usd_per_1m"] == ""
    assert cells["fallback"] == "no"


def test_an_unknown_cost_is_empty_and_not_0():
    row = to_csv([attempt(1, cost=None)]).decode().split("\n")[1]
    assert dict(zip(COLUMNS, row.split(","), strict=True))["cost_usd"] == ""


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1"])
def test_no_cell_is_a_formula(evil):
    text = to_csv([attempt(1, caller=evil, model="a/b")]).decode()
    assert f"'{evil}" in text
    assert f",{evil}" not in text
