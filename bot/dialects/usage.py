"""Tokens of an answer, read by each provider's own counting rules.

The totals are OpenTelemetry's: all input with what was cached in it, all output with the
thinking in it. Sources: the providers' API references of 2026-11; what they leave out of a sum
is said where it is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from bot.dialects.wire import table
from bot.models import Dialect, Usage
from bot.ports import Json

MOST_TOKENS = 1_000_000_000
"""More than this in one call is no count."""

_MOST_COST_USD = Decimal(1_000_000)
_USAGE_KEYS = {Dialect.GEMINI: "usageMetadata"}
_OLLAMA_KEYS = ("prompt_eval_count", "eval_count")


def read_usage(dialect: Dialect, provider_id: str, body: Json) -> Usage | None:
    """Read a whole answer's usage; None when it has none that makes sense.

    A count that is negative, absurdly large or no number is as good as absent; a part is never
    larger than its whole.
    """
    counts = usage_part(dialect, body)
    match dialect:
        case Dialect.ANTHROPIC:
            usage = _anthropic(counts)
        case Dialect.GEMINI:
            usage = _gemini(counts)
        case Dialect.OLLAMA:
            usage = _of_totals(_count(counts, _OLLAMA_KEYS[0]), _count(counts, _OLLAMA_KEYS[1]))
        case _:
            usage = _openai(provider_id, counts)
    if usage is None or provider_id != "openrouter":
        return usage
    return _with_cost(usage, counts.get("cost"))


def usage_part(dialect: Dialect, body: Json) -> Mapping[str, Json]:
    """Return the object in which an answer, or a stream's event, counts its tokens."""
    body = table(body)
    if dialect is Dialect.OLLAMA:
        return {key: body[key] for key in _OLLAMA_KEYS if key in body}
    counts = table(body.get(_USAGE_KEYS.get(dialect, "usage")))
    if not counts and dialect is Dialect.ANTHROPIC:
        return table(table(body.get("message")).get("usage"))
    if not counts and dialect is Dialect.OPENAI:
        return table(table(body.get("x_groq")).get("usage"))
    return counts


class UsageReader:
    """Adds up what a stream's events say of its usage.

    Every provider's counts only grow as its stream goes on (Anthropic counts the input in the
    first event and the output in a late one), so the largest of each is kept.
    """

    __slots__ = ("_counts", "_dialect", "_provider_id")

    def __init__(self, dialect: Dialect, provider_id: str) -> None:
        self._dialect = dialect
        self._provider_id = provider_id
        self._counts: dict[str, Json] = {}

    def add(self, body: Json) -> None:
        """Take in one event's JSON, whether it counts anything or not."""
        counts = usage_part(self._dialect, body)
        if counts:
            _grow(self._counts, counts)

    @property
    def usage(self) -> Usage | None:
        """The usage as far as it is known."""
        if not self._counts:
            return None
        key = _USAGE_KEYS.get(self._dialect, "usage")
        body = self._counts if self._dialect is Dialect.OLLAMA else {key: self._counts}
        return read_usage(self._dialect, self._provider_id, body)


def _grow(known: dict[str, Json], counts: Mapping[str, Json]) -> None:
    for key, value in counts.items():
        if isinstance(value, dict):
            part = known.setdefault(key, {})
            if isinstance(part, dict):
                _grow(part, value)
        elif isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
            before = known.get(key)
            known[key] = max(value, before) if isinstance(before, int | float) else value
        elif isinstance(value, str):
            known[key] = value


def _openai(provider_id: str, counts: Mapping[str, Json]) -> Usage | None:
    prompt = table(counts.get("prompt_tokens_details"))
    completion = table(counts.get("completion_tokens_details"))
    hit = _count(counts, "prompt_cache_hit_tokens")
    miss = _count(counts, "prompt_cache_miss_tokens")
    cached = _count(prompt, "cached_tokens")
    given = _count(counts, "prompt_tokens")
    if given is None and (hit is not None or miss is not None):
        given = (hit or 0) + (miss or 0)
    reasoning = _count(completion, "reasoning_tokens") or 0
    output, unnamed = _openai_output(provider_id, counts, given, reasoning)
    return _of_totals(
        given,
        output,
        cached=hit or 0 if cached is None else cached,
        write=_count(prompt, "cache_write_tokens") or 0,
        reasoning=reasoning or unnamed,
    )


def _openai_output(
    provider_id: str, counts: Mapping[str, Json], given: int | None, reasoning: int
) -> tuple[int | None, int]:
    """Return all output, and how much of it is thinking that the answer does not name.

    Some count thinking beside `completion_tokens`, and only `total_tokens` holds it: Gemini's
    OpenAI layer without naming it, others with.
    """
    output, total = _count(counts, "completion_tokens"), _count(counts, "total_tokens")
    if total is None or given is None:
        return output, 0
    beside = total - given - (output or 0)
    if beside > 0 and (provider_id == "gemini" or beside == reasoning):
        return (output or 0) + beside, beside
    return output, 0


def _anthropic(counts: Mapping[str, Json]) -> Usage | None:
    """`input_tokens` counts only what was neither read from the cache nor written to it."""
    split = table(counts.get("cache_creation"))
    write_5m = _count(split, "ephemeral_5m_input_tokens") or 0
    write_1h = _count(split, "ephemeral_1h_input_tokens") or 0
    write = _count(counts, "cache_creation_input_tokens")
    write = write_5m + write_1h if write is None else write
    cached = _count(counts, "cache_read_input_tokens") or 0
    plain = _count(counts, "input_tokens")
    if plain is None and (cached or write):
        plain = 0
    return _of_totals(
        None if plain is None else plain + cached + write,
        _count(counts, "output_tokens"),
        cached=cached,
        write=write,
        write_1h=write_1h,
    )


def _gemini(counts: Mapping[str, Json]) -> Usage | None:
    """Thoughts are counted beside the candidates, the tools' results beside the prompt."""
    prompt, answer = _count(counts, "promptTokenCount"), _count(counts, "candidatesTokenCount")
    thoughts = _count(counts, "thoughtsTokenCount")
    tools = _count(counts, "toolUsePromptTokenCount")
    return _of_totals(
        None if prompt is None and tools is None else (prompt or 0) + (tools or 0),
        None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        cached=_count(counts, "cachedContentTokenCount") or 0,
        reasoning=thoughts or 0,
    )


def _of_totals(
    given: int | None,
    output: int | None,
    *,
    cached: int = 0,
    write: int = 0,
    write_1h: int = 0,
    reasoning: int = 0,
) -> Usage | None:
    if given is None and output is None:
        return None
    given, output = given or 0, output or 0
    cached = min(cached, given)
    write = min(write, given - cached)
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(write_1h, write),
        reasoning_tokens=min(reasoning, output),
    )


def _with_cost(usage: Usage, cost: Json) -> Usage:
    if isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return usage
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        return usage
    if not amount.is_finite() or not 0 <= amount <= _MOST_COST_USD:
        return usage
    return replace(usage, reported_cost_usd=amount)


def _count(counts: Mapping[str, Json], key: str) -> int | None:
    value = counts.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None
