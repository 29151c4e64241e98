"""Ollama's own chat: newline-delimited JSON unless the caller says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask, chunks_of, split_prompt
from adapters.simulated.faults import Fault
from adapters.simulated.surface import Json, Surface, encode, invalid

_NS_A_TOKEN = 20_000_000


class OllamaNative(Surface):
    """`POST /api/chat`."""

    stream_type = "application/x-ndjson"

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a chat request; it streams unless told not to."""
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not model:
            return invalid("model is required")
        if not isinstance(messages, list) or not messages:
            return invalid("messages are required")
        options = body.get("options")
        limit = options.get("num_predict") if isinstance(options, dict) else None
        head, tail, overhead = split_prompt(messages, body.get("tools"))
        return Ask(
            model=model,
            head=head,
            tail=tail,
            overhead_tokens=overhead,
            # Ollama's negative limits mean that there is none.
            max_tokens=limit if isinstance(limit, int) and limit >= 0 else None,
            stream=body.get("stream") is not False,
            thinking=body.get("think") is True,
        )

    def whole(self, answer: Answer) -> Json:
        """Write the last line with the whole text in it."""
        return self.last(answer, "".join(answer.text), "".join(answer.thought))

    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write one line a portion, and one with `done` and the counts."""
        for portion in chunks_of(answer.thought):
            yield _line(self.part(answer, "", portion))
        for portion in chunks_of(answer.text):
            yield _line(self.part(answer, portion))
        yield _line(self.last(answer, ""))

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Send an error where the first line should be."""
        yield _line(self.error(fault, answer.serial))

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: text}`."""
        return {"error": fault.message}

    def part(self, answer: Answer, text: str, thought: str = "") -> dict[str, Json]:
        """Write one line."""
        message = {"role": "assistant", "content": text}
        return {
            "model": answer.model,
            "created_at": answer.created.isoformat().replace("+00:00", "Z"),
            "message": {**message, "thinking": thought} if thought else message,
            "done": False,
        }

    def last(self, answer: Answer, text: str, thought: str = "") -> dict[str, Json]:
        """Write the line that ends an answer."""
        reading, writing = answer.input_tokens * 1_000_000, answer.output_tokens * _NS_A_TOKEN
        return {
            **self.part(answer, text, thought),
            "done": True,
            "done_reason": "length" if answer.cut else "stop",
            "total_duration": reading + writing + 5_000_000,
            "load_duration": 5_000_000,
            "prompt_eval_count": answer.input_tokens,
            "prompt_eval_duration": reading,
            "eval_count": answer.output_tokens,
            "eval_duration": writing,
        }


def _line(document: Json) -> bytes:
    return encode(document) + b"\n"
