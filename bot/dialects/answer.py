"""Whether a whole answer is one: what a 200's JSON says, dialect by dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from bot.dialects.events import delta_content, item_content
from bot.dialects.stream import MAY_BE_EMPTY
from bot.dialects.wire import model_name, rows, table, words
from bot.models import Dialect
from bot.ports import Json


class AnswerState(StrEnum):
    """What a 200's JSON amounts to.

    BLOCKED is the provider's refusal of the caller's own content; EMPTY has the right shape and
    nothing in it; ERROR carries an error; NO_ANSWER is something else altogether.
    """

    GOOD = "good"
    EMPTY = "empty"
    BLOCKED = "blocked"
    ERROR = "error"
    NO_ANSWER = "no_answer"


_BLOCKED_BY = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"}
)


def answer_state(dialect: Dialect, body: Json) -> AnswerState:
    """Judge a whole answer's JSON.

    An answer cut short by its length limit may be empty; one of tool calls needs no text.
    """
    if not isinstance(body, dict):
        return AnswerState.NO_ANSWER
    if body.get("error") or body.get("type") == "error":
        return AnswerState.ERROR
    return _STATES[dialect](body)


def served_model(dialect: Dialect, body: Json) -> str | None:
    """Return the model that an answer says it is by, which need not be the one asked."""
    return model_name(table(body).get("modelVersion" if dialect is Dialect.GEMINI else "model"))


def _openai(body: Mapping[str, Json]) -> AnswerState:
    choices = [table(choice) for choice in rows(body.get("choices"))]
    if not any(isinstance(choice.get("message"), dict) for choice in choices):
        return AnswerState.NO_ANSWER
    finishes = {words(choice.get("finish_reason")) for choice in choices}
    if "error" in finishes or any(choice.get("error") for choice in choices):
        return AnswerState.ERROR
    content = any(delta_content(choice.get("message")) for choice in choices)
    return _good_if(content, finishes)


def _anthropic(body: Mapping[str, Json]) -> AnswerState:
    if not isinstance(body.get("content"), list):
        return AnswerState.NO_ANSWER
    content = any(delta_content(block) for block in body["content"])
    return _good_if(content, {words(body.get("stop_reason"))})


def _responses(body: Mapping[str, Json]) -> AnswerState:
    status, output = words(body.get("status")), body.get("output")
    if status in ("queued", "in_progress"):
        # It runs in the background, and can be fetched later.
        return AnswerState.GOOD
    if not isinstance(output, list):
        return AnswerState.NO_ANSWER
    if status == "failed":
        return AnswerState.ERROR
    why = words(table(body.get("incomplete_details")).get("reason"))
    return _good_if(any(map(item_content, output)), {why or status})


def _gemini(body: Mapping[str, Json]) -> AnswerState:
    candidates = [table(candidate) for candidate in rows(body.get("candidates"))]
    if not candidates:
        blocked = table(body.get("promptFeedback")).get("blockReason")
        return AnswerState.BLOCKED if blocked else AnswerState.NO_ANSWER
    finishes = {words(candidate.get("finishReason")) for candidate in candidates}
    parts = [
        part
        for candidate in candidates
        for part in rows(table(candidate.get("content")).get("parts"))
    ]
    content = any(delta_content(part) for part in parts)
    if not content and finishes & _BLOCKED_BY:
        return AnswerState.BLOCKED
    return _good_if(content, finishes)


def _ollama(body: Mapping[str, Json]) -> AnswerState:
    if not isinstance(body.get("message"), dict) or body.get("done") is not True:
        return AnswerState.NO_ANSWER
    return _good_if(delta_content(body["message"]), {words(body.get("done_reason"))})


def _good_if(content: bool, finishes: set[str]) -> AnswerState:
    return AnswerState.GOOD if content or finishes & MAY_BE_EMPTY else AnswerState.EMPTY


_STATES: Mapping[Dialect, Callable[[Mapping[str, Json]], AnswerState]] = {
    Dialect.OPENAI: _openai,
    Dialect.ANTHROPIC: _anthropic,
    Dialect.RESPONSES: _responses,
    Dialect.GEMINI: _gemini,
    Dialect.OLLAMA: _ollama,
}
