"""Commands in Discord, end to end: the real discord.py against a simulated Discord."""

from __future__ import annotations

import asyncio
import re

import pytest

from adapters.discord import outgoing
from bot.ports import Document
from tests.servers.discord import (
    ANA,
    BO,
    CHANNEL,
    DEFERRED,
    DM,
    GUILD,
    OTHER_CHANNEL,
    ROLE,
    SOURCE,
    DiscordServer,
)
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import FakeMemory, running

OPERATOR = f"discord:{ANA.id}"
EVERY_SUBCOMMAND = [
    ("model status", {}, "anthropic/claude-opus-4-5"),
    ("model status", {"agent": "nobody"}, "nobody"),
    ("model best", {"reason": "release"}, "already"),
    ("model fast", {}, "→ fast"),
    ("model cheap", {"for": "2h", "reason": "batch import"}, "batch import"),
    ("model think", {"for": "until 18:00"}, "Reverts"),
    ("model local", {}, "→ local"),
    ("model use", {"model": "deepseek/deepseek-reasoner", "for": "30m"}, "deepseek-reasoner"),
    ("model fallback", {"reason": "as in the guide"}, "Chain"),
    ("model strategy", {"name": "local-first"}, "ollama/llama3.3"),
    ("model list", {"name": "deepseek"}, "of deepseek"),
    ("model preset", {"name": "nightly", "model": "ollama/llama3.3"}, "nightly"),
    ("model history", {"amount": 3}, "No changes yet"),
    ("model plan", {"model": "local", "when": "weekdays 22:00-07:00"}, "weekdays 22:00"),
    ("model remind", {"model": "best"}, "Reminder set"),
    ("model pending", {}, "Nothing waits for approval"),
    ("model approve", {"amount": 3}, "There is no request 3"),
    ("model reject", {"amount": 3}, "There is no request 3"),
    ("model override", {"amount": 3, "reason": "outage"}, "There is no request 3"),
    ("model trial", {"model": "cheap", "share": "10%"}, "was retired on 2026-07-24"),
    ("model undo", {}, "undo"),
    ("model help", {}, "/model use"),
    ("fallback status", {}, "available"),
    ("fallback test", {"models": "cheap local"}, "models answered"),
    ("fallback retry", {"model": "best"}, "cool"),
    ("fallback set", {"models": "cheap local", "reason": "short"}, "ollama/llama3.3"),
    ("fallback add", {"model": "groq/llama-3.3-70b-versatile", "at": 1}, "groq/"),
    ("fallback remove", {"model": "ollama/llama3.3"}, "Chain"),
    ("fallback off", {"reason": "test"}, "empty"),
    ("fallback limit", {"amount": "100x"}, "100x"),
    ("fallback events", {"duration": "2h"}, "No fallback"),
    ("fallback mute", {"duration": "1h"}, "Muted"),
    ("fallback unmute", {}, "not muted"),
    ("fallback ack", {"id": 7}, "Incident 7"),
    ("fallback help", {}, "/fallback test"),
    ("cost today", {"by": "key"}, "No usage recorded"),
    ("cost week", {"by": "day"}, "No usage recorded"),
    ("cost month", {}, "No usage recorded"),
    ("cost since", {"duration": "3d", "by": "model"}, "No usage recorded"),
    ("cost digest", {}, ""),
    ("cost compare", {"models": "cheap fast", "duration": "7d"}, ""),
    ("cost budget", {"amount": "50", "period": "day", "then": "cheap"}, ""),
    ("cost export", {"duration": "7d"}, ""),
    ("cost help", {}, "/cost since"),
]


async def test_status_is_deferred_and_answered_in_the_channel(server: DiscordServer):
    async with running(server, Bench()):
        asked = await server.command("model status")
        assert (asked.callback, asked.private_ack) == (DEFERRED, False)
        assert "anthropic/claude-opus-4-5" in asked.answer.words
        assert not asked.answer.private
        assert set(asked.answer.buttons) == {"Test chain", "Switch to cheap"}


@pytest.mark.parametrize(("name", "options", "said"), EVERY_SUBCOMMAND)
async def test_each_subcommand_is_understood(server: DiscordServer, name, options, said):
    async with running(server, Bench(operators=OPERATOR)):
        asked = await server.command(name, options)
        assert said in asked.answer.words.replace("\\", "")
        assert "Usage:" not in asked.answer.words


async def test_discord_has_every_command_of_the_core(server: DiscordServer):
    bench = Bench()
    async with running(server, bench):
        for command in server.commands[str(GUILD)]:
            names = [option["name"] for option in command["options"]]
            assert names == [c.name for c in bench.app.registry.of(command["name"])]
        tried = {name for name, _, _ in EVERY_SUBCOMMAND}
        commands = [c for g in bench.app.registry.groups for c in bench.app.registry.of(g)]
        assert tried == {c.full_name for c in commands}


async def test_a_change_says_who_and_what_and_how_to_undo_it(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        asked = await server.command("model cheap", {"reason": "batch import"})
        words = asked.answer.words
        assert "Changed" in words
        assert "best → cheap" in words
        assert "By Ana." in words
        assert "batch import" in words
        assert list(asked.answer.buttons) == ["Undo"]
        assert not asked.answer.private
        assert bench.primary == "deepseek/deepseek-chat"
        [change] = await bench.journal.changes(bench.store.location, 5)
        assert (change.surface, change.actor_key) == ("discord", OPERATOR)


async def test_the_prefix_stands_before_every_command(server: DiscordServer):
    async with running(server, Bench(prefix="llm-")):
        assert [c["name"] for c in server.commands[str(GUILD)]][:2] == ["llm-model", "llm-fallback"]
        asked = await server.command("llm-model help")
        assert "/llm-model use" in asked.answer.words
        for line in ("llm-model status", "llm-model list"):
            words = (await server.command(line)).answer.words
            assert "/llm-" in words
            assert not re.search(r"(?<![\w/])/(model|fallback|cost)\b", words)


async def test_an_error_is_for_the_asker_alone(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        asked = await server.command("model use", {"model": "gtp-5"})
        assert not asked.private_ack
        assert asked.original is not None
        assert asked.original.deleted
        assert asked.answer.private
        assert "gtp-5" in asked.answer.words
        assert server.seen() == []


async def test_a_wrong_option_is_told_at_once_and_in_private(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        asked = await server.command("model cheap", {"reason": " "})
        assert (asked.callback, asked.private_ack) == (SOURCE, True)
        assert "Usage: `/model cheap" in asked.answer.words
        assert bench.primary == "anthropic/claude-opus-4-5"


async def test_a_guest_is_refused_in_private_and_it_is_kept(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        asked = await server.command("model cheap", by=BO)
        assert asked.private_ack
        assert asked.answer.private
        assert f"add discord:{BO.id} to CHANGEOVER\\_OPERATORS" in asked.answer.words
        assert server.seen() == []
        assert [r.command for r in bench.journal.refusals] == ["model cheap"]
        assert bench.primary == "anthropic/claude-opus-4-5"


@pytest.mark.parametrize("guild_known", [True, False])
async def test_a_role_makes_an_operator(server: DiscordServer, guild_known):
    server.guild_known = guild_known
    bench = Bench(operators=f"discord-role:{ROLE}")
    async with running(server, bench):
        assert (await server.command("model cheap", by=ANA)).answer.embed["author"]["name"] == (
            "Changed"
        )
        assert (await server.command("model fast", by=BO)).answer.private


async def test_help_is_for_the_asker_alone(server: DiscordServer):
    async with running(server, Bench()):
        asked = await server.command("model help", by=BO)
        assert asked.answer.private
        assert server.seen() == []


async def test_a_change_asked_in_private_is_told_to_the_channel(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        await server.command("model cheap", {"reason": "quietly"}, channel=DM)
        await server.until(lambda: server.seen(CHANNEL))
        [told] = server.seen(CHANNEL)
        assert "quietly" in told.words
        assert list(told.buttons) == ["Undo"]


async def test_a_change_in_private_without_a_channel_is_only_logged(server: DiscordServer, caplog):
    async with running(server, Bench(operators=OPERATOR), channel_id=None):
        asked = await server.command("model cheap", channel=DM)
        await server.until(lambda: "DISCORD_CHANNEL_ID is not set" in caplog.text)
        assert "best → cheap" in asked.answer.words


async def test_somebody_may_be_faster_in_deleting_the_notice(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        server.fail("DELETE", "/messages/@original", 404, {"message": "gone", "code": 10008})
        asked = await server.command("model use", {"model": "gtp-5"}, wait=False)
        await server.until(lambda: "gtp-5" in (asked.original.words if asked.original else ""))


async def test_what_changes_nothing_stays_where_it_was_asked(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        await server.command("model status", channel=DM)
        await server.command("model use", {"model": "gtp-5"}, channel=DM)
        await server.command("model cheap", channel=OTHER_CHANNEL)
        assert server.seen(CHANNEL) == []
        assert len(server.seen(OTHER_CHANNEL)) == 1


async def test_nothing_is_done_for_one_who_was_told_it_failed(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        await server.command("model cheap", late=True, wait=False)
        await server.command("model status")
        assert bench.primary == "anthropic/claude-opus-4-5"


async def test_an_event_that_comes_twice_is_carried_out_once(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        asked = await server.command("model cheap")
        await server.gateway.dispatch("INTERACTION_CREATE", server.event(asked))
        await server.command("model status")
        assert len(await bench.journal.changes(bench.store.location, 9)) == 1


async def test_the_acknowledgement_does_not_wait_for_the_store(server: DiscordServer):
    bench = Bench()
    go_on = asyncio.Event()
    at_once = bench.store.read

    async def slowly() -> Document:
        await go_on.wait()
        return await at_once()

    bench.store.read = slowly  # type: ignore[method-assign]
    async with running(server, bench):
        asked = [await server.command("model status", wait=False) for _ in range(50)]
        await server.until(lambda: all(a.callback == DEFERRED for a in asked))
        assert not any(a.done for a in asked)
        go_on.set()
        await server.until(lambda: all(a.done for a in asked))


ODD_WORDS = [
    "x" * 4000,
    "🚀" * 2000,
    "إصدار جديد \u202eevil\u202c",
    "@everyone @here <@&900100> <@11> </model best:1> <t:0:R> <:a:1>",
    "```\n# big\n- list\n> quote || spoiler || [a](https://evil.example) **b** __c__ ~~d~~",
    "\u200b\u2060",
]


@pytest.mark.parametrize("reason", ODD_WORDS)
async def test_odd_words_are_shown_and_do_nothing(server: DiscordServer, reason):
    async with running(server, Bench(operators=OPERATOR)):
        asked = await server.command("model cheap", {"reason": reason})
        words = asked.answer.words
        said = next((w for w in words.split("\n") if w.startswith("Reason:")), "Reason: ")
        unescaped = re.sub(r"\\[^0-9A-Za-z\s]", "", said)
        assert not set("`*_~|<>[]") & set(unescaped)
        assert "@everyone" not in words
        assert "@here" not in words
        assert "\u202e" not in words
        assert asked.answer.payload["allowed_mentions"] == {"parse": []}


async def test_an_unknown_model_of_4000_characters_is_refused(server: DiscordServer):
    async with running(server, Bench(operators=OPERATOR)):
        asked = await server.command("model use", {"model": "𝒙" * 4000})
        assert asked.answer.private
        assert server.faults == []


async def test_a_command_of_an_older_version_is_explained(server: DiscordServer):
    async with running(server, Bench()):
        asked = await server.raw(
            {
                "id": "1",
                "name": "model",
                "type": 1,
                "options": [{"name": "gone", "type": 1, "options": []}],
            }
        )
        assert asked.answer.private
        assert "no longer exists" in asked.answer.words


async def test_an_option_of_another_type_is_explained(server: DiscordServer):
    async with running(server, Bench()):
        option = {"name": "amount", "type": 3, "value": "many"}
        asked = await server.raw(
            {
                "id": "1",
                "name": "model",
                "type": 1,
                "options": [{"name": "history", "type": 1, "options": [option]}],
            }
        )
        assert asked.answer.private


@pytest.mark.parametrize("via", [True, False])
async def test_a_429_is_waited_out(server: DiscordServer, via):
    async with running(server, Bench()):
        server.slow_down("POST", "/callback", via=via)
        server.slow_down("PATCH", "/messages/@original", via=via)
        asked = await server.command("model status")
        assert "anthropic/claude-opus-4-5" in asked.answer.words


async def test_a_429_that_is_a_web_page_is_waited_out(server: DiscordServer, monkeypatch):
    monkeypatch.setattr(outgoing, "NO_TELLING_S", 0.01)
    async with running(server, Bench()):
        page = "<html>slow down</html>"
        server.fail("PATCH", "/messages/@original", 429, page, headers={"Via": "1.1 google"})
        asked = await server.command("model status")
        assert "anthropic/claude-opus-4-5" in asked.answer.words


async def test_a_change_whose_answer_is_lost_is_told_in_the_channel(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        gone = {"message": "Invalid Webhook Token", "code": 50027}
        server.fail("PATCH", "/messages/@original", 401, gone)
        await server.command("model cheap", channel=OTHER_CHANNEL, wait=False)
        await server.until(lambda: server.seen(CHANNEL))
        assert "best → cheap" in server.seen(CHANNEL)[0].words


async def test_trouble_inside_is_told_without_its_inside(server: DiscordServer, caplog):
    bench = Bench()

    async def broken() -> Document:
        raise ZeroDivisionError("secret detail")

    bench.store.read = broken  # type: ignore[method-assign]
    async with running(server, bench):
        asked = await server.command("model status")
        assert asked.answer.private
        assert "Internal error" in asked.answer.words
        assert "secret detail" not in asked.answer.words
        assert "secret detail" in caplog.text


async def test_a_card_that_cannot_be_drawn_is_still_answered(server: DiscordServer, caplog):
    bench = Bench(operators=OPERATOR)

    async def broken(card):
        if card.error is None:
            raise ZeroDivisionError("no ink")
        return card

    bench.app.persist_buttons = broken  # type: ignore[method-assign]
    async with running(server, bench):
        asked = await server.command("model status")
        assert "Internal error" in asked.answer.words
        assert "Command: `/model status`" in asked.answer.words
        assert "no ink" in caplog.text


async def test_a_command_of_an_older_version_that_comes_late_is_only_logged(server, caplog):
    async with running(server, Bench()):
        data = {"id": "1", "name": "gone", "type": 1, "options": []}
        server.fail("POST", "/callback", 404, {"message": "Unknown interaction", "code": 10062})
        await server.send(data)
        await server.until(lambda: "did not accept a reply" in caplog.text)
        assert (await server.command("model status")).answer.words


async def test_the_memory_may_be_away(server: DiscordServer):
    async with running(server, Bench(), memory=FakeMemory(away=True)):
        asked = await server.command("model status")
        assert asked.answer.words


# --- completion -----------------------------------------------------------------------


async def test_models_are_completed_as_they_are_typed(server: DiscordServer):
    async with running(server, Bench()):
        assert "best" in await server.complete("model use", "model", "")
        found = await server.complete("model use", "model", "deepseek/")
        assert found[:2] == ["deepseek/deepseek-chat", "deepseek/deepseek-reasoner"]
        assert await server.complete("model use", "model", "xyzzy") == []
        assert len(await server.complete("model use", "model", "")) <= 25


async def test_a_list_of_models_is_completed_at_its_last_word(server: DiscordServer):
    async with running(server, Bench()):
        assert (await server.complete("fallback set", "models", "best che"))[0] == "best cheap"


async def test_other_options_are_completed_too(server: DiscordServer):
    async with running(server, Bench()):
        assert await server.complete("fallback mute", "duration", "unt") == ["until 18:00"]
        assert await server.complete("model list", "name", "deep") == ["deepseek"]


async def test_completion_does_not_wait_for_the_store(server: DiscordServer):
    bench = Bench()

    async def never() -> Document:
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait but a cancel")

    bench.store.read = never  # type: ignore[method-assign]
    async with running(server, bench):
        assert "cheap" in await server.complete("model use", "model", "ch")
