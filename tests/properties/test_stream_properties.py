"""However the network cuts a stream, the same events come out, and every byte once."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dialects.frames import Frames
from bot.dialects.stream import StreamEvent, StreamParser
from bot.models import Dialect, Usage

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXTS = st.text(max_size=20)
RUBBISH = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")),
    st.sampled_from(
        [": keep-alive", "", "event: ping", "event: error", "data", "id: 1", "data: {"]
    ),
)


def _openai(text: str) -> dict[str, object]:
    return {"model": "m", "choices": [{"delta": {"content": text}, "finish_reason": None}]}


BODIES = st.one_of(
    TEXTS.map(_openai),
    st.just({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    st.just({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
    TEXTS.map(
        lambda text: {
            "type": "content_block_delta",
            "delta": {"type": "text_delta", "text": text},
        }
    ),
    st.just({"type": "message_delta", "usage": {"output_tokens": 3}}),
    TEXTS.map(lambda text: {"type": "response.output_text.delta", "delta": text}),
    st.sampled_from(
        [
            {"type": "response.created", "response": {"id": "resp_1", "model": "m"}},
            {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
            {"type": "response.completed", "response": {"id": "resp_1", "output": []}},
            {"type": "response.failed", "response": {"error": {"code": "x", "message": "y"}}},
        ]
    ),
    st.just({"error": {"code": 502, "message": "gone"}}),
    TEXTS.map(lambda text: {"message": {"content": text}, "done": False}),
)
LINES = st.one_of(
    BODIES.map(lambda body: f"data: {json.dumps(body, ensure_ascii=False)}"),
    BODIES.map(lambda body: json.dumps(body, ensure_ascii=False)),
    st.just("data: [DONE]"),
    RUBBISH,
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(st.tuples(LINES, LINE_ENDS, st.booleans()), max_size=12))
    text = "".join(line + end * (1 + twice) for line, end, twice in parts)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def cuts(draw: st.DrawFn, raw: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(0, len(raw)), max_size=12)))
    return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]


State = tuple[Usage | None, str, bool, str | None, str | None, tuple[str, ...], int]


def follow(dialect: Dialect, pieces: list[bytes], most: int) -> tuple[list[StreamEvent], State]:
    parser = StreamParser(dialect, "openrouter", most_bytes=most)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    return events, (
        parser.usage,
        parser.ending,
        parser.started,
        parser.finish_reason,
        parser.served_model,
        parser.made,
        parser.next_number,
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(Dialect), st.sampled_from([40, 200, 1 << 20]))
def test_cuts_change_nothing(data: st.DataObject, dialect: Dialect, most: int) -> None:
    raw = data.draw(streams())
    whole = follow(dialect, [raw], most)
    assert follow(dialect, data.draw(cuts(raw)), most) == whole
    assert follow(dialect, [raw[i : i + 1] for i in range(len(raw))], most) == whole


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_every_byte_comes_out_once(data: st.DataObject, lines: bool) -> None:
    raw = data.draw(streams())
    frames = Frames(lines=lines)
    out = [frame for piece in data.draw(cuts(raw)) for frame in frames.feed(piece)]
    assert b"".join(out + frames.close()) == raw


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=8), st.data())
def test_text_survives_cuts_inside_its_characters(texts: list[str], data: st.DataObject) -> None:
    events = [f"data: {json.dumps(_openai(t), ensure_ascii=False)}\n\n" for t in texts]
    raw = "".join(events).encode("utf-8", "surrogatepass")
    got, _ = follow(Dialect.OPENAI, data.draw(cuts(raw)), 1 << 20)
    read = [json.loads(event.raw[6:].decode("utf-8", "surrogatepass")) for event in got]
    expected = [_openai(text) for text in texts]
    assert read == expected[: len(read)]
