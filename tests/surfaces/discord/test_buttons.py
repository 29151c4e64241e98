"""Buttons in Discord, end to end: who clicks, how often, and after what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.access import AccessRules
from bot.settings import Settings
from tests.servers.discord import ANA, BO, CHANNEL, DM, UPDATE_LATER, DiscordServer
from tests.support.fakes_core import GUIDE, KEYS, Bench
from tests.support.fakes_discord import FakeMemory, running

OPERATOR = f"discord:{ANA.id}"
BOTH = f"{OPERATOR},discord:{BO.id}"


def on_local() -> dict[str, Any]:
    """The guide's config, switched to the local model: everything else is dearer."""
    config: dict[str, Any] = json.loads(json.dumps(GUIDE))
    config["agents"]["defaults"]["model"]["primary"] = "ollama/llama3.3"
    return config


def let(bench: Bench, operators: str) -> None:
    """Start again with other operators, as a restart would."""
    bench.app.settings = Settings(env=KEYS, access=AccessRules.parse(operators, ""))


async def test_a_click_is_answered_beside_the_message(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        status = await server.command("model status")
        clicked = await server.click(status.answer, "Test chain")
        assert clicked.callback == UPDATE_LATER
        assert not clicked.answer.private
        assert status.answer.edits == 1


async def test_a_switch_by_button_or_menu_asks_first_in_private(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        status = await server.command("model status")
        for clicked in (
            await server.click(status.answer, "Switch to cheap"),
            await server.pick(status.answer, "cheap"),
        ):
            assert clicked.answer.private
            assert "best → cheap" in clicked.answer.words
            assert "Nothing has changed yet." in clicked.answer.words
            assert bench.primary == "anthropic/claude-opus-4-5"
        done = await server.click(clicked.answer, "Confirm")
        assert "best → cheap" in done.answer.words
        assert bench.primary == "deepseek/deepseek-chat"


async def test_a_menu_outlives_a_restart_and_is_for_operators(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        status = await server.command("model status")
    async with running(server, bench):
        refused = await server.pick(status.answer, "fast", by=BO)
        assert refused.answer.private
        assert "CHANGEOVER" in refused.answer.words
        picked = await server.pick(status.answer, "fast")
        assert "best → fast" in picked.answer.words


async def test_a_guest_who_clicks_is_refused_in_private(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        status = await server.command("model status", by=BO)
        clicked = await server.click(status.answer, "Switch to cheap", by=BO)
        assert clicked.answer.private
        assert "CHANGEOVER" in clicked.answer.words
        assert [r.command for r in bench.journal.refusals] == ["model cheap"]
        assert bench.primary == "anthropic/claude-opus-4-5"


async def test_the_second_click_is_told_who_was_first(server: DiscordServer):
    bench = Bench(operators=BOTH)
    async with running(server, bench):
        changed = await server.command("model cheap")
        first = await server.click(changed.answer, "Undo", by=BO)
        second = await server.click(changed.answer, "Undo", by=ANA)
        assert "cheap → best" in first.answer.words
        assert second.answer.private
        assert "Bo already clicked this button." in second.answer.words
        assert len(await bench.journal.changes(bench.store.location, 9)) == 2


async def test_buttons_work_after_a_restart(server: DiscordServer):
    bench, memory = Bench(operators=OPERATOR), FakeMemory()
    async with running(server, bench, memory=memory):
        changed = await server.command("model cheap")
    async with running(server, bench, memory=memory):
        clicked = await server.click(changed.answer, "Undo")
        assert "cheap → best" in clicked.answer.words
    assert bench.primary == "anthropic/claude-opus-4-5"


@pytest.mark.parametrize("custom_id", ["changeover:s:nobody", "changeover:x", "old-bot-42", "w:x"])
async def test_a_button_nobody_knows_any_more_is_explained(server: DiscordServer, custom_id):
    async with running(server, Bench(operators=OPERATOR)):
        status = await server.command("model status")
        clicked = await server.click(status.answer, "", custom_id=custom_id)
        assert clicked.answer.private
        assert "has expired" in clicked.answer.words


async def test_a_dear_change_asks_first_and_the_question_goes_when_it_is_settled(
    server: DiscordServer,
):
    bench = Bench(on_local(), operators=BOTH)
    async with running(server, bench):
        asked = await server.command("model best")
        assert asked.answer.private
        assert "Question" in asked.answer.words
        assert bench.primary == "ollama/llama3.3"
        assert server.seen() == []
        confirmed = await server.click(asked.answer, "Confirm")
        await server.until(lambda: asked.answer.deleted)
        assert "local → best" in confirmed.answer.words
        assert not confirmed.answer.private
        assert bench.primary == "anthropic/claude-opus-4-5"


async def test_somebody_else_cannot_confirm(server: DiscordServer):
    bench = Bench(on_local(), operators=BOTH)
    async with running(server, bench):
        asked = await server.command("model best", by=ANA)
        clicked = await server.click(asked.answer, "Confirm", by=BO)
        assert clicked.answer.private
        assert "for somebody else" in clicked.answer.words
        assert bench.journal.refusals[-1].actor_key == f"discord:{BO.id}"
        assert not asked.answer.deleted
        assert bench.primary == "ollama/llama3.3"


async def test_a_question_grows_old(server: DiscordServer):
    bench = Bench(on_local(), operators=BOTH)
    async with running(server, bench):
        asked = await server.command("model best")
        bench.wait(minutes=6)
        clicked = await server.click(asked.answer, "Confirm")
        assert "expired" in clicked.answer.words
        assert bench.primary == "ollama/llama3.3"


async def test_a_config_that_moved_on_is_not_changed(server: DiscordServer):
    bench = Bench(on_local(), operators=BOTH)
    async with running(server, bench):
        asked = await server.command("model best")
        raw = bench.store.raw
        assert raw is not None
        bench.store.edit_outside(raw.replace(b'"primary": "ollama/', b'"primary": "groq/'))
        clicked = await server.click(asked.answer, "Confirm")
        assert clicked.answer.private
        assert "meanwhile" in clicked.answer.words
        assert bench.primary == "groq/llama3.3"


async def test_one_who_is_no_operator_any_more_cannot_confirm(server: DiscordServer):
    bench = Bench(on_local(), operators=BOTH)
    async with running(server, bench):
        asked = await server.command("model best")
        let(bench, f"discord:{BO.id}")
        clicked = await server.click(asked.answer, "Confirm")
        assert clicked.answer.private
        assert "you are not in" in clicked.answer.words
        assert bench.journal.refusals[-1].actor_key == f"discord:{ANA.id}"
        assert bench.primary == "ollama/llama3.3"


async def test_a_change_by_click_in_private_is_told_to_the_channel(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        status = await server.command("model status", channel=DM)
        asked = await server.click(status.answer, "Switch to cheap")
        await server.click(asked.answer, "Confirm")
        await server.until(lambda: server.seen(CHANNEL))
        assert "best → cheap" in server.seen(CHANNEL)[0].words


async def test_a_late_click_changes_nothing(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        status = await server.command("model status")
        await server.click(status.answer, "Switch to cheap", late=True, wait=False)
        await server.command("model help")
        assert bench.primary == "anthropic/claude-opus-4-5"


async def test_a_click_on_a_message_that_is_gone_is_still_answered(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        status = await server.command("model status")
        status.answer.deleted = True
        clicked = await server.click(status.answer, "Switch to cheap")
        assert "best → cheap" in clicked.answer.words


async def test_trouble_with_a_click_is_answered_and_logged(server: DiscordServer, caplog):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        status = await server.command("model status")

        async def broken(actor, button, **how):
            raise ZeroDivisionError("bent spring")

        bench.app.click = broken  # type: ignore[method-assign, assignment]
        clicked = await server.click(status.answer, "Switch to cheap")
        assert clicked.answer.private
        assert "Internal error" in clicked.answer.words
        assert "bent spring" in caplog.text


async def test_no_list_of_buttons_grows_in_memory(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench) as surface:
        for _ in range(3):
            await server.command("model status")
        client = surface._client
        assert client is not None
        assert client.persistent_views == []
