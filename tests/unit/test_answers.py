"""What a 200's JSON amounts to, and what an error's body says."""

from __future__ import annotations

import pytest

from bot.dialects.answer import AnswerState, answer_state, served_model
from bot.dialects.error_body import is_page, page_title, read_error
from bot.dialects.wire import load_json
from bot.models import Dialect

GOOD, EMPTY, BLOCKED, ERROR, NO_ANSWER = AnswerState


def chat(finish: str | None = "stop", **message: object) -> dict[str, object]:
    row = {"role": "assistant", **message}
    return {"choices": [{"index": 0, "message": row, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (chat(content="Hi"), GOOD),
        (chat(content=[{"type": "text", "text": "Hi"}]), GOOD),
        (chat("tool_calls", content=None, tool_calls=[{"id": "1"}]), GOOD),
        (chat(content=None, refusal="No."), GOOD),
        (chat(content="", reasoning_content="hm"), GOOD),
        (chat("length", content=""), GOOD),
        (chat("length"), GOOD),
        (chat("content_filter", content=None), GOOD),
        (chat(content=""), EMPTY),
        (chat(content=None), EMPTY),
        (chat(None), EMPTY),
        (chat("tool_calls", content=None, tool_calls=[]), EMPTY),
        (chat("insufficient_system_resource", content=""), EMPTY),
        (chat("error", content=""), ERROR),
        ({"choices": [{"message": {"content": "x"}, "error": {"code": 502}}]}, ERROR),
        ({"error": {"message": "no"}}, ERROR),
        ({"choices": []}, NO_ANSWER),
        ({"choices": None}, NO_ANSWER),
        ({"choices": [{"delta": {"content": "x"}}]}, NO_ANSWER),
        ({"choices": ["x"]}, NO_ANSWER),
        ({}, NO_ANSWER),
        ([], NO_ANSWER),
        ("Hi", NO_ANSWER),
        (None, NO_ANSWER),
        ({"error": None, **chat(content="Hi")}, GOOD),
    ],
)
def test_openai(body, expected):
    assert answer_state(Dialect.OPENAI, body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}, GOOD),
        ({"content": [{"type": "tool_use", "id": "t", "input": {}}]}, GOOD),
        ({"content": [], "stop_reason": "max_tokens"}, GOOD),
        ({"content": [{"type": "text", "text": ""}], "stop_reason": "max_tokens"}, GOOD),
        ({"content": [], "stop_reason": "refusal"}, GOOD),
        ({"content": [], "stop_reason": "end_turn"}, EMPTY),
        ({"content": [{"type": "text", "text": ""}], "stop_reason": "end_turn"}, EMPTY),
        ({"content": None}, NO_ANSWER),
        ({}, NO_ANSWER),
        ({"type": "error"}, ERROR),
    ],
)
def test_anthropic(body, expected):
    assert answer_state(Dialect.ANTHROPIC, body) is expected


def candidate(finish: str | None, *parts: object) -> dict[str, object]:
    content = {"parts": list(parts)} if parts else {}
    return {"candidates": [{"content": content, "finishReason": finish}]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (candidate("STOP", {"text": "Hi"}), GOOD),
        (candidate("STOP", {"functionCall": {"name": "f"}}), GOOD),
        (candidate("MAX_TOKENS"), GOOD),
        (candidate("STOP"), EMPTY),
        (candidate("STOP", {"text": "", "thought": True}), EMPTY),
        (candidate("MALFORMED_FUNCTION_CALL"), EMPTY),
        (candidate(None), EMPTY),
        (candidate("SAFETY"), BLOCKED),
        (candidate("SAFETY", {"text": "Hi"}), GOOD),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, BLOCKED),
        ({"promptFeedback": {}}, NO_ANSWER),
        ({}, NO_ANSWER),
    ],
)
def test_gemini(body, expected):
    assert answer_state(Dialect.GEMINI, body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"message": {"content": "Hi"}, "done": True, "done_reason": "stop"}, GOOD),
        ({"message": {"content": ""}, "done": True, "done_reason": "length"}, GOOD),
        ({"message": {"content": "", "tool_calls": [{}]}, "done": True}, GOOD),
        ({"message": {"content": ""}, "done": True, "done_reason": "load"}, EMPTY),
        ({"message": {"content": "Hi"}, "done": False}, NO_ANSWER),
        ({"done": True}, NO_ANSWER),
        ({"error": "model requires more system memory"}, ERROR),
    ],
)
def test_ollama(body, expected):
    assert answer_state(Dialect.OLLAMA, body) is expected


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        ("openai", {"model": "gpt-5"}, "gpt-5"),
        ("gemini", {"modelVersion": "gemini-2.5-flash", "model": "x"}, "gemini-2.5-flash"),
        ("openai", {"model": "  "}, None),
        ("openai", {"model": "a\nb"}, None),
        ("openai", {"model": "a" * 201}, None),
        ("openai", {"model": 5}, None),
        ("openai", [], None),
    ],
)
def test_who_served(dialect, body, expected):
    assert served_model(Dialect(dialect), body) == expected


def test_every_providers_error_is_read():
    openai = read_error(
        {
            "error": {
                "message": "m",
                "type": "Requests",
                "param": None,
                "code": "rate_limit_exceeded",
            }
        }
    )
    assert (openai.message, openai.number, openai.envelope) == ("m", None, True)
    assert openai.names == {"requests", "rate_limit_exceeded"}
    anthropic = read_error({"type": "error", "error": {"type": "overloaded_error", "message": "m"}})
    assert anthropic.names == {"overloaded_error"}
    gemini = [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"a": 1}, "x"]}}]
    read = read_error(gemini)
    assert read.number == 429
    assert read.names == {"resource_exhausted"}
    assert read.details == ({"a": 1}, {})
    router = read_error({"error": {"code": 402, "message": "m", "metadata": {"limit_source": "x"}}})
    assert (router.number, router.metadata) == (402, {"limit_source": "x"})
    assert read_error({"error": "text"}).message == "text"
    assert read_error({"detail": "Not Found"}).message == "Not Found"
    assert read_error({"message": "no"}).message == "no"


@pytest.mark.parametrize("body", [None, [], {}, "x", 7, {"error": ""}, {"error": []}, [[]]])
def test_what_is_no_error_says_nothing(body):
    assert not read_error(body).envelope
    assert read_error(body).message == ""


@pytest.mark.parametrize(
    ("code", "number"),
    [(429, 429), ("429", 429), ("4290", None), (True, None), (7, None), (None, None), (4.5, None)],
)
def test_codes_that_are_statuses(code, number):
    assert read_error({"error": {"code": code}}).number == number


def test_pages():
    page = b"\n<!DOCTYPE html><html><head><title>502\n Bad  Gateway</title>"
    assert is_page("", page)
    assert is_page("text/html; charset=utf-8", b"x")
    assert not is_page("application/json", b'{"a": "<html>"}')
    assert page_title(page.decode()) == "502 Bad Gateway"
    assert page_title("<p>") == ""


def test_json_as_it_comes():
    assert load_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert load_json(b"\n\n  \n{}\n") == {}
    for rubbish in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b"<html>", b'{"a": ' + b"9" * 5000):
        with pytest.raises(ValueError):  # noqa: PT011  the kind is all that is promised
            load_json(rubbish)
