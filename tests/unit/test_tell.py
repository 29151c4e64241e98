"""What the team is told besides answers: budgets, timed switches."""

from __future__ import annotations

import pytest

from adapters.main import chats
from bot.card import Card, text
from bot.errors import ChatError
from bot.ports import MessageRef
from tests.fakes_core import Bench

NEWS = Card(title=text("The budget is used up"))


class Moody:
    """A channel that refuses the first few posts."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.said: list[Card] = []

    async def post(self, card: Card) -> MessageRef:
        if self.refusals:
            self.refusals -= 1
            raise ChatError("It is busy.")
        self.said.append(card)
        return MessageRef("here", "room", "1")

    async def update(self, message: MessageRef, card: Card) -> None:
        raise AssertionError("nothing is edited here")

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        raise AssertionError("nothing is answered here")


@pytest.mark.parametrize(("refusals", "said"), [(0, 1), (1, 1), (2, 0)])
async def test_a_fault_is_outlived_once_and_then_logged(refusals, said, monkeypatch, caplog):
    monkeypatch.setattr(chats, "TELL_AGAIN_S", 0.0)
    here, there = Moody(refusals), Moody(0)
    await chats.tell(Bench().app, {"here": here, "there": there}, NEWS)
    assert (len(here.said), len(there.said)) == (said, 1)
    assert ("here could not be told" in caplog.text) == (said == 0)
