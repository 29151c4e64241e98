"""The official clients of both dialects, pointed at the gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from multidict import CIMultiDict

from adapters.simulated import SimulatedProviders
from tests.servers.chaos import Chaos, chunk, head, http
from tests.support.fakes_gateway import (
    CHAIN,
    CHAT,
    FLASH,
    GPT,
    HI,
    MESSAGES,
    OPUS,
    ROUTER,
    Gate,
    config_of,
)
from tests.surfaces.gateway.conftest import Start

TOKEN = "gateway-token"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB" * 99


@pytest.fixture
async def guarded(start: Start) -> Gate:
    return await start(GATEWAY_TOKEN=TOKEN)


@pytest.fixture
async def gpt(guarded: Gate) -> AsyncIterator[openai.AsyncOpenAI]:
    base = f"{guarded.url}/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(guarded: Gate) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=guarded.url, api_key=TOKEN, max_retries=0
    ) as client:
        yield client


# --- OpenAI's ----------------------------------------------------------------------------------


async def test_openai_whole(gpt: openai.AsyncOpenAI, providers: SimulatedProviders):
    raw = await gpt.chat.completions.with_raw_response.create(model="auto", messages=HI)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens > 0
    assert raw.headers["x-changeover-model"] == OPUS
    assert answer._request_id == raw.headers["x-request-id"]
    seen = providers.last_request("anthropic")
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {providers.key('anthropic')}"
    assert seen.json["model"] == "claude-opus-4-5"


async def test_openai_streaming(gpt: openai.AsyncOpenAI, providers: SimulatedProviders):
    words, usages = [], []
    async for event in await gpt.chat.completions.create(model="auto", messages=HI, stream=True):
        words += [c.delta.content for c in event.choices if c.delta.content]
        usages.append(event.usage)
    assert "".join(words)
    # Asked for upstream, and handed on only to who asked for it.
    assert not any(usages)
    assert providers.last_request("anthropic").json["stream_options"] == {"include_usage": True}


async def test_openai_streaming_with_usage(gpt: openai.AsyncOpenAI, guarded: Gate):
    usages = [
        event.usage
        async for event in await gpt.chat.completions.create(
            model="auto", messages=HI, stream=True, stream_options={"include_usage": True}
        )
    ]
    assert usages[-1].completion_tokens > 0
    (row,) = await guarded.attempts()
    assert row.usage.output_tokens == usages[-1].completion_tokens


async def test_openai_stream_helper(gpt: openai.AsyncOpenAI):
    async with gpt.chat.completions.stream(model="cheap", messages=HI) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content


async def test_openai_falls_back_unseen(gpt: openai.AsyncOpenAI, providers: SimulatedProviders):
    providers.break_provider("anthropic", "server_error")
    for stream in (False, True):
        raw = await gpt.chat.completions.with_raw_response.create(
            model="auto", messages=HI, stream=stream
        )
        assert raw.headers["x-changeover-model"] == ROUTER
        if stream:
            assert [event async for event in raw.parse()]


async def test_openai_errors(gpt: openai.AsyncOpenAI, guarded: Gate, providers: SimulatedProviders):
    with pytest.raises(openai.NotFoundError) as unknown:
        await gpt.chat.completions.create(model="cheep", messages=HI)
    assert unknown.value.code == "model_not_found"
    assert "Did you mean cheap?" in str(unknown.value)
    with pytest.raises(openai.AuthenticationError):
        await gpt.with_options(api_key="wrong").chat.completions.create(model="auto", messages=HI)
    for reason, error, status, code in (
        ("server_error", openai.InternalServerError, 503, "chain_exhausted"),
        ("rate_limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
    ):
        for provider in ("anthropic", "openrouter", "deepseek", "ollama"):
            providers.break_provider(provider, reason)
        with pytest.raises(error) as dead:
            await gpt.chat.completions.create(model="auto", messages=HI)
        assert (dead.value.status_code, dead.value.code) == (status, code)


async def test_openai_models(gpt: openai.AsyncOpenAI):
    ids = [model.id async for model in gpt.models.list()]
    assert {"auto", "cheap", OPUS, FLASH} <= set(ids)
    assert len(ids) == len(set(ids))
    assert (await gpt.models.retrieve(FLASH)).id == FLASH
    with pytest.raises(openai.NotFoundError):
        await gpt.models.retrieve("nothing-like-it")


TOOLS_OPENAI = [
    {
        "type": "function",
        "function": {
            "name": "set_model",
            "description": 'ü \u2028 "model": "x"',
            "parameters": {
                "type": "object",
                "properties": {
                    "model": {"type": "string", "default": "none"},
                    "n": {"type": "number"},
                },
                "x-odd": [1e5, 1.0, -0.0, 12345678901234567890123],
            },
        },
    }
]


async def upstream_body(start: Start, config: str, path: str, raw: bytes) -> tuple[bytes, Any]:
    """Send bytes through a gateway and return what reached the provider."""

    async def script(call: Any) -> None:
        await call.send(head(), chunk("x", "stop"))

    async with Chaos(script) as chaos:
        gate = await start(config, OPENAI_BASE_URL=chaos.url, ANTHROPIC_BASE_URL=chaos.url)
        answer = await gate.ask(path, raw)
        return chaos.calls[-1].body, answer


@pytest.mark.parametrize("indent", [None, 1])
async def test_tools_and_images_pass_byte_for_byte(start: Start, indent: int | None):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    body = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "é\u2028"}, picture]}],
        "tools": TOOLS_OPENAI,
        "model": "MODEL-HERE",
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 9007199254740993,
        "metadata": {"model": "not this one", "stream": False},
    }
    raw = json.dumps(body, indent=indent).encode()
    sent, _ = await upstream_body(start, config_of(GPT), CHAT, raw.replace(b"MODEL-HERE", b"auto"))
    assert sent == raw.replace(b"MODEL-HERE", b"gpt-5")


async def test_only_the_wish_for_usage_is_added(start: Start):
    raw = json.dumps({"messages": HI, "model": "auto", "stream": True, "tools": TOOLS_OPENAI})
    sent, _ = await upstream_body(start, config_of(GPT), CHAT, raw.encode())
    added = '{"stream_options":{"include_usage":true},'
    assert sent.decode() == added + raw[1:].replace('"auto"', '"gpt-5"')


# --- Anthropic's -------------------------------------------------------------------------------


async def test_anthropic_whole(claude: anthropic.AsyncAnthropic, providers: SimulatedProviders):
    raw = await claude.messages.with_raw_response.create(
        model="best",
        max_tokens=64,
        messages=HI,
        extra_headers={"anthropic-beta": "some-beta", "anthropic-version": "2024-01-01"},
    )
    message = await raw.parse()
    assert message.content[0].text
    assert message.usage.output_tokens > 0
    assert raw.headers["x-changeover-model"] == OPUS
    seen = providers.last_request("anthropic")
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == providers.key("anthropic")
    assert seen.headers["anthropic-version"] == "2024-01-01"
    assert seen.headers["anthropic-beta"] == "some-beta"
    assert TOKEN not in str(seen.headers)


async def test_anthropic_with_a_bearer_token(guarded: Gate):
    async with anthropic.AsyncAnthropic(base_url=guarded.url, auth_token=TOKEN) as client:
        assert (await client.messages.create(model="auto", max_tokens=9, messages=HI)).content


async def test_anthropic_streaming(claude: anthropic.AsyncAnthropic, guarded: Gate):
    async with claude.messages.stream(model="auto", max_tokens=64, messages=HI) as stream:
        text = "".join([text async for text in stream.text_stream])
        final = await stream.get_final_message()
    assert text == final.content[0].text
    (row,) = await guarded.attempts()
    assert row.usage.output_tokens == final.usage.output_tokens
    assert row.usage.input_tokens == final.usage.input_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic_falls_back_unseen(
    claude: anthropic.AsyncAnthropic, providers: SimulatedProviders, stream: bool
):
    providers.break_provider("anthropic", "rate_limit")
    providers.break_provider("openrouter", "bad_response")
    raw = await claude.messages.with_raw_response.create(
        model="auto", max_tokens=64, messages=HI, stream=stream
    )
    assert raw.headers["x-changeover-model"] == FLASH
    assert providers.last_request("deepseek").path == "/anthropic/v1/messages"
    if stream:
        kinds = [event.type async for event in await raw.parse()]
        assert kinds[0] == "message_start"
        assert kinds[-1] == "message_stop"


async def test_anthropic_errors(
    claude: anthropic.AsyncAnthropic, guarded: Gate, providers: SimulatedProviders
):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        await claude.messages.create(model="cheep", max_tokens=9, messages=HI)
    body: Any = unknown.value.body
    assert body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.AuthenticationError):
        await claude.with_options(api_key="no").messages.create(
            model="auto", max_tokens=9, messages=HI
        )
    for provider in ("anthropic", "openrouter", "deepseek", "ollama"):
        providers.break_provider(provider, "auth")
    with pytest.raises(anthropic.APIStatusError) as dead:
        await claude.messages.create(model="auto", max_tokens=9, messages=HI)
    assert dead.value.status_code == 503
    assert dead.value.request_id.startswith("req_")


async def test_anthropic_models(claude: anthropic.AsyncAnthropic):
    listed = [model async for model in claude.models.list()]
    assert {"auto", "cheap", OPUS} <= {model.id for model in listed}
    # Claude Code keeps only ids like these.
    kept = [model.id for model in listed if "claude" in model.id]
    assert {"claude-changeover-auto", "claude-changeover-cheap"} <= set(kept)
    answer = await claude.messages.with_raw_response.create(
        model="claude-changeover-cheap", max_tokens=9, messages=HI
    )
    assert answer.headers["x-changeover-model"] == FLASH
    opus = await claude.models.retrieve(OPUS)
    assert (opus.lifecycle, opus.max_input_tokens) == ("deprecated", 200_000)
    assert (await claude.models.retrieve(OPUS)).display_name == OPUS
    with pytest.raises(anthropic.NotFoundError):
        await claude.models.retrieve("nothing-like-it")


async def test_tools_pass_byte_for_byte_in_anthropics_dialect(start: Start):
    body = {
        "max_tokens": 64,
        "system": [{"type": "text", "text": "é", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": HI[0]["content"]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"model": "m"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "12"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                    },
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        "model": "MODEL-HERE",
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    raw = json.dumps(body).encode()
    sent, _ = await upstream_body(
        start, config_of(OPUS), MESSAGES, raw.replace(b"MODEL-HERE", b"best")
    )
    assert sent == raw.replace(b"MODEL-HERE", b"claude-opus-4-5")


async def test_anthropic_beta_calls(start: Start):
    seen = []

    async def script(call: Any) -> None:
        seen.append(call.path)
        await call.send(head("application/json"), b'{"type": "message", "content": []}')

    async with Chaos(script) as chaos:
        gate = await start(config_of(OPUS), ANTHROPIC_BASE_URL=chaos.url)
        await gate.ask(f"{MESSAGES}?beta=true", {"model": "auto", "messages": HI, "max_tokens": 1})
        await gate.ask(f"{MESSAGES}?key=secret", {"model": "auto", "messages": HI, "max_tokens": 1})
    assert seen == ["/v1/messages?beta=true", "/v1/messages"]


async def test_anthropic_betas_in_several_lines(start: Start):
    async def script(call: Any) -> None:
        assert call.header("anthropic-beta") == "one,two, three"
        await call.send(http(b'{"type": "message", "content": [{"type": "text", "text": "x"}]}'))

    async with Chaos(script) as chaos:
        gate = await start(config_of(OPUS), ANTHROPIC_BASE_URL=chaos.url)
        betas = CIMultiDict([("anthropic-beta", "one,two"), ("anthropic-beta", "three")])
        assert (await gate.ask(MESSAGES, headers=betas)).status == 200


async def test_counting_tokens(start: Start, providers: SimulatedProviders):
    async def script(call: Any) -> None:
        assert call.path == "/v1/messages/count_tokens"
        assert call.json["model"] == "claude-opus-4-5"
        assert call.header("x-api-key") == providers.key("anthropic")
        await call.send(head("application/json"), b'{"input_tokens": 14}')

    async with Chaos(script) as chaos:
        gate = await start(config_of(*CHAIN), ANTHROPIC_BASE_URL=chaos.url)
        async with anthropic.AsyncAnthropic(base_url=gate.url, api_key="any") as client:
            assert (
                await client.messages.count_tokens(model="best", messages=HI)
            ).input_tokens == 14
    assert await gate.attempts() == []


async def test_what_claude_code_asks_first(start: Start):
    gate = await start(GATEWAY_TOKEN=TOKEN)
    for method in ("HEAD", "GET"):
        assert (await gate.ask("/api/hello", method=method)).status == 200


async def test_a_system_turn_inside_the_messages_is_passed_on(start: Start):
    async def script(call: Any) -> None:
        assert call.json["messages"] == [*HI, {"role": "system", "content": "Be brief."}]
        await call.send(http(b'{"type": "message", "content": [{"type": "text", "text": "x"}]}'))

    async with Chaos(script) as chaos:
        gate = await start(config_of(OPUS), ANTHROPIC_BASE_URL=chaos.url)
        turns = [*HI, {"role": "system", "content": "Be brief."}]
        body = {"model": "auto", "max_tokens": 9, "messages": turns}
        assert (await gate.ask(MESSAGES, body)).status == 200


async def test_tokens_are_counted_by_who_would_answer(start: Start, providers: SimulatedProviders):
    counted = http(b'{"input_tokens": 14}')
    async with Chaos(lambda call: call.send(counted)) as chaos:
        gate = await start(config_of(OPUS, FLASH), DEEPSEEK_BASE_URL=chaos.url)
        # The simulated one has no such path, which nobody holds against it.
        for _ in range(3):
            assert (await gate.ask(f"{MESSAGES}/count_tokens")).status == 404
        providers.break_provider("anthropic", "rate_limit")
        await gate.ask(MESSAGES)
        answer = await gate.ask(f"{MESSAGES}/count_tokens")
    assert answer.json == {"input_tokens": 14}
    assert [call.path for call in chaos.calls][-1] == "/anthropic/v1/messages/count_tokens"


async def test_counting_tokens_where_nobody_can(start: Start):
    gate = await start(config_of(GPT, FLASH))
    for model in ("auto", GPT):
        answer = await gate.ask(f"{MESSAGES}/count_tokens", model=model)
        assert answer.status == 404
        assert answer.json["error"]["type"] == "not_found_error"
    unknown = await gate.ask(f"{MESSAGES}/count_tokens", model="cheep")
    assert unknown.status == 404
    gone = await gate.ask(f"{MESSAGES}/count_tokens", b"{}")
    assert gone.status == 400
