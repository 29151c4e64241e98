"""What `--json` puts in `data` for /cost: money as USD numbers, absent figures null."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bot.commands.cost_figures import Sources
from bot.commands.data import price_data
from bot.costs.billed import Billed
from bot.costs.compare import Alternative
from bot.costs.digest import Driver, Retirement
from bot.costs.figures import Unpriced, priced_nano
from bot.costs.pricing import usd
from bot.ports import Budget, Spend


def nano_data(nano: int | None) -> Decimal | None:
    """Nano-dollars as dollars."""
    return None if nano is None else usd(nano)


def percent_data(percent: Decimal | None) -> Decimal | None:
    """A percentage to two places."""
    return None if percent is None else percent.quantize(Decimal("0.01"))


def group_data(group: Spend, sources: Sources | None = None) -> dict[str, Any]:
    """One group; with `sources` also where its model's price came from."""
    data: dict[str, Any] = {
        "key": group.key,
        "cost_usd": nano_data(priced_nano(group)),
        "requests": group.requests,
        "input_tokens": group.input_tokens,
        "cached_input_tokens": group.cached_input_tokens,
        "cache_write_tokens": group.cache_write_tokens,
        "output_tokens": group.output_tokens,
        "reasoning_tokens": group.reasoning_tokens,
        "fallback_requests": group.fallback_requests,
        "fallback_cost_usd": nano_data(group.fallback_cost_nano_usd),
        "estimated_usd": nano_data(group.estimated_cost_nano_usd),
        "attempts": group.attempts,
        "failed": group.failed,
        "unpriced": group.unpriced,
    }
    if sources is not None:
        data["price_source"] = next((s for (s, _), m in sources.items() if group.key in m), None)
    return data


def unpriced_data(unpriced: Iterable[Unpriced]) -> list[dict[str, Any]]:
    """The models nobody can price."""
    return [{"model": one.model, "requests": one.requests} for one in unpriced]


def billed_data(billed: Billed) -> dict[str, Any]:
    """A provider's bill beside our estimate."""
    return {
        "provider": billed.provider,
        "amount_usd": nano_data(billed.amount_nano),
        "as_of": billed.as_of,
        "gap_usd": nano_data(billed.gap_nano),
        "estimated_usd": nano_data(billed.estimated_nano),
        "from": billed.first,
        "to": billed.end,
    }


def alternative_data(one: Alternative) -> dict[str, Any]:
    """The same traffic on another model."""
    return {
        "model": str(one.ref),
        "preset": one.preset,
        "cost_usd": nano_data(one.nano),
        "saving_usd": nano_data(one.saving_nano),
        "saving_percent": percent_data(one.saving_percent),
        "missing": one.missing or None,
        "price": price_data(one.price),
    }


def driver_data(driver: Driver) -> dict[str, Any]:
    """A model's part in the change of the total."""
    return {
        "model": driver.now.key,
        "change_usd": nano_data(driver.change_nano),
        "cost_usd": nano_data(driver.now.cost_nano_usd),
        "previous_cost_usd": nano_data(driver.before.cost_nano_usd),
        "requests": driver.now.requests,
        "previous_requests": driver.before.requests,
    }


def retirement_data(one: Retirement) -> dict[str, Any]:
    """A model in use that ends."""
    return {
        "model": str(one.ref),
        "retires_on": one.retires_on,
        "successor": str(one.successor) if one.successor else None,
        "command": f"/{one.step}" if one.step else None,
    }


def budget_data(budget: Budget | None, spent_nano: int | None) -> dict[str, Any]:
    """The budget in force and what is spent of it."""
    return {
        "amount_usd": nano_data(budget.amount_nano_usd) if budget else None,
        "period": budget.period if budget else None,
        "spent_usd": nano_data(spent_nano),
        "then": budget.then if budget else None,
        "set_by": budget.set_by if budget else None,
        "set_at": budget.set_at if budget else None,
    }
