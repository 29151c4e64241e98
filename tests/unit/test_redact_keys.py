"""Keys in what a provider says."""

from __future__ import annotations

import json

import pytest

from bot.models import Secret
from bot.routing.redact import redact, redact_body


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijklmnop",
        "sk-ant-api03-abc_DEF-123",
        "sk-or-v1-0123456789abcdef",
        "sk-abc1234",
        "sk-ab*******************wxyz",
        "gsk_abcdefgh12345",
        "AIzaSyA-1234567890abcdefghijklmnopqrstu",
        "xoxb-1234-5678-abcd",
        "xoxp-1234-5678-abcd",
        "xapp-1-A1-2-abc",
        "hf_abcdefghijkl",
        "****7890",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
    ],
)
def test_what_looks_like_a_key(key):
    for text in (key, f"Incorrect API key provided: {key}.", f'{{"k":"{key}"}}', f"({key})"):
        assert key.rstrip(".") not in redact(text)
        assert "…" in redact(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abcDEF123456", "Authorization: Bearer …"),
        ("authorization=bearer abc-def-ghi;", "authorization=bearer …;"),
        ("x-api-key: my-secret-1", "x-api-key: …"),
        ("api key my-secret-1 is wrong", "api key … is wrong"),
        ("GET /v1?key=abc&alt=sse", "GET /v1?key=…&alt=sse"),
        ("http://user:pass@host/v1", "http://…@host/v1"),
        ("Your api key: ****demo is invalid", "Your api key: … is invalid"),
    ],
)
def test_what_stands_after_a_word(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "invalid x-api-key",
        "API key not valid. Please pass a valid API key.",
        "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 30000.",
        "models/gemini-2.5-flash is not found for API version v1beta",
        "The model `llama-3.3-70b-versatile` does not exist",
        "claude-opus-4-5-20251101",
        "risk-free task-based",
        "Please try again in 20s. Visit https://platform.openai.com/account/rate-limits",
    ],
)
def test_what_is_no_key_stays(text):
    assert redact(text) == text


def test_given_keys_go_whatever_they_look_like():
    assert redact("say hunter22 twice: hunter22", [Secret("hunter22")]) == "say … twice: …"
    assert redact("abcdef-long abcdef", ["abcdef", "abcdef-long"]) == "… …"
    assert redact("in a URL: p%40ss%2Fword", ["p@ss/word"]) == "in a URL: …"


def test_a_key_that_is_a_common_word_is_left():
    assert redact("ollama is down", ["o", "", "ollam"]) == "ollama is down"


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_short_secret_inside_a_longer_one_leaves_nothing_of_it(times):
    text = long = 'canary token "ü'
    for _ in range(times):
        text = json.dumps(text)[1:-1]
    assert redact(f"<{text}> canary", ["canary", long]) == "<…> …"


def test_bodies_keep_their_other_bytes():
    body = b'{"error":"bad key sk-abcdefgh1234567890 \xff"}'
    assert redact_body(body) == b'{"error":"bad key \xe2\x80\xa6 \xff"}'
    assert redact_body(b"hunter22", [Secret("hunter22")]) == "…".encode()


@pytest.mark.parametrize("unit", ["_", "*", "apikey,", "sk-", "://", "a-", "Bearer ", "key="])
def test_long_rubbish_is_read_in_one_go(unit):
    text = unit * (60_000 // len(unit))
    assert len(redact(text)) <= len(text)
