"""Budgets: which notice is due, and what a typed amount means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from enum import Enum

from bot.costs.period import Span, calendar
from bot.costs.pricing import NANO
from bot.durations import shorten
from bot.errors import UsageError
from bot.ports import Budget
from bot.spans import Command, text

MOST_USD = Decimal(1_000_000_000)
_HINT = text("For example: ", Command("cost budget 50 per day"))
_AMOUNT = re.compile(r"(?:usd|us\$|\$)?\s*([+-]?[\d.,_']+)\s*(?:usd|\$)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")
_THOUSANDS = re.compile(r"\d{1,3}(?:[,_']\d{3})+(?:\.\d+)?")


class BudgetStep(Enum):
    """How far a budget is spent; the value is the percentage told."""

    NONE = 0
    HALF = 50
    MOST = 80
    ALL = 100
    HALF_AGAIN = 150
    TWICE = 200
    THRICE = 300


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget at a moment.

    `passed` are the steps reached, all of which count as told once the highest is.
    """

    budget: Budget
    period: Span
    spent_nano: int
    passed: tuple[BudgetStep, ...]

    @property
    def reached(self) -> BudgetStep:
        """The highest step that is reached."""
        return self.passed[-1] if self.passed else BudgetStep.NONE

    @property
    def percent(self) -> Decimal:
        """How much of the amount is spent."""
        return Decimal(self.spent_nano) * 100 / self.budget.amount_nano_usd


def decide(budget: Budget, spent_nano: int, now: datetime, zone: tzinfo) -> BudgetState:
    """Return how far a budget is spent."""
    passed = tuple(
        step
        for step in BudgetStep
        if step.value and spent_nano * 100 >= step.value * budget.amount_nano_usd
    )
    return BudgetState(budget, calendar(budget.period, now, zone), spent_nano, passed)


def runs_out_at(
    amount_nano: int, spent_nano: int, start: datetime, end: datetime, at: datetime
) -> datetime | None:
    """Return when a budget is used up at the pace so far; None if not in the period, or already."""
    if not 0 < spent_nano < amount_nano:
        return None
    when = start + (at - start) * (amount_nano / spent_nano)
    return when if when < end else None


def parse_amount(words: str) -> int:
    """Read an amount such as `50`, `$12.50` or `1,000` as nano-dollars.

    Raises:
        UsageError: it is no amount above zero.
    """
    match = _AMOUNT.fullmatch(words.strip())
    digits = match[1] if match else ""
    if _THOUSANDS.fullmatch(digits):
        digits = re.sub(r"[,_']", "", digits)
    if _DECIMAL_COMMA.fullmatch(digits):
        point = digits.replace(",", ".")
        raise UsageError(
            f"{shorten(words)!r} has a decimal comma.",
            text("Write a point: ", Command(f"cost budget {point}")),
        )
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        raise UsageError(f"{shorten(words)!r} is not an amount of USD.", _HINT) from None
    if amount <= 0:
        raise UsageError("A budget must be more than $0.", _HINT)
    if amount > MOST_USD:
        raise UsageError(f"{shorten(words)!r} is too large.", _HINT)
    nano = int(amount * NANO)
    if not nano:
        raise UsageError("A budget must be more than $0.", _HINT)
    return nano
