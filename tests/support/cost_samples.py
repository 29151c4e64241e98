"""Usage as the seven providers send it, and what each call costs, worked out by hand.

Each sample is what comes over the wire: a whole answer, or the events of a stream that count. The
arithmetic beside it is in USD per million tokens, from the providers' price pages as of
2026-11-22. `theirs` is what genai-prices makes of the same answer with its own reading of usage,
in nano-dollars, and `why` says where that differs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.models import Dialect

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
SAME = "they agree"
BY_DEFAULT = "it has the tier's price, but takes the usual one unless it is told of the tier"
NO_READING = "it does not read this shape of usage"
_A, _O, _G, _L = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI, Dialect.OLLAMA


@dataclass(frozen=True)
class Sample:
    """One call: what came over the wire, and its cost."""

    name: str
    model: str
    dialect: Dialect
    wire: str
    nano_usd: int | None
    theirs: int | None
    why: str = SAME
    at: datetime = NOON
    estimated: bool = False
    streamed: bool = False
    flavor: str = "default"

    @property
    def body(self) -> Any:
        """The answer, or the stream's events, as JSON."""
        if not self.streamed:
            return json.loads(self.wire)
        lines = [line.removeprefix("data: ") for line in self.wire.splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]


ANTHROPIC = [
    # 1,200 x 5 + 350 x 25 = 6,000 + 8,750 by the million
    Sample(
        "anthropic, no cache",
        "anthropic/claude-opus-4-5",
        _A,
        """{"model": "claude-opus-4-5-20251101", "usage": {"input_tokens": 1200,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 350, "service_tier": "standard", "inference_geo": "not_available"}}""",
        14_750_000,
        14_750_000,
    ),
    # 50 x 3 + 18,000 read x 0.30 + 4,000 for 5 min x 3.75 + 6,000 for 1 h x 6 + 800 x 15
    # = 150 + 5,400 + 15,000 + 36,000 + 12,000; all 28,050 of input are below 200,000
    Sample(
        "anthropic, read and written for both lives",
        "anthropic/claude-sonnet-4-5",
        _A,
        """{"usage": {"input_tokens": 50, "cache_creation_input_tokens": 10000,
        "cache_read_input_tokens": 18000, "cache_creation": {"ephemeral_5m_input_tokens": 4000,
        "ephemeral_1h_input_tokens": 6000}, "output_tokens": 800, "service_tier": "standard"}}""",
        68_550_000,
        68_550_000,
    ),
    # 2,000 + 150,000 read + 60,000 written = 212,000 of input, above 200,000, so that every token
    # has the dearer price: 2,000 x 6 + 150,000 x 0.60 + 60,000 x 7.50 + 1,000 x 22.50
    # = 12,000 + 90,000 + 450,000 + 22,500
    Sample(
        "anthropic, above 200,000 by what is cached",
        "anthropic/claude-sonnet-4-5",
        _A,
        """{"usage": {"input_tokens": 2000, "cache_creation_input_tokens": 60000,
        "cache_read_input_tokens": 150000, "output_tokens": 1000}}""",
        574_500_000,
        574_500_000,
    ),
    # 900 x 1 + 400 x 5 + 3 searches x $0.01 = 900 + 2,000 by the million, + $0.03
    Sample(
        "anthropic, web searches",
        "anthropic/claude-haiku-4-5",
        _A,
        """{"usage": {"input_tokens": 900, "output_tokens": 400,
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}}}""",
        32_900_000,
        32_900_000,
    ),
    # 100 x 5 + 10 x 25 = 500 + 250; what a priority contract really costs, no list says
    Sample(
        "anthropic, priority tier",
        "anthropic/claude-opus-4-5",
        _A,
        """{"usage": {"input_tokens": 100, "output_tokens": 10, "service_tier": "priority"}}""",
        750_000,
        750_000,
        estimated=True,
    ),
    # The first event counts the input (11 + 2,000 read), a late one all of the output, which is
    # cumulative: 11 x 3 + 2,000 x 0.30 + 90 x 15 = 33 + 600 + 1,350
    Sample(
        "anthropic, streamed",
        "anthropic/claude-sonnet-4-5",
        _A,
        """event: message_start
data: {"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2000, "output_tokens": 3, "service_tier": "standard"}}}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 90}}

event: message_stop
data: {"type": "message_stop"}

""",  # noqa: E501
        1_983_000,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
    # Anthropic's OpenAI layer: 500 x 5 + 20 x 25 = 2,500 + 500
    Sample(
        "anthropic, OpenAI dialect",
        "anthropic/claude-opus-4-5",
        _O,
        """{"usage": {"prompt_tokens": 500, "completion_tokens": 20, "total_tokens": 520}}""",
        3_000_000,
        3_000_000,
        flavor="chat",
    ),
]

OPENAI = [
    # 2,006 in of which 1,920 cached: 86 x 1.25 + 1,920 x 0.125; 300 out with 192 of thinking in
    # them x 10 = 107.5 + 240 + 3,000
    Sample(
        "openai, cached and thinking",
        "openai/gpt-5",
        _O,
        """{"service_tier": "default", "usage": {"prompt_tokens": 2006, "completion_tokens": 300,
        "total_tokens": 2306, "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 192, "audio_tokens": 0,
        "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}}""",
        3_347_500,
        3_347_500,
        flavor="chat",
    ),
    # 300,000 in is above 272,000: 100,000 x 5 + 200,000 cached x 0.50 + 1,000 x 22.50
    Sample(
        "openai, long context",
        "openai/gpt-5.4",
        _O,
        """{"usage": {"prompt_tokens": 300000, "completion_tokens": 1000, "total_tokens": 301000,
        "prompt_tokens_details": {"cached_tokens": 200000}}}""",
        622_500_000,
        622_500_000,
        flavor="chat",
    ),
    # 120 in, 100 of them heard: 20 x 2.50 + 100 x 32; 90 out, 70 spoken: 20 x 10 + 70 x 64
    # = 50 + 3,200 + 200 + 4,480
    Sample(
        "openai, speech",
        "openai/gpt-audio",
        _O,
        """{"usage": {"prompt_tokens": 120, "completion_tokens": 90, "total_tokens": 210,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100, "text_tokens": 20},
        "completion_tokens_details": {"audio_tokens": 70, "text_tokens": 20}}}""",
        7_930_000,
        7_930_000,
        flavor="chat",
    ),
    # Flex is half the price: 1,000 x 0.125 + 100 x 1 = 125 + 100
    Sample(
        "openai, flex tier",
        "openai/gpt-5-mini",
        _O,
        """{"service_tier": "flex", "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}""",
        225_000,
        450_000,
        BY_DEFAULT,
        flavor="chat",
    ),
    # Priority, by the same list: 1,000 x 2.50 + 1,000 cached x 0.25 + 100 x 20
    Sample(
        "openai, priority tier",
        "openai/gpt-5",
        _O,
        """{"service_tier": "priority", "usage": {"prompt_tokens": 2000, "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 1000}}}""",
        4_750_000,
        2_375_000,
        BY_DEFAULT,
        flavor="chat",
    ),
    # The last event alone counts: 40 x 0.25 + 12 x 2 = 10 + 24
    Sample(
        "openai, streamed",
        "openai/gpt-5-mini",
        _O,
        """data: {"id": "c", "model": "gpt-5-mini", "service_tier": "default", "choices": [{"index": 0, "delta": {"content": "Hi"}}], "usage": null}

data: {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": null}

data: {"id": "c", "choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52}}

data: [DONE]

""",  # noqa: E501
        34_000,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
]

GEMINI = [
    # Thinking stands in the total alone: 86 - 21 - 5 = 60. 21 x 0.30 + 65 x 2.50 = 6.3 + 162.5
    Sample(
        "gemini, OpenAI dialect, thinking",
        "gemini/gemini-2.5-flash",
        _O,
        """{"usage": {"prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 86}}""",
        168_800,
        18_800,
        "it leaves the thinking out, which Google bills",
        flavor="chat",
    ),
    # The same of a stream, whose last event counts: 10 x 1.25 + (7 + 300) x 10 = 12.5 + 3,070
    Sample(
        "gemini, OpenAI dialect, streamed",
        "gemini/gemini-2.5-pro",
        _O,
        """data: {"model": "gemini-2.5-pro", "choices": [{"index": 0, "delta": {"content": "a"}}]}

data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 317}}

data: [DONE]

""",  # noqa: E501
        3_082_500,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
    # 1,000 in of which 400 cached, + 50 of tools' results: 650 x 0.30 + 400 x 0.03;
    # 120 + 80 thought x 2.50 = 195 + 12 + 500
    Sample(
        "gemini, its own dialect, cache, tools and thinking",
        "gemini/gemini-2.5-flash",
        _G,
        """{"modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 1000,
        "cachedContentTokenCount": 400, "toolUsePromptTokenCount": 50, "candidatesTokenCount": 120,
        "thoughtsTokenCount": 80, "totalTokenCount": 1250}}""",
        707_000,
        707_000,
    ),
    # 500 in of which 320 heard: 180 x 0.30 + 320 x 1; 10 x 2.50 = 54 + 320 + 25
    Sample(
        "gemini, its own dialect, speech",
        "gemini/gemini-2.5-flash",
        _G,
        """{"modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 500,
        "candidatesTokenCount": 10, "totalTokenCount": 510, "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 180}, {"modality": "AUDIO", "tokenCount": 320}]}}""",
        399_000,
        399_000,
    ),
]

DEEPSEEK = [
    # Off-peak, 1,000 in of which 640 hit: 360 x 0.15 + 640 x 0.003 + 200 x 0.60
    # = 54 + 1.92 + 120
    Sample(
        "deepseek, hits and misses, off-peak",
        "deepseek/deepseek-flash",
        _O,
        """\n\n{"model": "deepseek-flash", "usage": {"prompt_tokens": 1000,
        "prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 360,
        "completion_tokens": 200, "total_tokens": 1200,
        "completion_tokens_details": {"reasoning_tokens": 150}}}""",
        175_920,
        270_000,
        "it does not read prompt_cache_hit_tokens, so all input has the price of a miss",
        flavor="chat",
    ),
    # At the peak all of it is twice as dear.
    Sample(
        "deepseek, hits and misses, peak",
        "deepseek/deepseek-flash",
        _O,
        """{"usage": {"prompt_tokens": 1000, "prompt_cache_hit_tokens": 640,
        "prompt_cache_miss_tokens": 360, "completion_tokens": 200, "total_tokens": 1200}}""",
        351_840,
        540_000,
        "it does not read prompt_cache_hit_tokens, so all input has the price of a miss",
        at=NIGHT,
        flavor="chat",
    ),
    # Its Anthropic route counts as Anthropic does, cache beside the input:
    # 360 x 0.15 + 640 x 0.003 + 200 x 0.60
    Sample(
        "deepseek, Anthropic dialect",
        "deepseek/deepseek-flash",
        _A,
        """{"model": "deepseek-flash", "usage": {"input_tokens": 360,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 640, "output_tokens": 200,
        "service_tier": "standard"}}""",
        175_920,
        None,
        NO_READING,
    ),
    # Comments between the events; the last one counts: 10 x 0.66 + 100 x 1.98 = 6.6 + 198
    Sample(
        "deepseek, streamed",
        "deepseek/deepseek-v4-pro",
        _O,
        """: keep-alive

data: {"model": "deepseek-v4-pro", "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": null}

data: {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 10}}

data: [DONE]

""",  # noqa: E501
        204_600,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
]

OPENROUTER = [
    # What it says itself counts, whatever the list would make of it.
    Sample(
        "openrouter, its own figure",
        "openrouter/anthropic/claude-sonnet-4.5",
        _O,
        """{"model": "anthropic/claude-sonnet-4.5", "usage": {"prompt_tokens": 1000,
        "completion_tokens": 100, "total_tokens": 1100, "cost": 0.00441, "is_byok": false,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "cost_details": {"upstream_inference_cost": 0.00441}}}""",
        4_410_000,
        4_500_000,
        "it takes the list's price, not the provider's figure",
        flavor="chat",
    ),
    # With a key of one's own the provider's bill comes on top of the fee: 19 + 0.95
    Sample(
        "openrouter, own key with a fee",
        "openrouter/anthropic/claude-sonnet-4.5",
        _O,
        """{"usage": {"prompt_tokens": 194, "completion_tokens": 2, "cost": 0.95, "is_byok": true,
        "cost_details": {"upstream_inference_cost": 19}}}""",
        19_950_000_000,
        612_000,
        "it takes the list's price, not the provider's figure",
        flavor="chat",
    ),
    # Without a fee `cost` is 0, and is no cost of 0.
    Sample(
        "openrouter, own key without a fee",
        "openrouter/anthropic/claude-sonnet-4.5",
        _O,
        """{"usage": {"prompt_tokens": 9171, "completion_tokens": 113, "cost": 0, "is_byok": true,
        "cost_details": {"upstream_inference_cost": 0.0360795}}}""",
        36_079_500,
        29_208_000,
        "it takes the list's price, not the provider's figure",
        flavor="chat",
    ),
    # With a key of one's own whose bill is not told, the list: 1,000 x 3 + 100 x 15
    Sample(
        "openrouter, own key, bill unknown",
        "openrouter/anthropic/claude-sonnet-4.5",
        _O,
        """{"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0, "is_byok": true,
        "cost_details": {"upstream_inference_cost": null}}}""",
        4_500_000,
        4_500_000,
        flavor="chat",
    ),
    Sample(
        "openrouter, Anthropic dialect",
        "openrouter/anthropic/claude-sonnet-4.5",
        _A,
        """{"usage": {"input_tokens": 12, "output_tokens": 30, "cost": 0.000486}}""",
        486_000,
        486_000,
    ),
    Sample(
        "openrouter, streamed",
        "openrouter/some/new-model",
        _O,
        """: OPENROUTER PROCESSING

data: {"model": "some/new-model", "choices": [{"index": 0, "delta": {"content": "a"}}]}

data: {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": 1.5e-06}}

data: [DONE]

""",  # noqa: E501
        1_500,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
]

GROQ = [
    # 4,000 in of which 3,000 cached at half: 1,000 x 0.15 + 3,000 x 0.075; 500 x 0.60
    Sample(
        "groq, cached",
        "groq/openai/gpt-oss-120b",
        _O,
        """{"service_tier": "on_demand", "usage": {"queue_time": 0.03, "prompt_tokens": 4000,
        "prompt_time": 0.01, "completion_tokens": 500, "completion_time": 1.1,
        "total_tokens": 4500, "prompt_tokens_details": {"cached_tokens": 3000},
        "completion_tokens_details": {"reasoning_tokens": 200}}}""",
        675_000,
        675_000,
    ),
    # Its streams count in a field of their own: 18 x 0.59 + 9 x 0.79 = 10.62 + 7.11
    Sample(
        "groq, streamed",
        "groq/llama-3.3-70b-versatile",
        _O,
        """data: {"model": "llama-3.3-70b-versatile", "choices": [{"index": 0, "delta": {"content": "a"}}], "x_groq": {"id": "r"}}

data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "r", "usage": {"prompt_tokens": 18, "completion_tokens": 9, "total_tokens": 27}}}

data: [DONE]

""",  # noqa: E501
        17_730,
        None,
        "it reads whole answers alone",
        streamed=True,
    ),
]

OLLAMA = [
    Sample(
        "ollama, its own dialect",
        "ollama/llama3.3",
        _L,
        """{"model": "llama3.3", "done": true, "prompt_eval_count": 900, "eval_count": 80}""",
        0,
        None,
        "it knows no local servers",
    ),
    Sample(
        "ollama, OpenAI dialect",
        "ollama/llama3.3",
        _O,
        """{"usage": {"prompt_tokens": 900, "completion_tokens": 80, "total_tokens": 980}}""",
        0,
        None,
        "it knows no local servers",
    ),
    Sample(
        "ollama, Anthropic dialect",
        "ollama/llama3.3",
        _A,
        """{"usage": {"input_tokens": 900, "output_tokens": 80}}""",
        0,
        None,
        "it knows no local servers",
    ),
]

UNPRICED = [
    Sample(
        "a model that nobody lists",
        "openai/never-heard-of",
        _O,
        """{"usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}}""",
        None,
        None,
        "neither knows it",
        flavor="chat",
    ),
]

SAMPLES = [*ANTHROPIC, *OPENAI, *GEMINI, *DEEPSEEK, *OPENROUTER, *GROQ, *OLLAMA, *UNPRICED]
