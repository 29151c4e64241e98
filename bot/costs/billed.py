"""What providers bill, beside what the ledger says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from bot.ports import Bill, MeterReading

NEAR_MIDNIGHT = timedelta(hours=2)
"""How far from a day's begin or end a meter may have been read to count for it."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Billed:
    """A provider's bill for the whole UTC days [first, end), beside our estimate for the same."""

    provider: str
    first: date
    end: date
    amount_nano: int
    as_of: datetime
    estimated_nano: int | None

    @property
    def gap_nano(self) -> int | None:
        """The bill less the estimate; None when there is no estimate."""
        return None if self.estimated_nano is None else self.amount_nano - self.estimated_nano


def bill_days(bills: Iterable[Bill]) -> dict[str, tuple[date, date]]:
    """Return for each provider the stretch of days, without a hole, that ends with its last bill.

    A hole would be counted as a day that cost nothing.
    """
    days: dict[str, set[date]] = {}
    for bill in bills:
        days.setdefault(bill.provider, set()).add(bill.day)
    stretches = {}
    for provider, known in days.items():
        first = final = max(known)
        while first - _DAY in known:
            first -= _DAY
        stretches[provider] = (first, final + _DAY)
    return stretches


def beside(bills: Sequence[Bill], estimates: Mapping[str, int | None]) -> tuple[Billed, ...]:
    """Put each provider's bill beside the estimate for the same days, the largest bill first."""
    found = []
    for provider, (first, end) in bill_days(bills).items():
        mine = [b for b in bills if b.provider == provider and first <= b.day < end]
        found.append(
            Billed(
                provider,
                first,
                end,
                sum(bill.amount_usd_nano for bill in mine),
                min(bill.fetched_at for bill in mine),
                estimates.get(provider),
            )
        )
    return tuple(sorted(found, key=lambda b: (-b.amount_nano, b.provider)))


def metered(readings: Sequence[MeterReading], day: date, fetched_at: datetime) -> Bill | None:
    """Tell a UTC day's cost from readings of a meter; None when they do not tell it.

    They do not when none was taken near the day's begin or end, when the account or currency
    changed, when it is not USD, or when the meter ran backwards: credit was added, and how much
    was spent meanwhile cannot be known.
    """
    begin = datetime.combine(day, time(), tzinfo=UTC)
    end = begin + _DAY
    opening = _nearest(readings, begin)
    closing = _nearest(readings, end)
    if opening is None or closing is None or opening.at >= closing.at:
        return None
    between = [r for r in readings if opening.at <= r.at <= closing.at]
    spent = 0
    for before, after in pairwise(between):
        step = _step(before, after)
        if step is None:
            return None
        spent += step
    return Bill(opening.provider, day, spent, fetched_at)


def _step(before: MeterReading, after: MeterReading) -> int | None:
    same = (before.account, before.currency, before.rises) == (
        after.account,
        after.currency,
        after.rises,
    )
    if not same or before.currency != "USD":
        return None
    step = after.amount_nano - before.amount_nano
    step = step if before.rises else -step
    return step if step >= 0 else None


def _nearest(readings: Sequence[MeterReading], at: datetime) -> MeterReading | None:
    near = [r for r in readings if abs(r.at - at) <= NEAR_MIDNIGHT]
    return min(near, key=lambda r: abs(r.at - at), default=None)
