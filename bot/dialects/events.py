"""What one event of a stream says, dialect by dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from bot.dialects.state import made_by
from bot.dialects.wire import rows, table, words
from bot.models import Dialect
from bot.ports import Json


class Kind(StrEnum):
    """What an event is to whoever passes it on.

    SILENCE is a comment, padding or a ping: no sign that the model lives. USAGE counts tokens and
    nothing else, so it can be left out for a caller who did not ask. OTHER frames the content
    (role, block start), or repeats it. FINISH says why the answer ends and may carry content; END
    is the last event of a whole stream.
    """

    SILENCE = "silence"
    OTHER = "other"
    CONTENT = "content"
    USAGE = "usage"
    FINISH = "finish"
    END = "end"
    ERROR = "error"


class Reading(NamedTuple):
    """One event, understood. A NamedTuple, since one is made for every event of every stream.

    `thinking` is True where it opens a thinking block, shown or hidden, and False where it closes
    one. `finished` holds the indices of the choices that end with it, `made` the ids by which a
    later request may refer to the answer.
    """

    kind: Kind
    content: bool = False
    finish: str | None = None
    model: str = ""
    thinking: bool | None = None
    finished: tuple[Json, ...] = ()
    made: tuple[str, ...] = ()


ERROR = Reading(Kind.ERROR)
_LABELS = frozenset({"role", "type", "thought"})
_THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
_NOT_SAID = _LABELS | {"id", "index", "signature", "stop_reason", "stop_sequence"}
# Of Responses: what names or numbers an event.
_FRAMING = frozenset(
    {"type", "item", "sequence_number", "id", "item_id", "output_index", "content_index"}
    | {"summary_index", "annotation_index", "obfuscation", "logprobs"}
)
_CALLERS_OWN = ("function_call", "custom_tool_call")
_BEGUN = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDED = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
_ALIVE = frozenset({"keepalive", "ping"})


def read_event(dialect: Dialect, event: str, body: Json) -> Reading:
    """Read one event's JSON; `event` is the name beside it, empty where there is none."""
    if not isinstance(body, dict) or event == "error" or body.get("error"):
        return ERROR
    return _READERS[dialect](event, body)


def delta_content(delta: Json) -> bool:
    """Return whether a delta, message, block or part carries anything but its labels."""
    return any(value for key, value in table(delta).items() if key not in _LABELS)


def said_bytes(dialect: Dialect, body: Json) -> int:
    """Return how much text, in UTF-8, a whole answer or one event of a stream says.

    Reasoning and a tool's arguments count, names and labels do not.
    """
    return sum(map(_text_bytes, _SAID[dialect](table(body))))


def _text_bytes(value: Json) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return sum(_text_bytes(part) for key, part in value.items() if key not in _NOT_SAID)
    return sum(map(_text_bytes, value)) if isinstance(value, list) else 0


def _openai_said(body: Mapping[str, Json]) -> list[Json]:
    choices = [table(choice) for choice in rows(body.get("choices"))]
    return [choice.get(key) for choice in choices for key in ("delta", "message")]


def _anthropic_said(body: Mapping[str, Json]) -> list[Json]:
    return [body.get(key) for key in ("delta", "content_block", "content")]


def _responses_said(body: Mapping[str, Json]) -> list[Json]:
    return [body.get(key) for key in ("delta", "output")]


def _gemini_said(body: Mapping[str, Json]) -> list[Json]:
    return [table(candidate).get("content") for candidate in rows(body.get("candidates"))]


def _ollama_said(body: Mapping[str, Json]) -> list[Json]:
    return [body.get("message")]


def _openai(event: str, body: Mapping[str, Json]) -> Reading:
    model = words(body.get("model"))
    choices = [table(choice) for choice in rows(body.get("choices"))]
    if not choices:
        counts = body.get("usage") or table(body.get("x_groq")).get("usage")
        return Reading(Kind.USAGE if counts else Kind.OTHER, model=model)
    done = [choice for choice in choices if choice.get("finish_reason")]
    finish = words(done[0].get("finish_reason")) if done else ""
    if finish == "error" or any(choice.get("error") for choice in choices):
        return ERROR
    deltas = [table(choice.get("delta")) for choice in choices]
    content = any(map(delta_content, deltas))
    if finish:
        finished = tuple(choice.get("index") for choice in done)
        return Reading(Kind.FINISH, content, finish, model, False, finished)
    kind = Kind.CONTENT if content else Kind.OTHER
    return Reading(kind, content, None, model, any(map(_reasons, deltas)))


def _reasons(delta: Mapping[str, Json]) -> bool:
    """Return whether a delta is of the thinking that goes before an answer, be it empty."""
    said = delta.get("content") or delta.get("tool_calls")
    return not said and any(isinstance(delta.get(key), str | list) for key in _REASONING)


def _anthropic(event: str, body: Mapping[str, Json]) -> Reading:
    thinking: bool | None = None
    match words(body.get("type")) or event:
        case "error":
            return ERROR
        case "ping":
            return Reading(Kind.SILENCE)
        case "message_start":
            return Reading(Kind.OTHER, model=words(table(body.get("message")).get("model")))
        case "content_block_start":
            block = table(body.get("content_block"))
            content = delta_content(block)
            thinking = words(block.get("type")) in _THINKING_BLOCKS
        case "content_block_stop":
            content, thinking = False, False
        case "content_block_delta":
            content = delta_content(body.get("delta"))
        case "message_delta":
            finish = words(table(body.get("delta")).get("stop_reason"))
            return Reading(Kind.FINISH, finish=finish) if finish else Reading(Kind.OTHER)
        case "message_stop":
            return Reading(Kind.END)
        case _:
            return Reading(Kind.OTHER)
    return Reading(Kind.CONTENT if content else Kind.OTHER, content, thinking=thinking)


def _responses(event: str, body: Mapping[str, Json]) -> Reading:
    kind, answer = words(body.get("type")) or event, table(body.get("response"))
    if kind in ("error", "response.failed"):
        return ERROR
    if kind in _ALIVE:
        return Reading(Kind.SILENCE)
    model, made = words(answer.get("model")), made_by(answer)
    if kind in _BEGUN:
        # What runs in the background is accepted with this, and can be fetched later.
        return Reading(Kind.OTHER, answer.get("background") is True, None, model, made=made)
    if kind in _ENDED:
        why = words(table(answer.get("incomplete_details")).get("reason"))
        content = any(map(item_content, rows(answer.get("output"))))
        return Reading(Kind.END, content, why or kind.rpartition(".")[2], model, made=made)
    item = table(body.get("item"))
    content = kind.startswith("response.") and (item_content(item) or any(map(_says, body.items())))
    if kind.endswith(".done"):
        closed = False if item else None
        return Reading(Kind.OTHER, content, thinking=closed)
    opened = _may_be_silent(words(item.get("type"))) if item else None
    return Reading(Kind.CONTENT if content else Kind.OTHER, content, thinking=opened)


def _says(field: tuple[str, Json]) -> bool:
    name, value = field
    return name not in _FRAMING and (
        delta_content(value) if isinstance(value, dict) else bool(value)
    )


def item_content(item: Json) -> bool:
    """Return whether an item of Responses' output says or does anything.

    Reasoning that is only there encrypted is nothing that a caller has seen.
    """
    item = table(item)
    match words(item.get("type")):
        case "reasoning":
            parts = [*rows(item.get("summary")), *rows(item.get("content"))]
        case "message":
            parts = rows(item.get("content"))
        case kind:
            return bool(kind)
    return any(map(delta_content, parts))


def _may_be_silent(kind: str) -> bool:
    """Return whether an item may say nothing for minutes: reasoning, and what the provider runs."""
    return kind == "reasoning" or (kind.endswith("_call") and kind not in _CALLERS_OWN)


def _gemini(event: str, body: Mapping[str, Json]) -> Reading:
    model = words(body.get("modelVersion"))
    candidates = [table(candidate) for candidate in rows(body.get("candidates"))]
    if not candidates:
        if table(body.get("promptFeedback")).get("blockReason"):
            return ERROR
        return Reading(Kind.USAGE if body.get("usageMetadata") else Kind.OTHER, model=model)
    finish = next((words(c.get("finishReason")) for c in candidates if c.get("finishReason")), "")
    content = any(
        delta_content(part)
        for candidate in candidates
        for part in rows(table(candidate.get("content")).get("parts"))
    )
    if finish:
        return Reading(Kind.FINISH, content, finish, model)
    return Reading(Kind.CONTENT if content else Kind.OTHER, content, None, model)


def _ollama(event: str, body: Mapping[str, Json]) -> Reading:
    model = words(body.get("model"))
    content = delta_content(body.get("message"))
    if body.get("done") is True:
        return Reading(Kind.END, content, words(body.get("done_reason")) or "stop", model)
    return Reading(Kind.CONTENT if content else Kind.OTHER, content, None, model)


_READERS: Mapping[Dialect, Callable[[str, Mapping[str, Json]], Reading]] = {
    Dialect.OPENAI: _openai,
    Dialect.ANTHROPIC: _anthropic,
    Dialect.RESPONSES: _responses,
    Dialect.GEMINI: _gemini,
    Dialect.OLLAMA: _ollama,
}
_SAID: Mapping[Dialect, Callable[[Mapping[str, Json]], list[Json]]] = {
    Dialect.OPENAI: _openai_said,
    Dialect.ANTHROPIC: _anthropic_said,
    Dialect.RESPONSES: _responses_said,
    Dialect.GEMINI: _gemini_said,
    Dialect.OLLAMA: _ollama_said,
}
