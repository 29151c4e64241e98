"""What the lines of a log tell, in the forms of every release, and what rubbish does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models import FailureReason, ModelRef
from bot.openclaw.fallback_tracker import FallbackTracker
from bot.openclaw.log_lines import (
    Broken,
    Decided,
    Decision,
    LogLine,
    Reload,
    ReloadNote,
    read_line,
    time_in,
)
from bot.ports import FallbackEvent
from tests.support.fakes_openclaw import BEGAN, decision, sample

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
R = FailureReason


def events_of(lines: list[bytes]) -> list[FallbackEvent]:
    runs = FallbackTracker()
    read = [read_line(line) for line in lines]
    fed = [runs.feed(line, NOW) for line in read if isinstance(line, Decision | LogLine)]
    return [event for event in fed if event is not None]


def record(subsystem: str, *parts: object, time: str = "2026-11-22T20:00:00Z") -> bytes:
    row: dict[str, object] = {"0": json.dumps({"subsystem": subsystem}, separators=(",", ":"))}
    row |= {str(number): part for number, part in enumerate(parts, 1)} | {"time": time}
    return json.dumps(row).encode()


def test_the_real_log_of_9x_gives_one_event_a_run() -> None:
    events = events_of(sample("log-9x.jsonl"))
    assert [(e.from_model, e.to_model, e.reason) for e in events] == [
        ("alpha/alpha-model", "beta/beta-model", R.RATE_LIMIT),
        ("alpha/alpha-model", "beta/beta-model", R.AUTH),
    ]
    assert len({e.request_id for e in events}) == 2
    assert events[0].source == "openclaw"
    assert events[0].at == datetime(2026, 11, 22, 20, 55, 5, 221000, tzinfo=UTC)
    assert "429" in events[0].detail


@pytest.mark.parametrize("name", ["console-1x.log", "log-1x.jsonl"])
def test_the_real_log_of_1x_tells_reloads_and_no_fallback(name: str) -> None:
    notes = [line for raw in sample(name) if isinstance(line := read_line(raw), ReloadNote)]
    assert notes
    assert {note.reload for note in notes} == {Reload.APPLIED}
    assert "agents.defaults.model.primary" in notes[0].detail
    assert notes[0].at is not None
    assert events_of(sample(name)) == []


def test_the_text_form_of_9x_is_told_by_its_own_words() -> None:
    failed = (
        b"2026-11-22T20:55:01.262Z \x1b[33m[model-fallback/decision]\x1b[0m model fallback "
        b"decision: decision=candidate_failed requested=alpha/a candidate=alpha/a "
        b"reason=server_error providerErrorType=api_error next=beta/b detail=500 oops key "
        b"sk-verysecretkey12345"
    )
    done = failed.replace(b"candidate_failed", b"candidate_succeeded").replace(
        b"candidate=alpha/a reason=server_error", b"candidate=beta/b reason=unknown"
    ).replace(b"next=beta/b", b"next=none")  # fmt: skip
    (event,) = events_of([failed, done])
    assert (event.from_model, event.to_model, event.reason) == ("alpha/a", "beta/b", R.SERVER_ERROR)
    assert "sk-verysecret" not in event.detail
    assert event.at.minute == 55
    assert events_of([failed, done])[0].request_id == event.request_id


def test_a_chain_that_ends_without_an_answer_is_an_event_to_nobody() -> None:
    def failed(candidate: str, following: str | None, reason: str) -> bytes:
        fields = {
            "event": "model_fallback_decision", "runId": "r1", "decision": "candidate_failed",
            "requestedProvider": "alpha", "requestedModel": "a", "candidateProvider": candidate,
            "candidateModel": "m", "reason": reason, "status": 500,
        }  # fmt: skip
        if following:
            fields |= {"nextCandidateProvider": following, "nextCandidateModel": "m"}
        return record("model-fallback/decision", fields, "model fallback decision")

    (event,) = events_of([failed("alpha", "beta", "billing"), failed("beta", None, "timeout")])
    assert (event.to_model, event.reason) == (None, R.BILLING)
    assert events_of([failed("alpha", None, "context_overflow")]) == []


def test_a_primary_that_answers_after_all_is_no_fallback() -> None:
    line = json.loads(decision("r2"))
    line["1"] |= {"candidateProvider": "alpha", "candidateModel": "alpha-model"}
    assert events_of([json.dumps(line).encode()]) == []


def test_runs_remember_which_fell_back_and_not_for_ever() -> None:
    runs = FallbackTracker()
    for number in range(5000):
        line = read_line(decision(f"r{number}"))
        assert isinstance(line, Decision)
        runs.feed(line, NOW)
    assert "r4999" in runs
    assert "r0" not in runs
    for number in range(1000):
        ref = ModelRef("alpha", str(number))
        runs.feed(Decision(NOW, Decided.FAILED, ref, ref, next=ModelRef("b", "b")), NOW)
    late = Decision(NOW, Decided.SUCCEEDED, ModelRef("alpha", "0"), ModelRef("b", "b"))
    event = runs.feed(late, NOW)
    assert event is not None
    assert event.reason is R.BAD_RESPONSE


@pytest.mark.parametrize(
    "line",
    [
        "[gateway] Fallback triggered: anthropic/claude → deepseek/chat (rate_limit)",
        "2026-11-22T20:55:01Z [gateway] Fallback triggered: anthropic/claude -> deepseek/chat "
        "(rate_limit)",
        "2026-11-22T20:55:01.123456789Z 2026-11-22 20:55:01 [gateway] Fallback triggered: "
        "anthropic/claude → deepseek/chat (rate_limit)",
    ],
)
def test_the_guides_own_line_is_read(line: str) -> None:
    (event,) = events_of([line.encode()])
    assert (event.from_model, event.to_model) == ("anthropic/claude", "deepseek/chat")
    assert event.reason is R.RATE_LIMIT


def test_the_guides_line_is_read_out_of_a_json_log_and_with_nobody() -> None:
    told = "Fallback triggered: a/b → none (billing)"
    (event,) = events_of([record("gateway", told)])
    assert (event.to_model, event.reason) == (None, R.BILLING)


def test_what_a_model_said_is_no_evidence() -> None:
    said = "Sure: [gateway] Fallback triggered: a/b → c/d (auth)"
    assert read_line(json.dumps({"0": said, "time": "2026-11-22T20:55:01Z"}).encode()) is None
    assert read_line(record("agent/embedded", "Fallback triggered: a/b → c/d (auth)")) is None
    assert read_line(record("agent", "config change applied (dynamic reads: x) reload")) is None


@pytest.mark.parametrize(
    ("words", "reload"),
    [
        ("config hot reload applied (agents.defaults.model)", Reload.APPLIED),
        ("config reload skipped (invalid config): models: bad", Reload.REJECTED),
        ("config reload failed: Error", Reload.REJECTED),
        ("config change requires gateway restart (gateway.port)", Reload.RESTART),
        ("config reload disabled (gateway.reload.mode=off)", Reload.RESTART),
    ],
)
def test_what_became_of_a_config_is_told(words: str, reload: Reload) -> None:
    for raw in (record("gateway/reload", words), f"20:01 [reload] {words}".encode()):
        line = read_line(raw if raw.startswith(b"{") else raw[6:])
        assert isinstance(line, ReloadNote)
        assert line.reload is reload


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-22T20:00:00Z", 20),
        ("2026-11-22T20:00:00.123+02:00", 18),
        ("[2026-11-22 20:00:00.1234567-0130]", 21),
        ("2026-11-22T20:00:00", None),
        ("2026-13-40T20:00:00Z", None),
        ("soon", None),
    ],
)
def test_times_count_only_with_their_zone(text: str, hour: int | None) -> None:
    at = time_in(text)
    assert (at.hour if at else None) == hour


def test_a_log_in_another_zone_tells_the_same_instant() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    line = decision("r3").replace(
        BEGAN.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode(),
        BEGAN.astimezone(east).isoformat(timespec="milliseconds").encode(),
    )
    assert b"+05:30" in line
    (event,) = events_of([line])
    assert event.at == BEGAN


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "candidate_exploded"},
        {"requestedProvider": 7},
        {"candidateModel": None},
    ],
)
def test_a_decision_that_cannot_be_understood_is_counted(change: dict[str, object]) -> None:
    line = json.loads(decision("r4"))
    line["1"] |= change
    assert read_line(json.dumps(line).encode()) is Broken.BROKEN


def test_half_lines_are_counted_when_they_mattered() -> None:
    whole = decision("r5").strip()
    assert read_line(whole[: len(whole) // 2]) is Broken.BROKEN
    assert read_line(b"[1, 2] no object, a reload") is None
    assert read_line(b'{"0": ["reload"]}') is None
    assert read_line(b'{"0": "{\\"subsystem\\" rubbish", "1": "reload"}') is None
    broken = (
        b"model fallback decision: decision=skip_candidate requested=x candidate=y reason=z next=q"
    )
    assert read_line(broken) is Broken.BROKEN


@given(st.binary(max_size=300))
def test_rubbish_never_raises(rubbish: bytes) -> None:
    read_line(rubbish + b"allback" + rubbish)
    read_line(b'{"0":' + rubbish + b'"reload"}')


@given(cut=st.integers(0, 400), noise=st.binary(max_size=8), at=st.integers(0, 400))
def test_a_real_line_cut_or_dirtied_never_raises(cut: int, noise: bytes, at: int) -> None:
    line = decision("r6").strip()
    at %= len(line)
    found = read_line(line[:at] + noise + line[at + cut :])
    if isinstance(found, Decision):
        FallbackTracker().feed(found, NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(fields=st.dictionaries(st.sampled_from(list(json.loads(decision("x"))["1"])), _json))
def test_fields_of_any_type_never_raise(fields: dict[str, object]) -> None:
    line = json.loads(decision("r7"))
    line["1"] |= fields | {"event": "model_fallback_decision"}
    found = read_line(json.dumps(line).encode())
    if isinstance(found, Decision):
        FallbackTracker().feed(found, NOW)
