"""Who is of the bot's own guild, and that nobody else is told anything."""

from __future__ import annotations

import pytest

from tests.servers.discord import ANA, BO, CHANNEL, DM, GUILD, DiscordServer
from tests.servers.discord_state import User
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import FakeMemory, running

ELSEWHERE = 999888
EVE = User(66, "Eve")
BEST, CHEAP = "anthropic/claude-opus-4-5", "deepseek/deepseek-chat"
REFUSAL = "Changeover answers only the team it belongs to."
OPEN = "*"


@pytest.mark.parametrize("guild_id", [GUILD, None])
@pytest.mark.parametrize("name", ["model status", "model history", "cost week", "model cheap"])
async def test_another_guild_is_told_one_private_sentence(
    server: DiscordServer, name: str, guild_id: int | None
):
    bench = Bench(operators=OPEN)
    async with running(server, bench, guild_id=guild_id):
        asked = await server.command(name, by=EVE, guild=ELSEWHERE)
        assert asked.answer.private
        assert REFUSAL in asked.answer.words
        assert "opus" not in asked.answer.words
        assert not asked.answer.buttons
        assert server.seen() == []
        assert (await server.command("model status")).answer.words
    [refusal] = bench.journal.refusals
    assert refusal.actor_key == "discord:66"
    assert str(ELSEWHERE) in refusal.why


async def test_a_strangers_direct_message(server: DiscordServer):
    bench = Bench(operators=OPEN)
    async with running(server, bench):
        asked = await server.command("model status", by=EVE, channel=DM)
        assert REFUSAL in asked.answer.words
        assert REFUSAL in (await server.command("model cheap", by=EVE, channel=DM)).answer.words
        assert bench.primary == BEST
        assert "opus" in (await server.command("model status", by=BO, channel=DM)).answer.words
    assert [row.actor_key for row in bench.journal.refusals] == ["discord:66"]


async def test_names_are_completed_for_our_own_people_only(server: DiscordServer):
    async with running(server, Bench()):
        assert await server.complete("model use", "model", "che")
        assert await server.complete("model use", "model", "che", guild=ELSEWHERE) == []
        assert await server.complete("model use", "model", "che", by=EVE, channel=DM) == []
        assert await server.complete("model use", "model", "che", by=BO, channel=DM)


async def test_a_strangers_click(server: DiscordServer):
    bench = Bench(operators=OPEN)
    async with running(server, bench):
        changed = await server.command("model cheap")
        clicked = await server.click(changed.answer, "Undo", by=EVE, guild=ELSEWHERE)
        assert clicked.answer.private
        assert REFUSAL in clicked.answer.words
        assert bench.primary == CHEAP


async def test_the_channels_guild_is_asked_for_once(server: DiscordServer):
    memory = FakeMemory()
    for _ in range(2):
        async with running(server, Bench(), memory=memory, guild_id=None):
            assert REFUSAL in (await server.command("model status", guild=1)).answer.words
    paths = [path for method, path in server.requests if method == "GET"]
    assert paths.count(f"/channels/{CHANNEL}") == 1


async def test_while_discord_does_not_say_nothing_is_told(server: DiscordServer):
    async with running(server, Bench()):
        server.fail("GET", f"/members/{ANA.id}", 403)
        asked = await server.command("model status", channel=DM)
        assert "did not confirm that you are" in asked.answer.words
        assert "opus" in (await server.command("model status", channel=DM)).answer.words


async def test_a_bot_without_a_home_answers_nobody(server: DiscordServer):
    async with running(server, Bench(), guild_id=None, channel_id=None):
        asked = await server.command("model status")
        assert "No server is set yet" in asked.answer.words
        assert "opus" not in asked.answer.words
