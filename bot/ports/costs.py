"""Beside the ledger: budgets, chain tests, what providers bill, and corrections of prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.models import BudgetPeriod, Price
from bot.ports.ledger import Attempt, Bill


@dataclass(frozen=True, slots=True)
class Budget:
    """So much for each period; `then` is the preset or model to switch to when it is used up.

    `id` is 0 until it is stored; a new budget has a new id, and its notices begin afresh.
    """

    amount_nano_usd: int
    period: BudgetPeriod
    then: str | None
    set_by: str
    set_at: datetime
    id: int = 0


class Budgets(Protocol):
    """The team's budget. Every method raises StorageError."""

    async def budget(self) -> Budget | None:
        """Return the budget in force."""
        ...

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        """Put a budget in the place of the present one (None: no budget); return it with its id."""
        ...


@dataclass(frozen=True, slots=True)
class ChainTest:
    """The outcome of a `/fallback test` of the whole chain."""

    at: datetime
    chain_ok: bool
    answered: int
    hops: int
    would_serve: str | None
    actor_name: str


class ChainTests(Protocol):
    """Remembers chain tests. Raises StorageError."""

    async def record(self, test: ChainTest) -> None:
        """Keep one."""
        ...

    async def last(self) -> ChainTest | None:
        """Return the newest."""
        ...


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What a provider's meter showed: credit left, or with `rises` what was ever spent.

    Only readings of one `account` and currency can be compared.
    """

    provider: str
    at: datetime
    amount_nano: int
    currency: str = "USD"
    rises: bool = False
    account: str = ""


@dataclass(frozen=True, slots=True)
class BillAnswer:
    """What a provider said when it was asked for its bill, or why it did not.

    `bills` hold a row for every whole UTC day it spoke of, 0 included.
    """

    provider: str
    bills: tuple[Bill, ...] = ()
    meter: MeterReading | None = None
    trouble: str = ""
    hint: str = ""


class BillSource(Protocol):
    """Asks one provider what was spent; never raises, whatever the provider answers."""

    @property
    def provider(self) -> str:
        """The provider's id."""
        ...

    @property
    def metered(self) -> bool:
        """True when it only shows a meter, which has to be read often."""
        ...

    async def read(self, start: date, end: date, now: datetime) -> BillAnswer:
        """Return what the whole UTC days in [start, end) cost."""
        ...


@dataclass(frozen=True, slots=True)
class BillRead:
    """The last time a provider was asked; `trouble` says why it told nothing."""

    provider: str
    at: datetime
    trouble: str = ""
    hint: str = ""


class BillLog(Protocol):
    """When bills were read, and the readings of meters. Raises StorageError."""

    async def note(self, read: BillRead) -> None:
        """Remember a read in the place of the provider's last one."""
        ...

    async def reads(self) -> Sequence[BillRead]:
        """Return every provider's last read."""
        ...

    async def add_reading(self, reading: MeterReading) -> None:
        """Keep a meter's reading."""
        ...

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        """Return a meter's readings in [start, end], oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Amendment:
    """A ledger row's cost as it is to be from now on."""

    attempt: Attempt
    cost_nano_usd: int | None
    price: Price | None


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some attempts; `last` is the row id to go on after, None at the end."""

    attempts: tuple[Attempt, ...]
    last: int | None


class Corrections(Protocol):
    """Puts right what ledger rows cost, rollups included, and keeps what stood there before.

    Every method raises StorageError.
    """

    async def rows(self, start: datetime, end: datetime, after: int, limit: int) -> RowPage:
        """Return attempts of [start, end) in the order they were written, after a row id."""
        ...

    async def amend(self, amendments: Sequence[Amendment], at: datetime, why: str) -> int:
        """Write new costs in one transaction; return how many rows were still as they were read."""
        ...


class Charts(Protocol):
    """Draws charts."""

    def png(self, svg: str) -> bytes:
        """Return an SVG drawing as a PNG picture. Raises ChartError."""
        ...
