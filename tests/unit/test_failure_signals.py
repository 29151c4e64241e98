"""From every provider's refusals to their reasons."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.models import Dialect, FailureReason, ModelRef, Secret
from bot.routing.failure import (
    Outcome,
    Verdict,
    classify,
    classify_stream,
    route_missing,
)
from bot.routing.retry_after import LONGEST_RETRY_AFTER_S

GPT = ModelRef("openai", "x")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HTML = "<!doctype html><html><head><title>Bad gateway</title></head></html>"
CALLER, UNFIT, BAD, NO_MODEL = "caller", "unfit", "bad_response", "model_not_found"


def judge(
    status: int,
    body: object = b"",
    provider: str = "openai",
    dialect: str | None = None,
    headers: dict[str, str] | None = None,
) -> Verdict:
    usual = {"anthropic": "anthropic", "ollama": "openai"}
    spoken = Dialect(dialect or usual.get(provider, "openai"))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(ModelRef(provider, "x"), spoken, status, headers or {}, raw, now=NOW)


def told(verdict: Verdict) -> str:
    return verdict.reason or verdict.outcome


def openai_error(message: str = "", code: object = None, type_: object = None) -> dict[str, object]:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic_error(type_: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "r"}


def google_error(code: int, message: str, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": "X", "details": list(details)}}


def router_error(code: int, message: str, **metadata: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "metadata": metadata}}


def quota(window: str) -> dict[str, object]:
    violation = {"quotaId": f"GenerateRequestsPer{window}PerProjectPerModel"}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
OVER = "You have reached your specified API usage limits."
LOW = "Your credit balance is too low to access the Anthropic API."


@pytest.mark.parametrize(
    ("provider", "status", "body", "expected"),
    [
        # rate_limit
        ("openai", 429, openai_error("slow down", "rate_limit_exceeded", "requests"), "rate_limit"),
        ("anthropic", 429, anthropic_error("rate_limit_error", "slow"), "rate_limit"),
        ("gemini", 429, google_error(429, "quota", quota("Minute"), RETRY), "rate_limit"),
        ("gemini", 429, [google_error(429, "quota", quota("Minute"))], "rate_limit"),
        ("groq", 498, openai_error("capacity"), "rate_limit"),
        ("groq", 413, openai_error("too large", "rate_limit_exceeded", "tokens"), "rate_limit"),
        ("ollama", 429, {"error": "session usage limit"}, "rate_limit"),
        ("openai", 429, HTML.encode(), "rate_limit"),
        ("openai", 429, b"", "rate_limit"),
        (
            "openrouter",
            402,
            router_error(402, "busy", limit_source="openrouter_in_flight_budget"),
            "rate_limit",
        ),
        # billing
        ("openrouter", 402, router_error(402, "x", limit_source="openrouter_credits"), "billing"),
        ("openrouter", 403, router_error(403, "Key limit exceeded (total limit)"), "billing"),
        (
            "openrouter",
            403,
            router_error(403, "no", limit_source="openrouter_key_limit"),
            "billing",
        ),
        ("deepseek", 402, openai_error("Insufficient Balance", "invalid_request_error"), "billing"),
        ("openai", 429, openai_error("quota", "insufficient_quota"), "billing"),
        ("openai", 429, openai_error("quota", None, "insufficient_quota"), "billing"),
        ("openai", 429, openai_error("x", "project_spend_limit_exceeded"), "billing"),
        ("openai", 429, openai_error("x", "credit_balance_exhausted"), "billing"),
        ("openai", 403, openai_error("x", "billing_not_active"), "billing"),
        ("gemini", 429, google_error(429, "quota", quota("Day"), RETRY), "billing"),
        ("gemini", 429, [google_error(429, "quota", quota("Day"))], "billing"),
        ("anthropic", 400, anthropic_error("invalid_request_error", LOW), "billing"),
        (
            "anthropic",
            400,
            anthropic_error("invalid_request_error", OVER),
            "billing",
        ),
        ("anthropic", 402, anthropic_error("billing_error", "pay"), "billing"),
        ("openai", 402, HTML.encode(), "billing"),
        # auth
        ("openai", 401, openai_error("Incorrect API key provided", "invalid_api_key"), "auth"),
        ("anthropic", 401, anthropic_error("authentication_error", "invalid x-api-key"), "auth"),
        ("anthropic", 403, anthropic_error("permission_error", "no"), "auth"),
        ("gemini", 400, google_error(400, "API key not valid. Please pass", BAD_KEY), "auth"),
        ("gemini", 400, [google_error(400, "API key not valid.")], "auth"),
        ("gemini", 403, google_error(403, "Method doesn't allow unregistered callers"), "auth"),
        ("openrouter", 403, router_error(403, "Forbidden"), "auth"),
        ("openai", 401, HTML.encode(), "auth"),
        ("openai", 401, b"", "auth"),
        # server_error
        ("openai", 500, openai_error("The server had an error"), "server_error"),
        ("anthropic", 529, anthropic_error("overloaded_error", "Overloaded"), "server_error"),
        ("gemini", 503, google_error(503, "overloaded"), "server_error"),
        ("openai", 408, b"", "server_error"),
        ("openai", 409, b"", "server_error"),
        ("openai", 425, b"", "server_error"),
        ("openai", 502, HTML.encode(), "server_error"),
        ("openai", 403, HTML.encode(), "server_error"),
        ("openai", 400, HTML.encode(), "server_error"),
        ("openai", 404, HTML.encode(), "server_error"),
        ("openrouter", 502, router_error(502, "Provider returned error"), "server_error"),
        ("ollama", 500, {"error": "llama runner process has terminated"}, "server_error"),
        ("openai", 524, b"origin timeout", "server_error"),
        # model_not_found
        ("openai", 404, openai_error("The model `x` does not exist", "model_not_found"), NO_MODEL),
        ("openai", 403, openai_error("no access to model", "model_not_found"), NO_MODEL),
        ("anthropic", 404, anthropic_error("not_found_error", "model: x"), NO_MODEL),
        ("gemini", 404, [google_error(404, "models/x is not found for v1beta")], NO_MODEL),
        ("openrouter", 404, router_error(404, "No endpoints found for x."), NO_MODEL),
        ("openrouter", 400, router_error(400, "x is not a valid model ID"), NO_MODEL),
        ("deepseek", 400, openai_error("Model Not Exist", "invalid_request_error"), NO_MODEL),
        ("groq", 400, openai_error("The model `x` has been decommissioned"), NO_MODEL),
        ("groq", 400, openai_error("gone", "model_decommissioned"), NO_MODEL),
        ("ollama", 404, {"error": "model 'x' not found"}, NO_MODEL),
        ("ollama", 404, {"error": "nothing here"}, UNFIT),
        ("ollama", 404, b"", BAD),
        ("mine", 404, {"detail": "The model x is not loaded"}, NO_MODEL),
        ("mine", 400, openai_error("Invalid model name passed in model=x"), NO_MODEL),
        ("openai", 410, openai_error("The model x has been retired"), "model_not_found"),
        # bad_response: nothing there that could be asked
        ("openai", 404, openai_error("Invalid URL (POST /x)", None, "invalid_request_error"), BAD),
        ("groq", 404, openai_error("Unknown request URL: POST /x", "unknown_url"), BAD),
        ("ollama", 404, b"404 page not found", BAD),
        ("mine", 404, {"detail": "Not Found"}, BAD),
        ("mine", 404, b"", BAD),
        ("mine", 405, {"detail": "Method Not Allowed"}, BAD),
        ("mine", 410, b"", BAD),
        ("mine", 418, b"", BAD),
        ("mine", 498, b"", BAD),
        ("mine", 301, b"", BAD),
        ("mine", 307, b"", BAD),
        ("mine", 101, b"", BAD),
        (
            "openrouter",
            404,
            router_error(404, "No endpoints found that support image input"),
            UNFIT,
        ),
        (
            "openrouter",
            404,
            router_error(404, "No endpoints found matching your data policy"),
            NO_MODEL,
        ),
        # the caller's own
        ("openai", 400, openai_error("Invalid type for 'messages'"), CALLER),
        (
            "openai",
            400,
            openai_error("'max_tokens' is not supported with this model. Use 'x'."),
            CALLER,
        ),
        ("openai", 400, openai_error("too long", "context_length_exceeded"), UNFIT),
        ("openai", 422, openai_error("no"), CALLER),
        ("openai", 413, b"", UNFIT),
        ("openai", 400, openai_error("flagged", "content_policy_violation"), CALLER),
        (
            "anthropic",
            400,
            anthropic_error("invalid_request_error", "prompt is too long: 1 > 0"),
            UNFIT,
        ),
        ("anthropic", 413, anthropic_error("request_too_large", "big"), UNFIT),
        ("gemini", 400, [google_error(400, "Invalid JSON payload received.")], CALLER),
        ("openrouter", 403, router_error(403, "flagged", reasons=["violence"]), CALLER),
        ("openrouter", 403, router_error(403, "no", flagged_input="x"), CALLER),
        ("mine", 500, openai_error("This model's maximum context length is 8192 tokens."), UNFIT),
        ("mine", 400, openai_error("image not found"), CALLER),
    ],
)
def test_refusals(provider, status, body, expected):
    verdict = judge(status, body, provider)
    assert told(verdict) == expected
    assert verdict.retry_same == (expected == "server_error")
    assert verdict.detail.startswith(f"HTTP {status}")
    assert not verdict.ok


def chat(content: object, finish: str | None = "stop") -> dict[str, object]:
    return {"choices": [{"message": {"content": content}, "finish_reason": finish}]}


MESSAGE = {"type": "message", "content": [{"type": "text", "text": "Hi"}]}


@pytest.mark.parametrize(
    ("provider", "dialect", "body", "expected"),
    [
        ("openai", "openai", chat("Hi"), "ok"),
        ("openai", "openai", chat("", "length"), "ok"),
        ("openai", "openai", chat(None), BAD),
        ("deepseek", "openai", b"\n\n\n" + json.dumps(chat("Hi")).encode(), "ok"),
        ("anthropic", "anthropic", MESSAGE, "ok"),
        ("anthropic", "anthropic", {**MESSAGE, "content": []}, BAD),
        ("gemini", "gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}, "ok"),
        ("gemini", "gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, CALLER),
        ("ollama", "ollama", {"message": {"content": "Hi"}, "done": True}, "ok"),
        ("openai", "openai", {}, BAD),
        ("openai", "openai", [], BAD),
        ("openai", "openai", [chat("Hi")], "ok"),
        ("openai", "openai", b"", BAD),
        ("openai", "openai", b" \n", BAD),
        ("openai", "openai", HTML.encode(), BAD),
        ("openai", "openai", b'{"choices": [{"mess', BAD),
        ("openai", "openai", b"data: {}\n\n", BAD),
        ("openrouter", "openai", router_error(429, "slow"), "rate_limit"),
        ("openrouter", "openai", router_error(402, "pay"), "billing"),
        (
            "openrouter",
            "openai",
            router_error(402, "busy", limit_source="openrouter_in_flight_budget"),
            "rate_limit",
        ),
        ("openrouter", "openai", router_error(401, "who"), "auth"),
        ("openrouter", "openai", router_error(403, "no"), "auth"),
        ("openrouter", "openai", router_error(403, "flagged", reasons=[]), CALLER),
        ("openrouter", "openai", router_error(502, "gone"), BAD),
        ("openrouter", "openai", router_error(400, "hm"), BAD),
        ("openrouter", "openai", {"error": {"code": "429", "message": "slow"}}, "rate_limit"),
        ("openrouter", "openai", chat("", "error"), BAD),
        (
            "openrouter",
            "openai",
            {"choices": [{"message": {}, **router_error(429, "x")}]},
            "rate_limit",
        ),
        ("gemini", "openai", [google_error(429, "quota", quota("Day"))], "billing"),
        ("anthropic", "anthropic", anthropic_error("rate_limit_error", "x"), "rate_limit"),
        ("anthropic", "anthropic", anthropic_error("overloaded_error", "x"), BAD),
        ("ollama", "openai", {"error": "boom"}, BAD),
    ],
)
def test_what_is_inside_a_200(provider, dialect, body, expected):
    verdict = judge(200, body, provider, dialect)
    assert told(verdict) == expected
    assert not verdict.retry_same
    assert bool(verdict.detail) == (expected != "ok")


def test_other_successes_are_judged_alike():
    assert judge(201, chat("Hi")).ok
    assert judge(204).reason is FailureReason.BAD_RESPONSE


def test_json_that_is_parsed_already_is_not_read_again():
    verdict = classify(GPT, Dialect.OPENAI, 200, {}, b"not read", parsed=chat("Hi"))
    assert verdict.ok
    parsed = openai_error("m", "insufficient_quota")
    verdict = classify(GPT, Dialect.OPENAI, 429, {}, b"not read", parsed=parsed)
    assert verdict.reason is FailureReason.BILLING


def test_an_answer_is_not_quoted_though_its_status_is_an_errors():
    verdict = classify(GPT, Dialect.OPENAI, 500, {}, b"not read", parsed=chat("The answer"))
    assert (verdict.reason, verdict.detail) == (
        FailureReason.SERVER_ERROR,
        "HTTP 500: with a response body",
    )


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"retry-after": "30"}, b"", 30.0),
        ({"Retry-After": "1.5"}, b"", 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, b"", 0.25),
        ({"retry-after-ms": "soon", "retry-after": "2"}, b"", 2.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90))}, b"", 90.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:01:00 -0000"}, b"", 60.0),
        ({"retry-after": format_datetime(NOW - timedelta(hours=1))}, b"", 0.0),
        ({"retry-after": "-5"}, b"", None),
        ({"retry-after": "nan"}, b"", None),
        ({"retry-after": "inf"}, b"", None),
        ({"retry-after": "later"}, b"", None),
        ({"retry-after": ""}, b"", None),
        ({"retry-after": "999999999"}, b"", LONGEST_RETRY_AFTER_S),
        ({}, google_error(429, "m", quota("Minute"), RETRY), 17.5),
        ({}, [google_error(429, "m", {"retryDelay": "0s"})], 0.0),
        ({}, google_error(429, "m", {"retryDelay": "-1s"}), None),
        ({}, google_error(429, "m", {"retryDelay": 5}), None),
        ({}, b"", None),
    ],
)
def test_how_long_to_wait(headers, body, expected):
    assert judge(429, body, headers=headers).retry_after_s == expected


def test_a_date_needs_the_time_of_day():
    headers = {"retry-after": format_datetime(NOW)}
    assert classify(GPT, Dialect.OPENAI, 429, headers, b"").retry_after_s is None


def test_a_wait_named_inside_a_200():
    verdict = judge(200, [google_error(429, "m", RETRY)], "gemini")
    assert (verdict.reason, verdict.retry_after_s) == (FailureReason.RATE_LIMIT, 17.5)


def test_a_server_that_says_not_to_retry_is_believed():
    assert not judge(500, headers={"x-should-retry": "false"}).retry_same
    assert judge(500, headers={"x-should-retry": "true"}).retry_same


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (502, HTML.encode(), "HTTP 502: Bad gateway"),
        (502, b"<html><p>no", "HTTP 502: a web page"),
        (500, b"", "HTTP 500, no message"),
        (500, b"two\nlines\x07", "HTTP 500: two lines�"),
        (
            401,
            openai_error("Incorrect API key provided: sk-abc123***xyz."),
            "HTTP 401: Incorrect API key provided: …",
        ),
        (400, b"\xff\xfe", "HTTP 400: ��"),
    ],
)
def test_what_is_shown(status, body, expected):
    assert judge(status, body).detail == expected


def test_what_is_shown_is_short_and_without_the_key():
    key = Secret("correct-horse-battery-staple")
    body = openai_error("x" * 190 + key.reveal() + "x" * 5000)
    verdict = classify(GPT, Dialect.OPENAI, 401, {}, json.dumps(body).encode(), secrets=[key])
    assert len(verdict.detail) <= 200
    assert "correct" not in verdict.detail
    inside = classify(GPT, Dialect.OPENAI, 200, {}, json.dumps(body).encode(), secrets=[key])
    assert "correct" not in inside.detail


# ---- streams that are over


def ended(*pieces: bytes, dialect: str = "openai", provider: str = "openrouter") -> Verdict:
    parser = StreamParser(Dialect(dialect), provider)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    error = next((event for event in events if event.kind == "error"), None)
    return classify_stream(provider, Dialect(dialect), parser.ending, error)


def sse(body: object) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


DELTA = sse({"choices": [{"delta": {"content": "x"}}]})


@pytest.mark.parametrize(
    ("pieces", "dialect", "expected"),
    [
        ([DELTA, b"data: [DONE]\n\n"], "openai", "ok"),
        ([DELTA], "openai", BAD),
        ([b"data: [DONE]\n\n"], "openai", BAD),
        ([b"data: {\n\n"], "openai", BAD),
        ([sse(router_error(429, "slow"))], "openai", "rate_limit"),
        ([DELTA, sse(router_error(502, "gone"))], "openai", BAD),
        ([sse(anthropic_error("overloaded_error", "x"))], "anthropic", BAD),
        ([sse(anthropic_error("authentication_error", "x"))], "anthropic", "auth"),
        ([sse({"promptFeedback": {"blockReason": "OTHER"}})], "gemini", CALLER),
        ([b"event: error\ndata: upstream gone\n\n"], "openai", BAD),
    ],
)
def test_streams(pieces, dialect, expected):
    verdict = ended(*pieces, dialect=dialect)
    assert told(verdict) == expected
    assert bool(verdict.detail) == (expected != "ok")


def test_streams_say_what_was_wrong():
    assert ended(DELTA).detail == "the stream was cut off"
    assert ended(b"data: [DONE]\n\n").detail == "the stream ended without any content"
    assert ended(b"data: {\n\n").detail == "an event of the stream is not JSON"
    assert "upstream gone" in ended(b"event: error\ndata: upstream gone\n\n").detail
    lost = classify_stream("x", Dialect.OPENAI, Ending.CUT, StreamEvent("error", b""))  # type: ignore[arg-type]
    assert lost.outcome is Outcome.FAILED


# ---- is the address there at all


@pytest.mark.parametrize(
    ("status", "headers", "body", "missing"),
    [
        (404, {}, b"404 page not found", True),
        (404, {}, b"", True),
        (404, {"content-type": "text/html"}, b"model", True),
        (404, {}, b'{"detail":"Not Found"}', True),
        (404, {}, b'{"error":{"message":"Unknown request URL: /v1/models"}}', True),
        (405, {}, b"", True),
        (501, {}, b"", True),
        (404, {}, b'{"error":"model \'x\' not found"}', False),
        (404, {}, b'{"error":{"message":"Llama9 is unknown"}}', False),
        (400, {}, b"", False),
        (200, {}, b"", False),
        (500, {}, HTML.encode(), False),
    ],
)
def test_missing_routes(status, headers, body, missing):
    assert route_missing(status, headers, body, "llama9") is missing
