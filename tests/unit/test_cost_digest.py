"""What a digest works out, and how the odd weeks are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.terminal.layout import Reader
from adapters.terminal.render import plain_text
from bot.costs.billed import Billed
from bot.costs.budget import decide
from bot.costs.chart_svg import Series, SpendChart
from bot.costs.compare import Alternative
from bot.costs.digest import Gathered, Retirement, trouble_of, work_out
from bot.costs.figures import change_percent, total_of
from bot.costs.period import Span
from bot.messages.cost import comparison, gap, many, total_words
from bot.messages.cost_digest import DigestWords, digest_card
from bot.messages.words import percent
from bot.models import FailureReason, ModelFacts, ModelRef, Price
from bot.ports import Budget, BudgetPeriod, ChainTest, FallbackEvent, IncidentRow, Spend

START = datetime(2026, 2, 23, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = START + 7 * DAY + 9 * HOUR
WEEK = Span(START, START + 7 * DAY)
DOLLAR = 10**9
PRICE = Price(Decimal(10), Decimal(10))


def groups(*spends):
    return [(date(2026, 2, 23), list(spends)), (date(2026, 2, 24), [])]


def worked(*spends, **more):
    values = {"first_at": START - 9 * DAY, "by_day": groups(*spends), **more}
    return work_out(Gathered(WEEK, UTC, NOW, **values))


def told(digest, **more):
    words = DigestWords(digest, "last week", "the week before", "week X", "UTC", (), **more)
    return plain_text(digest_card(words, {}), Reader(UTC, NOW))


FELL = Spend("b/cheap", 2 * DOLLAR, 4, 2, input_tokens=4_000_000, fallback_cost_nano_usd=DOLLAR)


def event(to, from_="a/best", at=START + HOUR):
    return FallbackEvent(at, "r", from_, to, FailureReason.TIMEOUT)


def test_what_fallbacks_saved_is_told_by_the_model_they_stood_in_for():
    # Half of the group's cost is half of its tokens: 2 million at $10.
    digest = worked(FELL, events=[event("b/cheap")], usual={"a/best": PRICE}.get)
    assert digest.fallback.usual_nano == 20 * DOLLAR
    assert digest.fallback.saved_nano == 19 * DOLLAR
    assert digest.fallback.percent == 50
    assert "about $19.00 less than usual" in told(digest)


def test_several_first_models_are_weighed_by_their_events():
    events = [event("b/cheap")] * 3 + [event("b/cheap", "c/half"), event(None)]
    prices = {"a/best": PRICE, "c/half": Price(Decimal(6), Decimal(6))}
    assert worked(FELL, events=events, usual=prices.get).fallback.usual_nano == 18 * DOLLAR


def test_without_events_the_present_first_model_counts():
    digest = worked(FELL, first_hop="a/best", usual=lambda model: PRICE)
    assert digest.fallback.usual_nano == 20 * DOLLAR
    assert worked(FELL).fallback.usual_nano is None
    assert "no price known for the primary" in told(worked(FELL))


def test_a_free_fallback_is_told_by_its_requests():
    free = replace(FELL, cost_nano_usd=0, fallback_cost_nano_usd=0)
    digest = worked(free, first_hop="a/best", usual=lambda model: PRICE)
    assert digest.fallback.saved_nano == 20 * DOLLAR


def test_a_fallback_as_dear_as_usual():
    same = replace(FELL, fallback_cost_nano_usd=DOLLAR)
    cheap = Price(Decimal("0.5"), Decimal(1))
    assert "same as usual" in told(worked(same, first_hop="a", usual=lambda model: cheap))
    unknown = worked(FELL, events=[event("b/cheap")], usual=lambda model: None)
    assert unknown.fallback.saved_nano is None


def row(opened, resolved, id_=1):
    return IncidentRow(id_, "x", "a/b", "timeout", opened, resolved, 1, None)


def test_minutes_degraded_are_counted_once_and_within_the_week():
    rows = [
        row(START - HOUR, START + HOUR),
        row(START + HOUR / 2, START + 2 * HOUR),
        row(START + 3 * HOUR, START + 3.5 * HOUR),
        row(WEEK.end - HOUR, None),
        row(START - 2 * DAY, START - DAY),
        row(WEEK.end + HOUR, None),
    ]
    trouble = trouble_of(rows, WEEK, NOW)
    assert (trouble.incidents, trouble.open, trouble.minutes) == (4, 1, 120 + 30 + 60)
    assert "4 incidents, degraded for 3 h 30 min, 1 still open." in told(
        worked(FELL, incidents=rows)
    )


def test_the_month_goes_on_at_the_last_days_pace():
    spent = Spend("a/b", 7 * DOLLAR, 1)
    digest = worked(spent, month_so_far=Spend("", 3 * DOLLAR))
    # 30 days less 9 hours are left of March, at a dollar a day.
    assert digest.projection.month == date(2026, 3, 1)
    assert round(digest.projection.projected_nano / DOLLAR, 1) == 32.6
    assert worked(spent, month_so_far=Spend("", 0, unpriced=1)).projection is None
    young = {"month_so_far": Spend("", DOLLAR), "first_at": WEEK.end - HOUR}
    assert worked(spent, **young).projection is None


def alternative(nano, saving, name="x"):
    return Alternative(ModelRef("p", name), None, PRICE, nano, saving, Decimal(saving))


def test_the_cheapest_that_is_not_free_is_suggested():
    free, paid = alternative(0, 90), alternative(30, 60, "paid")
    assert worked(FELL, alternatives=[free, paid]).cheapest is paid
    assert worked(FELL, alternatives=[free]).cheapest is free
    assert worked(FELL, alternatives=[alternative(200, -110)]).cheapest is None
    assert "Same traffic on p/paid" in told(worked(FELL, alternatives=[paid]))


@pytest.mark.parametrize(
    ("before", "title"),
    [
        (None, "$2.00 last week\n"),
        (Spend("", 2 * DOLLAR), "same as the week before"),
        (Spend("", DOLLAR), "100% more than the week before ($1.00)"),
        (Spend("", 4 * DOLLAR), "50% less than the week before ($4.00)"),
        (Spend("", 0), "$2.00 last week, $0.00 the week before"),
        (Spend("", 0, unpriced=3), "$2.00 last week\n"),
    ],
)
def test_the_total_comes_first_and_its_change(before, title):
    assert title in told(worked(FELL, previous=before))


def test_small_models_are_gathered_and_many_keys_counted():
    many_models = [Spend(f"p/m{n}", (9 - n) * DOLLAR, 1) for n in range(9)]
    keys = [Spend(f"k{n}", DOLLAR, 1) for n in range(5)]
    words = told(worked(*many_models, by_key=keys))
    assert "3 more" in words
    assert "k0 $1.00, k1 $1.00, k2 $1.00, 2 more" in words


def test_a_good_chain_and_missing_parts():
    test = ChainTest(NOW - HOUR, True, 4, 4, "a/b", "Ana")
    words = told(worked(FELL, chain_test=test, missing=("Without the bills: away.",)))
    assert "all 4 hops answered" in words
    assert "Without the bills: away." in words
    assert "[warning]" not in words


def test_an_unpriced_week_is_not_a_free_one():
    digest = worked(Spend("x/y", 0, 3, unpriced=3, attempts=3))
    assert digest.total_nano is None
    assert digest.chart is None
    assert told(digest).startswith("unpriced last week")


def test_change_is_told_only_where_there_is_something_to_compare():
    assert change_percent(None, 5) is None
    assert change_percent(0, 5) is None
    assert change_percent(4, None) is None
    assert change_percent(4, 5) == 25


def test_small_words():
    assert [many(n) for n in (7, 940, 1234, 12_345, 4_560_000, 7 * 10**9)] == [
        "7",
        "940",
        "1.23K",
        "12.3K",
        "4.56M",
        "7G",
    ]
    shown = [percent(Decimal(p)) for p in ("0", "0.01", "0.44", "12.5", "99.7", "99.999", "100")]
    assert shown == ["0%", "0.1%", "0.4%", "13%", "99.7%", "99.9%", "100%"]
    assert total_words(None) == "unpriced"
    assert comparison(0, None, "The week before") == (("The week before: $0.00.",),)
    assert comparison(5, Decimal(0), "The week before") == (
        ("Same as the week before (<$0.000001).",),
    )
    bill = Billed("a", date(2026, 3, 1), date(2026, 3, 2), 5 * DOLLAR, NOW, 7 * DOLLAR)
    assert gap(bill) == "$2.00 less than the $7.00 recorded"
    assert gap(replace(bill, estimated_nano=None)) == "nothing recorded"


def test_a_chart_has_a_total_for_each_day():
    chart = SpendChart((date(2026, 2, 23),), (Series("a", (1,)), Series("b", (2,))))
    assert chart.totals == (3,)


def test_what_changed_the_total_is_named_with_its_reason():
    now = [
        Spend("a/up", 5 * DOLLAR, 9),
        Spend("b/new", 2 * DOLLAR, 3),
        Spend("c/same", DOLLAR, 4),
        Spend("d/dearer", 3 * DOLLAR, 7),
    ]
    before = [
        Spend("a/up", DOLLAR, 2),
        Spend("c/same", DOLLAR, 4),
        Spend("d/dearer", 2 * DOLLAR, 7),
        Spend("e/gone", 6 * DOLLAR, 8),
    ]
    digest = worked(*now, previous=total_of(before), previous_by_model=before)
    changes = [(one.now.key, one.change_nano // DOLLAR) for one in digest.drivers]
    assert changes == [("e/gone", -6), ("a/up", 4), ("b/new", 2), ("d/dearer", 1)]
    assert (
        "Change by model: e/gone −$6.00 (no longer used), a/up +$4.00 (9 requests instead of 2), "
        "b/new +$2.00 (new, 3 requests), 1 more."
    ) in told(digest)
    assert "d/dearer +$1.00 (7 requests as before)." in told(
        worked(now[3], previous=before[2], previous_by_model=before[2:3])
    )
    assert "Change by model" not in told(worked(*now))


def test_what_is_guessed_and_what_has_no_price_is_told_as_a_share():
    guessed = Spend("a/b", 2 * DOLLAR, 4, attempts=4, estimated_cost_nano_usd=DOLLAR // 2)
    unpriced = Spend("c/d", 0, 1, attempts=2, unpriced=1)
    words = told(worked(guessed, unpriced))
    assert "$0.50 (25%) is estimated. No price known for 1 of 6 calls." in words
    assert "is estimated" not in told(worked(FELL))


def test_the_budget_says_when_it_runs_out():
    budget = Budget(10 * DOLLAR, BudgetPeriod.WEEK, None, "Ana", START)
    half_way = decide(budget, 6 * DOLLAR, NOW, UTC)
    assert "Budget: $6.00 (60%) of $10.00 per week; at this pace used up on" in told(
        worked(FELL, budgets=[half_way])
    )
    over = decide(budget, 12 * DOLLAR, NOW, UTC)
    assert "Budget: $12.00 (120%) of $10.00 per week." in told(worked(FELL, budgets=[over]))


def retirement(days, name="old", step="model use a/new"):
    day = NOW.date() + days * DAY
    retired = day if days <= 0 else None
    ref, successor = ModelRef("a", name), ModelRef("a", "new")
    facts = ModelFacts(ref, retires_on=day, retired_on=retired, successor=successor)
    return Retirement(facts, step)


def test_models_that_end_are_told_with_the_command_that_replaces_them():
    words = told(worked(FELL, retirements=[retirement(0), retirement(1, "older", "")]))
    assert f"a/old was retired on {NOW.date()}. Successor: a/new." in words
    assert "/model use a/new" in words
    assert "a/older retires on 2026-03-03, in 1 day. Successor: a/new." in words
    many_of_them = [retirement(n, f"m{n}") for n in range(1, 6)]
    assert "2 more models in use will be retired within 30 days." in told(
        worked(FELL, retirements=many_of_them)
    )


def test_what_is_not_there_is_never_suggested():
    gone = replace(alternative(30, 60, "gone"), missing="no API key (X)")
    there = alternative(40, 50, "there")
    assert worked(FELL, alternatives=[gone, there]).cheapest is there
    assert worked(FELL, alternatives=[gone]).cheapest is None
