"""Small things are remembered, on SQLite and PostgreSQL, by one process for another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from adapters.storage.sync_memory import LazyMemory


@pytest.fixture(params=["sqlite", "postgresql"])
async def memories(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[tuple[LazyMemory, LazyMemory]]:
    url = new_database(request.param)
    pair = LazyMemory(url), LazyMemory(url)
    yield pair
    for memory in pair:
        await memory.close()


async def test_what_one_puts_the_other_gets(memories: tuple[LazyMemory, LazyMemory]) -> None:
    one, other = memories
    assert await other.get("tree") is None
    await one.put("tree", "global abc")
    assert await other.get("tree") == "global abc"
    await other.put("tree", "“ü”" * 9999)
    assert await one.get("tree") == "“ü”" * 9999
    assert await one.get("tre") is None


async def test_any_text_can_be_a_key(memories: tuple[LazyMemory, LazyMemory]) -> None:
    one, other = memories
    for key in ("", "k" * 500, "\0 \ud800"):
        await one.put(key, key)
        assert await other.get(key) is not None
