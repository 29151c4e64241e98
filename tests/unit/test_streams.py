"""Streams of every dialect on their way past."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dialects.events import Kind, said_bytes
from bot.dialects.frames import Frames
from bot.dialects.stream import Ending, StreamEvent, StreamParser
from bot.models import Dialect, Usage

SIL, OTH, CON, USE, FIN, END, ERR = (
    Kind.SILENCE,
    Kind.OTHER,
    Kind.CONTENT,
    Kind.USAGE,
    Kind.FINISH,
    Kind.END,
    Kind.ERROR,
)


def data(body: object, event: str = "") -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(body)}\n\n".encode()


def chunk(finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice], "usage": None}
    return data(body)


DONE = b"data: [DONE]\n\n"
OPENAI = [
    chunk(role="assistant", content=""),
    chunk(content="Hel"),
    chunk(content="lo"),
    chunk("stop"),
    data({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}),
    DONE,
]
ANTHROPIC = [
    data(
        {"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 9}}},
        "message_start",
    ),
    data(
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        "content_block_start",
    ),
    data({"type": "ping"}, "ping"),
    data(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
        "content_block_delta",
    ),
    data(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": " there"}},
        "content_block_delta",
    ),
    data({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    data(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 4},
        },
        "message_delta",
    ),
    data({"type": "message_stop"}, "message_stop"),
]


def gemini(text: str, **more: object) -> bytes:
    candidate = {"content": {"parts": [{"text": text}]}, **more}
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 1}
    body = {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-x"}
    return data(body)


def line(**body: object) -> bytes:
    return json.dumps({"model": "llama-x", **body}).encode() + b"\n"


def run(
    pieces: Iterable[bytes], dialect: str = "openai", provider: str = "", **options: int
) -> tuple[StreamParser, list[StreamEvent]]:
    parser = StreamParser(Dialect(dialect), provider or dialect, **options)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return parser, events + parser.close()


def kinds(events: list[StreamEvent]) -> list[Kind]:
    return [event.kind for event in events]


def test_openai():
    parser, events = run(OPENAI)
    assert kinds(events) == [OTH, CON, CON, FIN, USE, END]
    assert [event.raw for event in events] == OPENAI
    assert parser.usage == Usage(9, 2)
    assert (parser.served_model, parser.finish_reason) == ("gpt-x", "stop")
    assert (parser.started, parser.over, parser.ending) == (True, True, Ending.WHOLE)


def test_anthropic():
    parser, events = run(ANTHROPIC, "anthropic")
    assert kinds(events) == [OTH, OTH, SIL, CON, CON, OTH, FIN, END]
    assert b"".join(event.raw for event in events) == b"".join(ANTHROPIC)
    assert parser.usage == Usage(9, 4)
    assert (parser.served_model, parser.finish_reason) == ("claude-x", "end_turn")
    assert parser.ending is Ending.WHOLE


def test_gemini():
    pieces = [gemini("Hel"), gemini("lo", finishReason="STOP")]
    parser, events = run(pieces, "gemini")
    assert kinds(events) == [CON, FIN]
    assert parser.usage == Usage(3, 1)
    assert (parser.served_model, parser.ending) == ("gemini-x", Ending.WHOLE)


def test_ollama():
    pieces = [
        line(message={"role": "assistant", "content": ""}, done=False),
        line(message={"content": "Hi"}, done=False),
        b"\n",
        line(message={"content": " you"}, done=False),
        line(
            message={"content": ""},
            done=True,
            done_reason="stop",
            prompt_eval_count=5,
            eval_count=2,
        ),
    ]
    parser, events = run(pieces, "ollama")
    assert kinds(events) == [OTH, CON, SIL, CON, END]
    assert parser.usage == Usage(5, 2)
    assert (parser.served_model, parser.ending) == ("llama-x", Ending.WHOLE)
    # The last line need not end.
    parser, events = run([pieces[1], pieces[4].rstrip()], "ollama")
    assert kinds(events) == [CON, END]


def test_nothing_is_read_after_the_end():
    parser, events = run([*OPENAI, chunk(content="more")])
    assert kinds(events)[-1] is END
    assert parser.feed(b"data: x\n\n") == []
    assert parser.close() == []


@pytest.mark.parametrize(
    "piece",
    [
        b": OPENROUTER PROCESSING\n\n",
        b": keep-alive\r\n\r\n",
        b"\n\n",
        b"\n\n\n\n",
        b"event: ping\n\n",
        b"id: 7\n\n",
        b"retry: 10\n\n",
        b"data:\n\n",
        b"data\n\n",
        b":}\n\n",
    ],
)
def test_signs_of_no_life(piece):
    for before in ([], OPENAI[:2]):
        _, events = run([*before, piece])
        assert set(kinds(events[len(before) :])) == {SIL}


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
def test_every_line_ending(eol):
    _, events = run([piece.replace(b"\n", eol) for piece in ANTHROPIC], "anthropic")
    assert kinds(events) == [OTH, OTH, SIL, CON, CON, OTH, FIN, END]
    parser, events = run([piece.replace(b"\n", eol) for piece in OPENAI])
    assert kinds(events) == [OTH, CON, CON, FIN, USE, END]
    assert parser.usage == Usage(9, 2)


def test_data_over_several_lines_a_byte_order_mark_and_no_space():
    first = b'\xef\xbb\xbfdata:{"choices":[{"delta":\ndata:{"content":"x"}}]}\n\n'
    _, events = run([first, b"data:[DONE]\n\n"])
    assert kinds(events) == [CON, END]


def test_a_last_event_that_nothing_ended():
    _, events = run([*OPENAI[:-1], b"data: [DONE]"])
    assert kinds(events)[-1] is END
    parser, events = run([*OPENAI[:2], b'data: {"choices":[{"del'])
    assert kinds(events) == [OTH, CON, ERR]
    assert parser.ending is Ending.ERROR


@pytest.mark.parametrize(
    ("pieces", "dialect", "ending"),
    [
        ([], "openai", Ending.CUT),
        (OPENAI[:1], "openai", Ending.CUT),
        (OPENAI[:3], "openai", Ending.CUT),
        (OPENAI[:4], "openai", Ending.WHOLE),
        ([OPENAI[1], DONE], "openai", Ending.WHOLE),
        ([DONE], "openai", Ending.EMPTY),
        ([OPENAI[0], chunk("stop"), DONE], "openai", Ending.EMPTY),
        ([OPENAI[0], chunk("length"), DONE], "openai", Ending.WHOLE),
        (ANTHROPIC[:-1], "anthropic", Ending.CUT),
        ([*ANTHROPIC[:5], DONE], "anthropic", Ending.CUT),
        ([ANTHROPIC[0], *ANTHROPIC[5:]], "anthropic", Ending.EMPTY),
        ([gemini("x")], "gemini", Ending.CUT),
        ([data({"candidates": [{"finishReason": "MAX_TOKENS"}]})], "gemini", Ending.WHOLE),
        ([data({"candidates": [{"finishReason": "STOP"}]})], "gemini", Ending.EMPTY),
        ([line(message={"content": "x"}, done=False)], "ollama", Ending.CUT),
        ([line(message={"content": ""}, done=True)], "ollama", Ending.EMPTY),
        ([line(done=True, done_reason="length")], "ollama", Ending.WHOLE),
    ],
)
def test_how_streams_end(pieces, dialect, ending):
    parser, _ = run(pieces, dialect)
    assert parser.ending is ending


ERROR = {"error": {"code": 502, "message": "Provider disconnected"}}


@pytest.mark.parametrize("before", [[], OPENAI[:2]])
@pytest.mark.parametrize(
    "body",
    [
        ERROR,
        {**ERROR, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
        {"choices": [{"delta": {}, "finish_reason": "error"}]},
        {"choices": [{"delta": {}, "error": {"code": 502}, "finish_reason": "stop"}]},
        {"error": "out of memory"},
    ],
)
def test_errors_inside_a_stream(before, body):
    parser, events = run([*before, data(body), DONE])
    assert kinds(events) == [*[OTH, CON][: len(before)], ERR]
    assert events[-1].body == body
    assert parser.ending is Ending.ERROR


def test_anthropics_errors_inside_a_stream():
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for piece in (data(body, "error"), data(body)):
        for before in (ANTHROPIC[:2], ANTHROPIC[:4]):
            _, events = run([*before, piece], "anthropic")
            assert events[-1].kind is ERR
            assert events[-1].body == body
    _, events = run([data({"type": "error"})], "anthropic")
    assert kinds(events) == [ERR]


def test_an_error_event_without_json():
    _, events = run([b"event: error\ndata: upstream gone\n\n"])
    assert (events[0].kind, events[0].body) == (ERR, "upstream gone")
    _, events = run([*OPENAI[:2], b"event: error\n\n"])
    assert kinds(events) == [OTH, CON, ERR]


def test_a_prompt_that_gemini_blocks():
    _, events = run([data({"promptFeedback": {"blockReason": "SAFETY"}})], "gemini")
    assert kinds(events) == [ERR]
    _, events = run([data({"promptFeedback": {}}), data({"usageMetadata": {"a": 1}})], "gemini")
    assert kinds(events) == [OTH, USE]


def test_ollamas_error_line():
    _, events = run([line(message={"content": "x"}, done=False), b'{"error":"boom"}\n'], "ollama")
    assert kinds(events) == [CON, ERR]
    assert events[-1].body == {"error": "boom"}


@pytest.mark.parametrize("piece", [b"data: {oops\n\n", b"data: <html>\n\n", b"data: \xff\n\n"])
@pytest.mark.parametrize("before", [[], OPENAI[:2]])
def test_malformed_events(before, piece):
    parser, events = run([*before, piece])
    assert events[-1].kind is ERR
    assert events[-1].body is None
    assert "not JSON" in events[-1].detail
    assert parser.failed


@pytest.mark.parametrize("body", [[], "x", 7, None])
def test_json_that_is_no_event(body):
    _, events = run([data(body)])
    assert kinds(events) == [ERR]


def test_an_event_without_end_is_an_error_and_memory_stays_flat():
    parser = StreamParser(Dialect.OPENAI, "openai", most_bytes=1000)
    events = parser.feed(OPENAI[1])
    for _ in range(100):
        events += parser.feed(b"data: " + b"x" * 94)
    assert kinds(events) == [CON, ERR]
    assert "too large" in events[-1].detail
    assert parser.over
    assert parser.close() == []


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_the_bound_is_the_same_however_the_bytes_come(size):
    block = b"data: " + b" " * (size - len(chunk(content="x")) - 0) + chunk(content="x")[6:]
    assert len(block) == size
    for pieces in ([block], [block[:500], block[500:]], [bytes([b]) for b in block]):
        _, events = run([*pieces, DONE], most_bytes=1000)
        assert kinds(events) == ([CON, END] if size <= 1000 else [ERR])


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x", "content": ""},
        {"tool_calls": [{"index": 0}]},
        {"refusal": "No"},
    ],
)
def test_first_content_of_every_kind(delta):
    parser, events = run([chunk(role="assistant", content=None, refusal=None), chunk(**delta)])
    assert kinds(events) == [OTH, CON]
    assert parser.started


def test_first_content_of_anthropics_other_blocks():
    for block in ({"type": "tool_use", "id": "t1", "input": {}}, {"type": "text", "text": "x"}):
        parser, events = run(
            [data({"type": "content_block_start", "content_block": block})], "anthropic"
        )
        assert kinds(events) == [CON]
    parser, events = run(
        [data({"type": "something_new"}), data({"type": "message_delta"})], "anthropic"
    )
    assert kinds(events) == [OTH, OTH]
    assert not parser.started


def test_content_and_finish_in_one():
    parser, events = run([chunk("stop", content="x"), DONE])
    assert kinds(events) == [FIN, END]
    assert parser.started
    parser, events = run([line(message={"content": "x"}, done=True)], "ollama")
    assert kinds(events) == [END]
    assert (parser.started, parser.finish_reason) == (True, "stop")


def test_words_in_the_answer_are_not_taken_for_signals():
    tricky = '[DONE] "error": {"usage": {"finish_reason": "stop", event: error message_stop ping'
    pieces = [OPENAI[1], chunk(content=tricky), chunk(content=tricky), *OPENAI[3:]]
    _, events = run(pieces)
    assert kinds(events) == [CON, CON, CON, FIN, USE, END]
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": tricky}}
    _, events = run(
        [*ANTHROPIC[:4], data(delta, "content_block_delta"), ANTHROPIC[-1]], "anthropic"
    )
    assert kinds(events)[-2:] == [CON, END]


def test_usage_wherever_it_stands():
    groq = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}
    parser, events = run([OPENAI[1], data(groq), DONE], provider="groq")
    assert kinds(events) == [CON, USE, END]
    assert parser.usage == Usage(1, 2)
    # In a chunk that also has content it cannot be left out.
    both = {
        "choices": [{"delta": {"content": "x"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.5},
    }
    parser, events = run([OPENAI[1], data(both), DONE], provider="openrouter")
    assert kinds(events) == [CON, CON, END]
    assert parser.usage == Usage(3, 1, reported_cost_usd=Decimal("0.5"))
    _, events = run([data({"choices": [], "prompt_filter_results": [1]})])
    assert kinds(events) == [OTH]


def test_the_first_model_named_is_kept():
    other = OPENAI[2].replace(b"gpt-x", b"gpt-y")
    parser, _ = run([data({"choices": [], "model": ""}), *OPENAI[:2], other])
    assert parser.served_model == "gpt-x"
    parser, _ = run([OPENAI[0].replace(b"gpt-x", b"a" * 300)])
    assert parser.served_model is None


def test_frames_after_an_overflow_are_dropped():
    frames = Frames(most_bytes=4)
    assert frames.feed(b"a\n\nbbbbbb\n\nc\n\n") == [b"a\n\n"]
    assert frames.overflowed
    assert frames.feed(b"d\n\n") == []
    assert frames.close() == []


@pytest.mark.parametrize(
    ("pieces", "dialect", "said"),
    [
        ([], "openai", 0),
        (OPENAI[:1], "openai", 0),
        # A token an event at least, however short its text.
        (OPENAI[:3], "openai", 8),
        (ANTHROPIC[:5], "anthropic", 8),
        ([gemini("Hello, " * 60), gemini("é" * 100)], "gemini", 620),
        ([line(message={"content": "Hi"}), line(message={"content": "x" * 50})], "ollama", 52),
    ],
)
def test_how_much_was_said(pieces: list[bytes], dialect: str, said: int):
    parser, _ = run(pieces, dialect)
    # Text is counted as it is written in JSON, which may escape it.
    assert said <= parser.said_bytes <= said + 400


@given(
    st.lists(st.text(string.ascii_letters + " ", min_size=1, max_size=200), min_size=1, max_size=20)
)
def test_plain_text_is_counted_to_the_byte(texts: list[str]):
    pieces = [data({"model": "m", "choices": [{"delta": {"content": text}}]}) for text in texts]
    parser, _ = run(pieces)
    assert parser.said_bytes == max(sum(map(len, texts)), 4 * len(texts))


def test_tools_and_reasoning_are_said_too_and_labels_are_not():
    call = {"index": 0, "id": "call_1234567890", "type": "function"}
    tool = {**call, "function": {"name": "add", "arguments": '{"a":1}'}}
    body = {"choices": [{"delta": {"role": "assistant", "reasoning": "Hm", "tool_calls": [tool]}}]}
    assert said_bytes(Dialect.OPENAI, body) == len("Hm" + "add" + '{"a":1}')
    block = {"type": "tool_use", "id": "t", "name": "add", "input": {"a": "one"}}
    answer = {"content": [{"type": "text", "text": "Hello"}, block]}
    assert said_bytes(Dialect.ANTHROPIC, answer) == len("Hello" + "add" + "one")
    assert said_bytes(Dialect.OPENAI, None) == 0
