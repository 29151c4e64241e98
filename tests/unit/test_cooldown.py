"""How long whom is left alone, when one trial is let through, and what every process knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.models import FailureReason, ModelRef, Secret
from bot.ports import Cooldown
from bot.ports.fallbacks import LONGEST_COOLDOWN
from bot.routing.cooldown import (
    KEPT,
    CooldownBook,
    Gate,
    Reach,
    Scope,
    ended,
    how_long,
    proof,
)

R = FailureReason
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = Scope("anthropic#1a2b3c4d", "anthropic/claude-opus-4-5#1a2b3c4d")
SISTER = Scope("anthropic#1a2b3c4d", "anthropic/claude-haiku-4-5#1a2b3c4d")
OTHER = Scope("deepseek#99999999", "deepseek/deepseek-flash#99999999")


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


@pytest.fixture
def book() -> CooldownBook:
    return CooldownBook()


def test_a_scope_shows_no_key():
    ref = ModelRef("anthropic", "claude-opus-4-5")
    scope = Scope.of("anthropic", Secret("sk-ant-very-secret"), ref)
    assert scope.model == f"anthropic/claude-opus-4-5#{scope.key.partition('#')[2]}"
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
        (R.RATE_LIMIT, 1, 1e9, LONGEST_COOLDOWN),
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


def at(reason: FailureReason, name: str, until: datetime, failures: int = 1, **more) -> Cooldown:
    return Cooldown(name, reason, until, failures, NOW, **more)


def test_a_rate_limit_cools_one_model_under_one_key(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 30, NOW)
    assert row == at(R.RATE_LIMIT, ONE.model, later(seconds=30), named=True)
    assert book.gate(ONE, later(seconds=29.9)) is Gate.COOLING
    assert book.gate(SISTER, NOW) is Gate.OPEN
    assert book.gate(OTHER, NOW) is Gate.OPEN
    assert (book.row(ONE), book.row(SISTER), book.rows()) == (row, None, [row])


@pytest.mark.parametrize("reason", [R.AUTH, R.BILLING])
def test_a_refused_key_and_an_empty_account_cool_the_key(book: CooldownBook, reason: R):
    book.failed(ONE, reason, None, NOW)
    assert book.gate(SISTER, NOW) is Gate.COOLING
    assert book.row(SISTER).scope == ONE.key


def test_a_refusal_may_reach_further_or_less_far(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 30, NOW, reach=Reach.KEY)
    assert book.gate(SISTER, NOW) is Gate.COOLING
    other = CooldownBook()
    other.failed(ONE, R.BILLING, None, NOW, reach=Reach.MODEL)
    assert (other.gate(ONE, NOW), other.gate(SISTER, NOW)) == (Gate.COOLING, Gate.OPEN)


def test_two_models_that_are_out_take_the_key_along(book: CooldownBook):
    third = Scope(ONE.key, "anthropic/claude-sonnet-4-5#1a2b3c4d")
    book.failed(ONE, R.RATE_LIMIT, None, NOW)
    assert book.gate(third, NOW) is Gate.OPEN
    book.failed(SISTER, R.RATE_LIMIT, None, later(seconds=5))
    assert book.gate(third, later(seconds=6)) is Gate.COOLING
    assert book.gate(OTHER, NOW) is Gate.OPEN
    # The key's end is not that of the models that are out themselves.
    trial = book.begin_trial(third)
    assert book.answered(third, later(seconds=7), trial=trial) == [ONE.key]
    assert book.gate(third, later(seconds=8)) is Gate.OPEN
    assert book.gate(ONE, later(seconds=8)) is Gate.COOLING


def test_two_models_do_not_while_a_third_answers_or_when_one_is_only_missing(book: CooldownBook):
    third = Scope(ONE.key, "anthropic/claude-sonnet-4-5#1a2b3c4d")
    book.failed(ONE, R.RATE_LIMIT, None, NOW)
    book.answered(third, later(seconds=1))
    book.failed(SISTER, R.RATE_LIMIT, None, later(seconds=2))
    assert book.gate(third, later(seconds=3)) is Gate.OPEN
    other = CooldownBook()
    other.failed(ONE, R.MODEL_NOT_FOUND, None, NOW)
    other.failed(SISTER, R.RATE_LIMIT, None, NOW)
    assert other.gate(third, NOW) is Gate.OPEN


def test_a_siblings_success_does_not_wipe_out_a_dead_models_count(book: CooldownBook):
    book.failed(ONE, R.TIMEOUT, None, NOW)
    book.answered(SISTER, NOW)
    assert book.failed(ONE, R.TIMEOUT, None, NOW) is not None
    assert (book.gate(ONE, NOW), book.gate(SISTER, NOW)) == (Gate.COOLING, Gate.OPEN)


def test_a_missing_model_cools_alone_until_the_config_changes(book: CooldownBook):
    book.failed(ONE, R.MODEL_NOT_FOUND, None, NOW)
    book.failed(OTHER, R.AUTH, None, NOW)
    assert book.gate(ONE, NOW) is Gate.COOLING
    assert book.gate(SISTER, NOW) is Gate.OPEN
    book.forget_models(NOW)
    assert book.gate(ONE, NOW) is Gate.OPEN
    assert book.gate(OTHER, NOW) is Gate.COOLING
    assert [row.failures for row in book.untold() if row.scope == ONE.model] == [0]


@pytest.mark.parametrize("reason", [R.AUTH, R.BILLING, R.MODEL_NOT_FOUND])
def test_what_a_caller_may_have_caused_cools_shortly_until_it_is_confirmed(
    book: CooldownBook, reason: FailureReason
):
    short = book.failed(ONE, reason, None, NOW, confirmed=False)
    assert short.until == later(minutes=1)
    long = book.failed(ONE, reason, None, later(seconds=1))
    assert long.until > later(hours=4)
    assert book.failed(ONE, reason, None, later(seconds=2), confirmed=False) is None


def test_what_our_own_probe_has_disproved_is_not_believed_for_a_while(book: CooldownBook):
    book.failed(ONE, R.AUTH, None, NOW, confirmed=False)
    book.prove(ONE, later(seconds=1), disproved=R.AUTH)
    assert book.gate(ONE, later(seconds=1)) is Gate.OPEN
    assert book.failed(ONE, R.AUTH, None, later(seconds=9), confirmed=False) is None
    assert book.gate(ONE, later(seconds=9)) is Gate.OPEN
    # Other trouble is believed, and after that while so is this.
    assert book.failed(ONE, R.RATE_LIMIT, None, later(seconds=9)) is not None
    assert book.failed(ONE, R.AUTH, None, later(minutes=2), confirmed=False) is not None


def test_passing_trouble_cools_after_two_in_a_row(book: CooldownBook):
    assert book.failed(ONE, R.SERVER_ERROR, None, NOW) is None
    assert book.gate(ONE, NOW) is Gate.OPEN
    book.answered(ONE, NOW)
    assert book.failed(ONE, R.TIMEOUT, None, NOW) is None
    row = book.failed(ONE, R.NETWORK, None, NOW)
    assert row is not None
    assert (row.until, row.failures) == (later(seconds=15), 2)


def test_what_was_under_way_when_it_began_proves_nothing(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    for _ in range(5):
        assert book.failed(ONE, R.RATE_LIMIT, 60, later(seconds=1)) is None
    assert book.row(ONE).until == later(seconds=60)
    assert book.answered(ONE, NOW) == []
    assert book.gate(ONE, later(seconds=2)) is Gate.COOLING


def test_half_open_lets_one_through(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 60, NOW, reach=Reach.KEY)
    over = later(seconds=60)
    assert book.gate(ONE, over) is Gate.TRIAL
    assert book.gate(ONE, over) is Gate.TRIAL
    trial = book.begin_trial(ONE)
    assert book.gate(ONE, over) is Gate.TRIED
    assert book.gate(SISTER, over) is Gate.TRIED
    # Another request, from before the cool-down, settles nothing.
    book.answered(SISTER, over)
    assert book.gate(ONE, over) is Gate.TRIED
    assert book.end_trial(ONE, trial)
    assert book.gate(ONE, over) is Gate.TRIAL
    trial = book.begin_trial(ONE)
    assert book.answered(ONE, over, trial=trial) == [ONE.key]
    assert book.gate(ONE, over) is Gate.OPEN


def test_a_failed_trial_cools_longer(book: CooldownBook):
    spans: list[timedelta] = []
    now, trial = NOW, None
    for _ in range(5):
        row = book.failed(ONE, R.RATE_LIMIT, None, now, trial=trial)
        assert row is not None
        spans.append(row.until - now)
        now = row.until
        trial = book.begin_trial(ONE)
    assert spans == [timedelta(minutes=m) for m in (1, 5, 25, 60, 60)]
    assert book.gate(ONE, now) is Gate.TRIED
    book.failed(ONE, R.RATE_LIMIT, None, now, trial=trial)
    assert book.gate(ONE, now) is Gate.COOLING


def test_a_failed_trial_of_a_missing_model_under_a_cooled_key(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 10, NOW, reach=Reach.KEY)
    trial = book.begin_trial(ONE)
    book.failed(ONE, R.MODEL_NOT_FOUND, None, later(seconds=10), trial=trial)
    assert book.gate(ONE, later(seconds=11)) is Gate.COOLING
    assert book.gate(SISTER, later(seconds=11)) is Gate.TRIAL


def test_the_longest_of_two_covers(book: CooldownBook):
    book.failed(ONE, R.MODEL_NOT_FOUND, None, NOW)
    book.failed(ONE, R.RATE_LIMIT, 5, NOW, reach=Reach.KEY)
    assert book.row(ONE).reason is R.MODEL_NOT_FOUND


def test_a_clock_that_jumps(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, None, NOW)
    # Put back by a day: it may be asked again instead of being out for a day and a minute.
    assert book.gate(ONE, later(days=-1)) is Gate.TRIAL
    trial = book.begin_trial(ONE)
    row = book.failed(ONE, R.RATE_LIMIT, None, later(days=-1), trial=trial)
    assert row.until == later(days=-1, minutes=5)
    # Put forward: it is over.
    assert book.gate(ONE, later(days=1)) is Gate.TRIAL


def test_a_trial_that_was_overtaken_settles_nothing(book: CooldownBook):
    book.failed(ONE, R.RATE_LIMIT, 5, NOW)
    old = book.begin_trial(ONE)
    book.prove(ONE, later(seconds=6))
    book.failed(ONE, R.RATE_LIMIT, 5, later(seconds=7))
    new = book.begin_trial(ONE)
    assert book.gate(ONE, later(seconds=13)) is Gate.TRIED
    assert book.answered(ONE, later(seconds=13), trial=old) == []
    assert not book.end_trial(ONE, old)
    assert book.gate(ONE, later(seconds=13)) is Gate.TRIED
    assert book.answered(ONE, later(seconds=14), trial=new) == [ONE.model]


# --- what every process knows ---------------------------------------------------------------


def test_untold_until_told(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    assert book.untold() == [row]
    book.told(row)
    assert book.untold() == []
    book.told(row)
    trial = book.begin_trial(ONE)
    book.answered(ONE, later(seconds=60), trial=trial)
    (end,) = book.untold()
    assert (end.scope, end.failures) == (ONE.model, 0)
    again = book.failed(ONE, R.RATE_LIMIT, 60, later(seconds=60))
    # The end was written while a new one began: that one is still to be told.
    book.told(end)
    assert book.untold() == [again]


def test_others_cooldowns_hold_here(book: CooldownBook):
    theirs = Cooldown(ONE.key, R.BILLING, later(hours=5), 3, NOW)
    book.merge([theirs], NOW)
    assert book.gate(ONE, NOW) is Gate.COOLING
    assert book.untold() == []


def test_others_proof_ends_cooldowns_and_counts_here_once(book: CooldownBook):
    told = book.failed(ONE, R.RATE_LIMIT, 600, NOW)
    book.told(told)
    book.failed(OTHER, R.TIMEOUT, None, NOW)
    rows = [*proof(ONE, later(seconds=5)), *proof(OTHER, later(seconds=5))]
    book.merge(rows, later(seconds=5))
    assert book.gate(ONE, later(seconds=5)) is Gate.OPEN
    assert book.failed(OTHER, R.TIMEOUT, None, later(seconds=6)) is None
    # Read again a second later, the same proof wipes out nothing that came after it.
    book.merge(rows, later(seconds=7))
    assert book.failed(OTHER, R.TIMEOUT, None, later(seconds=8)) is not None
    book.merge(rows, later(seconds=9))
    assert book.gate(OTHER, later(seconds=9)) is Gate.COOLING


def test_proof_ends_what_was_not_told_yet(book: CooldownBook):
    book.failed(ONE, R.AUTH, None, NOW)
    book.merge(proof(ONE, later(seconds=1)), later(seconds=1))
    assert (book.untold(), book.rows()) == ([], [])


def test_a_merge_keeps_what_is_untold(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.merge([at(R.TIMEOUT, ONE.model, later(seconds=5))], NOW)
    assert book.row(ONE) == row


def test_a_merge_does_not_bring_back_what_has_ended_here(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(row)
    book.prove(ONE, later(seconds=1))
    book.merge([row], later(seconds=1))
    assert book.gate(ONE, later(seconds=1)) is Gate.OPEN


def test_one_that_is_over_waits_a_day_for_its_trial(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(row)
    book.merge([], later(seconds=61))
    assert book.gate(ONE, later(seconds=61)) is Gate.TRIAL
    book.merge([], row.until + KEPT + timedelta(seconds=1))
    assert book.rows() == []


def test_a_newer_one_of_others_replaces_ours(book: CooldownBook):
    row = book.failed(ONE, R.RATE_LIMIT, 60, NOW)
    book.told(row)
    newer = Cooldown(ONE.model, R.RATE_LIMIT, later(minutes=6), 2, later(seconds=60))
    book.merge([newer], later(seconds=61))
    assert book.row(ONE) == newer


def test_a_cool_down_ends_after_the_longest_that_there_is():
    row = Cooldown("x#1", R.RATE_LIMIT, NOW + timedelta(days=7))
    assert row.holds(NOW)
    assert not Cooldown("x#1", R.RATE_LIMIT, NOW + timedelta(days=8)).holds(NOW)


def test_proof_from_the_future_proves_nothing_yet(book: CooldownBook):
    book.merge([Cooldown(ONE.model, R.RATE_LIMIT, later(hours=1), since=NOW)], NOW)
    book.merge([ended(ONE.model, later(days=30))], NOW)
    assert [row.scope for row in book.rows()] == [ONE.model]
    book.merge([ended(ONE.model, later(seconds=30))], NOW)
    assert book.rows() == []
