"""What messages of a session add up to: usage, fallbacks, and requests that nobody answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import FailureReason, ModelRef, Usage
from bot.openclaw.fallback_tracker import FallbackTracker
from bot.openclaw.log_lines import Decided, Decision
from bot.openclaw.reasons import clean_detail, reason_for, reason_in, status_in
from bot.openclaw.session_reader import Found, SessionReader
from bot.openclaw.transcript import Role, Rubbish, Stop, TranscriptMessage, read_entry, usage_of
from tests.support.fakes_openclaw import BEGAN, entry, sample

R = FailureReason
LIMIT = "HTTP 429: Rate limit reached for requests"


def play(*lines: bytes, turns: SessionReader | None = None, then: timedelta | None = None) -> Found:
    turns = turns or SessionReader("main", "s1")
    found = Found()
    for position, line in enumerate(lines):
        said = read_entry(line)
        if isinstance(said, TranscriptMessage):
            found += turns.feed(said, position)
    if then is not None:
        found += turns.settle(BEGAN + then)
    return found


def shape(found: Found) -> list[tuple[str, int, bool, bool]]:
    return [(str(a.model), a.number, a.last, a.fallback) for a in found.attempts]


def test_the_real_transcript_of_1x_shows_its_fallback() -> None:
    found = play(*sample("session-1x-fallback.jsonl"))
    (event,) = found.events
    assert (event.from_model, event.to_model) == ("alpha/alpha-model", "beta/beta-model")
    assert event.reason is R.AUTH
    failed, answered = found.attempts
    assert (failed.request_id, failed.number) == (answered.request_id, 1)
    assert (failed.last, failed.answered, failed.status) == (False, False, 401)
    assert (answered.number, answered.last, answered.fallback) == (2, True, True)
    assert answered.usage == Usage(1000, 50, 200, reported_cost_usd=Decimal("0.0002506"))
    assert (answered.agent, answered.session, answered.source) == ("main", "s1", "openclaw")


def test_the_real_events_of_9x_show_their_usage() -> None:
    rows = [json.loads(line)["event_json"] for line in sample("transcript-events-9x.jsonl")]
    found = play(*[row.encode() for row in rows])
    assert [str(a.model) for a in found.attempts] == ["alpha/alpha-model", "beta/beta-model"]
    assert found.attempts[0].usage.input_tokens == 1000
    assert not found.events


def test_tries_of_one_model_are_one_request() -> None:
    found = play(
        entry(1, "user"), entry(2, "assistant", error=LIMIT), entry(3, "assistant", error=LIMIT),
        entry(4, "user"), entry(5, "assistant", model="beta/b"),
    )  # fmt: skip
    assert shape(found) == [
        ("alpha/alpha-model", 1, False, False),
        ("alpha/alpha-model", 2, False, False),
        ("beta/b", 3, True, True),
    ]
    assert len({a.request_id for a in found.attempts}) == 1
    assert len(found.events) == 1


def test_a_retry_that_works_is_no_fallback() -> None:
    found = play(entry(1, "assistant", error=LIMIT), entry(2, "assistant"))
    assert not found.events
    assert shape(found)[-1] == ("alpha/alpha-model", 2, True, False)


def test_an_error_that_became_the_answer_is_told_when_another_question_comes() -> None:
    found = play(
        entry(1, "user", words="one"),
        entry(2, "assistant", error="500 The server had an error"),
        entry(60, "user", words="two"),
        entry(61, "assistant"),
    )
    (event,) = found.events
    assert (event.to_model, event.reason, event.at) == (
        None, R.SERVER_ERROR, BEGAN + timedelta(seconds=2),
    )  # fmt: skip
    assert shape(found) == [
        ("alpha/alpha-model", 1, True, False),
        ("alpha/alpha-model", 1, True, False),
    ]


def test_an_error_that_nothing_follows_is_told_after_a_while() -> None:
    lines = (entry(1, "user"), entry(2, "assistant", error=LIMIT))
    assert not play(*lines, then=timedelta(minutes=1)).events
    assert len(play(*lines, then=timedelta(minutes=5)).events) == 1


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("error", ["", LIMIT])
def test_what_comes_long_after_is_another_request(role: str, error: str) -> None:
    found = play(
        entry(1, "user"), entry(2, "assistant", error=LIMIT), entry(600, role, error=error)
    )
    assert [event.to_model for event in found.events] == [None]


def test_a_caller_s_own_fault_opens_nothing() -> None:
    found = play(
        entry(1, "assistant", error="400 prompt is too long: 300000 tokens"),
        entry(2, "assistant", model="beta/b"),
    )
    assert not found.events
    assert shape(found) == [("beta/b", 1, True, False)]


def test_an_aborted_answer_costs_what_it_used() -> None:
    assert len(play(entry(1, "assistant", stopReason="aborted")).attempts) == 1
    none = entry(1, "assistant", tokens=(0, 0, 0, 0), stopReason="aborted")
    assert not play(none).attempts


def test_a_reader_that_leaves_events_to_the_log_books_fallbacks_all_the_same() -> None:
    a, b = ModelRef("alpha", "a"), ModelRef("beta", "b")
    runs = FallbackTracker()
    runs.feed(Decision(None, Decided.SUCCEEDED, a, b, run="run-1"), BEGAN)
    turns = SessionReader("main", "s", runs)
    found = play(
        entry(1, "assistant", error=LIMIT), entry(2, "assistant", model="beta/b"),
        entry(3, "assistant", model="beta/b", __openclaw={"runId": "run-1"}),
        entry(4, "assistant", model="beta/b", __openclaw={"runId": "run-2"}),
        entry(5, "assistant", error=LIMIT),
        turns=turns, then=timedelta(hours=1),
    )  # fmt: skip
    assert not found.events
    assert [a.fallback for a in found.attempts] == [False, True, True, False, False]


@pytest.mark.parametrize(
    "words",
    [
        "Continue where you left off. The previous model attempt failed or timed out.",
        "[Retry after the previous model attempt failed or timed out]\n\nHello",
        [{"type": "text", "text": "[Retry after the previous model attempt failed]\n\nHi"}],
    ],
)
def test_what_openclaw_says_between_two_attempts_is_no_new_question(words: Any) -> None:
    found = play(
        entry(1, "user", content="Hello"), entry(2, "assistant", error=LIMIT),
        entry(3, "user", content=words), entry(4, "assistant", model="beta/b"),
    )  # fmt: skip
    assert [event.to_model for event in found.events] == ["beta/b"]
    assert [a.fallback for a in found.attempts] == [False, True]
    alone = play(entry(1, "user", content=words), entry(2, "assistant"))
    assert not alone.events


def test_an_open_request_says_where_to_read_again() -> None:
    turns = SessionReader("main", "s")
    play(entry(1, "assistant", error=LIMIT), entry(2, "assistant", error=LIMIT), turns=turns)
    assert turns.resume_at == 0
    play(entry(3, "assistant"), turns=turns)
    assert turns.resume_at is None


def test_a_forked_session_has_the_same_names() -> None:
    line = entry(1, "assistant")
    one = play(line, turns=SessionReader("main", "parent")).attempts[0]
    other = play(line, turns=SessionReader("main", "child")).attempts[0]
    assert one.request_id == other.request_id


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"input": 1, "output": 2, "cacheRead": 3, "cacheWrite": 4}, Usage(8, 2, 3, 4)),
        ({"input": -1, "output": True, "cacheRead": "3", "cacheWrite": 1e30}, Usage()),
        ({"input": 5, "cost": {"total": 0}}, Usage(5)),
        ({"input": 5, "cost": {"total": True}}, Usage(5)),
        ({"input": 5, "cost": 7}, Usage(5)),
        ({"cost": {"total": 0.25}}, Usage(reported_cost_usd=Decimal("0.25"))),
        (None, Usage()),
    ],
)
def test_usage_counts_what_can_be_true(usage: Any, counted: Usage) -> None:
    assert usage_of(usage) == counted


@pytest.mark.parametrize("model", ["openclaw/delivery-mirror", "openclaw/gateway-injected", "/x"])
def test_what_openclaw_itself_wrote_is_no_model_s(model: str) -> None:
    assert read_entry(entry(1, "assistant", model=model)) is None


def test_entries_of_other_kinds_are_passed_over() -> None:
    assert read_entry(b'{"type":"model_change"}') is None
    assert read_entry(entry(1, "toolResult")) is None
    assert read_entry(b"[]") is Rubbish.RUBBISH
    assert read_entry(b'{"type":') is Rubbish.RUBBISH
    assert read_entry(b"\xff\xfe") is Rubbish.RUBBISH


def test_a_message_s_own_time_stands_in_for_the_entry_s() -> None:
    row = json.loads(entry(1, "assistant"))
    row["timestamp"] = "yesterday"
    row["message"]["timestamp"] = 1795379580004
    said = read_entry(json.dumps(row).encode())
    assert isinstance(said, TranscriptMessage)
    assert said.at == datetime.fromtimestamp(1795379580.004, UTC)
    for wrong in (True, "x", -5, 1e300):
        row["message"]["timestamp"] = wrong
        assert read_entry(json.dumps(row).encode()) is Rubbish.RUBBISH


def test_a_message_without_an_id_is_named_by_its_words() -> None:
    row = json.loads(entry(1, "assistant"))
    del row["id"]
    one, other = (read_entry(json.dumps(row).encode()) for _ in range(2))
    assert isinstance(one, TranscriptMessage)
    assert one == other


@given(st.binary(max_size=200))
def test_rubbish_never_raises(rubbish: bytes) -> None:
    read_entry(rubbish)
    read_entry(b'{"type":"message","message":{"role":"assistant",' + rubbish + b"}}")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_FIELDS = [
    "provider",
    "model",
    "usage",
    "stopReason",
    "errorMessage",
    "timestamp",
    "api",
    "content",
]


@given(
    message=st.dictionaries(st.sampled_from([*_FIELDS, "__openclaw"]), _json), error=st.booleans()
)
def test_messages_of_any_shape_never_raise(message: dict[str, Any], error: bool) -> None:
    row = json.loads(entry(1, "assistant", error=LIMIT if error else ""))
    row["message"] |= message
    play(json.dumps(row).encode(), then=timedelta(hours=1))


_steps = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant"]),
        st.sampled_from(["alpha/a", "beta/b"]),
        st.sampled_from(["", LIMIT, "500 no"]),
        st.integers(1, 400),
        st.sampled_from(["stop", "toolUse", "aborted"]),
    ),
    max_size=12,
)


@given(steps=_steps, cut=st.integers(0, 12))
def test_reading_again_from_where_it_says_gives_the_same_names(
    steps: list[tuple[str, str, str, int, str]], cut: int
) -> None:
    lines, at = [], 0
    for number, (role, model, error, wait, stop) in enumerate(steps):
        at += wait
        when = BEGAN + timedelta(seconds=at)
        more: dict[str, Any] = {
            "model": model,
            "error": error,
            "words": str(number % 2),
            "stop": stop,
        }
        lines.append(entry(number, role, at=when, **more))
    whole = play(*lines, then=timedelta(days=1))
    turns = SessionReader("main", "s1")
    first = play(*lines[:cut], turns=turns)
    resume = cut if turns.resume_at is None else turns.resume_at
    rest = play(*lines[resume:], then=timedelta(days=1))
    names = {(a.request_id, a.number) for a in whole.attempts}
    # Every message counts in one request or another, before and after a restart alike.
    assert {str(n[0]) for n in names} <= {a.request_id for a in first.attempts + rest.attempts}
    assert sum(a.last for a in whole.attempts) == len({a.request_id for a in whole.attempts})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("429 Rate limit reached", R.RATE_LIMIT),
        ("HTTP 500: The server had an error", R.SERVER_ERROR),
        ("401 Incorrect API key provided", R.AUTH),
        ('402 {"error":{"message":"no money","code":402}}', R.BILLING),
        ('404 {"error":{"message":"model x not found"}}', R.MODEL_NOT_FOUND),
        ('400 {"error":{"message":"Model Not Exist"}}', R.MODEL_NOT_FOUND),
        ("400 {rubbish", None),
        ("Error: status code: 503", R.SERVER_ERROR),
        ("too many requests", R.RATE_LIMIT),
        ("insufficient credits", R.BILLING),
        ("invalid api key", R.AUTH),
        ("Request timed out.", R.TIMEOUT),
        ("Overloaded", R.SERVER_ERROR),
        ("Unknown model: x/y", R.MODEL_NOT_FOUND),
        ("Connection error.", R.NETWORK),
        ("context length exceeded", None),
        ("", R.BAD_RESPONSE),
        ("something odd", R.BAD_RESPONSE),
    ],
)
def test_error_texts_are_understood(text: str, reason: FailureReason | None) -> None:
    assert reason_in(text) is reason


@pytest.mark.parametrize(
    ("word", "status", "text", "reason"),
    [
        ("overloaded", None, "", R.SERVER_ERROR),
        ("tls_certificate", None, "", R.NETWORK),
        ("network", None, "", R.NETWORK),
        ("format", None, "", None),
        ("unknown", 429, "slow", R.RATE_LIMIT),
        ("unclassified", None, "fetch failed", R.NETWORK),
    ],
)
def test_openclaw_s_words_are_understood(
    word: str, status: int | None, text: str, reason: FailureReason | None
) -> None:
    assert reason_for(word, status, text) is reason


def test_details_are_short_and_clean() -> None:
    said = clean_detail("401 Incorrect API key\nprovided: sk-abcdefghijklmnop1234 " + "x" * 900)
    assert "sk-abc" not in said
    assert "\n" not in said
    assert len(said) <= 200
    assert status_in("HTTP 503: x") == 503
    assert status_in("x") == 0


def test_plain_values() -> None:
    said = read_entry(entry(1, "user"))
    assert isinstance(said, TranscriptMessage)
    assert (said.role, said.stop, said.model) == (Role.USER, Stop.GOOD, None)
    answer = read_entry(entry(2, "assistant", api="anthropic-messages", timestamp=0))
    assert isinstance(answer, TranscriptMessage)
    assert (answer.dialect, answer.latency_ms) == ("anthropic", None)
    assert answer.model == ModelRef("alpha", "alpha-model")
