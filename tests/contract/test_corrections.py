"""What every Corrections port keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.storage.database import Database
from adapters.storage.ledger.corrections import DatabaseCorrections
from adapters.storage.ledger.store import DatabaseLedger
from bot.models import Price
from bot.ports import Amendment, Attempt, Corrections, GroupBy, Ledger
from tests.support.databases import once
from tests.support.fakes_ledger import NOON, FakeCorrections, FakeLedger, attempt
from tests.support.ledger_scan import full_scan

HOUR = timedelta(hours=1)
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
OLD = Price(Decimal(5), Decimal(25), source="catalog")
NEW = Price(Decimal("4.5"), Decimal("22.5"), source="operator")
LATER = NOON + 24 * HOUR
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@dataclass
class Ground:
    """Corrections, and the ledger they correct."""

    corrections: Corrections
    ledger: Ledger


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def ground(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Ground]:
    if request.param == "fake":
        fake = FakeLedger()
        yield Ground(FakeCorrections(fake), fake)
        return
    url = new_database(request.param.split()[-1])
    database = Database(url)
    yield Ground(DatabaseCorrections(database), DatabaseLedger(database))
    await database.close()


def amended(one: Attempt, cost: int | None, price: Price | None = NEW) -> Amendment:
    return Amendment(one, cost, price)


async def costs(ledger: Ledger) -> list[int | None]:
    return [one.cost_nano_usd for one in await ledger.attempts(*EVER, 99)][::-1]


async def test_an_empty_ledger_has_nothing_to_correct(ground: Ground) -> None:
    page = await ground.corrections.rows(*EVER, 0, 9)
    assert (page.attempts, page.last) == ((), None)
    assert await ground.corrections.amend([], LATER, "x") == 0
    assert await ground.corrections.amend([amended(attempt(1), 1)], LATER, "x") == 0


async def test_pages_hold_every_attempt_of_the_period_once(ground: Ground) -> None:
    made = [attempt(f"{n:02}", at=NOON + n * HOUR) for n in range(10)]
    await ground.ledger.add(made)
    seen: list[Attempt] = []
    pages = 0
    after: int | None = 0
    while after is not None:
        page = await ground.corrections.rows(NOON + 2 * HOUR, NOON + 9 * HOUR, after, 3)
        assert len(page.attempts) <= 3
        seen += page.attempts
        pages += 1
        after = page.last
    assert seen == made[2:9]
    assert pages == 3


async def test_a_full_last_page_is_followed_by_an_empty_one(ground: Ground) -> None:
    await ground.ledger.add([attempt(1), attempt(2)])
    page = await ground.corrections.rows(*EVER, 0, 2)
    assert len(page.attempts) == 2
    assert page.last is not None
    assert (await ground.corrections.rows(*EVER, page.last, 2)).attempts == ()


async def test_an_amendment_changes_row_and_rollups(ground: Ground) -> None:
    one = attempt(1, cost=100, price=OLD, caller="ana", fallback=True)
    unpriced = attempt(2, cost=None)
    await ground.ledger.add([one, unpriced, attempt(3, cost=7)])
    changes = [amended(one, 90), amended(unpriced, 30)]
    assert await ground.corrections.amend(changes, LATER, "prices of today") == 2
    assert await costs(ground.ledger) == [90, 30, 7]
    (spend,) = await ground.ledger.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert (spend.cost_nano_usd, spend.unpriced, spend.fallback_cost_nano_usd) == (127, 0, 90)
    assert (spend.attempts, spend.requests, spend.input_tokens) == (3, 3, 300)
    found = await ground.ledger.attempts(*EVER, 9)
    assert replace(one, cost_nano_usd=90, price=NEW) in found


async def test_a_cost_can_become_unknown_again(ground: Ground) -> None:
    one = attempt(1, cost=100, price=OLD)
    await ground.ledger.add([one])
    assert await ground.corrections.amend([amended(one, None, None)], LATER, "x") == 1
    (spend,) = await ground.ledger.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert (spend.cost_nano_usd, spend.unpriced) == (0, 1)


async def test_a_row_that_was_corrected_meanwhile_is_left_alone(ground: Ground) -> None:
    one = attempt(1, cost=100, price=OLD)
    await ground.ledger.add([one])
    assert await ground.corrections.amend([amended(one, 90)], LATER, "first") == 1
    assert await ground.corrections.amend([amended(one, 80)], LATER, "second") == 0
    wrong_price = replace(one, cost_nano_usd=90)
    assert await ground.corrections.amend([amended(wrong_price, 80)], LATER, "third") == 0
    assert await costs(ground.ledger) == [90]


async def test_what_is_right_already_stays(ground: Ground) -> None:
    one = attempt(1, cost=100, price=OLD)
    await ground.ledger.add([one])
    same = replace(OLD, input_usd_per_1m=Decimal("5.0"))
    assert await ground.corrections.amend([amended(one, 100, same)], LATER, "x") == 1
    assert await costs(ground.ledger) == [100]


# --- only of databases ----------------------------------------------------------------------------


@pytest.fixture
async def opened(kind: str, new_database: Callable[[str], str]) -> AsyncIterator[tuple[Any, ...]]:
    url = new_database(kind)
    database = Database(url)
    yield url, database, DatabaseLedger(database), DatabaseCorrections(database)
    await database.close()


@KINDS
async def test_the_old_figures_are_kept(opened: tuple[Any, ...]) -> None:
    url, _, ledger, corrections = opened
    one, two = attempt(1, cost=100, price=OLD), attempt(2, cost=5, price=OLD)
    await ledger.add([one, two])
    await corrections.amend([amended(one, 90), amended(two, 5, OLD)], LATER, "first")
    (now, *_) = (await ledger.attempts(*EVER, 9))[::-1]
    await corrections.amend([amended(now, 80, None)], LATER + HOUR, "second \0")
    kept = await once(
        url, "SELECT request_id, number, cost_nano_usd, why FROM reprices ORDER BY id"
    )
    assert kept == [("req-1", 1, 100, "first"), ("req-1", 1, 90, "second �")]


@KINDS
async def test_many_amendments_by_two_at_once(opened: tuple[Any, ...]) -> None:
    """Each row is corrected once, and the rollups agree with the rows."""
    url, database, ledger, corrections = opened
    made = [attempt(n, at=NOON + n * timedelta(seconds=30), cost=n) for n in range(1200)]
    await ledger.add(made)
    changes = [amended(one, (one.cost_nano_usd or 0) * 3) for one in made]
    told = await asyncio.gather(
        corrections.amend(changes, LATER, "one"),
        corrections.amend(changes[::-1], LATER, "other"),
        ledger.add([attempt(n, cost=10**6) for n in range(5000, 5100)]),
    )
    assert sum(told[:2]) == 1200
    (spend,) = await ledger.spend(*EVER, GroupBy.MODEL)
    assert spend.cost_nano_usd == 3 * sum(range(1200)) + 10**8
    assert [spend] == await full_scan(database, *EVER, GroupBy.MODEL)
    assert await once(url, "SELECT count(*) FROM reprices") == [(1200,)]
