"""The seven simulated providers: their endpoints, keys and tempers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.simulated import lists
from adapters.simulated.flavours import (
    AnthropicLayerChat,
    DeepSeekChat,
    GeminiLayerChat,
    GroqChat,
    OllamaChat,
    OpenAIOwnChat,
    OpenRouterChat,
)
from adapters.simulated.lists import Listing
from adapters.simulated.surface import Surface
from adapters.simulated.wire_anthropic import (
    AnthropicMessages,
    DeepSeekMessages,
    OllamaMessages,
    OpenRouterMessages,
)
from adapters.simulated.wire_gemini import GeminiGenerate, GeminiStream
from adapters.simulated.wire_ollama import OllamaNative
from adapters.simulated.wire_responses import OpenAIResponses
from bot.models import AuthScheme

_BEARER, _X_API_KEY, _GOOGLE = AuthScheme.BEARER, AuthScheme.X_API_KEY, AuthScheme.X_GOOG_API_KEY


@dataclass(frozen=True, slots=True)
class Spec:
    """One provider: what it serves, the one key it knows, how long it thinks before it speaks."""

    id: str
    latency_s: float
    chats: tuple[Surface, ...]
    listings: tuple[Listing, ...]
    key: str = field(repr=False)


def _anthropic() -> Spec:
    # Documents speak of x-api-key; the official client sends the same key as a bearer token.
    messages = AnthropicMessages("/v1/messages", _X_API_KEY, _BEARER)
    layer = AnthropicLayerChat("/v1/chat/completions", _BEARER)
    return Spec(
        id="anthropic",
        latency_s=0.06,
        chats=(messages, layer),
        listings=(Listing("/v1/models", lists.anthropic_models, messages),),
        key="demo-anthropic-key",
    )


def _openai() -> Spec:
    chat = OpenAIOwnChat("/v1/chat/completions", _BEARER)
    models = lists.openai_own_models
    return Spec(
        id="openai",
        latency_s=0.05,
        chats=(chat, OpenAIResponses("/v1/responses", chat)),
        listings=(Listing("/v1/models", models, chat),),
        key="demo-openai-key",
    )


def _openrouter() -> Spec:
    chat = OpenRouterChat("/api/v1/chat/completions", _BEARER)
    messages = OpenRouterMessages("/api/v1/messages", _BEARER, _X_API_KEY)
    return Spec(
        id="openrouter",
        latency_s=0.08,
        chats=(chat, messages, OpenAIResponses("/api/v1/responses", chat)),
        listings=(
            Listing("/api/v1/models", lists.openrouter_models, chat, public=True),
            Listing("/api/v1/key", lists.openrouter_key, chat),
        ),
        key="demo-openrouter-key",
    )


def _deepseek() -> Spec:
    chat = DeepSeekChat("/chat/completions", _BEARER)
    models = lists.openai_models("deepseek", owned_by="deepseek")
    return Spec(
        id="deepseek",
        latency_s=0.07,
        chats=(
            chat,
            DeepSeekChat("/v1/chat/completions", _BEARER),
            OpenAIResponses("/responses", chat),
            DeepSeekMessages("/anthropic/v1/messages", _X_API_KEY, _BEARER),
        ),
        listings=(
            Listing("/models", models, chat),
            Listing("/v1/models", models, chat),
            Listing("/user/balance", lists.deepseek_balance, chat),
        ),
        key="demo-deepseek-key",
    )


def _groq() -> Spec:
    chat = GroqChat("/openai/v1/chat/completions", _BEARER)
    more = {**lists.created_and_owned("Groq"), "active": True, "context_window": 131072}
    return Spec(
        id="groq",
        latency_s=0.02,
        chats=(chat, OpenAIResponses("/openai/v1/responses", chat)),
        listings=(Listing("/openai/v1/models", lists.openai_models("groq", **more), chat),),
        key="demo-groq-key",
    )


def _gemini() -> Spec:
    native = GeminiGenerate("/v1beta/models/{model:[^:]+}:generateContent", _GOOGLE)
    stream = GeminiStream("/v1beta/models/{model:[^:]+}:streamGenerateContent", _GOOGLE)
    layer = GeminiLayerChat("/v1beta/openai/chat/completions", _BEARER)
    return Spec(
        id="gemini",
        latency_s=0.05,
        chats=(native, stream, layer),
        listings=(
            Listing("/v1beta/models", lists.gemini_models, native),
            Listing("/v1beta/openai/models", lists.gemini_layer_models, layer),
        ),
        key="demo-gemini-key",
    )


def _ollama() -> Spec:
    native = OllamaNative("/api/chat")
    layer = OllamaChat("/v1/chat/completions")
    models = lists.openai_models("ollama", **lists.created_and_owned("library"))
    return Spec(
        id="ollama",
        latency_s=0.2,
        chats=(
            native,
            layer,
            OllamaMessages("/v1/messages"),
            OpenAIResponses("/v1/responses", layer),
        ),
        listings=(
            Listing("/api/tags", lists.ollama_tags, native),
            Listing("/api/version", lists.ollama_version, native),
            Listing("/v1/models", models, layer),
            Listing("/", lambda scene: "Ollama is running", native),
        ),
        key="ollama",
    )


PROVIDERS: Mapping[str, Spec] = {
    spec.id: spec
    for spec in (
        _anthropic(),
        _openrouter(),
        _deepseek(),
        _ollama(),
        _gemini(),
        _openai(),
        _groq(),
    )
}
"""Every simulated provider by its id, in the catalog's order."""
