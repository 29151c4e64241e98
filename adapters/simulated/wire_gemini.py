"""Gemini's generateContent and streamGenerateContent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask, chunks_of, split_prompt
from adapters.simulated.faults import Fault
from adapters.simulated.surface import Json, Surface, google_error, invalid, positive, sse

# Google ends its event lines as MIME does.
_LINE_END = b"\r\n"


class GeminiGenerate(Surface):
    """`POST /v1beta/models/M:generateContent`."""

    streams = False

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a request; the model is in the path."""
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            return invalid("* GenerateContentRequest.contents: contents is not specified")
        config = body.get("generationConfig", body.get("generation_config"))
        config = config if isinstance(config, dict) else {}
        limit = config.get("maxOutputTokens")
        if limit is not None and positive(limit) is None:
            return invalid("max_output_tokens must be positive.")
        thinking = config.get("thinkingConfig")
        budget = thinking.get("thinkingBudget") if isinstance(thinking, dict) else None
        system = body.get("systemInstruction", body.get("system_instruction"))
        head, tail, overhead = split_prompt(contents, system, body.get("tools"))
        return Ask(
            model=where["model"],
            head=head,
            tail=tail,
            overhead_tokens=overhead,
            max_tokens=limit,
            stream=self.streams and where.get("alt") == "sse",
            thinking=None if budget is None else budget != 0,
        )

    def whole(self, answer: Answer) -> Json:
        """Write a `GenerateContentResponse`."""
        return self.portion(answer, "".join(answer.text), last=True)

    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write one response an event; the last one has the counts, and nothing says `[DONE]`."""
        for portion in self.portions(answer):
            yield sse(portion, end=_LINE_END)

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Send an error document as the first event."""
        yield sse(google_error(fault), end=_LINE_END)

    def error(self, fault: Fault, serial: int) -> Json:
        """Write `{error: {code, message, status, details?}}`."""
        return google_error(fault)

    def portions(self, answer: Answer) -> Iterator[dict[str, Json]]:
        """Cut the answer into the responses of a stream."""
        texts = list(chunks_of(answer.text)) or [""]
        for index, text in enumerate(texts):
            yield self.portion(answer, text, last=index == len(texts) - 1)

    def portion(self, answer: Answer, text: str, *, last: bool) -> dict[str, Json]:
        """Write one response; without text there are no parts, as when thinking used it all up."""
        content: dict[str, Json] = {"parts": [{"text": text}]} if text else {}
        candidate: dict[str, Json] = {"content": {**content, "role": "model"}, "index": 0}
        if last:
            candidate["finishReason"] = "MAX_TOKENS" if answer.cut else "STOP"
        return {
            "candidates": [candidate],
            "usageMetadata": self.usage(answer) if last else self.early_usage(answer),
            "modelVersion": answer.model,
            "responseId": f"demo{answer.serial:08d}",
        }

    def usage(self, answer: Answer) -> dict[str, Json]:
        """Count tokens: the prompt with the cached ones in it, thoughts beside the candidates."""
        counts = {
            "promptTokenCount": answer.input_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
        }
        # A count of zero is left out, as protobuf's JSON does.
        parts = {
            "candidatesTokenCount": len(answer.text),
            "thoughtsTokenCount": len(answer.thought),
            "cachedContentTokenCount": answer.cached_tokens,
        }
        return {**counts, **{key: count for key, count in parts.items() if count}}

    @staticmethod
    def early_usage(answer: Answer) -> dict[str, Json]:
        """Count what is known before the answer ends."""
        counts = {"promptTokenCount": answer.input_tokens}
        return {**counts, "totalTokenCount": answer.input_tokens}


class GeminiStream(GeminiGenerate):
    """`POST /v1beta/models/M:streamGenerateContent`; without `alt=sse` a JSON list."""

    streams = True

    def whole(self, answer: Answer) -> Json:
        """Write every response of the stream into one list."""
        return list(self.portions(answer))
