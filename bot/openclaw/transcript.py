"""One entry of a session's transcript: who answered, how it ended, what it used.

The same JSON stands in 1.x's `sessions/<id>.jsonl` and in 9.x's `transcript_events`. Its
`usage.input` excludes what came from the cache or went into it; ours includes both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from bot.models import Dialect, ModelRef, Usage
from bot.openclaw.log_lines import time_in

NOT_MODELS = frozenset({"delivery-mirror", "gateway-injected"})
"""What is in a model's place where OpenClaw itself wrote the message."""

AGAIN = ""
"""The words of a question that OpenClaw asks once more."""
_RETRIES = (
    "Continue where you left off. The previous model attempt failed or timed out.",
    "[Retry after the previous model attempt failed",
)
"""What OpenClaw itself says between two attempts at a question (2026.3.13, 5.28 to 9.6)."""

_DIALECTS = {
    "anthropic-messages": Dialect.ANTHROPIC,
    "openai-responses": Dialect.RESPONSES,
    "google-generative-ai": Dialect.GEMINI,
    "ollama": Dialect.OLLAMA,
}
_MOST_YEARS_MS = 4_102_444_800_000


class Role(StrEnum):
    """Whose message it is, as far as it matters here."""

    USER = "user"
    ASSISTANT = "assistant"


class Stop(StrEnum):
    """How an answer ended; after TOOLS more is to come to the same question."""

    GOOD = "good"
    TOOLS = "tools"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """A message of a person (`words` names what was asked) or of a model.

    `key` names it wherever it is copied to: a forked session keeps its parent's messages, ids
    and times, and they must not count again.
    """

    key: str
    at: datetime
    role: Role
    words: str = ""
    model: ModelRef | None = None
    stop: Stop = Stop.GOOD
    usage: Usage = field(default_factory=Usage)
    dialect: str = "openai"
    error: str = ""
    run: str = ""
    latency_ms: float | None = None


class Rubbish(StrEnum):
    """A line that is no entry."""

    RUBBISH = "rubbish"


def read_entry(raw: bytes) -> TranscriptMessage | Rubbish | None:
    """Read one line or event; None for entries that tell neither usage nor failures."""
    try:
        entry = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Rubbish.RUBBISH
    if not isinstance(entry, dict):
        return Rubbish.RUBBISH
    message = entry.get("message")
    if entry.get("type") != "message" or not isinstance(message, dict):
        return None
    role = message.get("role")
    if role not in ("user", "assistant"):
        return None
    at = time_in(_word(entry.get("timestamp"))) or _instant(message.get("timestamp"))
    if at is None:
        return Rubbish.RUBBISH
    id_ = _word(entry.get("id")) or hashlib.blake2b(raw, digest_size=12).hexdigest()
    key = f"openclaw:{id_}@{int(at.timestamp() * 1000)}"
    if role == Role.USER:
        content = message.get("content")
        return TranscriptMessage(
            key, at, Role.USER, words=AGAIN if _is_retry(content) else _digest(content)
        )
    return _answer(message, key, at)


def _answer(message: Mapping[str, Any], key: str, at: datetime) -> TranscriptMessage | None:
    ref = _ref(_word(message.get("provider")).strip(), _word(message.get("model")).strip())
    if ref is None or ref.name in NOT_MODELS:
        return None
    stop = {"error": Stop.FAILED, "aborted": Stop.ABORTED, "toolUse": Stop.TOOLS}
    began = _instant(message.get("timestamp"))
    taken_ms = (at - began).total_seconds() * 1000 if began else -1.0
    return TranscriptMessage(
        key,
        at,
        Role.ASSISTANT,
        model=ref,
        stop=stop.get(_word(message.get("stopReason")), Stop.GOOD),
        usage=usage_of(message.get("usage")),
        dialect=str(_DIALECTS.get(_word(message.get("api")), Dialect.OPENAI)),
        error=_word(message.get("errorMessage")),
        run=_run(message.get("__openclaw")),
        latency_ms=taken_ms if 0 <= taken_ms < 3_600_000 else None,
    )


@lru_cache(maxsize=512)
def _ref(provider: str, name: str) -> ModelRef | None:
    return ModelRef.parse(f"{provider}/{name}")


def usage_of(value: object) -> Usage:
    """Read a message's `usage`; what is missing or absurd is 0, a cost of 0 is not known."""
    counts = value if isinstance(value, dict) else {}
    cached, written = _count(counts.get("cacheRead")), _count(counts.get("cacheWrite"))
    cost = counts.get("cost")
    total = cost.get("total") if isinstance(cost, dict) else None
    reported = None
    if isinstance(total, int | float) and not isinstance(total, bool) and 0 < total < 1e6:
        reported = Decimal(str(total))
    return Usage(
        input_tokens=_count(counts.get("input")) + cached + written,
        output_tokens=_count(counts.get("output")),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reported_cost_usd=reported,
    )


def _run(value: object) -> str:
    """Return the run that 9.x notes beside a message; its log names runs by the same word."""
    return _word(value.get("runId")) if isinstance(value, dict) else ""


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value < 1e9 else 0


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value < _MOST_YEARS_MS:
        return None
    return datetime.fromtimestamp(value / 1000, UTC)


def _is_retry(content: object) -> bool:
    """Return whether a user's message is OpenClaw's own, which asks nothing new."""
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    # A date or what was said before may stand in front of it, and the question behind.
    return any(isinstance(one, str) and any(r in one for r in _RETRIES) for one in texts)


def _digest(content: object) -> str:
    words = json.dumps(content, sort_keys=True).encode("utf-8", "replace")
    return hashlib.blake2b(words, digest_size=8).hexdigest()


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
