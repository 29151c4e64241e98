"""How the providers that speak OpenAI's dialect differ from it, one class a provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask
from adapters.simulated.faults import Fault
from adapters.simulated.surface import (
    ANTHROPIC_TYPES,
    Json,
    encode,
    google_error,
    invalid,
    sse,
    thinking_type,
)
from adapters.simulated.wire_openai import OpenAIChat


class OpenAIOwnChat(OpenAIChat):
    """OpenAI's endpoint, whose thinking models want the newer name of the limit."""

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Refuse `max_tokens` for a model that thinks."""
        thinking_model = str(body.get("model")).startswith("gpt-5")
        if thinking_model and body.get("max_tokens") is not None:
            return Fault(
                400,
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                code="unsupported_parameter",
                param="max_tokens",
            )
        return super().read(body, where)


class OpenRouterChat(OpenAIChat):
    """OpenRouter: its own error envelope, the cost in the usage, and comments while it waits."""

    id_prefix = "gen-demo"
    usage_unasked = True
    comment = b": OPENROUTER PROCESSING\n\n"
    request_id_header = "X-Generation-Id"

    def head(self, answer: Answer, kind: str) -> dict[str, Json]:
        """Name the provider behind OpenRouter as well."""
        maker = answer.model.partition("/")[0].title()
        return {**super().head(answer, kind), "provider": maker}

    def finish(self, answer: Answer) -> dict[str, Json]:
        """Add the upstream's own word."""
        native = "max_tokens" if answer.cut else "end_turn"
        return {**super().finish(answer), "native_finish_reason": native}

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Add what the call cost, in USD."""
        return {**super().usage(answer), "cost": float(answer.cost_usd), "is_byok": False}

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: {message, code: int, metadata?}, user_id}`."""
        error: dict[str, Json] = {"message": fault.message, "code": fault.status}
        if fault.details:
            error["metadata"] = dict(fault.details[0])
        return {"error": error, "user_id": "user_demo"}

    def broken_whole(self, answer: Answer, fault: Fault) -> bytes:
        """Put the error document inside the 200."""
        return encode(self.error(fault, answer.serial))

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Send a chunk that is an error and an end at once."""
        error = {"code": fault.status, "message": fault.message}
        yield self.chunk(answer, {"content": ""}, finish_reason="error", error=error)


class DeepSeekChat(OpenAIChat):
    """DeepSeek: cache counts of its own, visible thinking, padding while it waits."""

    comment = b": keep-alive\n\n"
    padding = b"\n"

    def thinking(self, body: Mapping[str, Json]) -> bool | None:
        """Read `thinking: {type: enabled|disabled}`."""
        return thinking_type(body)

    def thought(self, answer: Answer) -> dict[str, Json]:
        """Show it as `reasoning_content`."""
        return {"reasoning_content": "".join(answer.thought)} if answer.thought else {}

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Add cache hits and misses."""
        missed = answer.input_tokens - answer.cached_tokens
        return {
            **super().usage(answer),
            "prompt_cache_hit_tokens": answer.cached_tokens,
            "prompt_cache_miss_tokens": missed,
        }


class GroqChat(OpenAIChat):
    """Groq: counts under `x_groq` in the last chunk, errors without `param`."""

    def last_extras(self, answer: Answer) -> dict[str, Json]:
        """Add the usage that comes without being asked for."""
        return {"x_groq": {"id": f"req_demo{answer.serial:08d}", "usage": self.usage(answer)}}

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Add the times Groq is proud of."""
        times = {"queue_time": 0.01, "prompt_time": 0.001, "completion_time": 0.02}
        return {**self.plain_usage(answer), **times, "total_time": 0.021}

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: {message, type, code}}`, the code left out where there is none."""
        error = {"message": fault.message, "type": fault.type}
        return {"error": {**error, "code": fault.code} if fault.code else error}


class AnthropicLayerChat(OpenAIChat):
    """Anthropic's OpenAI layer: no breakdown of tokens, errors typed as Anthropic's own."""

    request_id_header = "request-id"

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Count tokens without any breakdown."""
        return self.plain_usage(answer)

    def error(self, fault: Fault, serial: int) -> Json:
        """Write OpenAI's envelope around Anthropic's types."""
        kind = ANTHROPIC_TYPES.get(fault.status, "api_error")
        error = {"message": fault.message, "type": kind, "param": None, "code": kind}
        return {"error": error}


class GeminiLayerChat(OpenAIChat):
    """Gemini's OpenAI layer: its error document is the only element of a list."""

    def resolve(self, model: str) -> str:
        """Take `models/…` as well."""
        return model.removeprefix("models/")

    def missing_key(self) -> Fault | None:
        """Ask for the Authorization header."""
        return invalid("Missing or invalid Authorization header.")

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `[{error: {code, message, status, details?}}]`."""
        return [google_error(fault)]

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Send the error document bare, since a list is no event."""
        yield self.chunk(answer, {"role": "assistant", "content": ""})
        yield sse(google_error(fault))


class OllamaChat(OpenAIChat):
    """Ollama's OpenAI layer: plain counts, an error's type derived from the status."""

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Count tokens without any breakdown."""
        return self.plain_usage(answer)

    def error(self, fault: Fault, serial: int) -> Json:
        """Write OpenAI's envelope without a code."""
        kinds = {400: "invalid_request_error", 404: "not_found_error"}
        kind = kinds.get(fault.status, "api_error")
        return {"error": {"message": fault.message, "type": kind, "param": None, "code": None}}
