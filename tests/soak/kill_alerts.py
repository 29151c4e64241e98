"""Kill a process at every single step of an outage, and look at what people read afterwards.

    python -m tests.soak.kill_alerts

An outage begins, Slack goes away and comes back, the model recovers. Before and after each call
that writes to the database the process vanishes and another takes over. Both channels must end with
one message, in its last state, with all requests counted, and at most one answer below it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.alerts.pipeline import Pipeline
from tests.surfaces.alerts.world import World, discord_time, first_line

WRITES = {
    "commit",
    "claim",
    "posted",
    "put_off",
    "give_up",
    "add_notice",
    "amend_notice",
    "set_trouble",
    "clear_trouble",
    "remember",
}
OVER = "Recovered: anthropic/claude-opus-4-5 responds again"


class Vanished(BaseException):
    """The process is gone."""


class Mortal:
    """A store whose call of that number is the last one."""

    def __init__(self, store: Any, at: int, *, after: bool) -> None:
        self._store, self._at, self._after = store, at, after
        self._count = 0
        self.last = ""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any, **more: Any) -> Any:
            if self.last:
                raise Vanished
            self._count += name in WRITES
            strikes = name in WRITES and self._count == self._at
            self.last = name if strikes else ""
            if strikes and not self._after:
                raise Vanished
            result = await method(*arguments, **more)
            if strikes:
                raise Vanished
            return result

        return call


async def outage(folder: Path, at: int, *, after: bool) -> tuple[str, str]:
    """Go through one outage; return where it was struck and what is wrong at the end."""
    world = World(folder)
    with discord_time(world.clock):
        await world.open()
        await world.start()
        alerts = world.alerts
        store = Mortal(alerts.ports.store, at, after=after)
        alerts.pipeline = Pipeline(replace(alerts.ports, store=store))

        async def go(step_s: float, **span: float) -> None:
            try:
                await world.wait(step_s, **span)
            except Vanished:
                await world.kill()

        await world.fails(3, detail="HTTP 429")
        await go(20, seconds=40)
        world.slack.away = "502"
        await world.fails(2)
        await go(20, minutes=3)
        world.slack.away = ""
        await world.fails(1)
        await go(20, minutes=2)
        await world.answers()
        for _ in range(2):
            await go(60, minutes=9)
        wrong = judge(world)
        await world.close()
        return store.last, wrong


def judge(world: World) -> str:
    """Say what is wrong with the channels; nothing is the empty string."""
    for surface in ("slack", "discord"):
        texts = [text for text in world.texts(surface) if not text.startswith("Alerts ")]
        if [first_line(text) for text in texts] != [OVER]:
            return f"{surface} shows {texts}"
        if "\n6 requests rerouted, none refused.\n" not in texts[0]:
            return f"{surface} counts {texts}"
    if len(world.texts("discord")) > 2:
        return f"discord shows {world.texts('discord')}"
    answers = len(world.slack.threads), len(world.discord.threads)
    return f"answers below: {answers}" if max(answers) > 1 else ""


async def main() -> int:
    """Strike everywhere, until there is nowhere left to strike."""
    logging.disable(logging.CRITICAL)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    bad = at = 0
    struck = "first"
    while struck:
        at += 1
        for after in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                struck, wrong = await outage(Path(folder), at, after=after)
            if wrong:
                bad += 1
                print(f"killed {'after' if after else 'before'} {struck} (write {at}): {wrong}")
    print(f"{at - 1} writes, killed before and after each: {bad} outages ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
