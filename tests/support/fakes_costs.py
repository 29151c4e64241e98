"""What has to do with money, in memory: budgets, chain tests, bills, a chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from bot.card import Card, plain
from bot.errors import ChatError, StorageError
from bot.ports import (
    BillAnswer,
    BillRead,
    Budget,
    ChainTest,
    MessageRef,
    MeterReading,
)


@dataclass
class FakeBudgets:
    """Budgets in memory; an error put into `fail` is raised by every method."""

    fail: StorageError | None = None
    kept: list[Budget] = field(default_factory=list)
    in_force: bool = False
    notices: set[tuple[int, datetime, int]] = field(default_factory=set)

    async def budget(self) -> Budget | None:
        self._check()
        return self.kept[-1] if self.in_force else None

    async def set_budget(self, budget: Budget | None) -> Budget | None:
        self._check()
        self.in_force = budget is not None
        if budget is None:
            return None
        self.kept.append(replace(budget, id=len(self.kept) + 1))
        return self.kept[-1]

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


@dataclass
class FakeChainTests:
    """Chain tests in memory."""

    fail: StorageError | None = None
    kept: list[ChainTest] = field(default_factory=list)

    async def record(self, test: ChainTest) -> None:
        if self.fail is not None:
            raise self.fail
        self.kept.append(test)

    async def last(self) -> ChainTest | None:
        if self.fail is not None:
            raise self.fail
        newest = sorted(enumerate(self.kept), key=lambda pair: (pair[1].at, pair[0]))
        return newest[-1][1] if newest else None


@dataclass
class FakeBillLog:
    """Bill reads and meters in memory."""

    fail: StorageError | None = None
    last: dict[str, BillRead] = field(default_factory=dict)
    meters: dict[tuple[str, datetime], MeterReading] = field(default_factory=dict)

    async def note(self, read: BillRead) -> None:
        self.last[read.provider] = read

    async def reads(self) -> Sequence[BillRead]:
        if self.fail is not None:
            raise self.fail
        return [read for _, read in sorted(self.last.items())]

    async def add_reading(self, reading: MeterReading) -> None:
        self.meters.setdefault((reading.provider, reading.at), reading)

    async def readings(
        self, provider: str, start: datetime, end: datetime
    ) -> Sequence[MeterReading]:
        found = [r for (p, at), r in self.meters.items() if p == provider and start <= at <= end]
        return sorted(found, key=lambda reading: reading.at)


@dataclass
class FakeBills:
    """A provider's bill; `answers` are given in turn, the last one for good."""

    provider: str
    answers: list[BillAnswer]
    metered: bool = False
    asked: list[tuple[date, date]] = field(default_factory=list)

    async def read(self, start: date, end: date, now: datetime) -> BillAnswer:
        self.asked.append((start, end))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class FakeChannel:
    """A chat channel and its history; `dies` breaks a post before or after the message is there."""

    name: str = "C1"
    posted: list[tuple[datetime | None, Card]] = field(default_factory=list)
    dies: str = ""
    blind: bool = False

    async def post(self, card: Card) -> MessageRef:
        if self.dies == "before":
            raise ChatError("The chat did not answer.", "Try again.")
        self.posted.append((None, card))
        if self.dies == "after":
            raise KeyboardInterrupt("the power went off")
        return MessageRef("fake", self.name, str(len(self.posted)))

    async def update(self, message: MessageRef, card: Card) -> None:
        raise AssertionError("a digest is never edited")

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        raise AssertionError("a digest is no reply")

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        if self.blind:
            raise ChatError("The bot may not read this channel.", "Add channels:history.")
        for number, (_, card) in enumerate(self.posted, 1):
            if words in plain(card.footer):
                return MessageRef("fake", self.name, str(number))
        return None

    @property
    def cards(self) -> list[Card]:
        """What stands in the channel."""
        return [card for _, card in self.posted]
