"""The official clients, pointed at the simulated providers."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import openai

from adapters.simulated import SimulatedProviders

ASKED: Any = [{"role": "user", "content": "Why is the sky blue?"}]

MODELS = {
    "anthropic": "claude-opus-4-5",
    "openrouter": "anthropic/claude-sonnet-4.5",
    "deepseek": "deepseek-flash",
    "ollama": "llama3.3",
    "gemini": "gemini-2.5-flash",
    "openai": "gpt-5",
    "groq": "llama-3.1-8b-instant",
}
"""A model of each provider."""

OPENAI_PATHS = {
    "anthropic": "/v1",
    "openrouter": "/api/v1",
    "deepseek": "",
    "ollama": "/v1",
    "gemini": "/v1beta/openai",
    "openai": "/v1",
    "groq": "/openai/v1",
}
"""What stands before `/chat/completions`."""

ANTHROPIC_PATHS = {"anthropic": "", "openrouter": "/api", "deepseek": "/anthropic", "ollama": ""}
"""What stands before `/v1/messages`."""


def openai_client(
    demo: SimulatedProviders, provider: str, *, path: str | None = None, key: str = ""
) -> openai.AsyncOpenAI:
    """Return OpenAI's client without retries and without certificates, which load slowly."""
    return openai.AsyncOpenAI(
        api_key=key or demo.key(provider),
        base_url=demo.base_url(provider) + (OPENAI_PATHS[provider] if path is None else path),
        http_client=openai.DefaultAsyncHttpxClient(verify=False),
        max_retries=0,
    )


def anthropic_client(
    demo: SimulatedProviders, provider: str, *, key: str = ""
) -> anthropic.AsyncAnthropic:
    """Return Anthropic's client without retries."""
    return anthropic.AsyncAnthropic(
        api_key=key or demo.key(provider),
        base_url=demo.base_url(provider) + ANTHROPIC_PATHS[provider],
        http_client=anthropic.DefaultAsyncHttpxClient(verify=False),
        max_retries=0,
    )


def http_client(timeout_s: float = 10) -> httpx.AsyncClient:
    """Return a plain client."""
    return httpx.AsyncClient(timeout=timeout_s, verify=False)


def bearer(demo: SimulatedProviders, provider: str) -> dict[str, str]:
    """Return the header most providers want."""
    return {"Authorization": f"Bearer {demo.key(provider)}"}


async def ask_openai(
    demo: SimulatedProviders, provider: str, *, model: str = "", key: str = "", stream: bool = False
) -> list[Any]:
    """Ask in OpenAI's dialect; return the answer, or every chunk of it."""
    async with openai_client(demo, provider, key=key) as client:
        answer: Any = await client.chat.completions.create(
            model=model or MODELS[provider], messages=ASKED, stream=stream
        )
        return [chunk async for chunk in answer] if stream else [answer]


async def ask_anthropic(
    demo: SimulatedProviders, provider: str, *, model: str = "", key: str = "", stream: bool = False
) -> list[Any]:
    """Ask in Anthropic's dialect; return the answer, or every event of it."""
    async with anthropic_client(demo, provider, key=key) as client:
        answer: Any = await client.messages.create(
            model=model or MODELS[provider], messages=ASKED, max_tokens=100, stream=stream
        )
        return [event async for event in answer] if stream else [answer]
