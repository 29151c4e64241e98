"""How long whom is left alone, when one trial is let through, and what every process knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown
from bot.routing.cooldown import (
    LONGEST,
    CooldownBook,
    Gate,
    Scope,
    first_due,
    how_long,
)

R = FailureReason
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = Scope("anthropic#1a2b3c4d", "anthropic/claude-opus-4-5")
SISTER = Scope("anthropic#1a2b3c4d", "anthropic/claude-haiku-4-5")
OTHER = Scope("deepseek#99999999", "deepseek/deepseek-flash")


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


@pytest.fixture
def book() -> CooldownBook:
    return CooldownBook()


def test_a_scope_shows_no_key():
    ref = ModelRef("anthropic", "claude-opus-4-5")
    scope = Scope.of("anthropic", Secret("sk-ant-very-secret"), ref)
    assert scope.model == "anthropic/claude-opus-4-5"
    assert scope.key.startswith("anthropic#")
    assert "secret" not in scope.key
    assert Scope.of("anthropic", Secret("another"), ref).key != scope.key
    assert Scope.of("ollama", None, ref).key == "ollama#none"


@pytest.mark.parametrize(
    ("reason", "failures", "retry_after_s", "span"),
    [
        (R.RATE_LIMIT, 1, None, timedelta(minutes=1)),
        (R.RATE_LIMIT, 2, None, timedelta(minutes=5)),
        (R.RATE_LIMIT, 3, None, timedelta(minutes=25)),
        (R.RATE_LIMIT, 4, None, timedelta(minutes=60)),
        (R.RATE_LIMIT, 99, None, timedelta(minutes=60)),
        (R.RATE_LIMIT, 3, 7.5, timedelta(seconds=7.5)),
        (R.RATE_LIMIT, 1, 0.0, timedelta(seconds=1)),
        (R.RATE_LIMIT, 1, 1e9, timedelta(days=1)),
        (R.AUTH, 1, None, timedelta(hours=5)),
        (R.BILLING, 1, 3.0, timedelta(hours=5)),
        (R.MODEL_NOT_FOUND, 1, None, timedelta(days=1)),
        (R.SERVER_ERROR, 1, 30.0, None),
        (R.SERVER_ERROR, 2, None, timedelta(seconds=15)),
        (R.TIMEOUT, 3, None, timedelta(minutes=1)),
        (R.NETWORK, 4, None, timedelta(minutes=5)),
        (R.BAD_RESPONSE, 50, None, timedelta(minutes=5)),
    ],
)
def test_how_long(
    reason: FailureReason, failures: int, retry_after_s: float | None, span: timedelta | None
):
    assert how_long(reason, failures, retry_after_s) == span


def test_a_rate_limit_cools_every_model_of_the_key_and_no_other(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 30, NOW)
    assert row == Cooldown(ONE.key, R.RATE_LIMIT, later(seconds=30), 1)
    assert book.gate(ONE, later(seconds=29.9)) is Gate.COOLING
    assert book.gate(SISTER, NOW) is Gate.COOLING
    assert book.gate(OTHER, NOW) is Gate.OPEN
    assert book.row(SISTER) == row
    assert book.row(OTHER) is None
    assert book.rows() == [row]


def test_a_missing_model_cools_alone_until_the_config_changes(book: CooldownBook):
    book.failed(ONE, R.MODEL_NOT_FOUND, None, NOW)
    book.failed(OTHER, R.AUTH, None, NOW)
    assert book.gate(ONE, NOW) is Gate.COOLING
    assert book.gate(SISTER, NOW) is Gate.OPEN
    book.forget_models()
    assert book.gate(ONE, NOW) is Gate.OPEN
    assert book.gate(OTHER, NOW) is Gate.COOLING
    assert (ONE.model, None) in book.untold()


def test_passing_trouble_cools_after_two_in_a_row(book: CooldownBook):
    assert book.failed(ONE, R.SERVER_ERROR, None, NOW) is None
    assert book.gate(ONE, NOW) is Gate.OPEN
    book.answered(ONE)
    assert book.failed(ONE, R.TIMEOUT, None, NOW) is None
    row = book.failed(ONE, R.NETWORK, None, NOW)
    assert row is not None
    assert (row.until, row.failures) == (later(seconds=15), 2)


def test_what_was_under_way_when_it_began_proves_nothing(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    for _ in range(5):
        assert book.failed(ONE, R.RATE_LIMIT, 60, later(seconds=1)) is None
    assert book.row(ONE).until == later(seconds=60)
    assert book.answered(ONE) == []
    assert book.gate(ONE, later(seconds=2)) is Gate.COOLING


def test_half_open_lets_one_through(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    over = later(seconds=60)
    assert book.gate(ONE, over) is Gate.TRIAL
    assert book.gate(ONE, over) is Gate.TRIAL
    book.begin_trial(ONE)
    assert book.gate(ONE, over) is Gate.TRIED
    assert book.gate(SISTER, over) is Gate.TRIED
    # Another request, from before the cool-down, settles nothing.
    book.answered(SISTER)
    assert book.gate(ONE, over) is Gate.TRIED
    book.end_trial(ONE)
    assert book.gate(ONE, over) is Gate.TRIAL
    book.begin_trial(ONE)
    assert book.answered(ONE, trial=True) == [ONE.key]
    assert book.gate(ONE, over) is Gate.OPEN


def test_a_failed_trial_cools_longer(book: CooldownBook):
    spans = []
    at = NOW
    for _ in range(5):
        row = book.failed(ONE, R.RATE_LIMIT, None, at, trial=True)
        assert row is not None
        spans.append(row.until - at)
        at = row.until
        book.begin_trial(ONE)
    assert spans == [timedelta(minutes=m) for m in (1, 5, 25, 60, 60)]
    assert book.gate(ONE, at) is Gate.TRIED
    book.failed(ONE, R.RATE_LIMIT, None, at, trial=True)
    assert book.gate(ONE, at) is Gate.COOLING


def test_a_failed_trial_of_a_missing_model_under_a_cooled_key(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 10, NOW)
    book.begin_trial(ONE)
    book.failed(ONE, R.MODEL_NOT_FOUND, None, later(seconds=10), trial=True)
    assert book.gate(ONE, later(seconds=11)) is Gate.COOLING
    assert book.gate(SISTER, later(seconds=11)) is Gate.TRIAL


def test_who_is_due_first(book: CooldownBook):
    book.failed(ONE, R.AUTH, None, NOW)
    book.failed(OTHER, R.RATE_LIMIT, 5, NOW)
    assert first_due(enumerate([ONE, OTHER]), book) == 1
    assert first_due(enumerate([ONE, SISTER]), book) == 0
    assert first_due([], book) is None


def test_the_longest_of_two_covers(book: CooldownBook):
    book.failed(ONE, R.MODEL_NOT_FOUND, None, NOW)
    book.failed(ONE, R.RATE_LIMIT, 5, NOW)
    assert book.row(ONE).reason is R.MODEL_NOT_FOUND


# --- what every process knows ---------------------------------------------------------------


def test_untold_until_told(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    assert book.untold() == [(ONE.key, row)]
    book.told(ONE.key, row)
    assert book.untold() == []
    book.told(ONE.key, row)
    book.begin_trial(ONE)
    book.answered(ONE, trial=True)
    assert book.untold() == [(ONE.key, None)]
    again = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    # The end was written while a new one began: that one is still to be told.
    book.told(ONE.key, None)
    assert book.untold() == [(ONE.key, again)]


def test_others_cooldowns_hold_here(book: CooldownBook):
    theirs = Cooldown(ONE.key, R.BILLING, later(hours=5), 3)
    book.merge([theirs], NOW)
    assert book.gate(ONE, NOW) is Gate.COOLING
    assert book.untold() == []
    book.begin_trial(ONE)
    row = book.failed(ONE, R.TIMEOUT, None, later(hours=5), trial=True)
    assert row is not None
    assert row.failures == 4


def test_a_merge_keeps_what_is_untold(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.merge([], NOW)
    assert book.row(ONE) == row
    book.told(ONE.key, row)
    book.merge([], NOW)
    assert book.row(ONE) is None


def test_a_merge_does_not_bring_back_what_has_ended_here(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(ONE.key, row)
    book.begin_trial(ONE)
    book.answered(ONE, trial=True)
    book.merge([row], NOW)
    assert book.gate(ONE, NOW) is Gate.OPEN


def test_one_that_is_over_waits_a_day_for_its_trial(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(ONE.key, row)
    book.merge([], later(seconds=61))
    assert book.gate(ONE, later(seconds=61)) is Gate.TRIAL
    book.merge([], row.until + LONGEST + timedelta(seconds=1))
    assert book.rows() == []


def test_a_newer_one_of_others_replaces_ours(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(ONE.key, row)
    newer = Cooldown(ONE.key, R.RATE_LIMIT, later(minutes=6), 2)
    book.merge([newer], later(seconds=61))
    assert book.row(ONE) == newer
