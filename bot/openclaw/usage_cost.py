"""What OpenClaw counted itself (its RPC `usage.cost`), held against the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.openclaw.fallback_tracker import SOURCE
from bot.ports import Attempt, Json

CLOSE = 0.02
"""A difference of so much is of messages that came in between."""


@dataclass(frozen=True, slots=True)
class UsageCost:
    """Tokens of every kind and dollars; `fresh` False while its cache is still being filled."""

    tokens: int
    cost_usd: float
    fresh: bool = True


def usage_cost_of(payload: dict[str, Json]) -> UsageCost:
    """Read the answer; what is missing counts as none."""
    totals, cache = payload.get("totals"), payload.get("cacheStatus")
    status = cache.get("status") if isinstance(cache, dict) else "fresh"
    found = totals if isinstance(totals, dict) else {}
    return UsageCost(
        int(_number(found.get("totalTokens"))), _number(found.get("totalCost")), status == "fresh"
    )


def tokens_of(attempts: Iterable[Attempt]) -> int:
    """Sum the tokens of the attempts that were read out of OpenClaw's transcripts."""
    return sum(
        one.usage.input_tokens + one.usage.output_tokens for one in attempts if one.source == SOURCE
    )


def agree(theirs: int, ours: int) -> bool:
    """Return whether two counts are the same but for what came in between."""
    return abs(theirs - ours) <= CLOSE * max(theirs, ours)


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
