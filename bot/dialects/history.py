"""A history that another model wrote: how providers refuse it, and what it needs to be taken.

After a fallback the history holds turns of several models. Their thinking is signed for the model
that wrote it, their tool ids follow other rules. Such a refusal is the fallback's doing and not the
caller's: the request is asked once more with that part put right, and nothing else changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from bot.dialects.wire import rows, table, words
from bot.models import Dialect
from bot.ports import Json


class Edit(StrEnum):
    """What is changed in the history, as the answer's header names it."""

    NO_THINKING = "foreign-thinking"
    EMPTY_THINKING = "missing-thinking"
    SIGNATURES = "thought-signatures"
    TOOL_IDS = "tool-ids"


@dataclass(frozen=True, slots=True)
class Complaint:
    """Words by which a provider refuses a foreign history, where they were seen, and when."""

    literal: str
    edit: Edit
    seen: str
    source: str


_GITHUB = "https://github.com/"

COMPLAINTS = (
    Complaint(
        r"invalid .?signature.? in .?thinking",
        Edit.NO_THINKING, "2026-01", _GITHUB + "tombii/better-ccflare/issues/52",
    ),
    Complaint(
        r"thinking.{0,40}blocks.{0,60}cannot be modified",
        Edit.NO_THINKING, "2026-05", _GITHUB + "anthropics/claude-code/issues/63284",
    ),
    Complaint(
        r"thinking\.signature: field required|unknown variant .?(?:redacted_)?thinking",
        Edit.NO_THINKING, "2026-08", _GITHUB + "agentforce314/clawcodex/pull/862",
    ),
    Complaint(
        r"expected .?thinking.? or .?redacted_thinking.?, but found",
        Edit.NO_THINKING, "2025-09", _GITHUB + "openai/openai-agents-python/issues/1704",
    ),
    Complaint(
        r"invalid_encrypted_content|encrypted content.{0,60}could not be (?:verified|decrypted)",
        Edit.NO_THINKING, "2025-12", _GITHUB + "openai/codex/issues/8145",
    ),
    Complaint(
        r"provided without its required .{0,20}item|item with id .?rs_.{0,80}not found",
        Edit.NO_THINKING, "2026-06", _GITHUB + "continuedev/continue/issues/12620",
    ),
    Complaint(
        r"property .?reasoning(?:_content|_details)?.? is unsupported",
        Edit.NO_THINKING, "2026-05", _GITHUB + "janhq/jan/issues/8136",
    ),
    Complaint(
        r"mismatch type .{0,40}reasoningdetail",
        Edit.NO_THINKING, "2026-03", _GITHUB + "iOfficeAI/gemini-cli-pro/pull/33",
    ),
    Complaint(
        r"(?:reasoning_content|content\[\]\.thinking).{0,60}must be passed back",
        Edit.EMPTY_THINKING, "2026-04", _GITHUB + "JohnnyZ93/oai-compatible-copilot/issues/215",
    ),
    Complaint(
        r"thinking is enabled but reasoning_content is missing",
        Edit.EMPTY_THINKING, "2026-03", _GITHUB + "continuedev/continue/issues/11600",
    ),
    Complaint(
        r"missing a .?thought_?signature",
        Edit.SIGNATURES, "2025-11", _GITHUB + "langgenius/dify-official-plugins/issues/2088",
    ),
    Complaint(
        r"(?:corrupted|invalid) thought.?signature",
        Edit.SIGNATURES, "2025-11", _GITHUB + "google-gemini/gemini-cli/issues/13467",
    ),
    Complaint(
        r"tool_use(?:_id|\.id)?\b.{0,40}should match pattern",
        Edit.TOOL_IDS, "2026-05", _GITHUB + "langchain-ai/langchain/pull/37756",
    ),
    Complaint(
        r"(?:tool_calls?\b.{0,20}\bid|\bcall_id).{0,20}string too long",
        Edit.TOOL_IDS, "2026-02", _GITHUB + "anomalyco/opencode/issues/12653",
    ),
    Complaint(
        r"tool call id was .{0,120}with a length of 9",
        Edit.TOOL_IDS, "2025-08", _GITHUB + "anomalyco/opencode/issues/1680",
    ),
)  # fmt: skip

_LITERALS = tuple((re.compile(one.literal, re.IGNORECASE), one.edit) for one in COMPLAINTS)
_READ_CHARACTERS = 8192
_NINE = re.compile(r"length of 9\b")
_THINKING_BLOCKS = ("thinking", "redacted_thinking", "reasoning")
_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
_EMPTY_BLOCK = {"type": "thinking", "thinking": "", "signature": ""}
# Google's own word for calls that another model made.
# Source: https://ai.google.dev/gemini-api/docs/thought-signatures
_UNSIGNED = "skip_thought_signature_validator"
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_ID = 40

# Items of Responses without a role.
_MADE_BY_MODEL = ("reasoning", "function_call", "custom_tool_call")

HISTORY = {
    Dialect.OPENAI: "messages",
    Dialect.ANTHROPIC: "messages",
    Dialect.RESPONSES: "input",
}
"""Where each dialect that callers speak has a conversation's turns."""

Messages = list[Json]


def edit_for(refusal: str) -> Edit | None:
    """Return what a refusal asks to be put right in a foreign history; None for any other."""
    text = refusal[:_READ_CHARACTERS]
    return next((edit for literal, edit in _LITERALS if literal.search(text)), None)


def wants_short_ids(refusal: str) -> bool:
    """Return whether a refusal of tool ids asks for nine letters and digits, as Mistral does."""
    return _NINE.search(refusal[:_READ_CHARACTERS]) is not None


def edited(
    dialect: Dialect,
    document: Mapping[str, Json],
    edits: Iterable[Edit],
    *,
    short_ids: bool = False,
) -> dict[str, Json]:
    """Return the top-level fields that change; none when there is nothing to put right."""
    field = HISTORY[dialect]
    before = rows(document.get(field))
    messages = before
    for edit in edits:
        if edit is Edit.TOOL_IDS:
            messages = _with_tool_ids(messages, short=short_ids)
        else:
            work = _EDITS[dialect, edit]
            turns = [(m, work(table(m)) if by_model(m) else m) for m in messages]
            messages = [new for old, new in turns if new is not None or old is None]
    changes: dict[str, Json] = {} if messages == before else {field: messages}
    if dialect is Dialect.ANTHROPIC and Edit.NO_THINKING in edits:
        changes |= _without_manual_thinking(document, messages)
    return changes


def by_model(message: Json) -> bool:
    """Return whether a model wrote a turn of a history, or an item of Responses."""
    turn = table(message)
    return turn.get("role") == "assistant" or turn.get("type") in _MADE_BY_MODEL


def _without_blocks(message: Mapping[str, Json]) -> Json:
    """Leave thinking out of a turn; a turn of nothing else goes."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    kept = [block for block in content if table(block).get("type") not in _THINKING_BLOCKS]
    if len(kept) == len(content):
        return message
    return {**message, "content": kept} if kept else None


def _without_reasoning(message: Mapping[str, Json]) -> Json:
    kept = {key: value for key, value in message.items() if key not in _REASONING_FIELDS}
    return _without_blocks(kept)


def _without_reasoning_item(item: Mapping[str, Json]) -> Json:
    """Leave out an item of reasoning, and the ids by which others would ask for theirs."""
    if item.get("type") == "reasoning":
        return None
    return {key: value for key, value in item.items() if key != "id"}


def _with_empty_block(message: Mapping[str, Json]) -> Json:
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    blocks = rows(content)
    if any(table(block).get("type") in _THINKING_BLOCKS for block in blocks):
        return message
    return {**message, "content": [_EMPTY_BLOCK, *blocks]}


def _with_empty_reasoning(message: Mapping[str, Json]) -> Json:
    if words(message.get("reasoning_content")):
        return message
    return {**message, "reasoning_content": ""}


def _with_signature(message: Mapping[str, Json]) -> Json:
    """Sign the first call of a turn, which stands for those beside it."""
    calls = rows(message.get("tool_calls"))
    if not calls:
        return message
    first = table(calls[0])
    extra = table(first.get("extra_content"))
    google = {**table(extra.get("google")), "thought_signature": _UNSIGNED}
    signed = {**first, "extra_content": {**extra, "google": google}}
    return {**message, "tool_calls": [signed, *calls[1:]]}


def _unchanged(message: Mapping[str, Json]) -> Json:
    return message


_EDITS: Mapping[tuple[Dialect, Edit], Callable[[Mapping[str, Json]], Json]] = {
    (Dialect.ANTHROPIC, Edit.NO_THINKING): _without_blocks,
    (Dialect.ANTHROPIC, Edit.EMPTY_THINKING): _with_empty_block,
    (Dialect.ANTHROPIC, Edit.SIGNATURES): _unchanged,
    (Dialect.RESPONSES, Edit.NO_THINKING): _without_reasoning_item,
    (Dialect.RESPONSES, Edit.EMPTY_THINKING): _unchanged,
    (Dialect.RESPONSES, Edit.SIGNATURES): _unchanged,
    (Dialect.OPENAI, Edit.NO_THINKING): _without_reasoning,
    (Dialect.OPENAI, Edit.EMPTY_THINKING): _with_empty_reasoning,
    (Dialect.OPENAI, Edit.SIGNATURES): _with_signature,
}


def _without_manual_thinking(document: Mapping[str, Json], messages: Messages) -> dict[str, Json]:
    """Turn thinking off for a request whose last turn goes on after tools.

    With a budget set, Anthropic wants that turn to start with its own thinking, which is gone;
    adaptive thinking has no such rule. What clears old thinking is refused without thinking.
    """
    if table(document.get("thinking")).get("type") != "enabled" or not _goes_on(messages):
        return {}
    changes: dict[str, Json] = {"thinking": {"type": "disabled"}}
    managed = table(document.get("context_management"))
    if managed:
        kept = [
            edit
            for edit in rows(managed.get("edits"))
            if not words(table(edit).get("type")).startswith("clear_thinking")
        ]
        changes["context_management"] = {**managed, "edits": kept} if kept else None
    return changes


def _goes_on(messages: Messages) -> bool:
    last = table(messages[-1]) if messages else {}
    if last.get("role") == "assistant":
        return True
    return any(table(block).get("type") == "tool_result" for block in rows(last.get("content")))


def _with_tool_ids(messages: Messages, *, short: bool) -> Messages:
    """Give every tool call an id that any provider takes, the same one to call and result."""
    return [_renamed(message, short) for message in messages]


def _renamed(value: Json, short: bool) -> Json:
    message = dict(table(value))
    if not message:
        return value
    for key in ("tool_call_id", "call_id"):
        if key in message:
            message[key] = _tool_id(message[key], short)
    for key in ("tool_calls", "content"):
        if isinstance(message.get(key), list):
            message[key] = [_renamed_part(part, short) for part in message[key]]
    return message


def _renamed_part(value: Json, short: bool) -> Json:
    part = table(value)
    key = "tool_use_id" if "tool_use_id" in part else "id"
    if key not in part:
        return value
    return {**part, key: _tool_id(part[key], short)}


def _tool_id(id_: Json, short: bool) -> Json:
    """Return an id as it is where it fits, else one made of it that stays the same every turn."""
    if not isinstance(id_, str):
        return id_
    if short:
        fits = len(id_) == 9 and id_.isascii() and id_.isalnum()
        return id_ if fits else sha256(id_.encode("utf-8", "replace")).hexdigest()[:9]
    if id_ and len(id_) <= _LONGEST_ID and not _ODD.search(id_):
        return id_
    digest = sha256(id_.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{_ODD.sub('_', id_)[: _LONGEST_ID - 9]}_{digest}"
