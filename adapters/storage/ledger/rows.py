"""Attempts as rows of the ledger, and what rows add up to.

The figures of a rollup are those of `bot.ports.Spend`, by the same names.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import date
from decimal import Decimal
from functools import lru_cache
from operator import add
from typing import Any

from adapters.storage.codec import micros_of, plain, time_of
from adapters.storage.connection import Row
from adapters.storage.ledger.periods import HOUR, QUARTER_HOUR
from bot.models import FailureReason, ModelRef, Price, PriceTier, Usage
from bot.ports import Attempt, Spend

DbRow = dict[str, Any]

FIGURES: tuple[str, ...] = tuple(field.name for field in fields(Spend))[1:]
"""What is added up."""

_KIN = ("model", "provider", "caller", "source", "agent")
HOURLY_KEY = ("hour", *_KIN)
QUARTERLY_KEY = ("quarter", *_KIN)
"""What it is added up by."""

MOST_TOKENS = 10**12
MOST_NANO_USD = 10**15
"""Limits far beyond any attempt, so that no sum of many can run over 64 bits."""

_EXTRAS = (
    "audio_input_tokens",
    "audio_output_tokens",
    "web_searches",
    "cached_audio_tokens",
    "image_output_tokens",
)
_MOST_STATUS = 999
_MOST_NUMBER = 10**6
_log = logging.getLogger("changeover")


def row_of(attempt: Attempt) -> DbRow:
    """Write an attempt as a row of `attempts`, made fit for every database.

    Raises:
        TypeError: its time has no zone.
    """
    usage = attempt.usage.with_asides
    cost = attempt.cost_nano_usd
    reported = usage.reported_cost_usd
    return {
        "at": micros_of(attempt.at),
        "request_id": plain(attempt.request_id),
        "number": within(attempt.number, _MOST_NUMBER),
        "model": plain(f"{attempt.model.provider}/{attempt.model.name}"),
        "provider": plain(attempt.provider),
        "asked": plain(attempt.asked),
        "served": _plain_or_none(attempt.served),
        "dialect": plain(attempt.dialect),
        "caller": _plain_or_none(attempt.caller),
        "source": plain(attempt.source),
        "agent": _plain_or_none(attempt.agent),
        "session": _plain_or_none(attempt.session),
        "stream": attempt.stream,
        "status": within(attempt.status, _MOST_STATUS),
        "reason": None if attempt.reason is None else attempt.reason.value,
        "answered": attempt.answered,
        "last": attempt.last,
        "fallback": attempt.fallback,
        "input_tokens": within(usage.input_tokens, MOST_TOKENS),
        "cached_input_tokens": within(usage.cached_input_tokens, MOST_TOKENS),
        "cache_write_tokens": within(usage.cache_write_tokens, MOST_TOKENS),
        "cache_write_1h_tokens": within(usage.cache_write_1h_tokens, MOST_TOKENS),
        "output_tokens": within(usage.output_tokens, MOST_TOKENS),
        "reasoning_tokens": within(usage.reasoning_tokens, MOST_TOKENS),
        "reported_cost_usd": None if reported is None else str(reported),
        "cost_nano_usd": None if cost is None else within(cost, MOST_NANO_USD),
        "estimated": attempt.estimated,
        "price": price_out(attempt.price),
        "latency_ms": attempt.latency_ms,
        "first_token_ms": attempt.first_token_ms,
        "extras": _extras_out(usage),
        "trial": attempt.trial,
        "candidate": attempt.candidate,
        "conversation": attempt.conversation,
    }


def attempt_of(row: Row) -> Attempt:
    """Read an attempt back."""
    provider, _, name = row["model"].partition("/")
    reported = row["reported_cost_usd"]
    usage = Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_input_tokens=row["cached_input_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        cache_write_1h_tokens=row["cache_write_1h_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        reported_cost_usd=None if reported is None else Decimal(reported),
        **(json.loads(row["extras"]) if row["extras"] else {}),
    )
    return Attempt(
        at=time_of(row["at"]),
        request_id=row["request_id"],
        number=row["number"],
        model=ModelRef(provider, name),
        provider=row["provider"],
        usage=usage,
        asked=row["asked"],
        served=row["served"],
        dialect=row["dialect"],
        caller=row["caller"],
        source=row["source"],
        agent=row["agent"],
        session=row["session"],
        stream=bool(row["stream"]),
        status=row["status"],
        reason=None if row["reason"] is None else FailureReason(row["reason"]),
        answered=bool(row["answered"]),
        last=bool(row["last"]),
        fallback=bool(row["fallback"]),
        cost_nano_usd=row["cost_nano_usd"],
        estimated=bool(row["estimated"]),
        price=price_in(row["price"]),
        latency_ms=row["latency_ms"],
        first_token_ms=row["first_token_ms"],
        trial=row["trial"],
        candidate=None if row["candidate"] is None else bool(row["candidate"]),
        conversation=row["conversation"],
    )


def rollups(rows: Iterable[DbRow], gone: Iterable[DbRow] = ()) -> tuple[list[DbRow], list[DbRow]]:
    """Add rows up by kin and hour, and by kin and quarter of an hour, less those that are gone.

    The order is one that all writers share: whoever locks rollups in it never locks up.
    """
    quarters: dict[tuple[Any, ...], list[int]] = {}
    for sign, part in ((1, rows), (-1, gone)):
        for row in part:
            key = (row["at"] - row["at"] % QUARTER_HOUR, *_kin(row))
            known = quarters.setdefault(key, [0] * len(FIGURES))
            for at, figure in enumerate(_figures(row)):
                known[at] += sign * figure
    hours: dict[tuple[Any, ...], list[int]] = {}
    for (quarter, *kin), figures in quarters.items():
        hour = (quarter - quarter % HOUR, *kin)
        hours[hour] = list(map(add, hours[hour], figures)) if hour in hours else figures
    return _named(hours, HOURLY_KEY), _named(quarters, QUARTERLY_KEY)


def _named(sums: dict[tuple[Any, ...], list[int]], key: Sequence[str]) -> list[DbRow]:
    names = (*key, *FIGURES)
    return [dict(zip(names, (*kin, *sums[kin]), strict=True)) for kin in sorted(sums)]


def _kin(row: DbRow) -> tuple[str, ...]:
    return (
        row["model"],
        row["provider"],
        row["caller"] or "",
        row["source"],
        row["agent"] or "",
    )


def _extras_out(usage: Usage) -> str | None:
    """Write down what few calls have: speech, searches, special terms."""
    found: dict[str, Any] = {
        name: within(getattr(usage, name), MOST_TOKENS) for name in _EXTRAS if getattr(usage, name)
    }
    if usage.doubtful:
        found["doubtful"] = True
    if usage.terms:
        found["terms"] = plain(usage.terms)
    return json.dumps(found, separators=(",", ":")) if found else None


def _figures(row: DbRow) -> list[int]:
    """Return the row's part in each of `FIGURES`."""
    cost, last, fallback = row["cost_nano_usd"], row["last"], row["fallback"]
    given, output = row["input_tokens"], row["output_tokens"]
    return [
        cost or 0,
        int(last),
        int(last and fallback),
        1,
        int(row["reason"] is not None),
        int(cost is None and given + output > 0),
        given,
        row["cached_input_tokens"],
        row["cache_write_tokens"],
        output,
        row["reasoning_tokens"],
        (cost or 0) if fallback else 0,
        (cost or 0) if row["estimated"] else 0,
    ]


@lru_cache(maxsize=512)
def price_out(price: Price | None) -> str | None:
    """Write unit prices as JSON, the unknown ones left out."""
    if price is None:
        return None
    known = asdict(price).items()
    values = {
        name: value for name, value in known if value not in (None, ()) and value is not False
    }
    return json.dumps(values, default=str, separators=(",", ":"))


@lru_cache(maxsize=512)
def price_in(text: str | None) -> Price | None:
    """Read unit prices back."""
    if text is None:
        return None
    values = _decimals(json.loads(text))
    if "as_of" in values:
        values["as_of"] = date.fromisoformat(values["as_of"])
    if "tiers" in values:
        values["tiers"] = tuple(PriceTier(**_decimals(tier)) for tier in values["tiers"])
    return Price(**values)


def _plain_or_none(text: str | None) -> str | None:
    return None if text is None else plain(text)


def _decimals(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if "_usd_per_" in name and value is not None else value
        for name, value in values.items()
    }


def within(number: int, most: int) -> int:
    """Return the number, or the nearest that can be true; a log line says which was not kept."""
    if 0 <= number <= most:
        return number
    _log.warning(
        "the ledger was given an impossible value, %s; storing the nearest valid value", number
    )
    return min(max(number, 0), most)
