"""OpenAI's Responses, as the providers speak it beside their chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from adapters.simulated.answers import Answer, Ask, chunks_of, split_prompt
from adapters.simulated.faults import Fault
from adapters.simulated.surface import Json, Surface, invalid, positive, sse
from adapters.simulated.wire_openai import OpenAIChat
from bot.dialects.response_body import response_body


class OpenAIResponses(Surface):
    """`POST …/responses`; `chat` is the same provider's other endpoint, whose errors it shares."""

    def __init__(self, path: str, chat: OpenAIChat) -> None:
        super().__init__(path, *chat.schemes)
        self._chat = chat
        self.comment, self.padding = chat.comment, chat.padding
        self.request_id_header = chat.request_id_header

    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a request, whose input may be a string."""
        model, items = body.get("model"), body.get("input")
        if not isinstance(model, str) or not model:
            return invalid("Missing required parameter: 'model'.", "model")
        if isinstance(items, str):
            items = [{"role": "user", "content": items}]
        if not isinstance(items, list) or not items:
            return invalid("Missing required parameter: 'input'.", "input")
        limit = body.get("max_output_tokens")
        if limit is not None and positive(limit) is None:
            return invalid("Invalid 'max_output_tokens': expected an integer.", "max_output_tokens")
        head, tail, overhead = split_prompt(items, body.get("instructions"), body.get("tools"))
        reasoning = body.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        return Ask(
            model=model,
            head=head,
            tail=tail,
            overhead_tokens=overhead,
            max_tokens=limit,
            stream=body.get("stream") is True,
            thinking=False if effort in ("none", "minimal") else None,
        )

    def resolve(self, model: str) -> str:
        """Turn the id a caller sent into the one to look up."""
        return self._chat.resolve(model)

    def missing_key(self) -> Fault | None:
        """Describe how this endpoint asks for a key where it differs from its provider."""
        return self._chat.missing_key()

    def error(self, fault: Fault, serial: int) -> Json:
        """Put a fault in the provider's envelope."""
        return self._chat.error(fault, serial)

    def whole(self, answer: Answer) -> Json:
        """Write a `response` that is over."""
        status = "incomplete" if answer.cut else "completed"
        why = {"reason": "max_output_tokens"} if answer.cut else None
        usage = {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": len(answer.thought)},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        }
        cost = self._chat.usage(answer).get("cost")
        if cost is not None:
            usage["cost"] = cost
        over = {"incomplete_details": why, "output": self._output(answer), "usage": usage}
        return self._response(answer, status, **over)

    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write the numbered events from `response.created` to the whole response."""
        for number, (kind, fields) in enumerate(self._events(answer)):
            yield sse({"type": kind, "sequence_number": number, **fields}, kind)

    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Begin, then fail where the content should be."""
        begun = self._response(answer, "in_progress")
        yield sse({"type": "response.created", "response": begun}, "response.created")
        error = {"code": fault.code or "server_error", "message": fault.message}
        failed = self._response(answer, "failed", error=error)
        yield sse({"type": "response.failed", "response": failed}, "response.failed")

    def _events(self, answer: Answer) -> Iterator[tuple[str, dict[str, Json]]]:
        begun = {"response": self._response(answer, "in_progress")}
        yield "response.created", begun
        yield "response.in_progress", begun
        for index, item in enumerate(self._output(answer)):
            thinks = item["type"] == "reasoning"
            opened = {**item, "summary" if thinks else "content": [], "status": "in_progress"}
            yield "response.output_item.added", {"output_index": index, "item": opened}
            yield from self._parts(answer, index, item)
            yield "response.output_item.done", {"output_index": index, "item": item}
        last = self.whole(answer)
        yield f"response.{last['status']}", {"response": last}

    def _parts(
        self, answer: Answer, index: int, item: Mapping[str, Json]
    ) -> Iterator[tuple[str, dict[str, Json]]]:
        where = {"item_id": item["id"], "output_index": index}
        if item["type"] == "reasoning":
            for portion in chunks_of(answer.thought):
                hint = {**where, "summary_index": 0, "delta": portion}
                yield "response.reasoning_summary_text.delta", hint
            return
        where["content_index"] = 0
        (part,) = item["content"]
        yield "response.content_part.added", {**where, "part": {**part, "text": ""}}
        for portion in chunks_of(answer.text):
            yield "response.output_text.delta", {**where, "delta": portion, "logprobs": []}
        yield "response.output_text.done", {**where, "text": part["text"], "logprobs": []}
        yield "response.content_part.done", {**where, "part": part}

    def _output(self, answer: Answer) -> list[dict[str, Json]]:
        items: list[dict[str, Json]] = []
        if answer.thought:
            summary = [{"type": "summary_text", "text": "".join(answer.thought)}]
            items.append(
                {"id": f"rs_demo{answer.serial:08d}", "type": "reasoning", "summary": summary}
            )
        if answer.text:
            text = "".join(answer.text)
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            items.append(
                {
                    "id": f"msg_demo{answer.serial:08d}",
                    "type": "message",
                    "status": "completed",
                    "role": "assistant",
                    "content": [part],
                }
            )
        return items

    def _response(self, answer: Answer, status: str, **more: Json) -> dict[str, Json]:
        id_, made_s = f"resp_demo{answer.serial:08d}", int(answer.created.timestamp())
        if status != "in_progress":
            more["completed_at"] = made_s
        return response_body(id_, made_s, answer.model, status, store=True, **more)
