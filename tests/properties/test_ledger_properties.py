"""The rollups agree with a look at every row, to the nano-dollar, whatever was added."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.storage.database import Database
from adapters.storage.ledger import SqlLedger
from bot.models import FailureReason, ModelRef, Usage
from bot.ports import Attempt, GroupBy
from tests.fakes_ledger import FakeLedger
from tests.ledger_scan import full_scan

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

_MICROS = DAYS * 24 * 3600 * 10**6
_MINUTES = [n * 60 * 10**6 for n in (0, 15, 30, 45, 60 * 22, 60 * 23, 60 * 24)]
instants = st.one_of(
    st.integers(0, _MICROS),
    st.builds(
        lambda day, at: day * 24 * 3600 * 10**6 + at,
        st.integers(0, DAYS),
        st.sampled_from(_MINUTES),
    ),
).map(lambda micros: BEGIN + timedelta(microseconds=micros))
tokens = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input_tokens=tokens,
    output_tokens=tokens,
    cached_input_tokens=tokens,
    cache_write_tokens=tokens,
    reasoning_tokens=tokens,
)
attempts = st.builds(
    Attempt,
    at=instants,
    request_id=st.integers(0, 20).map(str),
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


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("ledger")
    return f"sqlite:///{folder / 'changeover.db'}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    batches=st.lists(st.lists(attempts, max_size=12), min_size=1, max_size=4),
    one=instants,
    other=instants,
    zone=st.sampled_from(ZONES),
)
def test_rollups_equal_a_full_scan(
    url: str, batches: list[list[Attempt]], one: datetime, other: datetime, zone: str
) -> None:
    start, end = sorted((one, other))
    asyncio.run(_compare(url, batches, start, end, zone))


async def _compare(
    url: str, batches: list[list[Attempt]], start: datetime, end: datetime, zone: str
) -> None:
    database, simple = Database(url), FakeLedger()
    ledger = SqlLedger(database)
    try:
        for table in ("attempts", "spend_hourly"):
            await database.write(lambda c, t=table: c.execute(text(f"DELETE FROM {t}")))  # type: ignore[misc]
        for batch in batches:
            await ledger.add(batch)
            await simple.add(batch)
        for by in GroupBy:
            found = await ledger.spend(start, end, by, zone=zone)
            assert found == await simple.spend(start, end, by, zone=zone)
            if by is not GroupBy.DAY:
                assert found == await full_scan(database, start, end, by)
    finally:
        await database.close()
