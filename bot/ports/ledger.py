"""The ledger: one row per attempt that cost or failed, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.models import FailureReason, GroupBy, ModelRef, Price, Usage


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one hop on behalf of a caller's request.

    `request_id` and `number` (from 1) name it; adding it twice counts once. `answered` marks the
    attempt that the caller got; the request counts once, with its last attempt (`last`).
    `fallback` is True when another than the chain's first hop answered. `model` is what was
    asked, `served` what the answer said. `cost_nano_usd` is in billionths of a dollar, None when
    unpriced; `estimated` when it is not of the provider's own count. `caller` is the label of the
    caller's token, never the token. `trial` is the id of the trial that the request was a part of,
    `candidate` whether its arm was the candidate's; `conversation` groups a trial's requests.
    """

    at: datetime
    request_id: str
    number: int
    model: ModelRef
    provider: str
    usage: Usage
    asked: str = ""
    served: str | None = None
    dialect: str = "openai"
    caller: str | None = None
    source: str = "gateway"
    agent: str | None = None
    session: str | None = None
    stream: bool = False
    status: int = 200
    reason: FailureReason | None = None
    answered: bool = True
    last: bool = True
    fallback: bool = False
    cost_nano_usd: int | None = None
    estimated: bool = False
    price: Price | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    trial: int | None = None
    candidate: bool | None = None
    conversation: int | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """What one group adds up to.

    `cost_nano_usd` sums the priced attempts; `unpriced` counts attempts with tokens and no price.
    `requests` counts callers' requests, not attempts. `fallback_cost_nano_usd` is the part spent
    on requests that a fallback answered, `estimated_cost_nano_usd` the part that is a guess.
    """

    key: str
    cost_nano_usd: int = 0
    requests: int = 0
    fallback_requests: int = 0
    attempts: int = 0
    failed: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    fallback_cost_nano_usd: int = 0
    estimated_cost_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class Bill:
    """What a provider itself says was spent on one UTC day."""

    provider: str
    day: date
    amount_usd_nano: int
    fetched_at: datetime


class Ledger(Protocol):
    """Attempts and their hourly rollups. Every method raises StorageError when it cannot."""

    async def add(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts and their rollups in one transaction; known ones are left out."""
        ...

    async def spend(
        self, start: datetime, end: datetime, by: GroupBy, *, zone: str = "UTC"
    ) -> Sequence[Spend]:
        """Add up what lies in [start, end), costliest first; days are those of `zone`.

        Whole hours come from the rollups, the ragged ends from the rows.
        """
        ...

    async def first_at(self) -> datetime | None:
        """When the oldest attempt was made; the ledger counts since then."""
        ...

    async def kept_since(self) -> datetime | None:
        """Since when attempts are still there; None when none were dropped. Sums stay."""
        ...

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        """Return attempts, newest first."""
        ...

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        """Store what providers say, replacing what they said before of the same day."""
        ...

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        """Return the bills of the days in [start, end)."""
        ...
