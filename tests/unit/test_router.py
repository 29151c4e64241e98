"""Who may answer a request, and who is asked next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.catalog import shipped
from bot.config.schema import ConfigView, view
from bot.errors import UnknownModelError
from bot.models import Dialect, FailureReason, ModelRef
from bot.routing.chain import ChainContext
from bot.routing.cooldown import CooldownBook, Gate
from bot.routing.router import Attempts, Candidate, Candidates, HopOutcome, candidates_for
from bot.routing.signals import Lack

R = FailureReason
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPUS, ROUTER = "anthropic/claude-opus-4-5", "openrouter/anthropic/claude-sonnet-4.5"
FLASH, LLAMA, GPT = "deepseek/deepseek-flash", "ollama/llama3.3", "openai/gpt-5"
KEYS = {
    "ANTHROPIC_API_KEY": "a",
    "OPENROUTER_API_KEY": "o",
    "DEEPSEEK_API_KEY": "d",
    "OLLAMA_API_KEY": "ollama",
    "OPENAI_API_KEY": "g",
}


def team(*chain: str, **more: Any) -> ConfigView:
    primary, *fallbacks = chain
    defaults = {"model": {"primary": primary, "fallbacks": fallbacks}, **more}
    return view({"agents": {"defaults": defaults}})


def candidates(
    asked: str = "auto",
    config: ConfigView | None = None,
    dialect: Dialect = Dialect.OPENAI,
    without: str = "",
    *,
    fallbacks: bool = True,
) -> Candidates:
    env = {name: key for name, key in KEYS.items() if name != without}
    config = config or team(OPUS, ROUTER, FLASH, LLAMA)
    return candidates_for(asked, config, ChainContext(shipped(), env), dialect, fallbacks=fallbacks)


def names(of: Candidates) -> list[str]:
    return [candidate.name for candidate in of.in_order]


# --- the candidates ----------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["auto", "", " AUTO ", "changeover", "changeover/auto"])
def test_auto_is_the_chain(asked: str):
    assert names(candidates(asked)) == [OPUS, ROUTER, FLASH, LLAMA]


def test_what_is_asked_for_goes_first_and_the_fallbacks_follow_without_repeats():
    assert names(candidates("deepseek/deepseek-flash")) == [FLASH, ROUTER, LLAMA]
    assert names(candidates("openai/gpt-5")) == [GPT, ROUTER, FLASH, LLAMA]
    assert names(candidates("cheap"))[0] == FLASH
    mine = team(OPUS, FLASH, models={LLAMA: {"alias": "nightly"}})
    assert names(candidates("nightly", mine)) == [LLAMA, FLASH]
    assert candidates("nightly", mine).first == LLAMA


def test_without_fallbacks_only_the_first():
    assert names(candidates(fallbacks=False)) == [OPUS]
    assert names(candidates("cheap", fallbacks=False)) == [FLASH]


def test_an_unknown_word():
    with pytest.raises(UnknownModelError) as caught:
        candidates("cheep")
    assert "cheap" in caught.value.hint


def test_only_who_speaks_the_dialect_is_asked():
    mixed = team(GPT, OPUS, "gemini/gemini-2.5-flash", FLASH)
    anthropic = candidates(config=mixed, dialect=Dialect.ANTHROPIC)
    assert names(anthropic) == [OPUS, FLASH]
    # The chain's first hop stays its first, so another's answer is a fallback.
    assert (anthropic.first, anthropic.barred) == (GPT, R.MODEL_NOT_FOUND)
    assert candidates(config=mixed).barred is None
    assert [(str(hop.ref), why) for hop, why in anthropic.skipped] == [
        (GPT, "does not accept this request format"),
        ("gemini/gemini-2.5-flash", "does not accept this request format"),
    ]


def test_an_api_that_nobody_here_speaks():
    providers = {"aws": {"baseUrl": "http://127.0.0.1:9", "api": "bedrock-converse-stream"}}
    config = view(
        {
            "models": {"providers": providers},
            "agents": {"defaults": {"model": {"primary": "aws/x", "fallbacks": [FLASH]}}},
        }
    )
    behind = candidates(config=config)
    assert [(str(hop.ref), why) for hop, why in behind.skipped] == [("aws/x", "unsupported API")]


@pytest.mark.parametrize(
    "text", ["gpt-5", "/x", "openai/", "openai/a b", "openai/a\x00", "a/\x7f", "a/" + "x" * 200]
)
def test_what_is_no_models_name(text: str):
    assert ModelRef.parse(text) is None
    assert ModelRef.parse(" openai/模型:8b@x ") == ModelRef("openai", "模型:8b@x")


def test_a_first_hop_without_a_key_stays_the_first():
    behind = candidates(without="ANTHROPIC_API_KEY")
    assert names(behind) == [ROUTER, FLASH, LLAMA]
    assert (behind.first, behind.barred) == (OPUS, R.AUTH)
    assert [why for _, why in behind.skipped] == ["no API key (ANTHROPIC_API_KEY)"]
    attempts = Attempts(behind, CooldownBook())
    assert attempts.next(NOW).name == ROUTER
    assert attempts.reason() is R.AUTH


def test_no_key_at_all():
    nobody = candidates(config=team(OPUS), without="ANTHROPIC_API_KEY")
    assert (nobody.in_order, nobody.barred) == ((), R.AUTH)
    attempts = Attempts(nobody, CooldownBook())
    assert attempts.next(NOW) is None
    assert attempts.reason() is R.AUTH
    assert not attempts.all_refused


def test_what_is_no_model_is_named():
    odd = candidates(config=team(OPUS, "just-a-word", "nowhere/model", OPUS))
    assert names(odd) == [OPUS]
    assert {why for _, why in odd.skipped} == {"not a model", "unknown provider"}
    assert (odd.first, odd.barred) == (OPUS, None)


@pytest.mark.parametrize(
    ("chain", "first", "barred"),
    [
        (("nowhere/model", OPUS), "nowhere/model", R.MODEL_NOT_FOUND),
        (("just-a-word", OPUS), OPUS, None),
        (("just-a-word",), None, None),
    ],
)
def test_what_bars_a_first_hop(chain: tuple[str, ...], first: str | None, barred: R | None):
    laid_out = candidates(config=team(*chain))
    assert (laid_out.first, laid_out.barred) == (first, barred)


def test_nobody_speaks_the_dialect():
    nobody = candidates(config=team(GPT), dialect=Dialect.ANTHROPIC)
    assert (nobody.in_order, nobody.first) == ((), GPT)
    attempts = Attempts(nobody, CooldownBook())
    assert attempts.next(NOW) is None
    assert attempts.reason() is R.MODEL_NOT_FOUND


# --- the attempts ------------------------------------------------------------------------------


def attempts_of(book: CooldownBook | None = None) -> Attempts:
    return Attempts(candidates(), book or CooldownBook())


def test_down_the_lane_until_one_answers():
    attempts = attempts_of()
    first = attempts.next(NOW)
    assert first.name == OPUS
    attempts.failed(first, R.RATE_LIMIT, None, NOW)
    second = attempts.next(NOW)
    assert second.name == ROUTER
    assert attempts.answered(second, NOW) == []
    assert attempts.reason() is R.RATE_LIMIT
    assert attempts.first_failure == (first, R.RATE_LIMIT)


def test_the_first_hop_answers():
    attempts = attempts_of()
    attempts.answered(attempts.next(NOW), NOW)
    assert (attempts.reason(), attempts.first_failure, attempts.ends()) == (None, None, [])


def test_a_cooling_hop_is_passed_over_and_gives_its_reason():
    book = CooldownBook()
    book.failed(candidates().in_order[0].scope, R.BILLING, None, NOW)
    attempts = attempts_of(book)
    assert attempts.next(NOW).name == ROUTER
    assert attempts.reason() is R.BILLING
    assert attempts.first_failure is None


def test_only_one_tries_what_was_cooling():
    book = CooldownBook()
    scope = candidates().in_order[0].scope
    book.failed(scope, R.RATE_LIMIT, 10, NOW)
    then = NOW + timedelta(seconds=10)
    several = [attempts_of(book) for _ in range(4)]
    assert [attempts.next(then).name for attempts in several] == [OPUS, ROUTER, ROUTER, ROUTER]
    assert several[1].reason() is R.RATE_LIMIT
    assert several[0].answered(several[0].candidates.in_order[0], then) == [scope.model]
    assert attempts_of(book).next(then).name == OPUS


def test_a_trial_that_is_given_up_lets_the_next_one_try():
    book = CooldownBook()
    book.failed(candidates().in_order[0].scope, R.RATE_LIMIT, 10, NOW)
    then = NOW + timedelta(seconds=10)
    attempts, bystander = attempts_of(book), attempts_of(book)
    tried = attempts.next(then)
    asked = bystander.next(then)
    bystander.given_up(asked)
    assert attempts_of(book).next(then).name == ROUTER
    attempts.given_up(tried)
    assert attempts_of(book).next(then).name == OPUS


def cooled(*reasons: FailureReason) -> CooldownBook:
    """A book in which each candidate is out, in order."""
    book = CooldownBook()
    for candidate, reason in zip(candidates().in_order, reasons, strict=False):
        book.failed(candidate.scope, reason, None, NOW)
    return book


def asked_by(attempts: Attempts, reason: FailureReason = R.SERVER_ERROR) -> list[str]:
    asked = []
    while (candidate := attempts.next(NOW)) is not None:
        asked.append(candidate.name)
        attempts.failed(candidate, reason, None, NOW)
    return asked


def test_when_all_are_cooling_each_is_asked_the_one_due_first_first():
    attempts = attempts_of(cooled(R.AUTH, R.MODEL_NOT_FOUND, R.RATE_LIMIT, R.BILLING))
    assert asked_by(attempts) == [FLASH, OPUS, LLAMA, ROUTER]
    assert all(outcome is HopOutcome.FAILED for _, outcome, _ in attempts.ends())
    assert attempts.reason() is R.AUTH


def test_what_was_passed_over_is_asked_before_a_refusal():
    attempts = attempts_of(cooled(R.AUTH))
    assert asked_by(attempts) == [ROUTER, FLASH, LLAMA, OPUS]


def test_none_is_asked_before_the_time_its_provider_named():
    book = CooldownBook()
    for candidate, wait_s in zip(candidates().in_order, (40, 30, 10, 20), strict=True):
        book.failed(candidate.scope, R.RATE_LIMIT, wait_s, NOW)
    attempts = attempts_of(book)
    assert attempts.next(NOW) is None
    blocked = attempts.blocked(NOW)
    assert (blocked.wait_s, blocked.limited, blocked.owners) == (10, True, False)
    assert attempts_of(book).next(NOW + timedelta(seconds=11)).name == FLASH


def test_nobody_waits_for_minutes_for_trouble_that_may_pass_any_moment():
    book, now = CooldownBook(), NOW
    for _ in range(4):
        now += timedelta(minutes=10)
        for candidate in candidates().in_order:
            book.failed(candidate.scope, R.SERVER_ERROR, None, now)
    rows = [book.row(candidate.scope) for candidate in candidates().in_order]
    assert [row.until - now for row in rows] == [timedelta(minutes=5)] * len(rows)
    assert attempts_of(book).blocked(now).wait_s == 15


def test_why_nothing_answered():
    attempts = attempts_of(cooled(R.AUTH, R.BILLING, R.AUTH, R.BILLING))
    asked_by(attempts, R.AUTH)
    assert (attempts.blocked(NOW).limited, attempts.blocked(NOW).owners) == (False, True)
    mixed = attempts_of(cooled(R.AUTH, R.RATE_LIMIT))
    asked_by(mixed)
    assert (mixed.blocked(NOW).limited, mixed.blocked(NOW).owners) == (False, False)
    assert mixed.blocked(NOW).wait_s is None
    keyless = Attempts(candidates(config=team(OPUS), without="ANTHROPIC_API_KEY"), CooldownBook())
    assert keyless.blocked(NOW).owners
    other = Attempts(candidates(config=team(GPT), dialect=Dialect.ANTHROPIC), CooldownBook())
    assert (other.blocked(NOW).format, other.blocked(NOW).owners) == (True, False)


def test_who_lacks_something_hands_on_to_who_is_known_to_have_more():
    attempts = Attempts(
        candidates(config=team(LLAMA, "groq/llama-3.3-70b-versatile", OPUS)), CooldownBook()
    )
    first = attempts.next(NOW)
    attempts.lacks(first, Lack.IMAGES)
    attempts.refused(first, NOW)
    assert attempts.next(NOW).name == OPUS
    nobody = Attempts(candidates(config=team(FLASH, OPUS, LLAMA)), CooldownBook())
    first = nobody.next(NOW)
    nobody.lacks(first, Lack.CONTEXT)
    nobody.refused(first, NOW)
    assert nobody.next(NOW) is None
    assert nobody.all_refused


def test_the_last_one_is_asked_once_more_where_that_helps():
    attempts = attempts_of()
    asked = []
    while (candidate := attempts.next(NOW)) is not None:
        asked.append(candidate.name)
        attempts.failed(candidate, R.SERVER_ERROR, None, NOW, retry_same=True)
    assert asked == [OPUS, ROUTER, FLASH, LLAMA, LLAMA]
    assert len(attempts.ends()) == 4


@pytest.mark.parametrize("reason", [R.SERVER_ERROR, R.RATE_LIMIT])
def test_no_second_try_where_it_does_not_help_or_a_cooldown_began(reason: FailureReason):
    book = CooldownBook()
    attempts = Attempts(candidates(fallbacks=False), book)
    book.failed(attempts.candidates.in_order[0].scope, R.SERVER_ERROR, None, NOW)
    attempts.failed(attempts.next(NOW), reason, None, NOW, retry_same=reason is R.SERVER_ERROR)
    assert attempts.next(NOW) is None
    attempts = Attempts(candidates("openai/gpt-5", fallbacks=False), book)
    attempts.failed(attempts.next(NOW), R.SERVER_ERROR, None, NOW)
    assert attempts.next(NOW) is None


def test_a_fallback_that_refuses_the_request_is_not_blamed():
    book = CooldownBook()
    attempts = attempts_of(book)
    first = attempts.next(NOW)
    attempts.failed(first, R.TIMEOUT, None, NOW)
    for _ in range(3):
        attempts.refused(attempts.next(NOW), NOW)
    assert attempts.next(NOW) is None
    assert not attempts.all_refused
    assert book.rows() == []
    assert [outcome for _, outcome, _ in attempts.ends()] == [
        HopOutcome.FAILED,
        *[HopOutcome.REFUSED] * 3,
    ]


def test_all_who_were_asked_refuse():
    book = CooldownBook()
    book.failed(candidates().in_order[0].scope, R.RATE_LIMIT, 99, NOW)
    attempts = attempts_of(book)
    while (candidate := attempts.next(NOW)) is not None:
        attempts.refused(candidate, NOW)
    assert attempts.all_refused


def test_a_refusal_settles_a_trial():
    book = CooldownBook()
    scope = candidates().in_order[0].scope
    book.failed(scope, R.RATE_LIMIT, 10, NOW)
    attempts = attempts_of(book)
    tried = attempts.next(NOW + timedelta(seconds=10))
    assert attempts.refused(tried, NOW + timedelta(seconds=10)) == [scope.model]


def test_two_models_of_one_key_cool_together():
    sisters = team(OPUS, "anthropic/claude-haiku-4-5", FLASH)
    attempts = Attempts(candidates(config=sisters), CooldownBook())
    attempts.failed(attempts.next(NOW), R.AUTH, None, NOW)
    assert attempts.next(NOW).name == FLASH


# --- whatever happens --------------------------------------------------------------------------

_FOUR = candidates()
_WAYS = st.sampled_from(["answered", "refused", "given_up", *FailureReason])


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[float, list[tuple[str, float | None, bool]]]]:
    way = st.tuples(_WAYS, st.none() | st.floats(0, 90), st.booleans())
    pause_s = st.sampled_from([0.0, 0.5, 20.0, 70.0, 400.0, 90_000.0])
    steps = st.tuples(pause_s, st.lists(way, min_size=8, max_size=8))
    return draw(st.lists(steps, min_size=1, max_size=12))


def _settle(
    attempts: Attempts, candidate: Candidate, way: tuple[str, float | None, bool], now: datetime
) -> bool:
    """Note how an attempt ended; True when the request is over with it."""
    what, wait_s, again = way
    match what:
        case "answered":
            attempts.answered(candidate, now)
        case "given_up":
            attempts.given_up(candidate)
        case "refused":
            attempts.refused(candidate, now)
            return False
        case _:
            attempts.failed(candidate, FailureReason(what), wait_s, now, retry_same=again)
            return False
    return True


@given(requests())
def test_every_walk_ends_and_asks_nobody_twice_but_the_last(
    history: list[tuple[float, list[tuple[str, float | None, bool]]]],
):
    book, now = CooldownBook(), NOW
    for pause_s, ways in history:
        now += timedelta(seconds=pause_s)
        attempts = Attempts(_FOUR, book)
        asked: list[str] = []
        for way in ways:
            candidate = attempts.next(now)
            if candidate is None:
                break
            asked.append(candidate.name)
            if _settle(attempts, candidate, way, now):
                break
        else:
            raise AssertionError("the attempts at four hops took eight steps and more")
        # Only the very last may be asked again, and only once.
        if not asked:
            rows = [book.row(candidate.scope) for candidate in _FOUR.in_order]
            assert all(row and row.named and row.holds(now) for row in rows)
            continue
        assert len(set(asked)) >= len(asked) - 1
        if len(set(asked)) < len(asked):
            assert asked[-1] == asked[-2]
        assert attempts.count == len(asked)


_LAST_RESORTS = [
    ("end", "answered", 0), ("ask", "answered", 5), *[("ask", "answered", 0)] * 4,
    ("end", R.RATE_LIMIT, 0), ("end", "answered", 0), ("end", R.AUTH, 0), ("ask", "answered", 0),
    *[("end", "answered", 0)] * 2, ("end", R.AUTH, 14), ("ask", "answered", 17),
    *[("ask", "answered", 30)] * 2, ("end", R.AUTH, 4), ("ask", "answered", 8),
    ("ask", "answered", 25), ("ask", "answered", 21), ("ask", "answered", 10),
    ("ask", "answered", 21), *[("end", "answered", 30)] * 2, ("end", "given_up", 30),
    ("ask", "answered", 30), ("end", "given_up", 0), ("ask", "answered", 0),
]  # fmt: skip


@example(steps=_LAST_RESORTS)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "end"]), _WAYS, st.integers(0, 30)), max_size=40
    )
)
def test_half_open_never_lets_two_through(steps: list[tuple[str, str, int]]):
    """However many requests run side by side, a hop that was cooling is on trial once at most."""
    book, now = CooldownBook(), NOW
    scope = _FOUR.in_order[0].scope
    book.failed(scope, R.RATE_LIMIT, 5, now)
    under_way: list[tuple[Attempts, Candidate]] = []
    on_trial: list[Attempts] = []
    for step, what, wait_s in steps:
        now += timedelta(seconds=wait_s)
        if step == "ask":
            attempts = Attempts(_FOUR, book)
            gate = book.gate(scope, now)
            candidate = attempts.next(now)
            if candidate is None:
                continue
            under_way.append((attempts, candidate))
            if candidate.name == OPUS and gate is Gate.TRIAL:
                assert not on_trial
                on_trial.append(attempts)
        elif under_way:
            attempts, candidate = under_way.pop(0)
            _settle(attempts, candidate, (what, None, False), now)
            on_trial = [other for other in on_trial if other is not attempts]
