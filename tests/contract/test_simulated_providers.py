"""The simulated providers answer in the providers' own formats, as the official clients see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.simulated import SimulatedProviders
from bot.catalog import shipped
from bot.models import AuthScheme, Dialect
from tests.support.fakes_demo import ASKED, anthropic_client, bearer, http_client, openai_client

OPENAI_ROUTES = [
    ("anthropic", "/v1", "claude-haiku-4-5"),
    ("openrouter", "/api/v1", "anthropic/claude-sonnet-4.5"),
    ("deepseek", "", "deepseek-flash"),
    ("deepseek", "/v1", "deepseek-flash"),
    ("ollama", "/v1", "llama3.3"),
    ("gemini", "/v1beta/openai", "gemini-2.5-flash"),
    ("openai", "/v1", "gpt-5-mini"),
    ("groq", "/openai/v1", "llama-3.1-8b-instant"),
]
ANTHROPIC_ROUTES = [
    ("anthropic", "claude-opus-4-5"),
    ("openrouter", "anthropic/claude-sonnet-4.5"),
    ("deepseek", "deepseek-flash"),
    ("ollama", "llama3.3"),
]


@pytest.fixture
async def demo() -> AsyncIterator[SimulatedProviders]:
    async with SimulatedProviders(latency_s=0) as providers:
        yield providers


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with http_client() as client:
        yield client


@pytest.mark.parametrize(("provider", "path", "model"), OPENAI_ROUTES)
async def test_openai_client_whole(
    demo: SimulatedProviders, provider: str, path: str, model: str
) -> None:
    async with openai_client(demo, provider, path=path) as client:
        answer = await client.chat.completions.create(model=model, messages=ASKED)
    text = answer.choices[0].message.content
    assert text is not None
    assert text.startswith(f"Simulated answer from {provider}/{model}.")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 10
    assert answer.usage.total_tokens == 10 + answer.usage.completion_tokens
    assert demo.counts(provider).by_model == {model: 1}


@pytest.mark.parametrize(("provider", "path", "model"), OPENAI_ROUTES)
async def test_openai_client_stream(
    demo: SimulatedProviders, provider: str, path: str, model: str
) -> None:
    async with openai_client(demo, provider, path=path) as client:
        whole = await client.chat.completions.create(model=model, messages=ASKED)
        for include_usage in (True, False):
            stream = await client.chat.completions.create(
                model=model,
                messages=ASKED,
                stream=True,
                stream_options={"include_usage": include_usage},
            )
            chunks = [chunk async for chunk in stream]
            choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
            text = "".join(choice.delta.content or "" for choice in choices)
            assert text == whole.choices[0].message.content
            assert [c.finish_reason for c in choices if c.finish_reason] == ["stop"]
            if include_usage or provider == "openrouter":
                assert chunks[-1].choices == []
                assert chunks[-1].usage == whole.usage
            else:
                assert not any(chunk.usage for chunk in chunks)


@pytest.mark.parametrize(("provider", "path", "model"), OPENAI_ROUTES)
async def test_the_limit_ends_an_openai_answer(
    demo: SimulatedProviders, provider: str, path: str, model: str
) -> None:
    async with openai_client(demo, provider, path=path) as client:
        answer = await client.chat.completions.create(
            model=model, messages=ASKED, max_completion_tokens=3
        )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize(("provider", "model"), ANTHROPIC_ROUTES)
async def test_anthropic_client_whole_and_stream(
    demo: SimulatedProviders, provider: str, model: str
) -> None:
    async with anthropic_client(demo, provider) as client:
        whole = await client.messages.create(model=model, messages=ASKED, max_tokens=500)
        async with client.messages.stream(model=model, messages=ASKED, max_tokens=500) as stream:
            streamed = await stream.get_final_message()
        cut = await client.messages.create(model=model, messages=ASKED, max_tokens=2)
    assert whole.content[0].type == "text"
    assert whole.content[0].text.startswith(f"Simulated answer from {provider}/{model}.")
    assert whole.stop_reason == streamed.stop_reason == "end_turn"
    assert whole.usage.input_tokens == streamed.usage.input_tokens == 10
    assert whole.usage.output_tokens == streamed.usage.output_tokens
    assert [block.type for block in streamed.content] == ["text"]
    assert streamed.content[0].to_dict() == whole.content[0].to_dict()
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)


async def test_an_alias_is_answered_by_its_snapshot(demo: SimulatedProviders) -> None:
    async with anthropic_client(demo, "anthropic") as client:
        answer = await client.messages.create(model="claude-opus-4-5", messages=ASKED, max_tokens=9)
    assert answer.model == "claude-opus-4-5-20251101"


async def test_the_official_clients_read_the_model_lists(demo: SimulatedProviders) -> None:
    async with anthropic_client(demo, "anthropic") as messages:
        assert "claude-opus-4-5" in [model.id async for model in messages.models.list()]
    for provider, path, name in OPENAI_ROUTES[1:]:
        async with openai_client(demo, provider, path=path) as client:
            ids = [m.id.removeprefix("models/") async for m in client.models.list()]
        assert name in ids


@pytest.mark.parametrize(
    ("provider", "path", "key"),
    [
        ("ollama", "/api/tags", "models"),
        ("ollama", "/api/version", "version"),
        ("gemini", "/v1beta/models", "models"),
        ("deepseek", "/user/balance", "balance_infos"),
        ("openrouter", "/api/v1/models", "data"),
        ("deepseek", "/models", "data"),
    ],
)
async def test_the_other_free_endpoints(
    demo: SimulatedProviders, http: httpx.AsyncClient, provider: str, path: str, key: str
) -> None:
    key_of = demo.key(provider)
    headers = {**bearer(demo, provider), "x-goog-api-key": key_of}
    answer = await http.get(demo.base_url(provider) + path, headers=headers)
    assert answer.status_code == 200
    assert answer.json()[key]


async def test_every_endpoint_of_the_catalog_is_simulated(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    for id_, provider in shipped().providers.items():
        for endpoint in provider.endpoints.values():
            path = (endpoint.prefix + endpoint.tail).replace("{model}", "nobody")
            answer = await http.post(demo.base_url(id_) + path, json={})
            assert answer.status_code in (400, 401, 403), (id_, path)
            keyless = endpoint.auth is AuthScheme.NONE
            assert keyless == (id_ == "ollama")
        listed = await http.get(
            demo.base_url(id_) + provider.list_path,
            headers={
                **bearer(demo, id_),
                "x-api-key": demo.key(id_),
                "x-goog-api-key": demo.key(id_),
            },
        )
        assert listed.status_code == 200, id_
    assert {d for p in shipped().providers.values() for d in p.endpoints} == set(Dialect)


async def test_the_environment_names_all_seven(demo: SimulatedProviders) -> None:
    env = demo.env()
    assert len(env) == 14
    for id_, provider in shipped().providers.items():
        assert env[provider.base_url_env or ""] == demo.base_url(id_)
        assert env[provider.key_env or ""] == demo.key(id_)
        assert id_ in demo.providers


async def test_the_last_request_is_there_to_look_at(
    demo: SimulatedProviders, http: httpx.AsyncClient
) -> None:
    assert demo.last_request("groq") is None
    url = demo.base_url("groq") + "/openai/v1/chat/completions?x=1"
    await http.post(url, content=b"{not json", headers={"X-Trace": "7"})
    seen = demo.last_request("groq")
    assert seen is not None
    assert (seen.method, seen.path, seen.query) == (
        "POST",
        "/openai/v1/chat/completions",
        {"x": "1"},
    )
    assert (seen.headers["x-trace"], seen.body, seen.json) == ("7", b"{not json", None)
    assert demo.counts("groq").failed == 1
