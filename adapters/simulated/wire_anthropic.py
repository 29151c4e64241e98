"""Anthropic's messages, and how three other providers' versions of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask, chunks_of, split_prompt
from adapters.simulated.faults import Fault
from adapters.simulated.surface import (
    ANTHROPIC_TYPES,
    Json,
    Surface,
    encode,
    invalid,
    positive,
    sse,
    thinking_type,
)


class AnthropicMessages(Surface):
    """`POST …/v1/messages` as Anthropic itself speaks it."""

    request_id_header = "request-id"

    def headers_fault(self, headers: Mapping[str, str]) -> Fault | None:
        """Insist on a version, as the API does."""
        if "anthropic-version" in headers:
            return None
        return invalid("anthropic-version: header is required")

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a messages request."""
        model, messages, limit = body.get("model"), body.get("messages"), body.get("max_tokens")
        if not isinstance(model, str) or not model:
            return invalid("model: Field required")
        if not isinstance(messages, list) or not messages:
            return invalid("messages: at least one message is required")
        if limit is None:
            return invalid("max_tokens: Field required")
        if positive(limit) is None:
            return invalid("max_tokens: must be greater than or equal to 1")
        head, tail, overhead = split_prompt(messages, body.get("system"), body.get("tools"))
        return Ask(
            model=model,
            head=head,
            tail=tail,
            overhead_tokens=overhead,
            max_tokens=limit,
            stream=body.get("stream") is True,
            thinking=self.thinking(body),
            marks_cache=b'"cache_control":' in encode([body.get("system"), messages]),
        )

    def thinking(self, body: Mapping[str, Json]) -> bool | None:
        """Read whether the model may think; here it does so only when told to."""
        return thinking_type(body) or False

    def whole(self, answer: Answer) -> Json:
        """Write a `message`."""
        reason = "max_tokens" if answer.cut else "end_turn"
        usage = {**self.input_usage(answer), "output_tokens": answer.output_tokens}
        return self.message(answer, self.blocks(answer), reason, usage)

    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write the events from `message_start` to `message_stop`."""
        yield self.start(answer)
        yield sse({"type": "ping"}, "ping")
        for index, block in enumerate(self.blocks(answer)):
            yield from self.block_events(index, block, answer)
        reason = "max_tokens" if answer.cut else "end_turn"
        delta = {"stop_reason": reason, "stop_sequence": None}
        usage = {**self.final_usage(answer), "output_tokens": answer.output_tokens}
        yield sse({"type": "message_delta", "delta": delta, "usage": usage}, "message_delta")
        yield sse({"type": "message_stop"}, "message_stop")

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Start the message, then send the error event that may come inside a 200."""
        yield self.start(answer)
        yield sse({"type": "ping"}, "ping")
        kind = ANTHROPIC_TYPES.get(fault.status, "api_error")
        error = {"type": kind, "message": fault.message}
        yield sse({"type": "error", "error": error}, "error")

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{type: error, error: {type, message}, request_id}`."""
        kind = ANTHROPIC_TYPES.get(fault.status, "api_error")
        error = {"type": kind, "message": fault.message}
        return {"type": "error", "error": error, "request_id": f"req_demo{serial:08d}"}

    def start(self, answer: Answer) -> bytes:
        """Write `message_start`, which brings the input's counts."""
        usage = {**self.input_usage(answer), "output_tokens": 1}
        message = self.message(answer, [], None, usage)
        return sse({"type": "message_start", "message": message}, "message_start")

    def message(
        self, answer: Answer, blocks: list[dict[str, Json]], reason: str | None, usage: Json
    ) -> dict[str, Json]:
        """Write the message object, finished or just begun."""
        return {
            "id": f"msg_demo{answer.serial:08d}",
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": blocks,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": usage,
        }

    def blocks(self, answer: Answer) -> list[dict[str, Json]]:
        """Write the content: thinking if there was any, then text; never an empty block."""
        thinking = {
            "type": "thinking",
            "thinking": "".join(answer.thought),
            "signature": f"demo{answer.serial:08d}",
        }
        text = {"type": "text", "text": "".join(answer.text)}
        return [
            block for block, pieces in ((thinking, answer.thought), (text, answer.text)) if pieces
        ]

    def block_events(
        self, index: int, block: Mapping[str, Json], answer: Answer
    ) -> Iterator[bytes]:
        """Write one content block from its start to its stop."""
        kind = block["type"]
        pieces = answer.thought if kind == "thinking" else answer.text
        empty = {key: value if key == "type" else "" for key, value in block.items()}
        start = {"type": "content_block_start", "index": index, "content_block": empty}
        yield sse(start, "content_block_start")
        deltas = [{"type": f"{kind}_delta", kind: portion} for portion in chunks_of(pieces)]
        if kind == "thinking":
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        for delta in deltas:
            event = {"type": "content_block_delta", "index": index, "delta": delta}
            yield sse(event, "content_block_delta")
        yield sse({"type": "content_block_stop", "index": index}, "content_block_stop")

    def input_usage(self, answer: Answer) -> dict[str, Json]:
        """Count input: `input_tokens` leaves out what was read from or written to the cache."""
        return {
            "input_tokens": answer.input_tokens - answer.cached_tokens - answer.written_tokens,
            "cache_creation_input_tokens": answer.written_tokens,
            "cache_read_input_tokens": answer.cached_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": answer.written_tokens,
                "ephemeral_1h_input_tokens": 0,
            },
            "service_tier": "standard",
        }

    def final_usage(self, answer: Answer) -> dict[str, Json]:
        """Repeat the input's counts at the end of a stream."""
        keys = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        counts = self.input_usage(answer)
        return {key: counts[key] for key in keys if key in counts}


class OpenRouterMessages(AnthropicMessages):
    """OpenRouter: comments while it waits, the cost in the usage, no version wanted."""

    comment = b": OPENROUTER PROCESSING\n\n"
    request_id_header = "X-Generation-Id"

    def headers_fault(self, headers: Mapping[str, str]) -> Fault | None:
        """Take any version or none."""
        return None

    def whole(self, answer: Answer) -> Json:
        """Add what the call cost, in USD."""
        document = super().whole(answer)
        return {**document, "usage": {**document["usage"], "cost": float(answer.cost_usd)}}

    def final_usage(self, answer: Answer) -> dict[str, Json]:
        """Add what the call cost, in USD."""
        return {**super().final_usage(answer), "cost": float(answer.cost_usd)}


class DeepSeekMessages(AnthropicMessages):
    """DeepSeek: Claude's names are mapped to its own models, errors are shaped as OpenAI's."""

    comment = b": keep-alive\n\n"
    padding = b"\n"

    def headers_fault(self, headers: Mapping[str, str]) -> Fault | None:
        """Take any version or none."""
        return None

    def resolve(self, model: str) -> str:
        """Serve Claude's names with DeepSeek's models."""
        if model.startswith("claude-opus"):
            return "deepseek-v4-pro"
        return "deepseek-flash" if model.startswith("claude") else model

    def thinking(self, body: Mapping[str, Json]) -> bool | None:
        """Leave it to the model when the caller does."""
        return thinking_type(body)

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: {message, type, param, code}}`."""
        fields = {"message": fault.message, "type": fault.type}
        return {"error": {**fields, "param": fault.param, "code": fault.code}}


class OllamaMessages(AnthropicMessages):
    """Ollama: plain counts, no version wanted."""

    def headers_fault(self, headers: Mapping[str, str]) -> Fault | None:
        """Take any version or none."""
        return None

    def input_usage(self, answer: Answer) -> dict[str, Json]:
        """Count input without a cache."""
        return {"input_tokens": answer.input_tokens}
