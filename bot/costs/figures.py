"""What the ledger's groups add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from bot.costs.period import Span
from bot.ports import Spend

_COUNTS = tuple(field.name for field in fields(Spend) if field.name != "key")


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model whose tokens nobody can price, and on how many requests it used them."""

    model: str
    requests: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A stretch of time as the ledger has it; `counts_since` None: since before its begin."""

    span: Span
    by_model: Sequence[Spend]
    groups: Sequence[Spend]
    total: Spend
    first_at: datetime | None
    previous: Spend | None

    @property
    def counts_since(self) -> datetime | None:
        """When counting began, where that is within the stretch or after it."""
        return self.first_at if self.first_at and self.first_at > self.span.start else None

    @property
    def previous_nano(self) -> int | None:
        """The priced cost of the stretch before, where there was any."""
        return priced_nano(self.previous) if self.previous else None


def total_of(groups: Iterable[Spend], key: str = "") -> Spend:
    """Add groups up into one."""
    sums = dict.fromkeys(_COUNTS, 0)
    for group in groups:
        for name in _COUNTS:
            sums[name] += getattr(group, name)
    return Spend(key, **sums)


def merged(parts: Iterable[Sequence[Spend]]) -> list[Spend]:
    """Add several lists of groups up key by key, costliest first."""
    by_key: dict[str, list[Spend]] = {}
    for part in parts:
        for group in part:
            by_key.setdefault(group.key, []).append(group)
    return dearest_first(total_of(groups, key) for key, groups in by_key.items())


def dearest_first(groups: Iterable[Spend]) -> list[Spend]:
    """Order groups by cost, then by requests, then by name."""
    return sorted(groups, key=lambda g: (-g.cost_nano_usd, -g.requests, g.key))


def priced_nano(group: Spend) -> int | None:
    """Return what a group cost; None when all of it is unpriced, which is not the same as 0."""
    return None if group.unpriced and not group.cost_nano_usd else group.cost_nano_usd


def change_percent(before: int | None, now: int | None) -> Decimal | None:
    """Say by how many percent a figure grew; None when there is nothing to compare with."""
    if before is None or now is None or before <= 0:
        return None
    return Decimal(now - before) * 100 / before


def unpriced_models(by_model: Iterable[Spend]) -> tuple[Unpriced, ...]:
    """Return the models with unpriced requests, the most used first."""
    found = [Unpriced(group.key, group.unpriced) for group in by_model if group.unpriced]
    return tuple(sorted(found, key=lambda u: (-u.requests, u.model)))
