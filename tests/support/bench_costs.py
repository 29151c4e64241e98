"""A ledger of a team's fortnight behind the core with fakes all around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.terminal.layout import Reader
from adapters.terminal.render import plain_text
from bot.card import Card
from bot.models import FailureReason, Price, Usage
from bot.ports import Attempt, Bill, BillRead, ChainTest, FallbackEvent, IncidentRow
from tests.support.fakes_core import Bench
from tests.support.fakes_ledger import attempt

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOLLAR = 10**9
OPUS, FLASH, LLAMA = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash", "ollama/llama3.3"
LISTED = Price(Decimal(5), Decimal(25), Decimal("0.5"), None, "genai-prices", date(2026, 11, 22))


def spent(number: int, ago: timedelta, cost: int | None, model: str = OPUS, **more: Any) -> Attempt:
    """One request of a thousand tokens in and a hundred out."""
    usage = more.pop("usage", Usage(1000, 100, 400))
    price = None if cost is None else more.pop("price", LISTED)
    one = attempt(number, at=NOW - ago, model=model, cost=cost, price=price, **more)
    return replace(one, usage=usage)


async def bench_of(*attempts: Attempt, **more: Any) -> Bench:
    """The core over a ledger that holds these."""
    bench = Bench(**more)
    await bench.ledger.add(attempts)
    return bench


TEAM = (
    spent(1, 1 * HOUR, 3 * DOLLAR, caller="ana", agent="main"),
    spent(2, 30 * HOUR, 2 * DOLLAR, caller="batch", agent="research"),
    spent(3, 31 * HOUR, DOLLAR // 2, FLASH, caller="batch", fallback=True, estimated=True),
    spent(4, 2 * DAY, 0, LLAMA),
    spent(5, 3 * DAY, None, "x/unheard", caller="ana"),
    spent(6, 8 * DAY, 4 * DOLLAR),
    spent(7, 20 * DAY, DOLLAR),
)


def said(card: Card) -> str:
    """A card as a terminal in UTC shows it."""
    return plain_text(card, Reader(UTC, NOW))


INCIDENTS = [
    IncidentRow(1, "resolved", OPUS, "rate_limit", NOW - 31 * HOUR, NOW - 30 * HOUR, 3, FLASH),
    IncidentRow(2, "resolved", OPUS, "timeout", NOW - 30.5 * HOUR, NOW - 29 * HOUR, 3, FLASH),
    IncidentRow(3, "open", OPUS, "auth", NOW - HOUR / 2, None, 3, FLASH),
    IncidentRow(4, "resolved", OPUS, "auth", NOW - 20 * DAY, NOW - 19 * DAY, 3, FLASH),
]


async def full_bench(**more: Any) -> Bench:
    """The team's ledger with incidents, a fallback, a chain test and bills."""
    bench = await bench_of(*TEAM, **more)
    bench.log.incident_rows.extend(INCIDENTS)
    event = FallbackEvent(NOW - 31 * HOUR, "req-3", OPUS, FLASH, FailureReason.RATE_LIMIT)
    await bench.log.add_events([event])
    await bench.chain_tests.record(ChainTest(NOW - 3 * HOUR, False, 3, 4, OPUS, "Ana"))
    await bench.ledger.add_bills(
        [Bill("anthropic", date(2026, 2, 23) + n * DAY, DOLLAR, NOW - 3 * HOUR) for n in range(7)]
    )
    await bench.bill_log.note(BillRead("openai", NOW, "It refused the key (401).", "Renew it."))
    return bench
