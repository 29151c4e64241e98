"""A trial's card in Slack and in Discord: one message, edited, with buttons that are pressed."""

from __future__ import annotations

import pytest

from adapters.storage.ledger.store import DatabaseLedger
from bot.access import SERVICE
from bot.commands.trial_watch import watch_trial
from bot.models import FailureReason
from tests.servers.discord import ANA
from tests.support.fakes_core import OWNER
from tests.support.fakes_ledger import attempt
from tests.surfaces.alerts.test_buttons import press
from tests.surfaces.alerts.world import FLASH, OPUS, World, discord_text


async def _look(world: World) -> None:
    """Let the service look, and bring both chats up to date."""
    app = world.wired.app
    for service in ("gateway", "bot"):
        await app.ports.journal.beat(service, world.clock.now())
    await watch_trial(app.context(SERVICE), world.alerts.outbox)
    await world.wait(seconds=12, step_s=6)


async def _serve(world: World, count: int, *, candidate: bool, errors: int = 0) -> None:
    rows = []
    for number in range(count):
        world.serial += 1
        failed = number < errors
        rows.append(
            attempt(
                world.serial,
                at=world.clock.now(),
                model=FLASH if candidate else OPUS,
                cost=100_000 if candidate else 5_000_000,
                reason=FailureReason.SERVER_ERROR if failed else None,
                answered=not failed,
                caller="support",
                first_token_ms=None if failed else 400.0 + number,
                trial=1,
                candidate=candidate,
                conversation=world.serial,
            )
        )
    await DatabaseLedger(world.wired.database).add(rows)


async def _begin(world: World) -> None:
    await world.start()
    await _look(world)
    card = await world.wired.app.handle(OWNER, f"model trial {FLASH} 10% for 2h reason chat")
    assert card.ok, card
    await _look(world)


@pytest.mark.parametrize("surface", ["slack", "discord"])
async def test_the_buttons_change_the_share_stop_and_promote(world: World, surface: str) -> None:
    await _begin(world)
    (shown,) = world.texts(surface)
    assert shown.startswith(f"Trial 1: {FLASH} on 10%")
    assert shown.endswith("[25%] [50%] [Promote] [Stop]")
    answer, private = await press(world, surface, "25%", operator=False)
    assert "needs the change permission" in answer
    assert private
    answer, private = await press(world, surface, "25%", operator=True)
    assert f"Trial 1: {FLASH} on 10% → 25%" in answer
    assert not private
    await _serve(world, 90, candidate=False)
    await _serve(world, 40, candidate=True)
    await _look(world)
    await _look(world)
    card = world.texts(surface)[0]
    assert f"{FLASH} gets 25% of conversations" in card
    assert "-$0.0049" in card
    assert (await _promoted(world, surface)).startswith("Primary: best → ")
    await _look(world)
    over = world.texts(surface)[0]
    assert over.startswith("Trial 1 promoted")
    assert "[Promote]" not in over
    late, _ = await press_words(world, "model trial promote 1")
    assert "Trial 1 is over" in late


async def _promoted(world: World, surface: str) -> str:
    """Press Promote, and confirm it: Slack by its own dialog, Discord by a question."""
    if surface == "slack":
        return (await press(world, surface, "Promote", operator=True))[0]
    asked = await world.discord.click(world.discord.main[0], "Promote", by=ANA)
    assert asked.answer.private
    done = await world.discord.click(asked.answer, "Confirm", by=ANA)
    return discord_text(done.answer)


async def press_words(world: World, words: str) -> tuple[str, bool]:
    """Say what a button of an old card says."""
    card = await world.wired.app.click(OWNER, f"w:{words}")
    return (card.error.message if card.error else ""), card.ok


async def test_a_trial_that_stops_itself_says_so_in_a_message_of_its_own(world: World) -> None:
    await _begin(world)
    for _ in range(6):
        world.clock.at = world.clock.at.replace(second=0)
        await _serve(world, 90, candidate=False)
        await _serve(world, 10, candidate=True, errors=5)
        await world.wait(seconds=60, step_s=60)
    await world.wait(seconds=60, step_s=60)
    await _look(world)
    await _look(world)
    card, told = world.texts("slack")
    assert len(world.texts("discord")) == 2
    assert card.startswith("Trial 1 stopped itself: more errors than the primary")
    assert told.startswith("Trial 1 stopped itself: more errors than the primary")
    assert "Callers: support 60 (30 errors)." in told
    assert f"All conversations go to {OPUS} again." in told
    assert "[Stop]" not in card
