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
from bot.routing.router import Candidate, Fate, Lane, Walk, lane_of
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


def lane(
    asked: str = "auto",
    config: ConfigView | None = None,
    dialect: Dialect = Dialect.OPENAI,
    without: str = "",
    *,
    fallbacks: bool = True,
) -> Lane:
    env = {name: key for name, key in KEYS.items() if name != without}
    config = config or team(OPUS, ROUTER, FLASH, LLAMA)
    return lane_of(asked, config, ChainContext(shipped(), env), dialect, fallbacks=fallbacks)


def names(of: Lane) -> list[str]:
    return [candidate.name for candidate in of.candidates]


# --- the lane ----------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["auto", "", " AUTO ", "changeover", "changeover/auto"])
def test_auto_is_the_chain(asked: str):
    assert names(lane(asked)) == [OPUS, ROUTER, FLASH, LLAMA]


def test_what_is_asked_for_goes_first_and_the_fallbacks_follow_without_repeats():
    assert names(lane("deepseek/deepseek-flash")) == [FLASH, ROUTER, LLAMA]
    assert names(lane("openai/gpt-5")) == [GPT, ROUTER, FLASH, LLAMA]
    assert names(lane("cheap"))[0] == FLASH
    mine = team(OPUS, FLASH, models={LLAMA: {"alias": "nightly"}})
    assert names(lane("nightly", mine)) == [LLAMA, FLASH]
    assert lane("nightly", mine).first == LLAMA


def test_without_fallbacks_only_the_first():
    assert names(lane(fallbacks=False)) == [OPUS]
    assert names(lane("cheap", fallbacks=False)) == [FLASH]


def test_an_unknown_word():
    with pytest.raises(UnknownModelError) as caught:
        lane("cheep")
    assert "cheap" in caught.value.hint


def test_only_who_speaks_the_dialect_is_asked():
    mixed = team(GPT, OPUS, "gemini/gemini-2.5-flash", FLASH)
    anthropic = lane(config=mixed, dialect=Dialect.ANTHROPIC)
    assert names(anthropic) == [OPUS, FLASH]
    # The chain's first hop stays its first, so another's answer is a fallback.
    assert (anthropic.first, anthropic.barred) == (GPT, R.MODEL_NOT_FOUND)
    assert lane(config=mixed).barred is None
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
    behind = lane(config=config)
    assert [(str(hop.ref), why) for hop, why in behind.skipped] == [("aws/x", "unsupported API")]


@pytest.mark.parametrize(
    "text", ["gpt-5", "/x", "openai/", "openai/a b", "openai/a\x00", "a/\x7f", "a/" + "x" * 200]
)
def test_what_is_no_models_name(text: str):
    assert ModelRef.parse(text) is None
    assert ModelRef.parse(" openai/模型:8b@x ") == ModelRef("openai", "模型:8b@x")


def test_a_first_hop_without_a_key_stays_the_first():
    behind = lane(without="ANTHROPIC_API_KEY")
    assert names(behind) == [ROUTER, FLASH, LLAMA]
    assert (behind.first, behind.barred) == (OPUS, R.AUTH)
    assert [why for _, why in behind.skipped] == ["no API key (ANTHROPIC_API_KEY)"]
    walk = Walk(behind, CooldownBook())
    assert walk.next(NOW).name == ROUTER
    assert walk.reason() is R.AUTH


def test_no_key_at_all():
    nobody = lane(config=team(OPUS), without="ANTHROPIC_API_KEY")
    assert (nobody.candidates, nobody.barred) == ((), R.AUTH)
    walk = Walk(nobody, CooldownBook())
    assert walk.next(NOW) is None
    assert walk.reason() is R.AUTH
    assert not walk.all_refused


def test_what_is_no_model_is_named():
    odd = lane(config=team(OPUS, "just-a-word", "nowhere/model", OPUS))
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
    barred_lane = lane(config=team(*chain))
    assert (barred_lane.first, barred_lane.barred) == (first, barred)


def test_nobody_speaks_the_dialect():
    nobody = lane(config=team(GPT), dialect=Dialect.ANTHROPIC)
    assert (nobody.candidates, nobody.first) == ((), GPT)
    walk = Walk(nobody, CooldownBook())
    assert walk.next(NOW) is None
    assert walk.reason() is R.MODEL_NOT_FOUND


# --- the walk ----------------------------------------------------------------------------------


def walk_of(book: CooldownBook | None = None) -> Walk:
    return Walk(lane(), book or CooldownBook())


def test_down_the_lane_until_one_answers():
    walk = walk_of()
    first = walk.next(NOW)
    assert first.name == OPUS
    walk.failed(first, R.RATE_LIMIT, None, NOW)
    second = walk.next(NOW)
    assert second.name == ROUTER
    assert walk.answered(second, NOW) == []
    assert walk.reason() is R.RATE_LIMIT
    assert walk.first_failure == (first, R.RATE_LIMIT)


def test_the_first_hop_answers():
    walk = walk_of()
    walk.answered(walk.next(NOW), NOW)
    assert (walk.reason(), walk.first_failure, walk.ends()) == (None, None, [])


def test_a_cooling_hop_is_passed_over_and_gives_its_reason():
    book = CooldownBook()
    book.failed(lane().candidates[0].scope, R.BILLING, None, NOW)
    walk = walk_of(book)
    assert walk.next(NOW).name == ROUTER
    assert walk.reason() is R.BILLING
    assert walk.first_failure is None


def test_only_one_tries_what_was_cooling():
    book = CooldownBook()
    scope = lane().candidates[0].scope
    book.failed(scope, R.RATE_LIMIT, 10, NOW)
    then = NOW + timedelta(seconds=10)
    walks = [walk_of(book) for _ in range(4)]
    assert [walk.next(then).name for walk in walks] == [OPUS, ROUTER, ROUTER, ROUTER]
    assert walks[1].reason() is R.RATE_LIMIT
    assert walks[0].answered(walks[0].lane.candidates[0], then) == [scope.model]
    assert walk_of(book).next(then).name == OPUS


def test_a_trial_that_is_given_up_lets_the_next_one_try():
    book = CooldownBook()
    book.failed(lane().candidates[0].scope, R.RATE_LIMIT, 10, NOW)
    then = NOW + timedelta(seconds=10)
    walk, bystander = walk_of(book), walk_of(book)
    tried = walk.next(then)
    asked = bystander.next(then)
    bystander.given_up(asked)
    assert walk_of(book).next(then).name == ROUTER
    walk.given_up(tried)
    assert walk_of(book).next(then).name == OPUS


def cooled(*reasons: FailureReason) -> CooldownBook:
    """A book in which each hop of the lane is out, in order."""
    book = CooldownBook()
    for candidate, reason in zip(lane().candidates, reasons, strict=False):
        book.failed(candidate.scope, reason, None, NOW)
    return book


def asked_by(walk: Walk, reason: FailureReason = R.SERVER_ERROR) -> list[str]:
    asked = []
    while (candidate := walk.next(NOW)) is not None:
        asked.append(candidate.name)
        walk.failed(candidate, reason, None, NOW)
    return asked


def test_when_all_are_cooling_each_is_asked_the_one_due_first_first():
    walk = walk_of(cooled(R.AUTH, R.MODEL_NOT_FOUND, R.RATE_LIMIT, R.BILLING))
    assert asked_by(walk) == [FLASH, OPUS, LLAMA, ROUTER]
    assert all(fate is Fate.FAILED for _, fate, _ in walk.ends())
    assert walk.reason() is R.AUTH


def test_what_was_passed_over_is_asked_before_a_refusal():
    walk = walk_of(cooled(R.AUTH))
    assert asked_by(walk) == [ROUTER, FLASH, LLAMA, OPUS]


def test_none_is_asked_before_the_time_its_provider_named():
    book = CooldownBook()
    for candidate, wait_s in zip(lane().candidates, (40, 30, 10, 20), strict=True):
        book.failed(candidate.scope, R.RATE_LIMIT, wait_s, NOW)
    walk = walk_of(book)
    assert walk.next(NOW) is None
    blocked = walk.blocked(NOW)
    assert (blocked.wait_s, blocked.limited, blocked.owners) == (10, True, False)
    assert walk_of(book).next(NOW + timedelta(seconds=11)).name == FLASH


def test_nobody_waits_for_minutes_for_trouble_that_may_pass_any_moment():
    book, now = CooldownBook(), NOW
    for _ in range(4):
        now += timedelta(minutes=10)
        for candidate in lane().candidates:
            book.failed(candidate.scope, R.SERVER_ERROR, None, now)
    rows = [book.row(candidate.scope) for candidate in lane().candidates]
    assert [row.until - now for row in rows] == [timedelta(minutes=5)] * len(rows)
    assert walk_of(book).blocked(now).wait_s == 15


def test_why_nothing_answered():
    walk = walk_of(cooled(R.AUTH, R.BILLING, R.AUTH, R.BILLING))
    asked_by(walk, R.AUTH)
    assert (walk.blocked(NOW).limited, walk.blocked(NOW).owners) == (False, True)
    mixed = walk_of(cooled(R.AUTH, R.RATE_LIMIT))
    asked_by(mixed)
    assert (mixed.blocked(NOW).limited, mixed.blocked(NOW).owners) == (False, False)
    assert mixed.blocked(NOW).wait_s is None
    keyless = Walk(lane(config=team(OPUS), without="ANTHROPIC_API_KEY"), CooldownBook())
    assert keyless.blocked(NOW).owners
    other = Walk(lane(config=team(GPT), dialect=Dialect.ANTHROPIC), CooldownBook())
    assert (other.blocked(NOW).format, other.blocked(NOW).owners) == (True, False)


def test_who_lacks_something_hands_on_to_who_is_known_to_have_more():
    walk = Walk(lane(config=team(LLAMA, "groq/llama-3.3-70b-versatile", OPUS)), CooldownBook())
    first = walk.next(NOW)
    walk.lacks(first, Lack.IMAGES)
    walk.refused(first, NOW)
    assert walk.next(NOW).name == OPUS
    nobody = Walk(lane(config=team(FLASH, OPUS, LLAMA)), CooldownBook())
    first = nobody.next(NOW)
    nobody.lacks(first, Lack.CONTEXT)
    nobody.refused(first, NOW)
    assert nobody.next(NOW) is None
    assert nobody.all_refused


def test_the_last_one_is_asked_once_more_where_that_helps():
    walk = walk_of()
    asked = []
    while (candidate := walk.next(NOW)) is not None:
        asked.append(candidate.name)
        walk.failed(candidate, R.SERVER_ERROR, None, NOW, retry_same=True)
    assert asked == [OPUS, ROUTER, FLASH, LLAMA, LLAMA]
    assert len(walk.ends()) == 4


@pytest.mark.parametrize("reason", [R.SERVER_ERROR, R.RATE_LIMIT])
def test_no_second_try_where_it_does_not_help_or_a_cooldown_began(reason: FailureReason):
    book = CooldownBook()
    walk = Walk(lane(fallbacks=False), book)
    book.failed(walk.lane.candidates[0].scope, R.SERVER_ERROR, None, NOW)
    walk.failed(walk.next(NOW), reason, None, NOW, retry_same=reason is R.SERVER_ERROR)
    assert walk.next(NOW) is None
    walk = Walk(lane("openai/gpt-5", fallbacks=False), book)
    walk.failed(walk.next(NOW), R.SERVER_ERROR, None, NOW)
    assert walk.next(NOW) is None


def test_a_fallback_that_refuses_the_request_is_not_blamed():
    book = CooldownBook()
    walk = walk_of(book)
    first = walk.next(NOW)
    walk.failed(first, R.TIMEOUT, None, NOW)
    for _ in range(3):
        walk.refused(walk.next(NOW), NOW)
    assert walk.next(NOW) is None
    assert not walk.all_refused
    assert book.rows() == []
    assert [fate for _, fate, _ in walk.ends()] == [Fate.FAILED, *[Fate.REFUSED] * 3]


def test_all_who_were_asked_refuse():
    book = CooldownBook()
    book.failed(lane().candidates[0].scope, R.RATE_LIMIT, 99, NOW)
    walk = walk_of(book)
    while (candidate := walk.next(NOW)) is not None:
        walk.refused(candidate, NOW)
    assert walk.all_refused


def test_a_refusal_settles_a_trial():
    book = CooldownBook()
    scope = lane().candidates[0].scope
    book.failed(scope, R.RATE_LIMIT, 10, NOW)
    walk = walk_of(book)
    tried = walk.next(NOW + timedelta(seconds=10))
    assert walk.refused(tried, NOW + timedelta(seconds=10)) == [scope.model]


def test_two_models_of_one_key_cool_together():
    sisters = team(OPUS, "anthropic/claude-haiku-4-5", FLASH)
    walk = Walk(lane(config=sisters), CooldownBook())
    walk.failed(walk.next(NOW), R.AUTH, None, NOW)
    assert walk.next(NOW).name == FLASH


# --- whatever happens --------------------------------------------------------------------------

_LANE = lane()
_WAYS = st.sampled_from(["answered", "refused", "given_up", *FailureReason])


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[float, list[tuple[str, float | None, bool]]]]:
    way = st.tuples(_WAYS, st.none() | st.floats(0, 90), st.booleans())
    pause_s = st.sampled_from([0.0, 0.5, 20.0, 70.0, 400.0, 90_000.0])
    steps = st.tuples(pause_s, st.lists(way, min_size=8, max_size=8))
    return draw(st.lists(steps, min_size=1, max_size=12))


def _settle(
    walk: Walk, candidate: Candidate, way: tuple[str, float | None, bool], now: datetime
) -> bool:
    """Tell a walk how an attempt ended; True when the request is over with it."""
    what, wait_s, again = way
    match what:
        case "answered":
            walk.answered(candidate, now)
        case "given_up":
            walk.given_up(candidate)
        case "refused":
            walk.refused(candidate, now)
            return False
        case _:
            walk.failed(candidate, FailureReason(what), wait_s, now, retry_same=again)
            return False
    return True


@given(requests())
def test_every_walk_ends_and_asks_nobody_twice_but_the_last(
    history: list[tuple[float, list[tuple[str, float | None, bool]]]],
):
    book, now = CooldownBook(), NOW
    for pause_s, ways in history:
        now += timedelta(seconds=pause_s)
        walk = Walk(_LANE, book)
        asked: list[str] = []
        for way in ways:
            candidate = walk.next(now)
            if candidate is None:
                break
            asked.append(candidate.name)
            if _settle(walk, candidate, way, now):
                break
        else:
            raise AssertionError("a walk of four hops took eight steps and more")
        # Only the very last may be asked again, and only once.
        if not asked:
            rows = [book.row(candidate.scope) for candidate in _LANE.candidates]
            assert all(row and row.named and row.holds(now) for row in rows)
            continue
        assert len(set(asked)) >= len(asked) - 1
        if len(set(asked)) < len(asked):
            assert asked[-1] == asked[-2]
        assert walk.attempts == len(asked)


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
    scope = _LANE.candidates[0].scope
    book.failed(scope, R.RATE_LIMIT, 5, now)
    under_way: list[tuple[Walk, Candidate]] = []
    on_trial: list[Walk] = []
    for step, what, wait_s in steps:
        now += timedelta(seconds=wait_s)
        if step == "ask":
            walk = Walk(_LANE, book)
            gate = book.gate(scope, now)
            candidate = walk.next(now)
            if candidate is None:
                continue
            under_way.append((walk, candidate))
            if candidate.name == OPUS and gate is Gate.TRIAL:
                assert not on_trial
                on_trial.append(walk)
        elif under_way:
            walk, candidate = under_way.pop(0)
            _settle(walk, candidate, (what, None, False), now)
            on_trial = [other for other in on_trial if other is not walk]
