"""What every ButtonStore keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from adapters.storage.buttons import DatabaseButtons
from adapters.storage.database import Database
from bot.access import Actor, Surface
from bot.card import Action
from bot.errors import StorageError
from bot.ports import ButtonStore, Claim
from tests.support.fakes_core import FakeButtons

NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
ANA = Actor(Surface.SLACK, "U1", "Ana \x00")
BO = Actor(Surface.DISCORD, "2", "Bo")
FULL = Action(
    "model use b/two reason “ümlaut” 🚀",
    confirmed=True,
    shown=("session agent:main:a beta/m",),
    expected_primary="",
    change_id=7,
    only="slack:U1",
    expires_at=NOW + timedelta(minutes=5),
    once=True,
)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def stores(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Callable[[], ButtonStore]]:
    """Return a way to open the same store as another process would."""
    if request.param == "fake":
        fake = FakeButtons()
        yield lambda: fake
        return
    url = new_database(request.param)
    opened: list[Database] = []

    def open_store() -> ButtonStore:
        database = Database(url)
        opened.append(database)
        return DatabaseButtons(database)

    yield open_store
    for one in opened:
        await one.close()


@pytest.mark.parametrize("action", [FULL, Action("model status")])
async def test_another_process_recalls_what_a_button_does(
    stores: Callable[[], ButtonStore], action: Action
) -> None:
    button_id = await stores().remember(action, NOW)
    assert await stores().recall(button_id) == action


async def test_every_button_has_a_short_id_of_its_own(stores: Callable[[], ButtonStore]) -> None:
    store = stores()
    ids = {await store.remember(FULL, NOW) for _ in range(20)}
    assert len(ids) == 20
    for button_id in ids:
        assert 0 < len(button_id) <= 40
        assert all(c.isascii() and (c.isalnum() or c in "-_") for c in button_id)


async def test_a_button_nobody_knows_does_nothing(stores: Callable[[], ButtonStore]) -> None:
    assert await stores().recall("no-such-button") is None


async def test_the_first_click_counts(stores: Callable[[], ButtonStore]) -> None:
    button_id = await stores().remember(FULL, NOW)
    assert await stores().claim(button_id, BO, NOW) is None
    for actor in (ANA, BO):
        first = await stores().claim(button_id, actor, NOW + timedelta(seconds=1))
        assert first == Claim("Bo", NOW)
    other = await stores().remember(FULL, NOW)
    assert await stores().claim(other, ANA, NOW) is None


async def test_of_many_clicks_at_once_one_counts(stores: Callable[[], ButtonStore]) -> None:
    button_id = await stores().remember(FULL, NOW)
    clicked = [stores() for _ in range(6)]
    told = await asyncio.gather(*(store.claim(button_id, BO, NOW) for store in clicked))
    assert told.count(None) == 1
    assert told.count(Claim("Bo", NOW)) == 5


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_click_on_what_nobody_knows_does_not_count(
    kind: str, new_database: Callable[[str], str]
) -> None:
    database = Database(new_database(kind))
    with pytest.raises(StorageError):
        await DatabaseButtons(database).claim("no-such-button", ANA, NOW)
    await database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_buttons_of_long_ago_are_forgotten(
    kind: str, new_database: Callable[[str], str]
) -> None:
    database = Database(new_database(kind))
    store = DatabaseButtons(database)
    old = await store.remember(FULL, NOW - timedelta(days=30, seconds=1))
    young = await store.remember(FULL, NOW - timedelta(days=30))
    assert await store.recall(old) == FULL
    await store.remember(FULL, NOW)
    assert (await store.recall(old), await store.recall(young)) == (None, FULL)
    await database.close()
