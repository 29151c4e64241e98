"""What every Lifecycles port keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from adapters.storage.database import Database
from adapters.storage.lifecycles import DatabaseLifecycles
from bot.models import ModelRef
from bot.ports.lifecycles import Lifecycle, Lifecycles
from tests.support.fakes_lifecycles import FakeLifecycles

NOW = datetime(2026, 12, 1, 9, 0, 0, 123457, tzinfo=UTC)
DAY, TURN = timedelta(days=1), timedelta(hours=20)
OPUS = Lifecycle(ModelRef("anthropic", "claude-opus-4-5"), NOW, NOW, 0, None, date(2027, 1, 22))
FULL = Lifecycle(
    ModelRef("openai", "gpt-5"), NOW, NOW - DAY, 2, NOW, None, True, date(2026, 12, 11), NOW, NOW
)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def stores(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Callable[[], Lifecycles]]:
    """Return a way to open the same store as another process would."""
    if request.param == "fake":
        fake = FakeLifecycles()
        yield lambda: fake
        return
    url = new_database(request.param)
    opened: list[Database] = []

    def open_store() -> Lifecycles:
        database = Database(url)
        opened.append(database)
        return DatabaseLifecycles(database)

    yield open_store
    for one in opened:
        await one.close()


async def test_another_process_reads_what_a_look_has_shown(
    stores: Callable[[], Lifecycles],
) -> None:
    first, second = stores(), stores()
    assert list(await second.rows()) == []
    assert await second.size("anthropic") == 0
    await first.claim("anthropic", NOW, NOW - TURN)
    await first.keep("anthropic", 9, [FULL, OPUS])
    assert list(await second.rows()) == [OPUS, FULL]
    assert await second.size("anthropic") == 9
    # A look that says nothing of the list's length leaves it, and a reminder is nobody else's.
    await second.remind(OPUS.ref, NOW, NOW + 7 * DAY)
    await first.keep("anthropic", 0, [replace(OPUS, absent=1)])
    assert await second.size("anthropic") == 9
    assert next(iter(await second.rows())) == replace(OPUS, absent=1, remind_at=NOW + 7 * DAY)


async def test_a_reminder_of_a_model_that_no_list_has_shown(
    stores: Callable[[], Lifecycles],
) -> None:
    first, second = stores(), stores()
    await first.remind(OPUS.ref, NOW, NOW + DAY)
    assert list(await second.rows()) == [Lifecycle(OPUS.ref, NOW, remind_at=NOW + DAY)]
    await first.remind(OPUS.ref, NOW, None)
    assert list(await second.rows()) == [Lifecycle(OPUS.ref, NOW)]


async def test_one_process_alone_takes_the_days_turn(stores: Callable[[], Lifecycles]) -> None:
    several = [stores() for _ in range(4)]
    for at in (NOW, NOW + DAY):
        taken = await asyncio.gather(*(one.claim("openai", at, at - TURN) for one in several))
        assert sorted(taken) == [False, False, False, True]
    # The clock was put back: the look of tomorrow holds nothing up.
    assert await several[0].claim("openai", NOW, NOW - TURN)
    assert await several[0].claim("groq", NOW, NOW - TURN)
