"""Token counts made fit to be priced: nonsense taken out, and estimates where nobody counted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.models import Usage

MOST_TOKENS = 1_000_000_000
"""More than this in one call is no count."""

MOST_SEARCHES = 10_000
"""More than this in one call is no count of web searches."""

MOST_REPORTED_USD = Decimal(1_000_000)
"""More than this for one call is no price."""

_BYTES_PER_TOKEN = 4


def checked(usage: Usage) -> Usage:
    """Return the usage with what cannot be true taken out.

    A count that is negative or absurdly large is as good as none, a part is never larger than
    its whole, and a reported cost that is negative or absurd was not reported.
    """
    given, output = _count(usage.input_tokens), _count(usage.output_tokens)
    cached = min(_count(usage.cached_input_tokens), given)
    write = min(_count(usage.cache_write_tokens), given - cached)
    spoken = min(_count(usage.audio_output_tokens), output)
    cost = usage.reported_cost_usd
    sound = cost is not None and cost.is_finite() and 0 <= cost <= MOST_REPORTED_USD
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(_count(usage.cache_write_1h_tokens), write),
        reasoning_tokens=min(_count(usage.reasoning_tokens), output),
        reported_cost_usd=cost if sound else None,
        audio_input_tokens=min(_count(usage.audio_input_tokens), given - cached - write),
        audio_output_tokens=spoken,
        web_searches=min(_count(usage.web_searches), MOST_SEARCHES),
        terms=usage.terms,
        cached_audio_tokens=min(_count(usage.cached_audio_tokens), cached),
        image_output_tokens=min(_count(usage.image_output_tokens), output - spoken),
        asides=tuple(replace(aside, usage=checked(aside.usage)) for aside in usage.asides),
        doubtful=usage.doubtful,
    )


def estimate_cut(
    counted: Usage | None, *, request_bytes: int, answer_bytes: int
) -> tuple[Usage, bool]:
    """Return what an answer that broke off has used, and whether that is an estimate.

    What the provider counted before the break stands. What it did not count is estimated at
    four bytes a token, for the provider bills it all the same.
    """
    known = checked(counted or Usage())
    output = max(known.output_tokens, _tokens(answer_bytes))
    return _filled(known, request_bytes, output)


def uncounted(usage: Usage | None) -> bool:
    """Return whether a whole answer's count leaves out its input or its output.

    Every request has input, so zero is no count of it. What the provider billed needs no count.
    """
    if usage is None:
        return True
    return not (usage.reported_cost_usd or (usage.input_tokens and usage.output_tokens))


def estimate_whole(
    counted: Usage | None, *, request_bytes: int, answer_bytes: int
) -> tuple[Usage, bool]:
    """Return what a whole answer has used, and whether a part of that is an estimate."""
    known = checked(counted or Usage())
    return _filled(known, request_bytes, known.output_tokens or _tokens(answer_bytes))


def _filled(known: Usage, request_bytes: int, output: int) -> tuple[Usage, bool]:
    given = known.input_tokens or _tokens(request_bytes)
    estimated = (given, output) != (known.input_tokens, known.output_tokens)
    return replace(known, input_tokens=given, output_tokens=output), estimated


def _tokens(size_bytes: int) -> int:
    return min(-(-max(size_bytes, 0) // _BYTES_PER_TOKEN), MOST_TOKENS)


def _count(value: int) -> int:
    return value if 0 <= value <= MOST_TOKENS else 0
