"""Small things are remembered, on SQLite and PostgreSQL, by one process for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from adapters.storage.buttons import DatabaseTriggers
from adapters.storage.database import Database
from adapters.storage.key_values import KeyValueStore
from tests.support.fakes_storage import FakeClock


@pytest.fixture(params=["sqlite", "postgresql"])
async def memories(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[tuple[KeyValueStore, KeyValueStore]]:
    url = new_database(request.param)
    one, other = Database(url), Database(url)
    yield KeyValueStore(one), KeyValueStore(other)
    for database in (one, other):
        await database.close()


async def test_what_one_puts_the_other_gets(memories: tuple[KeyValueStore, KeyValueStore]) -> None:
    one, other = memories
    assert await other.get("tree") is None
    await one.put("tree", "global abc")
    assert await other.get("tree") == "global abc"
    await other.put("tree", "“ü”" * 9999)
    assert await one.get("tree") == "“ü”" * 9999
    assert await one.get("tre") is None


async def test_any_text_can_be_a_key(memories: tuple[KeyValueStore, KeyValueStore]) -> None:
    one, other = memories
    for key in ("", "k" * 500, "\0 \ud800"):
        await one.put(key, key)
        assert await other.get(key) is not None


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_trigger_is_claimed_once_by_whoever_is_first(
    kind: str, new_database: Callable[[str], str]
) -> None:
    url, clock = new_database(kind), FakeClock()
    databases = [Database(url) for _ in range(2)]
    one, other = (DatabaseTriggers(database, clock) for database in databases)
    claimed = await asyncio.gather(*(who.claim("1.trigger") for who in (one, other) * 3))
    assert sorted(claimed) == [False] * 5 + [True]
    assert await other.claim("2.trigger \0")
    clock.advance(timedelta(hours=23))
    assert not await one.claim("1.trigger")
    clock.advance(timedelta(hours=2))
    assert await one.claim("1.trigger")
    for database in databases:
        await database.close()
