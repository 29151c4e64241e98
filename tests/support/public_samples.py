"""Usage out of the public tests of two price libraries, and streams and bad counts of our own.

The bodies are those of genai-prices (github.com/pydantic/genai-prices, tests/test_extract_usage.py
and tests/dataset/usages.json) and of LiteLLM (github.com/BerriAI/litellm,
tests/test_litellm/litellm_core_utils/llm_cost_calc); the figures are worked out by hand from the
providers' price lists and agree with what those tests expect, where not said otherwise.
"""

from __future__ import annotations

import json
from typing import Any

from bot.models import Dialect
from tests.support.cost_samples import BY_DEFAULT, NO_READING, SAME, Sample

STREAM = "it reads whole answers alone"
_A, _O, _G = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI


def _whole(
    name: str,
    model: str,
    usage: dict[str, Any],
    nano_usd: int | None,
    theirs: int | None = -1,
    why: str = SAME,
    *,
    dialect: Dialect = _O,
    estimated: bool = False,
    **beside: Any,
) -> Sample:
    flavor = "chat" if dialect is _O and not model.startswith("groq") else "default"
    key = "usageMetadata" if dialect is _G else "usage"
    body = {"modelVersion" if dialect is _G else "model": model.partition("/")[2], key: usage}
    theirs = nano_usd if theirs == -1 else theirs
    wire = json.dumps(body | beside)
    return Sample(
        name, model, dialect, wire, nano_usd, theirs, why, estimated=estimated, flavor=flavor
    )


def _stream(name: str, model: str, nano_usd: int, *events: Any, dialect: Dialect = _O) -> Sample:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    if dialect is _O:
        lines.append("data: [DONE]\n\n")
    if dialect is _A:
        lines = [f"event: {e['type']}\n{line}" for e, line in zip(events, lines, strict=True)]
    return Sample(name, model, dialect, "".join(lines), nano_usd, None, STREAM, streamed=True)


def _begins(**usage: Any) -> Any:
    return {"type": "message_start", "message": {"model": "claude-opus-4-5", "usage": usage}}


def _goes_on(**usage: Any) -> Any:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


_ENDS = {"type": "message_stop"}
_SAYS: Any = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
_STOPS: Any = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
_GEMINI_SAYS: Any = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}
_TEN_THREE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}

GENAI_PRICES = [
    # 504 x 3 + 123 written x 3.75 + 97 x 15
    _whole(
        "public: anthropic, written",
        "anthropic/claude-sonnet-4-20250514",
        {
            "input_tokens": 504,
            "cache_creation_input_tokens": 123,
            "cache_read_input_tokens": 0,
            "output_tokens": 97,
            "service_tier": "standard",
        },
        3_428_250,
        dialect=_A,
    ),
    # 144,222 x 3 + 197 x 15
    _whole(
        "public: anthropic, null for the server's tools",
        "anthropic/claude-3-7-sonnet-20250219",
        {"input_tokens": 144_222, "output_tokens": 197, "server_tool_use": None},
        435_621_000,
        dialect=_A,
    ),
    # 744 x 3 + 53 x 15
    _whole(
        "public: anthropic, a dated id",
        "anthropic/claude-sonnet-4-5-20250929",
        {
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "input_tokens": 744,
            "output_tokens": 53,
        },
        3_027_000,
        dialect=_A,
    ),
    # 14 x 3 + 51 x 15
    _whole(
        "public: anthropic, counted as OpenAI does",
        "anthropic/claude-3-7-sonnet",
        {"completion_tokens": 51, "prompt_tokens": 14, "total_tokens": 65},
        807_000,
    ),
    # 100 x 2 + 200 x 8
    _whole(
        "public: openai, null details",
        "openai/gpt-4.1",
        {
            "prompt_tokens": 100,
            "completion_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": None},
            "completion_tokens_details": None,
        },
        1_800_000,
    ),
    # 181 x 2.50 + 25 x 10
    _whole(
        "public: openai, a dated id",
        "openai/gpt-4o-2024-08-06",
        {
            "completion_tokens": 25,
            "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0},
            "prompt_tokens": 181,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "total_tokens": 206,
        },
        702_500,
    ),
    # 64 x 2.50 + 9 x 10: no list that we have knows what 44 heard tokens cost, so it is marked.
    _whole(
        "public: openai, heard without a price",
        "openai/gpt-4o-audio-preview-2024-12-17",
        {
            "completion_tokens": 9,
            "prompt_tokens": 64,
            "prompt_tokens_details": {"audio_tokens": 44, "cached_tokens": 0, "text_tokens": 20},
            "total_tokens": 73,
        },
        250_000,
        estimated=True,
    ),
    # 75 + 25 of tools at 0.30, 18 + 144 of thoughts at 2.50
    _whole(
        "public: gemini, tools and thoughts",
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 75,
            "candidatesTokenCount": 18,
            "totalTokenCount": 262,
            "toolUsePromptTokenCount": 25,
            "thoughtsTokenCount": 144,
        },
        435_000,
        dialect=_G,
    ),
    # 1,892 x 0.30 + 21 heard x 1 + 12,110 read x 0.03 + 129 heard and read x 0.10 + 129 x 2.50
    # = 567.6 + 21 + 363.3 + 12.9 + 322.5; no list knows what Flash's speech costs
    _whole(
        "public: gemini, heard and cached",
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 14_152,
            "candidatesTokenCount": 60,
            "cachedContentTokenCount": 12_239,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 14_002},
                {"modality": "AUDIO", "tokenCount": 150},
            ],
            "cacheTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 129},
                {"modality": "TEXT", "tokenCount": 12_110},
            ],
            "candidatesTokensDetails": [
                {"modality": "TEXT", "tokenCount": 50},
                {"modality": "AUDIO", "tokenCount": 10},
            ],
            "thoughtsTokenCount": 69,
        },
        1_287_300,
        dialect=_G,
        estimated=True,
    ),
    # 700 x 0.30 + 300 read x 0.03 + 500 x 2.50: pictures and films cost as text does
    _whole(
        "public: gemini, pictures, pages and films",
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 1000,
            "candidatesTokenCount": 500,
            "cachedContentTokenCount": 300,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 600},
                {"modality": "IMAGE", "tokenCount": 250},
                {"modality": "VIDEO", "tokenCount": 150},
            ],
        },
        1_469_000,
        dialect=_G,
    ),
    # 30 x 0.30 + 5 heard by a tool x 1 + 7 x 2.50
    _whole(
        "public: gemini, a tool that heard",
        "gemini/gemini-2.5-flash",
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 4,
            "toolUsePromptTokenCount": 25,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
            "toolUsePromptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 20},
                {"modality": "AUDIO", "tokenCount": 5},
            ],
        },
        31_500,
        dialect=_G,
    ),
    # 42 x 0.59 + 8 x 0.79
    _whole(
        "public: groq",
        "groq/llama-3.3-70b-versatile",
        {
            "completion_time": 0.010003462,
            "completion_tokens": 8,
            "prompt_tokens": 42,
            "queue_time": 0.140973397,
            "total_tokens": 50,
        },
        31_100,
    ),
    # 19 x 3 + 4,800 written x 3.75 + 1,906 x 15; speech that the model has no price for
    _whole(
        "public: openrouter, written",
        "openrouter/anthropic/claude-sonnet-4.6",
        {
            "prompt_tokens": 4819,
            "completion_tokens": 1906,
            "total_tokens": 6725,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 4800,
                "audio_tokens": 17,
            },
            "completion_tokens_details": {"audio_tokens": 23},
        },
        46_647_000,
        estimated=True,
    ),
]

LITELLM = [
    # 3 x 4 + 12,314 written x 5 + 5 x 20
    _whole(
        "public: openai, written",
        "openai/gpt-5.6",
        {
            "prompt_tokens": 12_317,
            "completion_tokens": 5,
            "total_tokens": 12_322,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 12_314},
        },
        61_682_000,
    ),
    # Above 272,000: 1,000 x 8 + 299,000 written x 10 + 100 x 30
    _whole(
        "public: openai, written, long context",
        "openai/gpt-5.6",
        {
            "prompt_tokens": 300_000,
            "completion_tokens": 100,
            "total_tokens": 300_100,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 299_000},
        },
        3_001_000_000,
    ),
    # 1,000 x 2 + 99,000 written x 2.50 + 100 x 10
    _whole(
        "public: openai, written, flex",
        "openai/gpt-5.6",
        {
            "prompt_tokens": 100_000,
            "completion_tokens": 100,
            "total_tokens": 100_100,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 99_000},
        },
        250_500_000,
        501_000_000,
        BY_DEFAULT,
        service_tier="flex",
    ),
    # 86 x 2.50 + 1,920 read x 1.25 + 300 x 10
    _whole(
        "public: openai, read",
        "openai/gpt-4o",
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        5_615_000,
    ),
    # 1,000 x 4 + 500 x 20, twice as much when fast, a tenth more in the US
    _whole(
        "public: anthropic, fast in the US",
        "anthropic/claude-opus-5-5",
        {"input_tokens": 1000, "output_tokens": 500, "speed": "fast", "inference_geo": "us"},
        30_800_000,
        14_000_000,
        BY_DEFAULT,
        dialect=_A,
    ),
]

# 11 x 5 + 2,000 read x 0.50 + 90 x 25, however the events split it
_OPUS_NANO = 3_305_000
STREAMS = [
    _stream(
        "stream: anthropic, the end repeats the beginning",
        "anthropic/claude-opus-4-5",
        _OPUS_NANO,
        _begins(input_tokens=11, cache_read_input_tokens=2000, output_tokens=3),
        _goes_on(input_tokens=11, cache_read_input_tokens=2000, output_tokens=90),
        _ENDS,
        dialect=_A,
    ),
    _stream(
        "stream: anthropic, split otherwise at the end",
        "anthropic/claude-opus-4-5",
        _OPUS_NANO,
        _begins(input_tokens=2011, output_tokens=3),
        _goes_on(input_tokens=11, cache_read_input_tokens=2000, output_tokens=90),
        _ENDS,
        dialect=_A,
    ),
    _stream(
        "stream: anthropic, zeros at the beginning",
        "anthropic/claude-opus-4-5",
        _OPUS_NANO,
        _begins(input_tokens=0, output_tokens=0),
        _goes_on(input_tokens=11, cache_read_input_tokens=2000, output_tokens=90),
        _ENDS,
        dialect=_A,
    ),
    _stream(
        "stream: anthropic, zeros at the end",
        "anthropic/claude-opus-4-5",
        _OPUS_NANO,
        _begins(input_tokens=11, cache_read_input_tokens=2000, output_tokens=3),
        _goes_on(input_tokens=0, cache_read_input_tokens=0, output_tokens=90),
        _ENDS,
        dialect=_A,
    ),
    # Its own search adds to the input as it goes: 3,000 x 5 + 90 x 25, and $0.01 for the search
    _stream(
        "stream: anthropic, a search in between",
        "anthropic/claude-opus-4-5",
        27_250_000,
        _begins(input_tokens=100, output_tokens=3),
        _goes_on(input_tokens=3000, output_tokens=90, server_tool_use={"web_search_requests": 1}),
        _ENDS,
        dialect=_A,
    ),
    # 10 x 1.25 + 3 x 10
    _stream(
        "stream: openai, the count so far in each chunk",
        "openai/gpt-5",
        42_500,
        _SAYS | {"usage": {**_TEN_THREE, "completion_tokens": 1}},
        _STOPS | {"usage": {**_TEN_THREE, "completion_tokens": 2}},
        {"choices": [], "usage": _TEN_THREE},
    ),
    _stream(
        "stream: openai, counted twice and then zero",
        "openai/gpt-5",
        42_500,
        _SAYS,
        _STOPS | {"usage": _TEN_THREE},
        {"choices": [], "usage": _TEN_THREE},
        {"choices": [], "usage": dict.fromkeys(_TEN_THREE, 0)},
    ),
    # 10 x 0.15 + 3 x 0.60
    _stream(
        "stream: groq, in both places",
        "groq/openai/gpt-oss-120b",
        3_300,
        _SAYS,
        _STOPS | {"x_groq": {"id": "r", "usage": _TEN_THREE}},
        {"choices": [], "usage": _TEN_THREE},
    ),
    # 10 x 0.30 + (5 + 7 of thoughts) x 2.50
    _stream(
        "stream: gemini, thoughts before the end",
        "gemini/gemini-2.5-flash",
        33_000,
        _GEMINI_SAYS | {"usageMetadata": {"promptTokenCount": 10, "thoughtsTokenCount": 7}},
        {
            "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
        },
        dialect=_G,
    ),
]

DOUBTFUL = [
    # 10 x 1.25 + 3 x 10
    _whole(
        "doubtful: counts in strings are counts",
        "openai/gpt-5",
        {"prompt_tokens": "10", "completion_tokens": "3"},
        42_500,
        None,
        NO_READING,
    ),
    # 10 read x 0.125 + 5 x 10: more was cached than there was
    _whole(
        "doubtful: more cached than given",
        "openai/gpt-5",
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 50},
        },
        51_250,
        None,
        NO_READING,
        estimated=True,
    ),
    # 1,000 x 1.25 alone: what was said is no count
    _whole(
        "doubtful: a negative count",
        "openai/gpt-5",
        {"prompt_tokens": 1000, "completion_tokens": -5},
        1_250_000,
        None,
        NO_READING,
        estimated=True,
    ),
    # 1,000 x 3 + 100 x 15: what the list sells is not free because a cost of 0 is told
    _whole(
        "doubtful: a cost of 0 for what is sold",
        "openrouter/anthropic/claude-sonnet-4.5",
        {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0},
        4_500_000,
        estimated=True,
    ),
    # What nobody lists may be given away.
    _whole(
        "doubtful: a cost of 0 for what nobody lists",
        "openrouter/stealth/never-heard-of",
        {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0},
        0,
        None,
        "it knows no such model",
    ),
    # 1,000 x 0.30 + 5 x 2.50; what the two searches cost, only Google knows
    _whole(
        "doubtful: gemini, grounded by searches",
        "gemini/gemini-2.5-flash",
        {"promptTokenCount": 1000, "candidatesTokenCount": 5},
        312_500,
        dialect=_G,
        estimated=True,
        candidates=[{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}],
    ),
]

PUBLIC_SAMPLES = [*GENAI_PRICES, *LITELLM, *STREAMS, *DOUBTFUL]
