"""The caller's body: the model is changed in it, and no other byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gateway.body import BadBody, Body
from bot.models import Dialect

OPENAI, ANTHROPIC = Dialect.OPENAI, Dialect.ANTHROPIC


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"model":"auto","messages":[]}', '{"model":"M","messages":[]}'),
        ('{"messages":[],"model" :\n "auto"}', '{"messages":[],"model" :\n "M"}'),
        (' {"messages":[]} ', ' {"model":"M","messages":[]} '),
        ('{"messages":[],"model":""}', '{"messages":[],"model":"M"}'),
        # The word elsewhere: in a text, as a key further down, as a value.
        (
            '{"messages":[{"content":"\\"model\\": \\"x\\""}],"model":"a"}',
            '{"messages":[{"content":"\\"model\\": \\"x\\""}],"model":"M"}',
        ),
        (
            '{"tools":[{"model":"x"}],"model":"a","messages":["model"]}',
            '{"tools":[{"model":"x"}],"model":"M","messages":["model"]}',
        ),
        ('{"messages":[{"model":"x"}]}', '{"model":"M","messages":[{"model":"x"}]}'),
        # The key spelt with escapes, beside a decoy.
        (
            '{"messages":[{"model":"a"}],"\\u006dodel":"a"}',
            '{"messages":[{"model":"a"}],"\\u006dodel":"M"}',
        ),
        ('{"model":"a","model":"b","messages":[]}', '{"model":"M","model":"M","messages":[]}'),
        ('{"messages":[],"model":"a\\"b\\\\"}', '{"messages":[],"model":"M"}'),
        # What another writer would change.
        (
            '{"n":1.0,"big":12345678901234567890123,"e":1e5,"model":"a","messages":["\\u00e9"]}',
            '{"n":1.0,"big":12345678901234567890123,"e":1e5,"model":"M","messages":["\\u00e9"]}',
        ),
    ],
)
def test_only_the_model_changes(before: str, after: str):
    assert Body.read(before.encode()).for_model("M", OPENAI).decode() == after


def test_what_is_asked_already_stays_as_it_is():
    raw = b'{ "messages": [], "model": "gpt-5" }'
    assert Body.read(raw).for_model("gpt-5", OPENAI) is raw


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"stream":true,"model":"M","messages":[]}',
            '{"stream_options":{"include_usage":true},"stream":true,"model":"M","messages":[]}',
        ),
        (
            '{"stream":true,"model":"M","messages":[],"stream_options": null }',
            '{"stream":true,"model":"M","messages":[],"stream_options": {"include_usage":true} }',
        ),
        (
            '{"stream":true,"stream_options":{"a":[1,{"b":2}],"include_usage":false},'
            '"messages":[],"model":"x"}',
            '{"stream":true,"stream_options":{"a":[1,{"b":2}],"include_usage":true},'
            '"messages":[],"model":"M"}',
        ),
    ],
)
def test_usage_is_asked_for(before: str, after: str):
    body = Body.read(before.encode())
    assert not body.wants_usage
    assert body.for_model("M", OPENAI).decode() == after
    assert b"include_usage" not in Body.read(b'{"stream":true,"messages":[]}').for_model(
        "M", ANTHROPIC
    )


def test_usage_that_is_asked_for_already():
    raw = b'{"stream":true,"stream_options":{"include_usage":true},"messages":[],"model":"M"}'
    body = Body.read(raw)
    assert body.wants_usage
    assert body.for_model("M", OPENAI) is raw


_KEYS = st.sampled_from(["model", "messages", "stream", "a", 'q"uote', "é", "tools", "\\", ","])
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just('"model":"x"')
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)
_MORE = st.dictionaries(
    _KEYS.filter(lambda key: key not in ("model", "messages", "stream")), _VALUES
)


@given(
    more=_MORE,
    messages=st.lists(_VALUES, max_size=3),
    model=st.none() | st.text(max_size=6),
    stream=st.booleans(),
    options=st.none() | st.dictionaries(st.sampled_from(["include_usage", "x"]), st.booleans()),
    order=st.randoms(use_true_random=False),
    ascii_=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_a_body_means_the_same_but_for_the_model(
    more: dict[str, Any],
    messages: list[Any],
    model: str | None,
    stream: bool,
    options: dict[str, bool] | None,
    order: Any,
    ascii_: bool,
    indent: int | None,
):
    document = {**more, "messages": messages, "stream": stream}
    if model is not None:
        document["model"] = model
    if options is not None:
        document["stream_options"] = options
    pairs = list(document.items())
    order.shuffle(pairs)
    text = json.dumps(dict(pairs), ensure_ascii=ascii_, indent=indent)
    body = Body.read(text.encode("utf-8", "replace"))
    # Lone surrogates went over as question marks.
    expected = json.loads(text.encode("utf-8", "replace")) | {"model": "new/one"}
    if stream:
        known = expected.get("stream_options") or {}
        expected["stream_options"] = known | {"include_usage": True}
    got = body.for_model("new/one", OPENAI)
    assert json.loads(got) == expected
    # Nothing between the changes is touched: what is left is a part of what came.
    if not stream and model is not None:
        start = next(i for i, (a, b) in enumerate(zip(got, body.raw, strict=False)) if a != b)
        tail = len(got) - got.index(b'new/one"') - len(b'new/one"')
        assert body.raw[:start] == got[:start]
        assert body.raw.endswith(got[len(got) - tail :])


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"messages":1}', b'{"messages":[],"stream":1}', b"\xff"]
)
def test_what_is_no_request(raw: bytes):
    with pytest.raises(BadBody):
        Body.read(raw)


def test_a_guess_at_the_input_leaves_pictures_out():
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 100_000
    text = "four words of text. " * 400
    content = [{"type": "text", "text": text}, {"image_url": {"url": picture}}]
    raw = json.dumps({"messages": [{"role": "user", "content": content}], "system": "Be brief."})
    assert 8000 <= Body.read(raw.encode()).text_bytes() < 8080


def test_a_guess_at_a_deep_body():
    raw = b'{"messages":[' + b"[" * 900 + b'"word"' + b"]" * 900 + b"]}"
    assert 4 <= Body.read(raw).text_bytes() < 8


@pytest.mark.parametrize("prompt", ["請幫我" * 1400, "お願いします" * 700, "ขอบคุณครับ" * 400])
def test_a_long_prompt_without_spaces_is_text(prompt: str):
    raw = json.dumps({"messages": [{"role": "user", "content": prompt}]}, ensure_ascii=False)
    body = Body.read(raw.encode())
    assert body.text_bytes() >= len(prompt.encode())
    assert prompt in list(body.texts())


@pytest.mark.parametrize("data", ["data:audio/wav;base64,UklGR", "iVBORw0KGgo=", "a-b_\n"])
def test_a_file_is_not_text(data: str):
    raw = json.dumps({"messages": [{"role": "user", "content": data * 400}]})
    assert Body.read(raw.encode()).text_bytes() < 10
