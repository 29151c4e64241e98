"""A process that dies at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import ChatError
from tests.support.fakes_alerts import AlertBench

EFFECTS = {
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
    "post_",
    "update",
    "reply",
}


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """Counts what has an effect, and kills before or after the one of that number."""

    at: int = 0
    after: bool = False
    count: int = 0
    last: str = ""

    def strikes(self, name: str) -> bool:
        self.count += 1
        self.last = name
        return self.count == self.at


class Mortal:
    """A port whose calls may be the last ones."""

    def __init__(self, port: Any, fate: Fate, *, chat: bool = False) -> None:
        self._port, self._fate, self._chat = port, fate, chat

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        known = f"{name}_" if self._chat and name == "post" else name
        if known not in EFFECTS:
            return method

        async def call(*args: Any, **more: Any) -> Any:
            strikes = self._fate.strikes(name)
            if strikes and not self._fate.after:
                raise Killed
            result = await method(*args, **more)
            if strikes:
                raise Killed
            return result

        return call


class MortalBench(AlertBench):
    """A bench whose pipeline is killed once, and started again."""

    def __init__(self, fate: Fate, *surfaces: str) -> None:
        self.fate = fate
        super().__init__(*surfaces)
        self.histories = dict(self.chats)

    def start(self, **ports: Any) -> Any:
        chats = {name: Mortal(chat, self.fate, chat=True) for name, chat in self.chats.items()}
        return super().start(store=Mortal(self.store, self.fate), chats=chats, **ports)

    async def tick(self) -> None:
        try:
            await super().tick()
        except Killed:
            self.start()


async def outage(bench: AlertBench) -> None:
    await bench.fails(3)
    await bench.wait(minutes=1, step_s=10)
    await bench.fails(2)
    await bench.wait(minutes=1, step_s=10)
    bench.answers()
    await bench.wait(minutes=8, step_s=20)


async def effects(scenario: Any, *surfaces: str) -> int:
    bench = MortalBench(Fate(), *surfaces)
    await scenario(bench)
    return bench.fate.count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_anywhere_in_an_outage(after: bool):
    total = await effects(outage, "slack", "discord")
    assert total > 15
    for at in range(1, total + 1):
        bench = MortalBench(Fate(at, after), "slack", "discord")
        await outage(bench)
        where = f"{at} of {total}, {'after' if after else 'before'}"
        for chat in bench.chats.values():
            assert chat.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"], where
            assert "5 requests rerouted, none refused." in chat.main[0].text, where
            assert len(chat.messages) <= 2, where
        assert list(await bench.store.behind("slack")) == [], where
        assert len(bench.log.incident_rows) == 1, where


async def deaf(bench: AlertBench) -> None:
    bench.slack.fail_post = bench.slack.fail_update = ChatError("Slack is away.", gone=True)
    await bench.fails(3)
    await bench.wait(minutes=4, step_s=10)
    bench.slack.fail_post = bench.slack.fail_update = None
    await bench.wait(minutes=3, step_s=10)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_anywhere_while_a_surface_is_deaf(after: bool):
    total = await effects(deaf, "slack", "discord")
    for at in range(1, total + 1):
        bench = MortalBench(Fate(at, after), "slack", "discord")
        await deaf(bench)
        where = f"{at} of {total}, {'after' if after else 'before'}"
        fallback = "Fallback: anthropic/claude-opus-4-5 is rate limited"
        assert bench.slack.titles == [fallback], where
        told = [t for t in bench.discord.titles if t != fallback]
        assert bench.discord.titles.count(fallback) == 1, where
        assert told == ["Alerts reach Slack again"], where


async def test_a_post_that_somebody_may_be_at_is_left_to_them_for_a_while():
    bench = AlertBench()
    await bench.fails(to=None)
    await bench.pipeline.decide()
    [post, _details] = await bench.store.behind("slack")
    assert await bench.store.claim(post, bench.now)
    await bench.wait(seconds=25)
    assert bench.slack.messages == []
    await bench.wait(seconds=10)
    assert len(bench.slack.main) == 1


@pytest.mark.parametrize("readable", [True, False])
async def test_a_message_whose_id_was_lost(readable: bool):
    bench = AlertBench()
    await bench.fails(to=None)
    await bench.pipeline.decide()
    bench.start(chats={"slack": Mortal(bench.slack, Fate(1, after=True), chat=True)})
    with pytest.raises(Killed):
        await bench.pipeline.deliver("slack")
    assert len(bench.slack.main) == 1
    bench.start()
    if not readable:
        bench.slack.fail_find = ChatError("The bot may not read the channel.")
    await bench.wait(minutes=2)
    # Where the channel cannot be read, twice is better than never.
    assert len(bench.slack.main) == (1 if readable else 2)
    await bench.fails(2, to=None)
    await bench.wait(minutes=1)
    assert "3 requests" in bench.slack.main[-1].text


async def test_details_whose_id_was_lost_are_not_said_twice():
    bench = AlertBench()
    await bench.fails(to=None)
    await bench.pipeline.decide()
    bench.start(chats={"slack": Mortal(bench.slack, Fate(2, after=True), chat=True)})
    with pytest.raises(Killed):
        await bench.pipeline.deliver("slack")
    assert len(bench.slack.messages) == 2
    bench.start()
    await bench.wait(minutes=2)
    assert len(bench.slack.messages) == 2


@pytest.mark.parametrize("unsure", [False, True])
async def test_details_whose_answer_was_lost_are_not_said_twice(unsure: bool):
    bench = AlertBench()
    await bench.fails(3, detail="HTTP 429")
    bench.slack.fail_reply = ChatError("Slack could not be reached.", unsure=unsure)
    await bench.wait(minutes=1)
    bench.slack.fail_reply = None
    await bench.wait(minutes=2)
    # What was refused for certain is said later.
    assert len(bench.slack.messages) == (1 if unsure else 2)
    assert not await bench.store.behind("slack")


async def test_two_processes_that_both_believe_to_lead():
    one = AlertBench("slack", "discord")
    two = AlertBench("slack", "discord")
    two.store, two.log, two.chats, two.clock = one.store, one.log, one.chats, one.clock
    for chat in one.chats.values():
        chat.slow = True
    two.start()
    for step in range(60):
        if step in (0, 5, 9):
            await one.fails(3)
        if step == 30:
            one.answers()
        one.clock.advance(timedelta(seconds=10))
        await asyncio.gather(one.tick(), two.tick())
    for chat in one.chats.values():
        assert chat.titles == ["Recovered: anthropic/claude-opus-4-5 responds again"]
        assert "9 requests rerouted" in chat.main[0].text
        assert len(chat.messages) == 2
