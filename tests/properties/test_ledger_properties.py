"""The rollups agree with a look at every row, to the nano-dollar, whatever was added."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from bot.models import FailureReason, ModelRef, Usage
from bot.ports import Attempt, GroupBy
from tests.support.fakes_ledger import FakeLedger
from tests.support.ledger_scan import full_scan

# Around the last Sunday of March: hours that are missing, hours that come twice.
BEGIN = datetime(2026, 3, 26, tzinfo=UTC)
DAYS = 6
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "America/St_Johns",
    "Africa/Cairo",
)

_QUARTERS = [n * timedelta(minutes=15) for n in range(-5, 6)]
_EDGES = [timedelta(microseconds=n) for n in (-1, 0, 1)]


def instants(zone: str) -> st.SearchStrategy[datetime]:
    """Times around the zone's midnights, where days and hours are cut, and any others."""
    first = BEGIN.date()
    midnights = [
        datetime.combine(first + timedelta(days=n), time(), ZoneInfo(zone)).astimezone(UTC)
        for n in range(DAYS + 1)
    ]
    near = st.tuples(
        st.sampled_from(midnights), st.sampled_from(_QUARTERS), st.sampled_from(_EDGES)
    )
    anywhere = st.timedeltas(timedelta(0), timedelta(days=DAYS))
    return st.one_of(
        near.map(lambda found: found[0] + found[1] + found[2]),
        anywhere.map(lambda after: BEGIN + after),
    )


tokens = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input_tokens=tokens,
    output_tokens=tokens,
    cached_input_tokens=tokens,
    cache_write_tokens=tokens,
    reasoning_tokens=tokens,
    web_searches=st.integers(0, 3),
    terms=st.sampled_from(["", "flex"]),
)
attempts = st.builds(
    Attempt,
    at=st.just(BEGIN),
    request_id=st.integers(0, 60).map(str),
    number=st.integers(1, 3),
    model=st.builds(ModelRef, st.sampled_from(["a", "b"]), st.sampled_from(["x", "y/z"])),
    provider=st.sampled_from(["a", "b", "c"]),
    usage=st.one_of(st.just(Usage()), usages),
    caller=st.sampled_from([None, "", "ana", "ünï"]),
    source=st.sampled_from(["gateway", "openclaw"]),
    agent=st.sampled_from([None, "main"]),
    reason=st.one_of(st.none(), st.sampled_from(FailureReason)),
    last=st.booleans(),
    fallback=st.booleans(),
    cost_nano_usd=st.one_of(st.none(), st.integers(0, 10**13)),
)


@dataclass(frozen=True)
class Case:
    """What is added, and what is asked for."""

    zone: str
    start: datetime
    end: datetime
    batches: list[list[Attempt]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(ZONES))
    at = instants(zone)
    rows = st.builds(lambda one, when: replace(one, at=when), attempts, at)
    batches = draw(st.lists(st.lists(rows, max_size=20), min_size=1, max_size=4))
    whole = (BEGIN, BEGIN + timedelta(days=DAYS))
    start, end = draw(st.one_of(st.just(whole), st.tuples(at, at).map(sorted)))
    return Case(zone, start, end, batches)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Database]]:
    folder: Path = tmp_path_factory.mktemp("ledger")
    database = Database(f"sqlite:///{folder / 'changeover.db'}")
    with asyncio.Runner() as runner:
        yield runner, database
        runner.run(database.close())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=cases())
def test_rollups_equal_a_full_scan(opened: tuple[asyncio.Runner, Database], case: Case) -> None:
    runner, database = opened
    runner.run(_compare(database, case))


async def _compare(database: Database, case: Case) -> None:
    ledger, simple = DatabaseLedger(database), FakeLedger()
    start, end, zone = case.start, case.end, case.zone
    await database.write(_empty)
    for batch in case.batches:
        await ledger.add(batch)
        await simple.add(batch)
    for by in GroupBy:
        found = await ledger.spend(start, end, by, zone=zone)
        assert found == await simple.spend(start, end, by, zone=zone)
        if by is not GroupBy.DAY:
            assert found == await full_scan(database, start, end, by)


def _empty(connection: Connection) -> None:
    for table in ("attempts", "spend_hourly", "spend_quarterly"):
        connection.run(f"DELETE FROM {table}")
