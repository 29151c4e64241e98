"""What a simulated model answers: the text is stable and the counts add up."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulated import models
from adapters.simulated.answers import (
    Answer,
    Ask,
    PromptCache,
    chunks_of,
    compose,
    pieces_of,
    readable,
    split_prompt,
)
from adapters.simulated.providers import PROVIDERS
from bot.catalog import shipped

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def answered(
    provider: str = "deepseek",
    model: str = "deepseek-flash",
    *,
    tail: str = "Why is the sky blue?",
    head: str = "",
    max_tokens: int | None = None,
    thinking: bool | None = None,
    marks_cache: bool = False,
    cache: PromptCache | None = None,
) -> Answer:
    ask = Ask(
        model=model,
        head=head,
        tail=tail,
        max_tokens=max_tokens,
        thinking=thinking,
        marks_cache=marks_cache,
    )
    return compose(provider, ask, cache, serial=1, created=NOW)


@given(st.text())
def test_pieces_and_chunks_join_to_the_very_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text
    assert "".join(chunks_of(pieces_of(text))) == text


def test_the_same_question_gets_the_same_answer() -> None:
    assert answered() == answered()
    assert len({answered(tail=f"question {n}").text for n in range(20)}) > 5


def test_the_answer_names_who_was_asked() -> None:
    text = "".join(answered().text)
    assert text.startswith("Simulated answer from deepseek/deepseek-flash.")


def test_a_longer_question_counts_more_tokens() -> None:
    assert answered(tail="word " * 100).input_tokens == 100 + 1
    assert answered(tail="word").input_tokens == 1


@given(limit=st.integers(1, 200), thinking=st.booleans())
def test_the_limit_holds_for_thought_and_text_together(limit: int, thinking: bool) -> None:
    answer = answered(max_tokens=limit, thinking=thinking)
    unlimited = answered(thinking=thinking)
    assert answer.output_tokens == min(limit, unlimited.output_tokens)
    assert answer.cut == (limit < unlimited.output_tokens)


def test_thinking_can_use_up_the_whole_limit() -> None:
    answer = answered(model="deepseek-v4-pro", max_tokens=1)
    assert (len(answer.thought), answer.text, answer.cut) == (1, (), True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", ("plain", 0)),
        ({"role": "user", "content": "plain"}, ("plain", 0)),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ("a\nb", 0)),
        ({"type": "image_url", "image_url": {"url": "data:…"}}, ("", 1)),
        ({"role": "user", "content": [{"type": "image", "source": {}}]}, ("", 1)),
        ({"role": "user", "parts": [{"text": "a"}, {"inlineData": {}}]}, ("a", 1)),
        ({"role": "user", "content": "a", "images": ["…", "…"]}, ("a", 2)),
        ({"name": "get_weather"}, ('{"name": "get_weather"}', 0)),
        (None, ("", 0)),
        (7, ("", 0)),
    ],
)
def test_text_is_found_in_every_dialects_parts(value: object, expected: tuple[str, int]) -> None:
    assert readable(value) == expected


def test_a_prompt_splits_into_what_can_be_cached_and_the_last_message() -> None:
    messages = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    head, tail, overhead = split_prompt(messages, "be brief", None)
    assert (head, tail) == ("be brief\none", "two")
    assert overhead == 8


def test_deepseek_caches_a_repeated_head_by_itself() -> None:
    cache = PromptCache(models.CACHING["deepseek"])
    head = "word " * 100
    first, second = answered(head=head, cache=cache), answered(head=head, cache=cache)
    assert (first.cached_tokens, first.written_tokens) == (0, 0)
    assert (second.cached_tokens, second.written_tokens) == (64, 0)
    assert second.cost_usd < first.cost_usd


def test_anthropic_caches_only_what_is_marked_and_bills_the_writing() -> None:
    cache = PromptCache(models.CACHING["anthropic"])
    head = "word " * 1100
    asked = {"provider": "anthropic", "model": "claude-opus-4-5", "head": head, "cache": cache}
    plain = answered(**asked)  # type: ignore[arg-type]
    first = answered(**asked, marks_cache=True)  # type: ignore[arg-type]
    second = answered(**asked, marks_cache=True)  # type: ignore[arg-type]
    assert plain.written_tokens == 0
    assert first.written_tokens == 1101
    assert second.cached_tokens == 1101
    assert second.cost_usd < plain.cost_usd < first.cost_usd


def test_a_short_head_is_never_cached() -> None:
    cache = PromptCache(models.CACHING["openai"])
    for _ in range(2):
        assert answered("openai", "gpt-5", head="short", cache=cache).cached_tokens == 0


def test_the_cache_forgets_rather_than_grow_without_end() -> None:
    cache = PromptCache(models.CACHING["deepseek"])
    heads = [f"{n} " + "word " * 64 for n in range(1025)]
    for head in heads:
        cache.split(Ask(model="deepseek-flash", head=head, tail=""))
    assert cache.split(Ask(model="deepseek-flash", head=heads[-1], tail=""))[0] == 64
    assert cache.split(Ask(model="deepseek-flash", head=heads[0], tail=""))[0] == 0


def test_the_cost_is_the_catalogs_price() -> None:
    answer = answered("anthropic", "claude-opus-4-5", tail="word " * 1000)
    expected = answer.input_tokens * Decimal(5) + answer.output_tokens * Decimal(25)
    assert answer.cost_usd == expected / 1_000_000
    assert answered("ollama", "llama3.3").cost_usd == 0


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_provider_has_todays_models_and_no_retired_one(provider: str) -> None:
    names = models.taken(provider)
    for ref, facts in shipped().models.items():
        if ref.provider == provider:
            assert (ref.name in names) == (facts.retired_on is None and not facts.misspelt)
    assert len(models.listed(provider)) >= 2


def test_a_snapshot_costs_and_thinks_like_its_alias() -> None:
    assert models.price("openai", "gpt-5-2025-08-07") == models.price("openai", "gpt-5")
    assert models.thinks("openai", "gpt-5")
    assert not models.thinks("deepseek", "deepseek-flash")


def test_openrouter_passes_the_makers_price_on() -> None:
    expected = shipped().models[next(r for r in shipped().models if r.name == "claude-opus-4-5")]
    assert models.price("openrouter", "anthropic/claude-opus-4.5") == expected.price
