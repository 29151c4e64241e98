"""The line between the main process and a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.main.link import Link
from adapters.main.worker import stay_read, stay_written
from bot.routing.sticky import Stay


@asynccontextmanager
async def joined(one: Link, two: Link) -> AsyncIterator[asyncio.Task[None]]:
    left, right = socket.socketpair()
    await one.open(left)
    await two.open(right)
    tasks = [asyncio.create_task(link.run()) for link in (one, two)]
    yield tasks[1]
    one.close()
    await asyncio.wait(tasks)


async def test_words_come_in_order_and_questions_have_answers():
    heard: list[bytes] = []

    async def twice(body: bytes) -> bytes:
        return body * 2

    async def fails(body: bytes) -> bytes:
        raise RuntimeError("no")

    async def hangs(body: bytes) -> bytes:
        await asyncio.sleep(3600)
        return body

    asks = Link({}, {})
    answers = Link({"say": heard.append}, {"twice": twice, "fails": fails, "hangs": hangs})
    async with joined(asks, answers) as ended:
        for body in (b"", b"a\n{}", b"x" * 300_000):
            asks.tell("say", body)
        assert await asks.ask("twice", b"\n12", within_s=30) == b"\n12\n12"
        assert heard == [b"", b"a\n{}", b"x" * 300_000]
        with pytest.raises(ConnectionError):
            await asks.ask("fails", within_s=30)
        with pytest.raises(TimeoutError):
            await asks.ask("hangs", within_s=0.01)
        waiting = asyncio.create_task(asks.ask("hangs", within_s=30))
        await asyncio.sleep(0)
        asks.close()
        with pytest.raises(ConnectionError):
            await waiting
        await ended
    asks.tell("say", b"to nobody")
    with pytest.raises(ConnectionError):
        await asks.ask("twice", within_s=30)


def test_a_stay_on_its_way():
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    stay = Stay("a/b", "c/d", "r1", at, at + timedelta(minutes=1), timedelta(minutes=5))
    key = b"0123456789abcdef"
    assert stay_read(stay_written(key, stay)) == (key, stay)
    assert stay_read(stay_written(key, None)) == (key, None)
