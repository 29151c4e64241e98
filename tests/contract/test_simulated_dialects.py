"""What only one provider does: its cache, its thinking, its padding, its place for the counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from adapters.simulated import SimulatedProviders
from tests.support.fakes_demo import ASKED, anthropic_client, bearer, http_client, openai_client


@pytest.fixture
async def demo() -> AsyncIterator[SimulatedProviders]:
    async with SimulatedProviders(latency_s=0) as providers:
        yield providers


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


def events(text: str) -> list[Any]:
    """Read the JSON of every `data:` line."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


async def test_anthropics_input_tokens_leave_the_cache_out(demo: SimulatedProviders) -> None:
    mark: Any = {"type": "ephemeral"}
    system: Any = [{"type": "text", "text": "word " * 2000, "cache_control": mark}]
    usages = []
    async with anthropic_client(demo, "anthropic") as client:
        for _ in range(2):
            answer = await client.messages.create(
                model="claude-opus-4-5", system=system, messages=ASKED, max_tokens=9
            )
            usages.append(answer.usage)
    assert [u.input_tokens for u in usages] == [10, 10]
    assert [u.cache_creation_input_tokens for u in usages] == [2001, 0]
    assert [u.cache_read_input_tokens for u in usages] == [0, 2001]


async def test_deepseek_maps_claudes_names_and_thinks_aloud(demo: SimulatedProviders) -> None:
    async with anthropic_client(demo, "deepseek") as client:
        opus = await client.messages.create(model="claude-opus-4-5", messages=ASKED, max_tokens=500)
        async with client.messages.stream(
            model="claude-opus-4-5", messages=ASKED, max_tokens=500
        ) as stream:
            streamed = await stream.get_final_message()
        haiku = await client.messages.create(
            model="claude-haiku-4-5", messages=ASKED, max_tokens=500
        )
    assert (opus.model, haiku.model) == ("deepseek-v4-pro", "deepseek-flash")
    assert [block.type for block in opus.content] == ["thinking", "text"]
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert [block.type for block in haiku.content] == ["text"]


async def test_deepseek_pads_counts_hits_and_shows_its_thinking(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    url = demo.base_url("deepseek") + "/chat/completions"
    messages = [{"role": "system", "content": "word " * 100}, *ASKED]
    body = {"model": "deepseek-v4-pro", "messages": messages}
    headers = bearer(demo, "deepseek")
    await http.post(url, json=body, headers=headers)
    answer = await http.post(url, json=body, headers=headers)
    assert answer.text.startswith("\n")
    usage = answer.json()["usage"]
    assert usage["prompt_cache_hit_tokens"] == 64
    assert usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"] - 64
    assert usage["completion_tokens_details"]["reasoning_tokens"] > 0
    assert answer.json()["choices"][0]["message"]["reasoning_content"]
    plain = {**body, "thinking": {"type": "disabled"}, "max_tokens": 1}
    probe = (await http.post(url, json=plain, headers=headers)).json()
    assert probe["choices"][0]["message"]["content"]
    stream = await http.post(url, json={**body, "stream": True}, headers=headers)
    assert stream.text.startswith(": keep-alive\n\n")
    deltas = [c["choices"][0]["delta"] for c in events(stream.text)]
    assert any(delta.get("reasoning_content") for delta in deltas)
    assert stream.text.endswith("data: [DONE]\n\n")


async def test_openrouter_reports_the_cost_everywhere(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    base, headers = demo.base_url("openrouter"), bearer(demo, "openrouter")
    body = {"model": "anthropic/claude-sonnet-4.5", "messages": ASKED, "max_tokens": 20}
    whole = await http.post(f"{base}/api/v1/chat/completions", json=body, headers=headers)
    cost = whole.json()["usage"]["cost"]
    assert cost == pytest.approx((10 * 3 + 20 * 15) / 1e6)
    streaming = {**body, "stream": True}
    stream = await http.post(f"{base}/api/v1/chat/completions", json=streaming, headers=headers)
    assert stream.text.startswith(": OPENROUTER PROCESSING\n\n")
    assert events(stream.text)[-1]["usage"]["cost"] == cost
    message = await http.post(f"{base}/api/v1/messages", json=body, headers=headers)
    assert message.json()["usage"]["cost"] == cost
    key = (await http.get(f"{base}/api/v1/key", headers=headers)).json()["data"]
    assert key["usage_daily"] == pytest.approx(3 * cost)
    assert key["limit_remaining"] == pytest.approx(50 - 3 * cost)


async def test_groq_puts_its_usage_under_x_groq(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    body = {"model": "llama-3.1-8b-instant", "messages": ASKED, "stream": True}
    url = demo.base_url("groq") + "/openai/v1/chat/completions"
    answer = await http.post(url, json=body, headers=bearer(demo, "groq"))
    last = events(answer.text)[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["x_groq"]["usage"]["prompt_tokens"] == 10


async def test_openai_thinks_unseen_and_wants_the_newer_limit(demo: SimulatedProviders) -> None:
    async with openai_client(demo, "openai") as client:
        probe = await client.chat.completions.create(
            model="gpt-5", messages=ASKED, max_completion_tokens=16
        )
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="gpt-5", messages=ASKED, max_tokens=16)
    assert (probe.choices[0].message.content, probe.choices[0].finish_reason) == ("", "length")
    assert probe.usage is not None
    assert probe.usage.completion_tokens_details is not None
    assert probe.usage.completion_tokens_details.reasoning_tokens == 16
    assert caught.value.code == "unsupported_parameter"


async def test_gemini_whole_stream_and_list(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    models = demo.base_url("gemini") + "/v1beta/models"
    headers = {"x-goog-api-key": demo.key("gemini")}
    body = {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}],
    }
    url = f"{models}/gemini-2.5-flash"
    whole = (await http.post(f"{url}:generateContent", json=body, headers=headers)).json()
    usage = whole["usageMetadata"]
    text = whole["candidates"][0]["content"]["parts"][0]["text"]
    assert text.startswith("Simulated answer from gemini/gemini-2.5-flash.")
    output = usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + output
    stream = await http.post(f"{url}:streamGenerateContent?alt=sse", json=body, headers=headers)
    portions = events(stream.text)
    parts = [p["candidates"][0]["content"]["parts"][0]["text"] for p in portions]
    assert "".join(parts) == text
    assert portions[-1]["usageMetadata"] == usage
    assert portions[-1]["candidates"][0]["finishReason"] == "STOP"
    assert "[DONE]" not in stream.text
    plain = await http.post(f"{url}:streamGenerateContent", json=body, headers=headers)
    assert len(plain.json()) == len(portions)


async def test_gemini_probe_is_healthy_without_parts(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    url = demo.base_url("gemini") + "/v1beta/models/gemini-2.5-flash:generateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1}}
    headers = {"x-goog-api-key": demo.key("gemini")}
    candidate = (await http.post(url, json=body, headers=headers)).json()["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert "parts" not in candidate["content"]


async def test_ollama_streams_lines_unless_told_not_to(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    url = demo.base_url("ollama") + "/api/chat"
    body = {"model": "llama3.3", "messages": ASKED}
    stream = await http.post(url, json=body)
    assert stream.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in stream.text.splitlines()]
    whole = (await http.post(url, json={**body, "stream": False})).json()
    assert "".join(line["message"]["content"] for line in lines) == whole["message"]["content"]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["prompt_eval_count"] == whole["prompt_eval_count"] == 10
    probe = {**body, "stream": False, "options": {"num_predict": 1}}
    cut = (await http.post(url, json=probe)).json()
    assert (cut["done_reason"], cut["eval_count"]) == ("length", 1)


async def test_ollama_thinks_only_when_told_to(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    base = demo.base_url("ollama")
    body = {"model": "llama3.3", "messages": ASKED, "think": True}
    stream = await http.post(f"{base}/api/chat", json=body)
    first = json.loads(stream.text.splitlines()[0])
    assert first["message"]["thinking"].startswith("The question")
    assert (await http.get(base)).text == "Ollama is running"
