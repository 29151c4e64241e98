"""Each surface on its own time, and calls that end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.main.timeout_chat import TimeoutChat, TimeoutHistory
from bot.alerts.pipeline import SurfaceWorkers
from bot.card import Card, text
from bot.errors import ChatError, StorageError
from bot.ports import ChatHistory, MessageRef
from tests.support.fakes_alerts import NOON
from tests.surfaces.alerts.world import World

CARD = Card(title=text("Hello"))
HELLO = MessageRef("slack", "C1", "1")


class Deaf:
    """A chat that never answers."""

    async def post(self, card: Card) -> MessageRef:
        await asyncio.sleep(600)
        return HELLO

    async def update(self, message: MessageRef, card: Card) -> None:
        await asyncio.sleep(600)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        return await self.post(card)

    async def find(self, words: str, since: object) -> MessageRef | None:
        return await self.post(CARD)


async def test_a_chat_that_never_answers_is_given_up_in_words() -> None:
    chat, history = TimeoutChat("slack", Deaf(), 0.01), TimeoutHistory("slack", Deaf(), 0.01)
    for call in (
        chat.post(CARD),
        chat.update(HELLO, CARD),
        chat.reply(HELLO, CARD),
        history.find("Incident 1", NOON),
    ):
        with pytest.raises(ChatError, match=r"Slack did not answer in time\."):
            await call
    assert isinstance(history, ChatHistory)


async def test_a_surface_has_one_delivery_at_a_time_and_waits_for_no_other() -> None:
    gates = {name: asyncio.Event() for name in ("slack", "discord")}
    begun: list[str] = []

    async def deliver(surface: str) -> None:
        begun.append(surface)
        await gates[surface].wait()

    deliveries = SurfaceWorkers(deliver, wait_s=0.01)
    await deliveries.wait()
    gates["discord"].set()
    for _ in range(3):
        deliveries.begin(gates)
        await deliveries.wait()
    assert begun == ["slack", "discord", "discord", "discord"]
    gates["slack"].set()
    await deliveries.wait()
    deliveries.begin(gates)
    assert len(begun) == 4
    await deliveries.stop()
    assert begun[4:] == ["slack", "discord"]


async def test_a_database_that_is_away_is_told_and_the_next_try_is_made() -> None:
    tries = 0

    async def deliver(surface: str) -> None:
        nonlocal tries
        tries += 1
        raise StorageError("The database is away.")

    deliveries = SurfaceWorkers(deliver)
    for _ in range(2):
        deliveries.begin(["slack", "discord"])
        with pytest.raises(StorageError):
            await deliveries.wait()
    assert tries == 4


async def test_what_hangs_at_the_end_is_broken_off() -> None:
    ended = asyncio.Event()

    async def deliver(surface: str) -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()

    deliveries = SurfaceWorkers(deliver, wait_s=0.01)
    deliveries.begin(["slack"])
    await deliveries.wait()
    await deliveries.stop(0.01)
    assert ended.is_set()
    await deliveries.stop()


async def test_after_a_month_only_the_incidents_row_is_left(world: World) -> None:
    world.surfaces = {"slack": False, "discord": False}
    await world.start()
    await world.fails(3)
    await world.wait(minutes=1)
    await world.answers()
    await world.wait(minutes=6)
    world.clock.advance(timedelta(days=39))
    await world.tick()
    store = world.alerts.ports.store
    [kept] = await store.incidents(NOON)
    assert kept.samples
    world.clock.advance(timedelta(days=2))
    await world.tick()
    [kept] = await store.incidents(NOON)
    assert (kept.samples, kept.requests, kept.state) == ((), 3, "resolved")
