"""The simulated providers refuse keys, models and requests in the providers' own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest

from adapters.simulated import SimulatedProviders
from tests.support.fakes_demo import ANTHROPIC_PATHS, ASKED, ask_anthropic, ask_openai, http_client


@pytest.fixture
async def demo() -> AsyncIterator[SimulatedProviders]:
    async with SimulatedProviders(latency_s=0) as providers:
        yield providers


WRONG_KEY: dict[str, dict[str, Any]] = {
    "openai": {"code": "invalid_api_key"},
    "groq": {"code": "invalid_api_key"},
    "deepseek": {"type": "authentication_error"},
    "openrouter": {"code": 401},
    "anthropic": {"type": "authentication_error"},
}


@pytest.mark.parametrize("provider", WRONG_KEY)
async def test_a_wrong_key_is_refused_as_the_provider_refuses(
    demo: SimulatedProviders, provider: str
) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await ask_openai(demo, provider, key="wrong")
    error = caught.value.response.json()["error"]
    assert WRONG_KEY[provider].items() <= error.items()


async def test_gemini_calls_a_wrong_key_a_bad_request(demo: SimulatedProviders) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask_openai(demo, "gemini", key="wrong")
    (document,) = caught.value.response.json()
    assert document["error"]["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize("provider", ["anthropic", "openrouter", "deepseek"])
async def test_a_wrong_key_at_the_anthropic_routes(demo: SimulatedProviders, provider: str) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        await ask_anthropic(demo, provider, key="wrong")


async def test_a_missing_key_has_words_of_its_own(demo: SimulatedProviders) -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    version = {"anthropic-version": "2023-06-01"}
    gemini = demo.base_url("gemini")
    async with http_client() as http:
        native = await http.post(
            f"{gemini}/v1beta/models/gemini-2.5-flash:generateContent?key={demo.key('gemini')}",
            json=body,
        )
        layer = await http.post(f"{gemini}/v1beta/openai/chat/completions", json={})
        claude = await http.post(
            demo.base_url("anthropic") + "/v1/messages", json={}, headers=version
        )
        groq = await http.get(demo.base_url("groq") + "/openai/v1/models")
    assert (native.status_code, native.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert layer.status_code == 400
    assert layer.json()[0]["error"]["message"] == "Missing or invalid Authorization header."
    assert claude.json()["error"]["message"] == "x-api-key header is required"
    assert claude.json()["request_id"] == claude.headers["request-id"]
    assert (groq.status_code, "param" in groq.json()["error"]) == (401, False)


UNKNOWN = {
    "anthropic": (404, "model: nobody"),
    "openrouter": (400, "nobody is not a valid model ID"),
    "deepseek": (400, "Model Not Exist"),
    "ollama": (404, "model 'nobody' not found"),
    "gemini": (404, "models/nobody is not found"),
    "openai": (404, "The model `nobody` does not exist"),
    "groq": (404, "The model `nobody` does not exist"),
}


@pytest.mark.parametrize("provider", UNKNOWN)
async def test_an_unknown_model_is_refused_as_the_provider_refuses(
    demo: SimulatedProviders, provider: str
) -> None:
    status, message = UNKNOWN[provider]
    with pytest.raises(openai.APIStatusError) as caught:
        await ask_openai(demo, provider, model="nobody")
    assert caught.value.status_code == status
    assert message in caught.value.response.text


@pytest.mark.parametrize(
    ("provider", "retired"),
    [
        ("anthropic", "claude-haiku-3-5"),
        ("deepseek", "deepseek-chat"),
        ("deepseek", "deepseek-reasoner"),
        ("openrouter", "anthropic/claude-sonnet-4-5"),
    ],
)
async def test_a_retired_or_misspelt_model_is_unknown(
    demo: SimulatedProviders, provider: str, retired: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await ask_openai(demo, provider, model=retired)
    assert caught.value.status_code == UNKNOWN[provider][0]


@pytest.mark.parametrize("provider", ANTHROPIC_PATHS)
async def test_an_unknown_model_at_the_anthropic_routes(
    demo: SimulatedProviders, provider: str
) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        await ask_anthropic(demo, provider, model="nobody")
    assert caught.value.status_code == UNKNOWN[provider][0]
    shape = set(caught.value.response.json())
    assert shape == ({"error"} if provider == "deepseek" else {"type", "error", "request_id"})


@pytest.mark.parametrize(
    "body",
    [
        {"model": "claude-opus-4-5", "messages": ASKED},
        {"model": "claude-opus-4-5", "messages": ASKED, "max_tokens": 0},
        {"model": "claude-opus-4-5", "messages": [], "max_tokens": 1},
        {"messages": ASKED, "max_tokens": 1},
        [],
    ],
)
async def test_a_callers_own_mistake_is_a_400(demo: SimulatedProviders, body: Any) -> None:
    headers = {"x-api-key": demo.key("anthropic"), "anthropic-version": "2023-06-01"}
    url = demo.base_url("anthropic") + "/v1/messages"
    async with http_client() as http:
        answer = await http.post(url, json=body, headers=headers)
        versionless = await http.post(url, json=body, headers={"x-api-key": headers["x-api-key"]})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "anthropic-version" in versionless.text


@pytest.mark.parametrize(
    ("provider", "path", "body"),
    [
        ("openai", "/v1/chat/completions", {"messages": ASKED}),
        ("openai", "/v1/chat/completions", {"model": "gpt-4.1"}),
        (
            "openai",
            "/v1/chat/completions",
            {"model": "gpt-4.1", "messages": ASKED, "max_tokens": 0},
        ),
        ("ollama", "/api/chat", {"messages": ASKED}),
        ("ollama", "/api/chat", {"model": "llama3.3"}),
        ("gemini", "/v1beta/models/gemini-2.5-flash:generateContent", {}),
        (
            "gemini",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            {"contents": ["hi"], "generationConfig": {"maxOutputTokens": -1}},
        ),
    ],
)
async def test_a_callers_own_mistake_in_the_other_dialects(
    demo: SimulatedProviders, provider: str, path: str, body: Any
) -> None:
    key = demo.key(provider)
    headers = {"Authorization": f"Bearer {key}", "x-goog-api-key": key}
    async with http_client() as http:
        answer = await http.post(demo.base_url(provider) + path, json=body, headers=headers)
    assert answer.status_code == 400
    assert "error" in answer.json()
