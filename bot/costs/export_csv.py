"""The ledger's rows as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal

from bot.costs.pricing import usd
from bot.models import Price
from bot.ports import Attempt

COLUMNS = (
    "at",
    "request_id",
    "attempt",
    "caller",
    "source",
    "asked",
    "model",
    "served",
    "provider",
    "status",
    "reason",
    "answered",
    "fallback",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "estimated",
    "price_source",
    "price_as_of",
    "input_usd_per_1m",
    "cached_input_usd_per_1m",
    "cache_write_usd_per_1m",
    "cache_write_1h_usd_per_1m",
    "output_usd_per_1m",
    "audio_input_tokens",
    "audio_output_tokens",
    "web_searches",
    "terms",
    "audio_input_usd_per_1m",
    "audio_output_usd_per_1m",
    "web_search_usd_per_1k",
    "agent",
    "session",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_csv(attempts: Iterable[Attempt]) -> bytes:
    """Write attempts as CSV in UTF-8; money as plain decimals, an unknown cost as nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for attempt in attempts:
        writer.writerow(_row(attempt))
    return out.getvalue().encode("utf-8", "replace")


def _row(attempt: Attempt) -> tuple[str, ...]:
    usage, price = attempt.usage, attempt.price
    cost = attempt.cost_nano_usd
    return (
        attempt.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        cell(attempt.request_id),
        str(attempt.number),
        cell(attempt.caller),
        cell(attempt.source),
        cell(attempt.asked),
        cell(str(attempt.model)),
        cell(attempt.served),
        cell(attempt.provider),
        str(attempt.status),
        str(attempt.reason or ""),
        _yes(attempt.answered),
        _yes(attempt.fallback),
        str(usage.input_tokens),
        str(usage.cached_input_tokens),
        str(usage.cache_write_tokens),
        str(usage.cache_write_1h_tokens),
        str(usage.output_tokens),
        str(usage.reasoning_tokens),
        "" if cost is None else f"{usd(cost):f}",
        _yes(attempt.estimated),
        *_price(price),
        str(usage.audio_input_tokens),
        str(usage.audio_output_tokens),
        str(usage.web_searches),
        cell(usage.terms),
        *_extra_rates(price),
        cell(attempt.agent),
        cell(attempt.session),
    )


def _price(price: Price | None) -> tuple[str, ...]:
    if price is None:
        return ("",) * 7
    rates = (
        price.input_usd_per_1m,
        price.cached_input_usd_per_1m,
        price.cache_write_usd_per_1m,
        price.cache_write_1h_usd_per_1m,
        price.output_usd_per_1m,
    )
    as_of = price.as_of.isoformat() if price.as_of else ""
    return (cell(price.source), as_of, *map(_rate, rates))


def _extra_rates(price: Price | None) -> tuple[str, ...]:
    if price is None:
        return ("",) * 3
    speech = (price.audio_input_usd_per_1m, price.audio_output_usd_per_1m)
    return tuple(map(_rate, (*speech, price.web_search_usd_per_1k)))


def _rate(rate: Decimal | None) -> str:
    return "" if rate is None else f"{rate:f}"


def cell(words: str | None) -> str:
    """Keep a spreadsheet from taking a text for a formula."""
    shown = words or ""
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _yes(value: bool) -> str:
    return "yes" if value else "no"
