"""OpenAI's chat completions, the dialect that every provider speaks in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask, chunks_of, split_prompt
from adapters.simulated.faults import Fault
from adapters.simulated.surface import Json, Surface, encode, invalid, positive, sse

_DONE = b"data: [DONE]\n\n"


class OpenAIChat(Surface):
    """`POST …/chat/completions` as OpenAI itself speaks it."""

    id_prefix = "chatcmpl-demo"
    usage_unasked = False

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a chat completion request."""
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not model:
            return invalid("you must provide a model parameter")
        if not isinstance(messages, list) or not messages:
            return invalid("Missing required parameter: 'messages'.", "messages")
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        if limit is not None and positive(limit) is None:
            return invalid("Invalid 'max_tokens': expected an integer of at least 1.", "max_tokens")
        options = body.get("stream_options")
        head, tail, overhead = split_prompt(messages, body.get("tools"))
        return Ask(
            model=model,
            head=head,
            tail=tail,
            overhead_tokens=overhead,
            max_tokens=limit,
            stream=body.get("stream") is True,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
            thinking=self.thinking(body),
            marks_cache=b'"cache_control":' in encode(messages),
        )

    def thinking(self, body: Mapping[str, Json]) -> bool | None:
        """Read whether the caller wants the model to think."""
        return False if body.get("reasoning_effort") in ("none", "minimal") else None

    def whole(self, answer: Answer) -> Json:
        """Write a `chat.completion`."""
        message = {"role": "assistant", "content": "".join(answer.text), **self.thought(answer)}
        choice = {"index": 0, "message": message, "logprobs": None, **self.finish(answer)}
        head = self.head(answer, "chat.completion")
        return {**head, "choices": [choice], "usage": self.usage(answer)}

    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write `chat.completion.chunk` events and the closing `[DONE]`."""
        # Whoever asks for usage gets it in the last chunk, and a null in each one before.
        null: dict[str, Json] = {"usage": None} if ask.include_usage else {}
        yield self.chunk(answer, {"role": "assistant", "content": ""}, **null)
        if self.thought(answer):
            for portion in chunks_of(answer.thought):
                delta = {"content": None, "reasoning_content": portion}
                yield self.chunk(answer, delta, **null)
        for portion in chunks_of(answer.text):
            yield self.chunk(answer, {"content": portion}, **null)
        last = {**null, **self.finish(answer), **self.last_extras(answer)}
        yield self.chunk(answer, {}, **last)
        if ask.include_usage or self.usage_unasked:
            head = self.head(answer, "chat.completion.chunk")
            yield sse({**head, "choices": [], "usage": self.usage(answer)})
        yield _DONE

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Open the stream, then send an error where the content should be."""
        yield self.chunk(answer, {"role": "assistant", "content": ""})
        yield sse(self.error(fault, answer.serial))

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: {message, type, param, code}}`."""
        fields = {"message": fault.message, "type": fault.type}
        return {"error": {**fields, "param": fault.param, "code": fault.code}}

    def head(self, answer: Answer, kind: str) -> dict[str, Json]:
        """Write what a completion and each of its chunks begin with."""
        return {
            "id": f"{self.id_prefix}{answer.serial:08d}",
            "object": kind,
            "created": int(answer.created.timestamp()),
            "model": answer.model,
            "system_fingerprint": "fp_demo",
        }

    def chunk(self, answer: Answer, delta: Json, **fields: Json) -> bytes:
        """Write one chunk with one delta; fields beside `finish_reason` go on the chunk itself."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        of_choice = {key: fields.pop(key) for key in tuple(fields) if key.endswith("finish_reason")}
        head = self.head(answer, "chat.completion.chunk")
        return sse({**head, "choices": [{**choice, **of_choice}], **fields})

    def finish(self, answer: Answer) -> dict[str, Json]:
        """Explain why the answer ends."""
        return {"finish_reason": "length" if answer.cut else "stop"}

    def last_extras(self, answer: Answer) -> dict[str, Json]:
        """Add to the chunk that ends the answer."""
        return {}

    def thought(self, answer: Answer) -> dict[str, Json]:
        """Show the thinking, where the provider does; OpenAI only counts it."""
        return {}

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Count tokens: all input with the cached ones in it, all output with the thinking."""
        return {
            **self.plain_usage(answer),
            "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": len(answer.thought)},
        }

    @staticmethod
    def plain_usage(answer: Answer) -> dict[str, Json]:
        """Count tokens without any breakdown."""
        return {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
        }
