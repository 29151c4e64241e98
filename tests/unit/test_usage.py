"""Tokens by each provider's own counting rules."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.dialects.usage import MOST_TOKENS, UsageReader, read_usage
from bot.models import Aside, Dialect, Usage

OPENAI, ANTHROPIC, GEMINI, OLLAMA = (
    Dialect.OPENAI,
    Dialect.ANTHROPIC,
    Dialect.GEMINI,
    Dialect.OLLAMA,
)


def openai(provider: str = "openai", **usage: object) -> Usage | None:
    return read_usage(OPENAI, provider, {"usage": usage})


def test_openai_counts_the_cached_and_the_thinking_in():
    assert openai(
        prompt_tokens=100,
        completion_tokens=30,
        total_tokens=130,
        prompt_tokens_details={"cached_tokens": 64},
        completion_tokens_details={"reasoning_tokens": 20},
    ) == Usage(100, 30, cached_input_tokens=64, reasoning_tokens=20)


def test_groq_streams_its_usage_elsewhere():
    body = {"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}, "usage": None}
    assert read_usage(OPENAI, "groq", body) == Usage(7, 2)


def test_deepseek_names_cache_hits_and_misses():
    hit = openai("deepseek", prompt_tokens=50, prompt_cache_hit_tokens=40, completion_tokens=1)
    assert hit == Usage(50, 1, cached_input_tokens=40)
    assert openai(
        "deepseek", prompt_cache_hit_tokens=40, prompt_cache_miss_tokens=10, completion_tokens=1
    ) == Usage(50, 1, cached_input_tokens=40)
    assert openai("deepseek", prompt_cache_miss_tokens=10) == Usage(10, 0)
    assert openai("deepseek", prompt_cache_hit_tokens=10) == Usage(10, 0, cached_input_tokens=10)


def test_geminis_openai_layer_counts_thinking_in_the_total_only():
    counts = {"prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 86}
    assert openai("gemini", **counts) == Usage(21, 65, reasoning_tokens=60)
    assert openai("gemini", prompt_tokens=21, total_tokens=81) == Usage(21, 60, reasoning_tokens=60)
    # Of others a total that does not add up is no reason to bill more.
    assert openai("openai", **counts) == Usage(21, 5)


def test_thinking_beside_the_completion_is_added_where_the_total_proves_it():
    details = {"completion_tokens_details": {"reasoning_tokens": 60}}
    beside = openai("xai", prompt_tokens=20, completion_tokens=5, total_tokens=85, **details)
    assert beside == Usage(20, 65, reasoning_tokens=60)
    inside = openai("openai", prompt_tokens=20, completion_tokens=65, total_tokens=85, **details)
    assert inside == Usage(20, 65, reasoning_tokens=60)


def test_anthropic_counts_the_cache_beside_the_input():
    body = {
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 300,
            "cache_read_input_tokens": 2000,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 7,
        }
    }
    assert read_usage(ANTHROPIC, "anthropic", body) == Usage(
        input_tokens=2310,
        output_tokens=7,
        cached_input_tokens=2000,
        cache_write_tokens=300,
        cache_write_1h_tokens=200,
    )


def test_anthropic_with_the_writes_only_by_their_life_time():
    split = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 6}
    usage = read_usage(ANTHROPIC, "anthropic", {"usage": {"cache_creation": split}})
    assert usage == Usage(11, 0, cache_write_tokens=11, cache_write_1h_tokens=6)
    cached = read_usage(ANTHROPIC, "anthropic", {"usage": {"cache_read_input_tokens": 3}})
    assert cached == Usage(3, 0, cached_input_tokens=3)


def test_gemini_adds_thoughts_and_the_tools_results():
    body = {
        "usageMetadata": {
            "promptTokenCount": 20,
            "cachedContentTokenCount": 8,
            "toolUsePromptTokenCount": 4,
            "candidatesTokenCount": 198,
            "thoughtsTokenCount": 405,
            "totalTokenCount": 627,
        }
    }
    expected = Usage(24, 603, cached_input_tokens=8, reasoning_tokens=405)
    assert read_usage(GEMINI, "gemini", body) == expected
    # All of the allowance went into thinking: no candidates are counted at all.
    only_thoughts = {"usageMetadata": {"promptTokenCount": 2, "thoughtsTokenCount": 1}}
    assert read_usage(GEMINI, "gemini", only_thoughts) == Usage(2, 1, reasoning_tokens=1)
    assert read_usage(GEMINI, "gemini", {"usageMetadata": {"promptTokenCount": 2}}) == Usage(2, 0)
    tools = {"usageMetadata": {"toolUsePromptTokenCount": 2}}
    assert read_usage(GEMINI, "gemini", tools) == Usage(2, 0)


def test_ollama():
    body = {"model": "m", "prompt_eval_count": 26, "eval_count": 3, "done": True}
    assert read_usage(OLLAMA, "ollama", body) == Usage(26, 3)
    # A prompt that is still in the cache is not counted.
    assert read_usage(OLLAMA, "ollama", {"eval_count": 3}) == Usage(0, 3)
    assert read_usage(OLLAMA, "ollama", {"done": True}) is None


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.00014, "0.00014"),
        ("0.5", "0.5"),
        (0, "0"),
        (1, "1"),
        (-0.1, None),
        (float("nan"), None),
        (float("inf"), None),
        ("much", None),
        (True, None),
        (None, None),
        ({}, None),
        (1e12, None),
    ],
)
def test_openrouters_own_cost(cost, expected):
    usage = openai("openrouter", prompt_tokens=1, completion_tokens=1, cost=cost)
    assert usage is not None
    assert usage.reported_cost_usd == (Decimal(expected) if expected else None)


def test_openrouter_counts_cache_writes_in_and_speaks_messages_too():
    details = {"cached_tokens": 2, "cache_write_tokens": 5}
    usage = openai(
        "openrouter", prompt_tokens=9, completion_tokens=1, prompt_tokens_details=details
    )
    assert usage == Usage(9, 1, cached_input_tokens=2, cache_write_tokens=5)
    body = {"usage": {"input_tokens": 3, "output_tokens": 1, "cost": 0.25}}
    usage = read_usage(ANTHROPIC, "openrouter", body)
    assert usage == Usage(3, 1, reported_cost_usd=Decimal("0.25"))
    assert read_usage(OPENAI, "openrouter", {}) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 9}}, "9.5"),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 9}}, "0.5"),
        # Not told whether: a provider's part that is more than the whole comes on top of it.
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": 9}}, "9.5"),
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": 0.5}}, "0.5"),
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": None}}, "0.5"),
        ({"cost": 0, "is_byok": True}, None),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": -1}}, None),
        ({"is_byok": True, "cost_details": {"upstream_inference_cost": 9}}, None),
    ],
)
def test_with_an_own_key_openrouters_fee_is_not_the_cost(told, expected):
    usage = openai("openrouter", prompt_tokens=1, completion_tokens=1, **told)
    assert usage is not None
    assert usage.reported_cost_usd == (Decimal(expected) if expected else None)


def test_a_streams_tier_searches_and_own_key_are_kept():
    reader = UsageReader(OPENAI, "openrouter")
    reader.add({"service_tier": "flex", "choices": []})
    cost = {"cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 4}}
    reader.add({"usage": {"prompt_tokens": 5, "completion_tokens": 1, **cost}})
    assert reader.usage == Usage(5, 1, reported_cost_usd=Decimal("4.25"), terms="flex")
    messages = UsageReader(ANTHROPIC, "anthropic")
    messages.add({"message": {"usage": {"input_tokens": 1, "service_tier": "priority"}}})
    messages.add({"usage": {"output_tokens": 2, "server_tool_use": {"web_search_requests": 2}}})
    assert messages.usage == Usage(1, 2, web_searches=2, terms="priority")


@pytest.mark.parametrize(
    ("told", "terms"),
    [
        ({"service_tier": "batch", "speed": "fast"}, "batch fast"),
        ({"speed": "standard", "inference_geo": "us"}, "us"),
        ({"inference_geo": "global", "service_tier": None, "speed": 7}, ""),
        ({"service_tier": "x" * 900}, "x" * 40),
    ],
)
def test_terms_that_no_list_has_a_price_for(told, terms):
    usage = read_usage(ANTHROPIC, "anthropic", {"usage": {"input_tokens": 1, **told}})
    assert usage == Usage(1, 0, terms=terms)


def test_speech_is_never_more_than_what_there_is():
    usage = openai(
        prompt_tokens=10,
        completion_tokens=2,
        prompt_tokens_details={"cached_tokens": 4, "audio_tokens": 90},
        completion_tokens_details={"audio_tokens": 90},
    )
    assert usage == Usage(10, 2, cached_input_tokens=4, audio_input_tokens=6, audio_output_tokens=2)
    detail = {"modality": "AUDIO", "tokenCount": 3}
    counts = {"promptTokenCount": 5, "promptTokensDetails": [detail, "x"]}
    body = {"usageMetadata": {**counts, "cacheTokensDetails": [{**detail, "tokenCount": 9}]}}
    assert read_usage(GEMINI, "gemini", body) == Usage(5, 0)
    assert read_usage(GEMINI, "gemini", {"usageMetadata": counts}) == Usage(
        5, 0, audio_input_tokens=3
    )
    assert (
        read_usage(OPENAI, "x", {"usage": {"prompt_tokens_details": {"audio_tokens": 1}}}) is None
    )


def test_nobody_elses_cost_is_believed():
    usage = openai("somewhere", prompt_tokens=1, completion_tokens=1, cost=9)
    assert usage == Usage(1, 1)


@pytest.mark.parametrize(
    "bad",
    [-1, MOST_TOKENS + 1, "-12", "1e9", "9" * 30, None, True, [], {}, float("nan"), float("inf")],
)
def test_what_is_no_count_is_as_good_as_absent(bad):
    doubtful = bad is not None
    assert openai(prompt_tokens=bad, completion_tokens=4) == Usage(0, 4, doubtful=doubtful)
    assert openai(prompt_tokens=4, completion_tokens=bad) == Usage(4, 0, doubtful=doubtful)
    assert openai(prompt_tokens=bad, completion_tokens=bad) is None
    for details in ({"cached_tokens": bad}, bad):
        usage = openai(prompt_tokens=4, completion_tokens=1, prompt_tokens_details=details)
        assert usage == Usage(4, 1)


def test_a_number_may_be_written_as_a_float_or_in_a_string():
    assert openai(prompt_tokens=4.0, completion_tokens=2.0) == Usage(4, 2)
    assert openai(prompt_tokens="12", completion_tokens="3") == Usage(12, 3)


def test_a_fraction_of_a_token_is_rounded_up_and_doubted():
    doubted = Usage(101, 2, doubtful=True)
    assert openai(prompt_tokens=100.5, completion_tokens=2) == doubted
    usage = openai(
        prompt_tokens=4, completion_tokens=1, prompt_tokens_details={"cached_tokens": 1.5}
    )
    assert usage == Usage(4, 1, cached_input_tokens=2, doubtful=True)
    # Groq's times are no counts.
    assert openai(prompt_tokens=4, completion_tokens=1, total_time=0.75) == Usage(4, 1)


def test_a_part_is_never_larger_than_its_whole():
    usage = openai(
        prompt_tokens=4,
        completion_tokens=1,
        prompt_tokens_details={"cached_tokens": 9, "cache_write_tokens": 9},
        completion_tokens_details={"reasoning_tokens": 9},
    )
    assert usage == Usage(4, 1, cached_input_tokens=4, reasoning_tokens=1, doubtful=True)


@pytest.mark.parametrize("body", [None, [], "x", 7, {}, {"usage": None}, {"usage": []}])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_no_usage(dialect, body):
    assert read_usage(dialect, "x", body) is None


# ---- streams


def test_anthropics_stream_counts_input_first_and_output_last():
    assert UsageReader(ANTHROPIC, "anthropic").usage is None
    reader = UsageReader(ANTHROPIC, "anthropic")
    start = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}
    reader.add({"type": "message_start", "message": {"usage": start}})
    reader.add({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}})
    assert reader.usage == Usage(15, 1, cached_input_tokens=5)
    reader.add({"type": "message_delta", "usage": {"output_tokens": 42, "input_tokens": 0}})
    assert reader.usage == Usage(15, 42, cached_input_tokens=5)


def test_a_later_split_of_the_input_replaces_the_first():
    """A server that translates answers first counts all input, then what the cache had of it."""
    reader = UsageReader(ANTHROPIC, "proxy")
    start = {"input_tokens": 3000, "cache_creation_input_tokens": 0, "output_tokens": 1}
    reader.add({"type": "message_start", "message": {"usage": start}})
    late = {"input_tokens": 200, "cache_read_input_tokens": 2800, "output_tokens": 40}
    reader.add({"type": "message_delta", "usage": late})
    assert reader.usage == Usage(3000, 40, cached_input_tokens=2800)
    openai = UsageReader(OPENAI, "proxy")
    openai.add({"usage": {"prompt_tokens": 900, "prompt_tokens_details": {"cached_tokens": 800}}})
    openai.add({"usage": {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005}})
    assert openai.usage == Usage(1000, 5)


def test_a_repeated_count_keeps_the_parts_that_it_leaves_out():
    reader = UsageReader(ANTHROPIC, "anthropic")
    start = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 60,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 60},
        "output_tokens": 1,
    }
    reader.add({"type": "message_start", "message": {"usage": start}})
    late = {"input_tokens": 10, "cache_creation_input_tokens": 60, "output_tokens": 7}
    reader.add({"type": "message_delta", "usage": late})
    assert reader.usage == Usage(70, 7, cache_write_tokens=60, cache_write_1h_tokens=60)


COMPACTED = {
    "input_tokens": 23_000,
    "output_tokens": 1_000,
    "iterations": [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 3_500,
         "cache_read_input_tokens": 180_000, "cache_creation_input_tokens": 0},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
        {"type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 900,
         "output_tokens": 300, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0},
        {"type": "fallback_message", "model": "x", "input_tokens": 1, "output_tokens": 1},
    ],
}  # fmt: skip


def test_compactions_and_advisors_are_counted_beside_the_answer():
    streamed = UsageReader(ANTHROPIC, "anthropic")
    streamed.add({"type": "message_delta", "usage": COMPACTED})
    streamed.add({"type": "message_delta", "usage": {"output_tokens": 1_000}})
    for usage in (read_usage(ANTHROPIC, "anthropic", {"usage": COMPACTED}), streamed.usage):
        assert usage == Usage(
            23_000,
            1_000,
            asides=(
                Aside(Usage(180_100, 3_500, cached_input_tokens=180_000)),
                Aside(Usage(900, 300), "claude-opus-5-5"),
            ),
        )
        whole = Usage(204_000, 4_800, cached_input_tokens=180_000)
        assert usage.with_asides == whole


@pytest.mark.parametrize(
    "iterations",
    [[{"type": "dream", "input_tokens": 5}], ["x"], {"type": "message"}, "x",
     [{"type": "advisor_message", "input_tokens": 5, "output_tokens": 1}]],
)  # fmt: skip
def test_iterations_that_are_not_understood_mark_the_usage(iterations):
    counts = {"input_tokens": 5, "output_tokens": 1, "iterations": iterations}
    usage = read_usage(ANTHROPIC, "anthropic", {"usage": counts})
    assert usage.doubtful
    assert (usage.input_tokens, usage.output_tokens) == (5, 1)


def test_anthropics_thinking_is_reasoning():
    counts = {
        "input_tokens": 5,
        "output_tokens": 90,
        "output_tokens_details": {"thinking_tokens": 70},
    }
    usage = read_usage(ANTHROPIC, "anthropic", {"usage": counts})
    assert usage == Usage(5, 90, reasoning_tokens=70)


def test_gemini_counts_pictures_and_cached_speech_by_themselves():
    reader = UsageReader(GEMINI, "gemini")
    counts = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 60,
        "candidatesTokenCount": 1300,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 20},
            {"modality": "AUDIO", "tokenCount": 80},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
    }
    reader.add({"usageMetadata": counts})
    reader.add({"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 1300}})
    expected = Usage(
        100,
        1300,
        cached_input_tokens=60,
        audio_input_tokens=20,
        cached_audio_tokens=60,
        image_output_tokens=1290,
    )
    assert reader.usage == expected


def test_the_largest_count_stays_and_rubbish_is_passed_over():
    reader = UsageReader(OPENAI, "openrouter")
    reader.add({"usage": None})
    reader.add({"usage": {"prompt_tokens": 5, "completion_tokens": 1, "cost": "0.25"}})
    late = {
        "prompt_tokens": -5,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    reader.add({"usage": late})
    reader.add({"usage": {"prompt_tokens": 10**12, "prompt_tokens_details": None}})
    reader.add({"usage": {"prompt_tokens_details": {"cached_tokens": 4}, "cost": {"a": 1}}})
    expected = Usage(5, 3, cached_input_tokens=4, reported_cost_usd=Decimal("0.25"))
    assert reader.usage == expected


def test_the_other_dialects_streams():
    gemini = UsageReader(GEMINI, "gemini")
    gemini.add({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}})
    gemini.add({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 9}})
    assert gemini.usage == Usage(3, 9)
    ollama = UsageReader(OLLAMA, "ollama")
    ollama.add({"message": {"content": "x"}, "done": False})
    assert ollama.usage is None
    ollama.add({"done": True, "prompt_eval_count": 3, "eval_count": 9})
    assert ollama.usage == Usage(3, 9)
