"""What every Ledger keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.storage.codec import micros_of
from adapters.storage.database import Database
from adapters.storage.ledger.periods import Cut, cut, days
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.ledger.sums import spend_query
from bot.errors import StorageError
from bot.models import FailureReason, ModelRef, Price, PriceTier, Usage
from bot.ports import Attempt, Bill, GroupBy, Ledger, Spend
from tests.support.fakes_files import run
from tests.support.fakes_ledger import NOON, FakeLedger, attempt, spend_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
TINY = timedelta(microseconds=1)
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
NewDatabase = Callable[[str], str]

FULL = Attempt(
    at=NOON + timedelta(microseconds=7),
    request_id="req-“ümlaut”",
    number=2,
    model=ModelRef("openrouter", "anthropic/claude-sonnet-4.5:beta"),
    provider="openrouter",
    usage=Usage(
        1_000_000_000, 900, 800, 70, 60, 50, Decimal("0.0123456789012345"), 40, 30, 3, "flex ü"
    ),
    asked="cheap",
    served="claude-sonnet-4-5-20250929",
    dialect="anthropic",
    caller="ana's laptop",
    source="openclaw",
    agent="main",
    session="s-1",
    stream=True,
    status=529,
    reason=FailureReason.SERVER_ERROR,
    answered=False,
    last=False,
    fallback=True,
    cost_nano_usd=12_345_678_901_234,
    estimated=True,
    price=Price(
        Decimal("0.30"),
        Decimal("1.2E+1"),
        Decimal(0),
        None,
        "genai-prices",
        date(2026, 2, 28),
        Decimal("0.6"),
        (PriceTier(200_000, Decimal(6), Decimal("22.5"), cache_write_usd_per_1m=Decimal("7.5")),),
    ),
    latency_ms=1234.5678,
    first_token_ms=0.25,
)


@dataclass
class Ground:
    """The ledger, and another process's view of it."""

    ledger: Ledger
    other: Ledger


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def ground(
    request: pytest.FixtureRequest, new_database: NewDatabase
) -> AsyncIterator[Ground]:
    if request.param == "fake":
        fake = FakeLedger()
        yield Ground(fake, fake)
        return
    url = new_database(request.param)
    database, second = Database(url), Database(url)
    yield Ground(DatabaseLedger(database), DatabaseLedger(second))
    await database.close()
    await second.close()


@pytest.fixture
def ledger(ground: Ground) -> Ledger:
    return ground.ledger


async def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    await ledger.add([])
    await ledger.add_bills([])
    for by in GroupBy:
        assert list(await ledger.spend(*EVER, by)) == []
    assert await ledger.first_at() is None
    assert list(await ledger.attempts(*EVER, 9)) == []
    assert list(await ledger.bills(date(2020, 1, 1), date(2030, 1, 1))) == []


# --- attempts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [FULL, attempt(cost=None, price=None), attempt(at=EVER[0])])
async def test_an_attempt_comes_back_as_it_was(ground: Ground, one: Attempt) -> None:
    await ground.ledger.add([one])
    found = list(await ground.other.attempts(*EVER, 9))
    assert found == [one]
    assert repr(found[0].price) == repr(one.price)


@pytest.mark.parametrize("reason", FailureReason)
async def test_every_reason_can_be_kept(ledger: Ledger, reason: FailureReason) -> None:
    one = attempt(reason=reason)
    await ledger.add([one])
    assert list(await ledger.attempts(*EVER, 9)) == [one]


async def test_attempts_come_newest_first_and_no_more_than_asked_for(ground: Ground) -> None:
    early, first, again, late = (
        attempt(3, at=NOON - HOUR),
        attempt(1),
        attempt(1, number=2),
        attempt(2, at=NOON + TINY),
    )
    await ground.ledger.add([late, early])
    await ground.other.add([first, again])
    assert list(await ground.ledger.attempts(*EVER, 9)) == [late, again, first, early]
    assert list(await ground.ledger.attempts(*EVER, 2)) == [late, again]
    assert list(await ground.ledger.attempts(NOON, NOON + TINY, 9)) == [again, first]


async def test_the_ledger_counts_since_its_oldest_attempt(ledger: Ledger) -> None:
    await ledger.add([attempt(1), attempt(2, at=NOON - HOUR)])
    await ledger.add([attempt(3, at=NOON + HOUR)])
    assert await ledger.first_at() == NOON - HOUR


async def test_an_attempt_counts_once_however_often_it_is_added(ground: Ground) -> None:
    one, same = attempt(1, cost=5), attempt(1, cost=7_000)
    other, more = attempt(1, number=2, cost=11), attempt(2, cost=13)
    await ground.ledger.add([one, other, same])
    await ground.ledger.add([one, other])
    await ground.other.add([same, more, more])
    assert set(await ground.ledger.attempts(*EVER, 9)) == {one, other, more}
    (all_,) = await ground.ledger.spend(NOON, NOON + HOUR, GroupBy.PROVIDER)
    assert (all_.cost_nano_usd, all_.attempts) == (5 + 11 + 13, 3)


# --- spend ----------------------------------------------------------------------------------------


async def test_what_one_attempt_adds_to_each_figure(ledger: Ledger) -> None:
    await ledger.add([FULL])
    expected = Spend(
        key="ana's laptop",
        cost_nano_usd=12_345_678_901_234,
        requests=0,
        fallback_requests=0,
        attempts=1,
        failed=1,
        unpriced=0,
        input_tokens=1_000_000_000,
        cached_input_tokens=800,
        cache_write_tokens=70,
        output_tokens=900,
        reasoning_tokens=50,
        fallback_cost_nano_usd=12_345_678_901_234,
        estimated_cost_nano_usd=12_345_678_901_234,
    )
    for start, end in (EVER, (NOON, NOON + HOUR), (NOON, NOON + MINUTE)):
        assert list(await ledger.spend(start, end, GroupBy.KEY)) == [expected]
    assert spend_of("ana's laptop", FULL) == expected


async def test_requests_are_counted_and_not_attempts(ledger: Ledger) -> None:
    failed = attempt(1, reason=FailureReason.RATE_LIMIT, cost=0, tokens=(0, 0), last=False)
    served = attempt(1, number=2, model="deepseek/deepseek-chat", cost=30, fallback=True)
    await ledger.add([failed, served, attempt(2, cost=70)])
    opus, deepseek = await ledger.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert (opus.key, opus.requests, opus.attempts, opus.failed) == (str(failed.model), 1, 2, 1)
    assert (deepseek.key, deepseek.requests, deepseek.fallback_requests) == (
        "deepseek/deepseek-chat",
        1,
        1,
    )
    assert (opus.fallback_cost_nano_usd, deepseek.fallback_cost_nano_usd) == (0, 30)


async def test_what_is_unpriced_is_counted_and_what_is_free_is_not(ledger: Ledger) -> None:
    await ledger.add(
        [
            attempt(1, cost=None, tokens=(0, 3)),
            attempt(2, cost=None, tokens=(0, 0), reason=FailureReason.NETWORK),
            attempt(3, cost=0),
            attempt(4, cost=9),
        ]
    )
    for end in (NOON + HOUR, NOON + MINUTE):
        (found,) = await ledger.spend(NOON, end, GroupBy.MODEL)
        assert (found.unpriced, found.cost_nano_usd, found.attempts) == (1, 9, 4)


async def test_groups_come_dearest_first(ledger: Ledger) -> None:
    await ledger.add(
        [
            attempt(1, model="b/two", cost=5),
            attempt(2, model="a/three", cost=5, caller="ana"),
            attempt(3, model="a/one", cost=20),
            attempt(4, model="c/four", cost=None),
        ]
    )
    by_model = await ledger.spend(*EVER, GroupBy.MODEL)
    assert [g.key for g in by_model] == ["a/one", "a/three", "b/two", "c/four"]
    by_provider = await ledger.spend(*EVER, GroupBy.PROVIDER)
    assert [(g.key, g.cost_nano_usd) for g in by_provider] == [("a", 25), ("b", 5), ("c", 0)]
    by_key = await ledger.spend(*EVER, GroupBy.KEY)
    assert [(g.key, g.cost_nano_usd) for g in by_key] == [("", 25), ("ana", 5)]


async def test_a_period_holds_its_start_and_not_its_end(ledger: Ledger) -> None:
    edges = [NOON - TINY, NOON, NOON + 90 * MINUTE - TINY, NOON + 90 * MINUTE, NOON + 2 * HOUR]
    await ledger.add([attempt(n, at=at, cost=10**n) for n, at in enumerate(edges)])

    async def cost(start: datetime, end: datetime) -> int:
        return sum(g.cost_nano_usd for g in await ledger.spend(start, end, GroupBy.MODEL))

    assert await cost(NOON, NOON + 90 * MINUTE) == 110
    assert await cost(NOON + TINY, NOON + 90 * MINUTE) == 100
    assert await cost(NOON - TINY, NOON + 2 * HOUR) == 1111
    assert await cost(NOON, NOON + 2 * HOUR + TINY) == 11110
    assert await cost(NOON, NOON) == 0
    assert await cost(NOON + HOUR, NOON) == 0


@pytest.mark.parametrize(
    ("zone", "local"),
    [
        ("UTC", "00:00"),
        ("Asia/Kathmandu", "05:45"),
        ("Asia/Kolkata", "05:30"),
        ("America/St_Johns", "20:30"),
        ("Pacific/Chatham", "13:45"),
    ],
)
async def test_days_are_those_of_the_zone(ledger: Ledger, zone: str, local: str) -> None:
    """The night that begins 2 March in the zone is at another UTC time everywhere."""
    offset = timedelta(hours=int(local[:2]), minutes=int(local[3:]))
    if local > "18":
        offset -= timedelta(days=1)
    midnight = datetime(2026, 3, 2, tzinfo=UTC) - offset
    await ledger.add(
        [
            attempt(1, at=midnight - TINY, cost=1),
            attempt(2, at=midnight, cost=20),
            attempt(3, at=midnight + 24 * HOUR - TINY, cost=30),
            attempt(4, at=midnight + 24 * HOUR, cost=400),
        ]
    )
    found = await ledger.spend(*EVER, GroupBy.DAY, zone=zone)
    assert [(g.key, g.cost_nano_usd) for g in found] == [
        ("2026-03-03", 400),
        ("2026-03-02", 50),
        ("2026-03-01", 1),
    ]


async def test_a_day_that_has_25_hours(ledger: Ledger) -> None:
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    at = [begin - TINY, begin, begin + 25 * HOUR - TINY, begin + 25 * HOUR]
    await ledger.add([attempt(n, at=one, cost=10**n) for n, one in enumerate(at)])
    found = await ledger.spend(*EVER, GroupBy.DAY, zone="Europe/Berlin")
    assert [(g.key, g.cost_nano_usd) for g in found] == [
        ("2026-10-26", 1000),
        ("2026-10-25", 110),
        ("2026-10-24", 1),
    ]


async def test_a_clock_that_is_a_month_off_counts_where_it_says(ledger: Ledger) -> None:
    ahead = NOON + timedelta(days=31)
    await ledger.add([attempt(1, at=ahead, cost=7), attempt(2, cost=5)])
    (now,) = await ledger.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    (later,) = await ledger.spend(ahead - HOUR, ahead + HOUR, GroupBy.MODEL)
    assert (now.cost_nano_usd, later.cost_nano_usd) == (5, 7)


# --- bills ----------------------------------------------------------------------------------------


async def test_a_bill_replaces_what_was_said_before_of_the_day(ground: Ground) -> None:
    day = date(2026, 3, 1)
    first = Bill("openai", day, 5_000_000_000, NOON)
    second = replace(first, amount_usd_nano=6_123_456_789, fetched_at=NOON + HOUR)
    other = Bill("anthropic", day, 0, NOON)
    next_day = Bill("openai", day + timedelta(days=1), -3, NOON)
    await ground.ledger.add_bills([first, other, next_day])
    await ground.other.add_bills([second, first])
    await ground.other.add_bills([first])
    assert list(await ground.ledger.bills(day, day + timedelta(days=2))) == [
        other,
        second,
        next_day,
    ]
    assert list(await ground.ledger.bills(day, day)) == []
    assert list(await ground.ledger.bills(next_day.day, date(2027, 1, 1))) == [next_day]


# --- only of databases ----------------------------------------------------------------------------


@pytest.fixture
async def opened(kind: str, new_database: NewDatabase) -> AsyncIterator[DatabaseLedger]:
    database = Database(new_database(kind))
    yield DatabaseLedger(database)
    await database.close()


@KINDS
async def test_rubbish_is_made_to_fit_and_never_stops_a_batch(opened: DatabaseLedger) -> None:
    rubbish = attempt(
        "\0 \ud800",
        caller="\0",
        served="\udfff",
        status=10**20,
        cost=10**30,
        tokens=(-5, 10**30),
        latency_ms=float("inf"),
    )
    await opened.add([rubbish, attempt(2, cost=1)])
    await opened.add([rubbish, attempt(3, cost=2)])
    found = {one.request_id: one for one in await opened.attempts(*EVER, 9)}
    assert len(found) == 3
    kept = found["req-� ?"]
    assert (kept.usage.input_tokens, kept.usage.output_tokens) == (0, 10**12)
    assert kept.cost_nano_usd == 10**15
    (spend,) = await opened.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert spend.cost_nano_usd == 10**15 + 3


@KINDS
async def test_a_batch_is_all_or_nothing(opened: DatabaseLedger) -> None:
    naive = attempt(2, at=NOON.replace(tzinfo=None))
    with pytest.raises(TypeError):
        await opened.add([attempt(1), naive])
    assert list(await opened.spend(*EVER, GroupBy.MODEL)) == []
    assert list(await opened.attempts(*EVER, 9)) == []


@KINDS
async def test_many_at_once_and_some_of_them_again(opened: DatabaseLedger) -> None:
    many = [attempt(n, at=NOON + n * TINY, cost=n) for n in range(3000)]
    await opened.add(many[:2000])
    await opened.add(many)
    (all_,) = await opened.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert (all_.attempts, all_.cost_nano_usd) == (3000, sum(range(3000)))
    assert list(await opened.attempts(*EVER, 9999)) == many[::-1]


@KINDS
async def test_writers_at_once_lose_and_double_nothing(opened: DatabaseLedger) -> None:
    many = [attempt(n, cost=n + 1, caller=f"caller {n % 3}") for n in range(120)]
    batches = [many[n : n + 40] for n in range(0, 100, 20)] * 2
    await asyncio.gather(*(opened.add(batch[::-1]) for batch in batches))
    found = await opened.spend(NOON, NOON + HOUR, GroupBy.MODEL)
    assert [(g.attempts, g.cost_nano_usd) for g in found] == [(120, sum(range(121)))]


@KINDS
async def test_writers_of_many_processes_lose_and_double_nothing(
    kind: str, new_database: NewDatabase
) -> None:
    done = await run("-m", "tests.soak.race_ledger", "4", "6", new_database(kind))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing 0, twice 0, cost off by 0, failed processes 0" in done.stdout


@KINDS
async def test_a_zone_that_is_none(opened: DatabaseLedger) -> None:
    for zone in ("Middle/Earth", "../../etc/passwd", "Europe", ""):
        with pytest.raises(StorageError, match="time zone") as caught:
            await opened.spend(*EVER, GroupBy.DAY, zone=zone)
        assert "CHANGEOVER_TIMEZONE" in caught.value.hint


@KINDS
async def test_years_of_days_in_an_odd_zone(opened: DatabaseLedger) -> None:
    at = [datetime(2021 + n, 5, 5, 18, 20, tzinfo=UTC) for n in range(5)]
    await opened.add([attempt(n, at=one, cost=n + 1) for n, one in enumerate(at)])
    found = await opened.spend(*EVER, GroupBy.DAY, zone="Asia/Kathmandu")
    assert [g.key for g in found] == [f"{2025 - n}-05-06" for n in range(5)]


PERIODS = {
    "a month by model": cut(micros_of(NOON + MINUTE), micros_of(NOON + 800 * HOUR - MINUTE)),
    "days": cut(
        micros_of(NOON + MINUTE),
        micros_of(NOON + 960 * HOUR),
        days(NOON, NOON + 960 * HOUR, "Asia/Kolkata").starts,
    ),
}


@pytest.mark.parametrize("period", PERIODS)
async def test_sqlite_looks_spend_up_and_scans_nothing(
    period: str, new_database: NewDatabase
) -> None:
    plan = await explain(new_database("sqlite"), "EXPLAIN QUERY PLAN ", PERIODS[period])
    assert "INDEX ix_attempts_at (at>? AND at<?)" in plan
    assert "SEARCH spend_hourly USING PRIMARY KEY (hour>? AND hour<?)" in plan
    assert "SCAN attempts" not in plan
    assert "SEARCH spend_quarterly USING PRIMARY KEY (quarter=?)" in plan
    assert "SCAN spend_" not in plan


@pytest.mark.parametrize("period", PERIODS)
async def test_postgresql_looks_spend_up_and_scans_nothing(
    period: str, new_database: NewDatabase
) -> None:
    url = new_database("postgresql")
    database = Database(url)
    # Without figures about its tables PostgreSQL has to guess, and must guess well.
    many = [attempt(n, at=NOON + n * MINUTE, model=f"a/{n % 5}") for n in range(20_000)]
    await DatabaseLedger(database).add(many)
    await database.close()
    plan = await explain(url, "EXPLAIN ", PERIODS[period])
    assert "ix_attempts_at" in plan
    assert "Seq Scan on attempts" not in plan


async def explain(url: str, how: str, period: Cut) -> str:
    """Return how a database would add a period up."""
    query = spend_query(GroupBy.DAY, period)
    assert query is not None

    database = Database(url)
    try:
        rows = await database.read(lambda c: c.rows(how + query))
        return "\n".join(str(list(dict(row).values())[-1]) for row in rows)
    finally:
        await database.close()


async def test_what_openclaw_used_is_told_by_agent_and_session(ground: Ground) -> None:
    await ground.ledger.add(
        [
            replace(attempt(1, cost=3), agent="main", session="s1"),
            replace(attempt(2, cost=2), agent="main", session="s2"),
            attempt(3, cost=1),
        ]
    )
    span = (NOON - HOUR, NOON + 3 * HOUR)
    by_agent = await ground.ledger.spend(*span, GroupBy.AGENT)
    assert [(s.key, s.cost_nano_usd) for s in by_agent] == [("main", 5), ("", 1)]
    by_session = await ground.ledger.spend(*span, GroupBy.SESSION)
    assert [(s.key, s.cost_nano_usd) for s in by_session] == [("s1", 3), ("s2", 2), ("", 1)]
