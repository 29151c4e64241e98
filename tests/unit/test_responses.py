"""The Responses dialect as data: its events, answers, usage, history and what it refers to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.catalog import shipped
from bot.dialects.answer import AnswerState, answer_state
from bot.dialects.custom import custom_provider
from bot.dialects.endpoint import endpoint_url
from bot.dialects.error_body import read_error
from bot.dialects.events import Kind, read_event
from bot.dialects.history import Edit, edited
from bot.dialects.state import MOST_IDS, Reference, made_by, references
from bot.dialects.stream import Ending, StreamParser
from bot.dialects.usage import read_usage
from bot.models import Dialect, FailureReason, Usage
from bot.routing.failure import Outcome, classify_stream
from bot.routing.signals import Lack

RESPONSES = Dialect.RESPONSES
COUNTS = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 140,
}


def response(status: str = "in_progress", **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "model": "gpt-x", "status": status} | more


def said(text: str = "Hi") -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}


def event(kind: str, number: int = 0, **more: Any) -> bytes:
    body = {"type": kind, "sequence_number": number, **more}
    return f"event: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def delta(text: str, number: int = 0) -> bytes:
    return event("response.output_text.delta", number, item_id="msg_1", delta=text)


CREATED = event("response.created", response=response(output=[]))
DONE = event("response.completed", 9, response=response("completed", output=[said()], usage=COUNTS))


def follow(*parts: bytes) -> StreamParser:
    parser = StreamParser(RESPONSES, "openai")
    for part in parts:
        parser.feed(part)
    parser.close()
    return parser


CONTENT = [
    ("response.output_text.delta", {"delta": "Hi"}),
    ("response.refusal.delta", {"delta": "No"}),
    ("response.reasoning_text.delta", {"delta": "hm"}),
    ("response.reasoning_summary_text.delta", {"delta": "hm"}),
    ("response.function_call_arguments.delta", {"delta": "{"}),
    ("response.custom_tool_call_input.delta", {"delta": "x"}),
    ("response.mcp_call_arguments.delta", {"delta": "{"}),
    ("response.code_interpreter_call_code.delta", {"delta": "1"}),
    ("response.audio.transcript.delta", {"delta": "Hi"}),
    ("response.image_generation_call.partial_image", {"partial_image_b64": "aGk="}),
    ("response.output_item.added", {"item": {"type": "function_call", "name": "f"}}),
    ("response.output_item.added", {"item": {"type": "mcp_call", "id": "m"}}),
    ("response.something_new.delta", {"delta": {"x": 1}}),
]
REPEATED = [
    ("response.output_text.done", {"text": "Hi"}),
    ("response.function_call_arguments.done", {"arguments": "{}"}),
    ("response.output_item.done", {"item": said()}),
    ("response.content_part.done", {"part": {"type": "output_text", "text": "Hi"}}),
]
FRAMING = [
    ("response.created", {"response": response()}),
    ("response.queued", {"response": response("queued")}),
    ("response.in_progress", {"response": response()}),
    ("response.output_text.delta", {"delta": "", "logprobs": [], "obfuscation": "xyz"}),
    ("response.output_item.added", {"item": said() | {"content": []}}),
    ("response.output_item.added", {"item": {"type": "reasoning", "id": "r", "summary": []}}),
    (
        "response.output_item.done",
        {"item": {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}},
    ),
    ("response.content_part.added", {"part": {"type": "output_text", "text": ""}}),
    ("response.web_search_call.searching", {"item_id": "ws", "output_index": 0}),
    ("codex.rate_limits", {"plan": "x"}),
]


@pytest.mark.parametrize(("kind", "more"), CONTENT)
def test_every_kind_of_content(kind: str, more: dict[str, Any]):
    reading = read_event(RESPONSES, kind, {"type": kind, **more})
    assert (reading.kind, reading.content) == (Kind.CONTENT, True)
    # The name may stand beside the data alone.
    assert read_event(RESPONSES, kind, more) == reading


@pytest.mark.parametrize(("kind", "more"), REPEATED)
def test_what_repeats_content_begins_an_answer_and_is_counted_once(kind: str, more: dict[str, Any]):
    reading = read_event(RESPONSES, kind, {"type": kind, **more})
    assert (reading.kind, reading.content) == (Kind.OTHER, True)
    alone, after = follow(event(kind, **more)), follow(delta("Hi"), event(kind, **more))
    assert alone.started
    assert after.said_bytes == follow(delta("Hi")).said_bytes


@pytest.mark.parametrize(("kind", "more"), FRAMING)
def test_framing_is_no_content(kind: str, more: dict[str, Any]):
    reading = read_event(RESPONSES, kind, {"type": kind, "sequence_number": 3, **more})
    assert (reading.kind, reading.content) == (Kind.OTHER, False)


@pytest.mark.parametrize("kind", ["keepalive", "ping"])
def test_keep_alives_are_silence(kind: str):
    assert read_event(RESPONSES, kind, {"type": kind, "sequence_number": 1}).kind is Kind.SILENCE


def test_a_whole_stream():
    parser = follow(CREATED, delta("Hel", 1), delta("lo", 2), DONE)
    assert parser.ending is Ending.WHOLE
    assert parser.served_model == "gpt-x"
    assert parser.finish_reason == "completed"
    assert parser.usage == Usage(100, 40, 60, 10, reasoning_tokens=30)
    assert parser.made == ("resp_1", "msg_1")
    assert parser.next_number == 10


@pytest.mark.parametrize(
    ("parts", "ending"),
    [
        ((CREATED,), Ending.CUT),
        ((CREATED, delta("Hi")), Ending.CUT),
        ((CREATED, delta("Hi"), b"data: [DONE]\n\n"), Ending.CUT),
        ((CREATED, event("response.completed", response=response("completed"))), Ending.EMPTY),
        ((DONE,), Ending.WHOLE),
        (
            (
                CREATED,
                event(
                    "response.incomplete",
                    response=response(
                        "incomplete", incomplete_details={"reason": "max_output_tokens"}
                    ),
                ),
            ),
            Ending.WHOLE,
        ),
        ((CREATED, event("response.incomplete", response=response("incomplete"))), Ending.WHOLE),
        ((CREATED, event("error", code="server_error", message="gone")), Ending.ERROR),
        (
            (CREATED, event("response.failed", response=response("failed", error={"code": "x"}))),
            Ending.ERROR,
        ),
    ],
)
def test_endings(parts: tuple[bytes, ...], ending: Ending):
    assert follow(*parts).ending is ending


def test_sequence_numbers_may_be_missing():
    bare = b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
    parser = follow(bare, bare)
    assert parser.started
    assert parser.next_number == 0
    assert follow(CREATED, delta("a", 1), delta("b", 41)).next_number == 42


def test_a_background_response_is_accepted_with_its_first_event():
    queued = response("queued", background=True)
    assert follow(event("response.queued", response=queued)).started


def test_thinking_lasts_from_an_item_of_reasoning_to_its_end():
    added = event("response.output_item.added", item={"type": "reasoning", "summary": []})
    hint = event("response.reasoning_summary_text.delta", delta="hm")
    over = event("response.output_item.done", item={"type": "reasoning", "summary": []})
    assert follow(CREATED, added).thinking
    assert follow(CREATED, added, hint, hint).thinking
    assert not follow(CREATED, added, hint, over).thinking
    running = event("response.output_item.added", item={"type": "web_search_call", "id": "w"})
    assert follow(CREATED, running).thinking
    call = event("response.output_item.added", item={"type": "function_call", "name": "f"})
    assert not follow(CREATED, call).thinking


@pytest.mark.parametrize(
    ("error", "outcome", "reason", "lack"),
    [
        (
            {"code": "rate_limit_exceeded", "message": "Slow down"},
            Outcome.FAILED, FailureReason.RATE_LIMIT, None,
        ),
        (
            {"code": "insufficient_quota", "message": "Quota"},
            Outcome.FAILED, FailureReason.BILLING, None,
        ),
        (
            {"code": "server_error", "message": "Oops"},
            Outcome.FAILED, FailureReason.BAD_RESPONSE, None,
        ),
        (
            {"code": "context_length_exceeded", "message": "Too long"},
            Outcome.UNFIT, None, Lack.CONTEXT,
        ),
    ],
)  # fmt: skip
def test_what_a_failed_stream_means(error, outcome, reason, lack):
    whole = {"type": "response.failed", "response": response("failed", error=error)}
    for body in (whole, {"type": "error", **error}):
        parser = StreamParser(RESPONSES, "openai")
        (found,) = parser.feed(f"data: {json.dumps(body)}\n\n".encode())
        verdict = classify_stream("openai", RESPONSES, parser.ending, found)
        assert (verdict.outcome, verdict.reason, verdict.lack) == (outcome, reason, lack)
        assert read_error(body).fields["code"] == error["code"]


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (response("completed", output=[said()]), AnswerState.GOOD),
        (response("completed", output=[{"type": "function_call"}]), AnswerState.GOOD),
        ({"object": "response.compaction", "output": [{"type": "compaction"}]}, AnswerState.GOOD),
        (response("queued", output=[]), AnswerState.GOOD),
        (response("in_progress"), AnswerState.GOOD),
        (response("incomplete", output=[]), AnswerState.GOOD),
        (
            response("incomplete", output=[], incomplete_details={"reason": "content_filter"}),
            AnswerState.GOOD,
        ),
        (response("completed", output=[]), AnswerState.EMPTY),
        (response("completed", output=[said("")]), AnswerState.EMPTY),
        (
            response("completed", output=[{"type": "reasoning", "encrypted_content": "x"}]),
            AnswerState.EMPTY,
        ),
        (response("failed", output=[]), AnswerState.ERROR),
        (response("completed", output=[], error={"message": "no"}), AnswerState.ERROR),
        (response("completed"), AnswerState.NO_ANSWER),
        ({"choices": []}, AnswerState.NO_ANSWER),
    ],
)
def test_whole_answers(body: Any, state: AnswerState):
    assert answer_state(RESPONSES, body) is state


def test_usage_of_hosted_tools():
    searched = {
        "usage": COUNTS,
        "output": [{"type": "web_search_call"}] * 2,
        "service_tier": "flex",
    }
    expected = Usage(100, 40, 60, 10, reasoning_tokens=30, web_searches=2, terms="flex")
    assert read_usage(RESPONSES, "openai", searched) == expected
    done = event("response.completed", response=response("completed") | searched)
    assert follow(done).usage == expected
    ran = {"usage": COUNTS, "output": [{"type": "code_interpreter_call"}]}
    assert read_usage(RESPONSES, "openai", ran).doubtful
    assert read_usage(RESPONSES, "openai", {"usage": None}) is None


def test_openrouters_cost_is_read_from_a_stream_too():
    counts = COUNTS | {"cost": 0.25}
    parser = StreamParser(RESPONSES, "openrouter")
    parser.feed(event("response.completed", response=response("completed", usage=counts)))
    assert str(parser.usage.reported_cost_usd) == "0.25"


def test_foreign_reasoning_is_left_out_with_the_ids_that_ask_for_it():
    user = {"role": "user", "content": "Hi"}
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "ok", "id": "o"}
    document = {"input": [user, sealed, call, result, {**said(), "id": "msg_1"}]}
    (change,) = edited(RESPONSES, document, [Edit.NO_THINKING]).values()
    plain = {key: value for key, value in said().items() if key != "id"}
    assert change == [user, {k: v for k, v in call.items() if k != "id"}, result, plain]
    assert edited(RESPONSES, {"input": "Hi"}, [Edit.NO_THINKING]) == {}
    assert edited(RESPONSES, {"input": [user]}, list(Edit)) == {}


def test_tool_ids_are_renamed_for_call_and_result_alike():
    odd = {"type": "function_call", "call_id": "functions.Bash:4"}
    result = {"type": "function_call_output", "call_id": "functions.Bash:4"}
    (one, other) = edited(RESPONSES, {"input": [odd, result]}, [Edit.TOOL_IDS])["input"]
    assert one["call_id"] == other["call_id"] != "functions.Bash:4"


def test_what_a_request_refers_to():
    items = [
        {"role": "user", "content": "Hi", "id": "msg_own"},
        {"type": "item_reference", "id": "msg_1"},
        {"id": "rs_bare"},
        {"type": "compaction", "encrypted_content": "sealed"},
        {"type": "reasoning", "id": "rs_2", "encrypted_content": "gAAA"},
        "rubbish",
    ]
    document = {"previous_response_id": "resp_1", "conversation": {"id": "conv_1"}, "input": items}
    assert references(document) == (
        Reference("previous_response_id", "resp_1"),
        Reference("conversation", "conv_1"),
        Reference("input[1]", "msg_1"),
        Reference("input[2]", "rs_bare"),
        Reference("input[3]", "sealed", own=False),
    )
    assert references({"input": "Hi", "previous_response_id": None, "conversation": 7}) == ()
    many = {"input": [{"type": "item_reference", "id": f"m{n}"} for n in range(2 * MOST_IDS)]}
    assert len(references(many)) == MOST_IDS


def test_what_an_answer_can_be_referred_to_by():
    output = [said(), {"type": "compaction", "id": "c", "encrypted_content": "sealed"}]
    whole = response("completed", output=output, conversation={"id": "conv_1"})
    assert made_by(whole) == ("resp_1", "conv_1", "msg_1", "c", "sealed")
    assert made_by(whole | {"store": False}) == ("resp_1", "conv_1", "sealed")
    assert made_by({}) == ()


@pytest.mark.parametrize(
    ("provider", "base", "url"),
    [
        ("openai", None, "https://api.openai.com/v1/responses"),
        ("openrouter", None, "https://openrouter.ai/api/v1/responses"),
        ("groq", None, "https://api.groq.com/openai/v1/responses"),
        ("deepseek", None, "https://api.deepseek.com/responses"),
        ("ollama", None, "http://127.0.0.1:11434/v1/responses"),
        ("openai", "http://h:1", "http://h:1/v1/responses"),
        ("deepseek", "http://h:1/v1", "http://h:1/v1/responses"),
        ("deepseek", "http://h:1/anthropic", "http://h:1/responses"),
        ("openai", "http://h:1/own", "http://h:1/own/responses"),
    ],
)
def test_where_it_is_asked(provider: str, base: str | None, url: str):
    found = shipped().providers[provider]
    assert endpoint_url(found, RESPONSES, base, "m") == url
    chat = endpoint_url(found, Dialect.OPENAI, base, "m")
    assert chat.removesuffix("/chat/completions") == url.removesuffix("/responses")


def test_a_custom_provider():
    entry = {"baseUrl": "http://h:1/own", "api": "openai-responses"}
    provider = custom_provider("mine", entry)
    assert list(provider.endpoints) == [RESPONSES]
    assert endpoint_url(provider, RESPONSES, None, "m") == "http://h:1/own/responses"
    built_in = custom_provider("openai", entry, shipped().providers["openai"])
    assert next(iter(built_in.endpoints)) is RESPONSES
