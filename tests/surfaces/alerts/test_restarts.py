"""Processes that vanish at awkward moments: nothing is lost, nothing was given twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.alerts.pipeline import Pipeline
from tests.surfaces.alerts.world import World


class Vanished(BaseException):
    """The process is gone."""


class Doomed:
    """A store that is used no more once a method of it was called so many times."""

    def __init__(self, store: Any, method: str, calls: int, *, after: bool = False) -> None:
        self._store, self._method = store, method
        self._left, self._after = calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if self._left <= 0:
            raise Vanished
        if name != self._method:
            return method

        async def last(*arguments: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left <= 0 and not self._after:
                raise Vanished
            result = await method(*arguments, **more)
            if self._left <= 0:
                raise Vanished
            return result

        return last


def doom(world: World, method: str, calls: int, *, after: bool = False) -> None:
    """Let the present process vanish at a call of the store's."""
    alerts = world.alerts
    store = Doomed(alerts.ports.store, method, calls, after=after)
    alerts.pipeline = Pipeline(replace(alerts.ports, store=store))


async def until_it_vanishes(world: World, **span: float) -> None:
    with pytest.raises(Vanished):
        await world.wait(**span)
    await world.kill()


@pytest.mark.parametrize(
    ("method", "calls", "after"),
    [
        ("commit", 2, False),
        ("commit", 2, True),
        ("claim", 1, True),
        ("claim", 2, False),
        ("posted", 1, False),
        ("posted", 2, False),
        ("posted", 3, False),
        ("posted", 3, True),
    ],
)
async def test_killed_between_a_message_and_its_row(
    world: World, method: str, calls: int, after: bool
) -> None:
    await world.start()
    await world.fails(3, detail="HTTP 429")
    doom(world, method, calls, after=after)
    await until_it_vanishes(world, seconds=31, step_s=31)
    await world.wait(minutes=1)
    [text] = world.said()
    assert text.startswith("Fallback: anthropic/claude-opus-4-5 is rate limited\n3 requests")
    assert max(len(world.slack.threads), len(world.discord.threads)) <= 1
    await world.answers()
    await world.wait(minutes=6, step_s=60)
    [text] = world.said()
    assert text.startswith("Recovered: anthropic/claude-opus-4-5 responds again\nDown 1 min")
    assert world.discord.faults == []


async def test_a_restart_in_good_order_goes_on_with_the_same_message(world: World) -> None:
    await world.start()
    await world.fails(3)
    await world.wait(seconds=31, step_s=31)
    before = world.slack.main[0].ts, world.discord.main[0].id
    await world.start()
    await world.fails(2)
    await world.wait(seconds=10, step_s=5)
    assert "5 requests since 12:00" in world.said()[0]
    assert (world.slack.main[0].ts, world.discord.main[0].id) == before
    assert len(world.said()) == 1


async def test_killed_in_mid_edit_and_again_before_the_end(world: World) -> None:
    await world.start()
    await world.fails(3)
    await world.wait(seconds=31, step_s=31)
    doom(world, "posted", 1)
    await world.fails(2)
    await until_it_vanishes(world, seconds=20)
    await world.wait(seconds=20)
    assert "5 requests since 12:00" in world.said()[0]
    await world.answers()
    doom(world, "commit", 2, after=True)
    await until_it_vanishes(world, minutes=6)
    await world.wait(minutes=1)
    [text] = world.said()
    assert "\n5 requests rerouted, none refused.\n" in text
    assert len(world.slack.posted) == 2
    assert len(world.discord.seen()) == 2
