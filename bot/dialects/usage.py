"""Tokens of an answer, read by each provider's own counting rules.

The totals are OpenTelemetry's: all input with what was cached in it, all output with the
thinking in it. Sources: the providers' API references of 2026-11; what they leave out of a sum
is said where it is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from math import ceil

from bot.dialects.wire import rows, table, words
from bot.models import Aside, Dialect, Usage
from bot.ports import Json

PROXY_COST = "x-litellm-response-cost"
"""The header in which LiteLLM's proxy says what a call cost, in USD.

Source: https://docs.litellm.ai/docs/proxy/response_headers
"""

MOST_TOKENS = 1_000_000_000
"""More than this in one call is no count."""

_MOST_COST_USD = Decimal(1_000_000)
_USAGE_KEYS = {Dialect.GEMINI: "usageMetadata"}
_OLLAMA_KEYS = ("prompt_eval_count", "eval_count")
_TIER = "service_tier"
_ANSWERS = "candidates"
_OUTPUT = "output"
_OWN_WORK = ("file_search_call", "code_interpreter_call", "image_generation_call", "shell_call")
_IN_TOTALS = ("message", "fallback_message")
_BESIDE_TOTALS = ("compaction", "advisor_message")
_MOST_ASIDES = 1_000
_MOST_NAME = 200
_MOST_DIGITS = 20
_MOST_SEARCHES = 10_000
_MOST_WORD = 40
# What providers call the terms that their listed prices are for.
_USUAL_TERMS = ("standard", "default", "auto", "on_demand", "global", "not_available")


def read_usage(dialect: Dialect, provider_id: str, body: Json) -> Usage | None:
    """Read a whole answer's usage; None when it has none that makes sense.

    A count that is negative, absurdly large or no number is as good as absent; a part is never
    larger than its whole; a fraction of a token is rounded up. Each makes the usage doubtful, and
    so does a search of Gemini's.
    """
    counts = usage_part(dialect, body)
    usage = _counted(dialect, provider_id, counts)
    if usage is None:
        return None
    given = counts.keys() & _COUNTS
    wrong = any(counts[k] is not None and _count(counts, k) is None for k in given)
    if wrong or _fractional(counts) or _grounded(table(body).get(_ANSWERS)):
        usage = replace(usage, doubtful=True)
    answer = _answer(dialect, body)
    output = [words(table(item).get("type")) for item in rows(answer.get(_OUTPUT))]
    if any(kind in _OWN_WORK for kind in output):
        usage = replace(usage, doubtful=True)
    searches = _searches(counts) or min(output.count("web_search_call"), _MOST_SEARCHES)
    terms = _terms(answer, counts)
    if searches or terms:
        usage = replace(usage, web_searches=searches, terms=terms)
    if dialect is Dialect.ANTHROPIC and counts.get("iterations"):
        usage = _with_iterations(usage, counts.get("iterations"))
    return _with_cost(usage, counts) if provider_id == "openrouter" else usage


def _counted(dialect: Dialect, provider_id: str, counts: Mapping[str, Json]) -> Usage | None:
    match dialect:
        case Dialect.ANTHROPIC:
            return _anthropic(counts)
        case Dialect.RESPONSES:
            return _responses(counts)
        case Dialect.GEMINI:
            return _gemini(counts)
        case Dialect.OLLAMA:
            return _of_totals(_count(counts, _OLLAMA_KEYS[0]), _count(counts, _OLLAMA_KEYS[1]))
        case _:
            return _openai(provider_id, counts)


def usage_part(dialect: Dialect, body: Json) -> Mapping[str, Json]:
    """Return the object in which an answer, or a stream's event, counts its tokens."""
    body = _answer(dialect, body)
    if dialect is Dialect.OLLAMA:
        return {key: body[key] for key in _OLLAMA_KEYS if key in body}
    counts = table(body.get(_USAGE_KEYS.get(dialect, "usage")))
    if not counts and dialect is Dialect.ANTHROPIC:
        return table(table(body.get("message")).get("usage"))
    if not counts and dialect is Dialect.OPENAI:
        return table(table(body.get("x_groq")).get("usage"))
    return counts


def _answer(dialect: Dialect, body: Json) -> Mapping[str, Json]:
    """Return an answer, which an event of Responses holds whole."""
    within = table(body).get("response") if dialect is Dialect.RESPONSES else None
    return within if isinstance(within, dict) else table(body)


_INPUT_COUNTS = (
    "prompt_tokens", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens",
    "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
    "promptTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount", "prompt_eval_count",
)  # fmt: skip
_INPUT_PARTS = (
    "prompt_tokens_details", "input_tokens_details", "cache_creation",
    "promptTokensDetails", "cacheTokensDetails", "toolUsePromptTokensDetails",
)  # fmt: skip
_COUNTS = frozenset({
    *_INPUT_COUNTS,
    "completion_tokens", "output_tokens", "candidatesTokenCount", "thoughtsTokenCount",
    "eval_count",
})  # fmt: skip
_COUNT_ENDINGS = ("tokens", "tokencount", "_count")
_LAST_KEYS = ("total_tokens", "totalTokenCount")


class UsageReader:
    """Adds up what a stream's events say of its usage.

    The counts of the input are one unit, and the last event that has any of them is believed:
    servers that translate answers may begin with all input in one count and end with what the
    cache had beside it. Of the other counts, which only grow as a stream goes on, the largest is
    kept.
    """

    __slots__ = ("_answers", "_counts", "_dialect", "_output", "_provider_id", "_tier")

    def __init__(self, dialect: Dialect, provider_id: str) -> None:
        self._dialect = dialect
        self._provider_id = provider_id
        self._counts: dict[str, Json] = {}
        self._tier: Json = None
        self._answers: Json = None
        self._output: Json = None

    def add(self, body: Json) -> None:
        """Take in one event's JSON, whether it counts anything or not."""
        self._tier = _answer(self._dialect, body).get(_TIER) or self._tier
        if _grounded(answers := table(body).get(_ANSWERS)):
            self._answers = answers
        if self._dialect is Dialect.RESPONSES:
            self._output = _answer(self._dialect, body).get(_OUTPUT) or self._output
        counts = usage_part(self._dialect, body)
        if counts:
            given = {k: n for k in _INPUT_COUNTS if (n := _count(counts, k)) is not None}
            if any(given.values()) and any(self._counts.get(k, 0) != n for k, n in given.items()):
                for key in (*_INPUT_COUNTS, *_INPUT_PARTS):
                    self._counts.pop(key, None)
            _grow(self._counts, counts)

    @property
    def usage(self) -> Usage | None:
        """The usage as far as it is known."""
        if not self._counts:
            return None
        key = _USAGE_KEYS.get(self._dialect, "usage")
        body = self._counts if self._dialect is Dialect.OLLAMA else {key: self._counts}
        body = {**body, _TIER: self._tier, _ANSWERS: self._answers, _OUTPUT: self._output}
        return read_usage(self._dialect, self._provider_id, body)


def _grow(known: dict[str, Json], counts: Mapping[str, Json]) -> None:
    for key, value in counts.items():
        if isinstance(value, dict):
            part = known.setdefault(key, {})
            if isinstance(part, dict):
                _grow(part, value)
        elif key in _LAST_KEYS:
            known[key] = value
        elif isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
            before = known.get(key)
            known[key] = max(value, before) if isinstance(before, int | float) else value
        elif isinstance(value, str) or (isinstance(value, list) and value):
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
    usage = _of_totals(
        given,
        output,
        cached=hit or 0 if cached is None else cached,
        write=_count(prompt, "cache_write_tokens") or 0,
        reasoning=reasoning or unnamed,
    )
    return _with_speech(usage, _count(prompt, "audio_tokens"), _count(completion, "audio_tokens"))


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
        reasoning=_count(table(counts.get("output_tokens_details")), "thinking_tokens") or 0,
    )


def _responses(counts: Mapping[str, Json]) -> Usage | None:
    """`input_tokens` counts all input, what the cache had or got included."""
    given, output = (table(counts.get(f"{side}_tokens_details")) for side in ("input", "output"))
    return _of_totals(
        _count(counts, "input_tokens"),
        _count(counts, "output_tokens"),
        cached=_count(given, "cached_tokens") or 0,
        write=_count(given, "cache_write_tokens") or 0,
        reasoning=_count(output, "reasoning_tokens") or 0,
    )


def _with_iterations(usage: Usage, iterations: Json) -> Usage:
    """Add what a server-side compaction and an advisor cost, which the totals leave out.

    A `message` is in the totals, and so is what a fallback model of the provider's own answered;
    an attempt that declined is not billed.
    Source: https://platform.claude.com/docs/en/build-with-claude/compaction
    """
    asides, doubtful = [], not isinstance(iterations, list)
    for row in rows(iterations):
        kind, counts = table(row).get("type"), table(row)
        if kind in _IN_TOTALS:
            continue
        part = _anthropic(counts) if kind in _BESIDE_TOTALS else None
        if part is None:
            doubtful = True
            continue
        model = words(counts.get("model")) if kind == "advisor_message" else ""
        doubtful = doubtful or (kind == "advisor_message" and not model)
        asides.append(Aside(part, model[:_MOST_NAME] or None))
    doubtful = doubtful or usage.doubtful
    return replace(usage, asides=tuple(asides[:_MOST_ASIDES]), doubtful=doubtful)


def _gemini(counts: Mapping[str, Json]) -> Usage | None:
    """Thoughts are counted beside the candidates, the tools' results beside the prompt."""
    prompt, answer = _count(counts, "promptTokenCount"), _count(counts, "candidatesTokenCount")
    thoughts = _count(counts, "thoughtsTokenCount")
    tools = _count(counts, "toolUsePromptTokenCount")
    usage = _of_totals(
        None if prompt is None and tools is None else (prompt or 0) + (tools or 0),
        None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        cached=_count(counts, "cachedContentTokenCount") or 0,
        reasoning=thoughts or 0,
    )
    cached_audio = _modality(counts, "cacheTokensDetails", "AUDIO")
    heard = _modality(counts, "promptTokensDetails", "AUDIO") - cached_audio
    heard += _modality(counts, "toolUsePromptTokensDetails", "AUDIO")
    spoken = _modality(counts, "candidatesTokensDetails", "AUDIO")
    drawn = _modality(counts, "candidatesTokensDetails", "IMAGE")
    usage = _with_speech(usage, heard, spoken)
    if usage is None or not (cached_audio or drawn):
        return usage
    return replace(
        usage,
        cached_audio_tokens=min(cached_audio, usage.cached_input_tokens),
        image_output_tokens=min(drawn, usage.output_tokens - usage.audio_output_tokens),
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
    doubtful = cached + write > given
    cached = min(cached, given)
    write = min(write, given - cached)
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(write_1h, write),
        reasoning_tokens=min(reasoning, output),
        doubtful=doubtful,
    )


def _with_speech(usage: Usage | None, heard: int | None, spoken: int | None) -> Usage | None:
    if usage is None or not (heard or spoken):
        return usage
    fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    return replace(
        usage,
        audio_input_tokens=min(max(heard or 0, 0), fresh),
        audio_output_tokens=min(spoken or 0, usage.output_tokens),
    )


def _searches(counts: Mapping[str, Json]) -> int:
    """Anthropic's own web searches, which cost beside the tokens; its fetches are free."""
    found = _count(table(counts.get("server_tool_use")), "web_search_requests") or 0
    return min(found, _MOST_SEARCHES)


def _grounded(body: Json) -> bool:
    """Return whether Gemini searched for an answer: billed, but for a share that Google counts.

    Source: https://ai.google.dev/gemini-api/docs/google-search
    """
    if not body:
        return False
    found = (table(table(one).get("groundingMetadata")) for one in rows(body))
    return any(rows(ground.get("webSearchQueries")) for ground in found)


def _modality(counts: Mapping[str, Json], key: str, modality: str) -> int:
    parts = [table(part) for part in rows(counts.get(key))]
    return sum(
        _count(part, "tokenCount") or 0 for part in parts if part.get("modality") == modality
    )


def _terms(body: Json, counts: Mapping[str, Json]) -> str:
    """Name what makes a call cost other than listed: its tier, its speed, its place.

    OpenAI and Groq tell the tier beside the usage, Anthropic in it, with `speed` (its fast mode
    costs a multiple) and `inference_geo` (a fixed region costs a tenth more).
    """
    told = (
        table(body).get(_TIER),
        counts.get(_TIER),
        counts.get("speed"),
        counts.get("inference_geo"),
    )
    words = [word[:_MOST_WORD] for word in told if word and isinstance(word, str)]
    return " ".join(dict.fromkeys(w for w in words if w not in _USUAL_TERMS)) if words else ""


def _with_cost(usage: Usage, counts: Mapping[str, Json]) -> Usage:
    """Take OpenRouter's word for what a call cost.

    With a key of the customer's own (BYOK) `cost` is OpenRouter's fee alone and the provider's
    bill comes beside it; without that bill nobody knows the cost. On other calls the provider's
    part is told too, and is in `cost` already.
    Source: https://openrouter.ai/docs/use-cases/usage-accounting
    """
    cost = _usd(counts.get("cost"))
    upstream = _usd(table(counts.get("cost_details")).get("upstream_inference_cost"))
    own_key = counts.get("is_byok")
    if own_key is None:
        own_key = cost is not None and upstream is not None and upstream > cost
    if cost is not None and own_key:
        cost = None if upstream is None else cost + upstream
    return replace(usage, reported_cost_usd=cost)


def with_proxy_cost(usage: Usage, told: str | None) -> Usage:
    """Take a proxy's word for what a call cost; LiteLLM says 0 where it has no price."""
    cost = _usd(told)
    return replace(usage, reported_cost_usd=cost) if cost else usage


def _usd(cost: Json) -> Decimal | None:
    if isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return None
    try:
        amount = Decimal(str(cost))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= _MOST_COST_USD else None


def _fractional(value: Json, key: str = "") -> bool:
    """Return whether a count, or a part of one, is no whole number; costs and times are none."""
    if isinstance(value, int | str):
        return False
    if isinstance(value, float):
        return key.lower().endswith(_COUNT_ENDINGS) and value % 1 > 0
    inner = value.items() if isinstance(value, dict) else ()
    listed = value if isinstance(value, list) else ()
    return any(_fractional(v, k) for k, v in inner) or any(_fractional(v, key) for v in listed)


def _count(counts: Mapping[str, Json], key: str) -> int | None:
    value = counts.get(key)
    if value is None:
        return None
    # The type itself: True is an int as well.
    if type(value) is int:
        number = value
    elif isinstance(value, str) and value.isdecimal() and value.isascii():
        number = int(value) if len(value) < _MOST_DIGITS else -1
    elif isinstance(value, float) and 0 <= value <= MOST_TOKENS:
        number = ceil(value)
    else:
        return None
    return number if 0 <= number <= MOST_TOKENS else None
