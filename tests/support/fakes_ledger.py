"""The ledger in memory, which adds up by looking at every attempt; and things to fill one with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.errors import StorageError
from bot.models import FailureReason, ModelRef, Usage
from bot.ports import Amendment, Attempt, Bill, GroupBy, RowPage, Spend

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def attempt(
    request: int | str = 1,
    *,
    at: datetime = NOON,
    number: int = 1,
    model: str = "anthropic/claude-opus-4-5",
    cost: int | None = 1_000,
    tokens: tuple[int, int] = (100, 10),
    reason: FailureReason | None = None,
    **more: Any,
) -> Attempt:
    """Make an attempt; only what a test is about need be said."""
    provider, _, name = model.partition("/")
    return Attempt(
        at=at,
        request_id=f"req-{request}",
        number=number,
        model=ModelRef(provider, name),
        provider=provider,
        usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1]),
        cost_nano_usd=cost,
        reason=reason,
        **more,
    )


def spend_of(key: str, attempt: Attempt) -> Spend:
    """What one attempt is by itself."""
    usage, cost = attempt.usage, attempt.cost_nano_usd
    return Spend(
        key=key,
        cost_nano_usd=cost or 0,
        requests=1 if attempt.last else 0,
        fallback_requests=1 if attempt.last and attempt.fallback else 0,
        attempts=1,
        failed=0 if attempt.reason is None else 1,
        unpriced=1 if cost is None and usage.input_tokens + usage.output_tokens else 0,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        fallback_cost_nano_usd=(cost or 0) if attempt.fallback else 0,
        estimated_cost_nano_usd=(cost or 0) if attempt.estimated else 0,
    )


def key_of(attempt: Attempt, by: GroupBy, zone: str) -> str:
    """The group that an attempt is in."""
    if by is GroupBy.DAY:
        return attempt.at.astimezone(ZoneInfo(zone)).date().isoformat()
    return {
        GroupBy.MODEL: str(attempt.model),
        GroupBy.PROVIDER: attempt.provider,
        GroupBy.KEY: attempt.caller or "",
        GroupBy.AGENT: attempt.agent or "",
        GroupBy.SESSION: attempt.session or "",
    }[by]


@dataclass
class FakeLedger:
    """A ledger in memory; an error put into `fail` is raised by every method."""

    fail: StorageError | None = None
    kept: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    bills_kept: dict[tuple[date, str], Bill] = field(default_factory=dict)
    since: datetime | None = None

    async def add(self, attempts: Sequence[Attempt]) -> None:
        self._check()
        for one in attempts:
            self.kept.setdefault((one.request_id, one.number), one)

    async def spend(
        self, start: datetime, end: datetime, by: GroupBy, *, zone: str = "UTC"
    ) -> Sequence[Spend]:
        self._check()
        groups: dict[str, Spend] = {}
        for one in self.kept.values():
            if start <= one.at < end:
                key = key_of(one, by, zone)
                groups[key] = _plus(groups.get(key, Spend(key)), spend_of(key, one))
        return sorted(groups.values(), key=lambda group: (-group.cost_nano_usd, group.key))

    async def first_at(self) -> datetime | None:
        self._check()
        return min((one.at for one in self.kept.values()), default=None)

    async def kept_since(self) -> datetime | None:
        self._check()
        return self.since

    async def attempts(self, start: datetime, end: datetime, limit: int) -> Sequence[Attempt]:
        self._check()
        within = [one for one in self.kept.values() if start <= one.at < end]
        newest = sorted(within, key=lambda a: (a.at, a.request_id, a.number), reverse=True)
        return newest[:limit]

    async def add_bills(self, bills: Sequence[Bill]) -> None:
        self._check()
        for bill in bills:
            known = self.bills_kept.get((bill.day, bill.provider))
            if known is None or known.fetched_at <= bill.fetched_at:
                self.bills_kept[bill.day, bill.provider] = bill

    async def bills(self, start: date, end: date) -> Sequence[Bill]:
        self._check()
        return [bill for (day, _), bill in sorted(self.bills_kept.items()) if start <= day < end]

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


@dataclass
class FakeCorrections:
    """Corrects a FakeLedger; `history` keeps what stood there: request, number, cost, why."""

    ledger: FakeLedger
    history: list[tuple[str, int, int | None, str]] = field(default_factory=list)

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        numbered = list(enumerate(self.ledger.kept.values(), 1))
        found = [(n, one) for n, one in numbered if n > after and start <= one.at < end][:limit]
        last = found[-1][0] if len(found) == limit else None
        return RowPage(tuple(one for _, one in found), last)

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        as_read = 0
        for amendment in amendments:
            was = amendment.attempt
            key = (was.request_id, was.number)
            row = self.ledger.kept.get(key)
            if row is None or (row.cost_nano_usd, row.price) != (was.cost_nano_usd, was.price):
                continue
            as_read += 1
            if (row.cost_nano_usd, row.price) != (amendment.cost_nano_usd, amendment.price):
                self.history.append((*key, row.cost_nano_usd, why))
            self.ledger.kept[key] = replace(
                row, cost_nano_usd=amendment.cost_nano_usd, price=amendment.price
            )
        return as_read


def _plus(one: Spend, other: Spend) -> Spend:
    figures = [f.name for f in fields(Spend) if f.name != "key"]
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in figures})
