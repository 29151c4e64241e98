"""Logging in, staying connected, coming back, leaving: the real discord.py, a simulated Discord."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.service import DiscordSurface, Health
from bot.errors import SettingsError
from bot.models import Secret
from bot.ports import Document
from tests.servers.discord import ANA, GUILD, TOKEN, DiscordServer
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import FakeMemory, Setup, running

OPERATOR = f"discord:{ANA.id}"


@pytest.fixture
def groups() -> int:
    """How many groups the core has."""
    return len(Bench().app.registry.groups)


# --- telling the commands -------------------------------------------------------------


async def test_the_commands_are_told_once(server: DiscordServer, groups):
    memory = FakeMemory()
    for _ in range(3):
        async with running(server, Bench(), memory=memory):
            asked = await server.command("model status")
            assert "anthropic/claude-opus-4-5" in asked.answer.words
    assert server.syncs == [f"{GUILD}: {groups}", "global: 0"]


async def test_changed_commands_are_told_anew(server: DiscordServer, groups):
    memory = FakeMemory()
    async with running(server, Bench(), memory=memory):
        pass
    async with running(server, Bench(prefix="llm-"), memory=memory):
        assert server.commands[str(GUILD)][0]["name"] == "llm-model"
    assert server.syncs == [f"{GUILD}: {groups}", "global: 0", f"{GUILD}: {groups}"]


async def test_moving_between_guild_and_everywhere_leaves_one_copy(server: DiscordServer, groups):
    memory = FakeMemory()
    async with running(server, Bench(), memory=memory, guild_id=None):
        assert (await server.command("model status")).answer.words
    async with running(server, Bench(), memory=memory, guild_id=GUILD):
        assert (await server.command("model status")).answer.words
    async with running(server, Bench(), memory=memory, guild_id=None):
        assert (await server.command("model status")).answer.words
    assert server.syncs == [
        f"global: {groups}",
        f"{GUILD}: {groups}",
        "global: 0",
        f"global: {groups}",
        f"{GUILD}: 0",
    ]


async def test_the_copy_of_a_guild_that_is_left_is_forgotten(server: DiscordServer, groups):
    memory = FakeMemory({"discord.commands.100200": "123 abc"})
    async with running(server, Bench(), memory=memory):
        pass
    assert server.syncs == [f"{GUILD}: {groups}"]
    assert memory.kept["discord.commands.100200"].startswith(f"{GUILD} ")


async def test_without_memory_the_commands_are_told_at_each_start(server: DiscordServer):
    memory = FakeMemory(away=True)
    for _ in range(2):
        async with running(server, Bench(), memory=memory, guild_id=None):
            pass
    assert len(server.syncs) == 2


# --- coming back ----------------------------------------------------------------------


async def test_the_connection_asks_for_no_more_than_it_needs(server: DiscordServer):
    async with running(server, Bench()):
        [identify] = server.gateway.identifies
        assert identify["intents"] == 1
        assert identify["token"] == TOKEN


async def test_heartbeats_are_sent(server: DiscordServer):
    server.gateway.heartbeat_s = 0.05
    async with running(server, Bench()):
        await server.until(lambda: server.gateway.heartbeats > 2)


async def test_a_cut_connection_is_resumed_and_nothing_is_missed(server: DiscordServer):
    async with running(server, Bench()):
        await server.gateway.drop()
        await server.until(lambda: server.gateway.session is None)
        missed = await server.command("model status", wait=False)
        await server.until(lambda: missed.done)
        assert len(server.gateway.identifies) == 1
        assert len(server.gateway.resumes) == 1
        assert server.gateway.paths == ["/gateway", "/resume"]


@pytest.mark.parametrize("how", ["op 7", "op 9 resumable", "code 4000", "code 4009"])
async def test_what_can_be_resumed_is_resumed(server: DiscordServer, how):
    async with running(server, Bench()):
        before = len(server.gateway.resumes)
        if how == "op 7":
            await server.gateway.ask_to_reconnect()
        elif how == "op 9 resumable":
            await server.gateway.invalidate(resumable=True)
        else:
            await server.gateway.close(int(how[-4:]))
        await server.until(lambda: len(server.gateway.resumes) > before)
        await server.connected()
        assert (await server.command("model status")).answer.words
        assert len(server.gateway.identifies) == 1


async def test_a_session_that_is_over_is_begun_anew(server: DiscordServer):
    async with running(server, Bench()):
        await server.gateway.invalidate(resumable=False)
        await server.until(lambda: len(server.gateway.identifies) == 2)
        await server.connected()
        assert (await server.command("model status")).answer.words


async def test_an_answer_is_given_though_the_connection_is_cut_meanwhile(server: DiscordServer):
    bench = Bench()
    go_on = asyncio.Event()
    at_once = bench.store.read

    async def slowly() -> Document:
        await go_on.wait()
        return await at_once()

    bench.store.read = slowly  # type: ignore[method-assign]
    async with running(server, bench):
        asked = await server.command("model status", wait=False)
        await server.until(lambda: asked.callback)
        await server.gateway.drop()
        go_on.set()
        await server.until(lambda: asked.done)


# --- trouble at the start -------------------------------------------------------------


async def test_a_wrong_token_is_one_clear_line_and_tried_again(server: DiscordServer, caplog):
    async with running(server, Bench(), token="wrong.token.x", wait=False) as surface:
        await server.until(lambda: len(server.requests) > 2)
        assert "DISCORD_BOT_TOKEN" in surface.health().trouble
        assert not surface.health().ok
    lines = [r for r in caplog.records if r.name.startswith("changeover")]
    assert all("DISCORD_BOT_TOKEN" in r.getMessage() and not r.exc_info for r in lines)
    assert "wrong.token.x" not in caplog.text


async def test_a_token_that_only_the_gateway_refuses_is_told_too(server: DiscordServer, caplog):
    server.gateway.token = "another"
    server.api_token = TOKEN
    async with running(server, Bench(), wait=False):
        await server.until(lambda: len(server.gateway.identifies) > 1)
    assert "Discord rejected the token" in caplog.text


@pytest.mark.parametrize("code", [4013, 4014])
async def test_refused_intents_are_told(server: DiscordServer, code, caplog):
    server.gateway.refuse_close_code = code
    async with running(server, Bench(), wait=False):
        await server.until(lambda: len(server.gateway.identifies) > 1)
        server.gateway.refuse_close_code = None
        await server.connected()
    assert "rejected the bot's intents" in caplog.text


async def test_a_guild_without_the_bot_is_told_with_the_link_that_adds_it(server, caplog):
    async with running(server, Bench(), guild_id=123, wait=False) as surface:
        await server.until(lambda: "guild 123" in surface.health().trouble)
    assert "oauth2/authorize?client_id=100200" in caplog.text
    assert "permissions=117760" in caplog.text


async def test_commands_that_discord_refuses_are_told(server: DiscordServer, caplog):
    wrong = {"message": "Invalid Form Body", "code": 50035, "errors": {}}
    server.fail("PUT", "/commands", 400, wrong)
    async with running(server, Bench()):
        pass
    assert "Discord rejected the commands" in caplog.text


async def test_a_discord_that_is_down_is_waited_for(server: DiscordServer, caplog):
    await server.stop()
    async with running(server, Bench(), wait=False) as surface:
        await server.until(lambda: "is unreachable" in surface.health().trouble)
        await server.start()
        await server.connected()
        assert (await server.command("model status")).answer.words
    assert not any(r.exc_info for r in caplog.records)


async def test_a_gateway_that_is_down_is_one_line(server: DiscordServer, caplog):
    server.fail("GET", "^/gateway", 503, times=2)
    async with running(server, Bench()):
        assert (await server.command("model status")).answer.words
    assert not any(r.exc_info for r in caplog.records)


async def test_a_connection_that_is_closed_for_good_is_begun_anew(server: DiscordServer, caplog):
    server.gateway.refuse_close_code = 4010
    async with running(server, Bench(), wait=False):
        await server.until(lambda: len(server.gateway.identifies) > 1)
        server.gateway.refuse_close_code = None
        await server.connected()
    assert "closed the connection (code 4010)" in caplog.text


async def test_what_nobody_foresaw_is_tried_again_and_kept_in_the_log(server, caplog):
    server.fail("GET", "/users/@me", 200, {"id": "1"})
    async with running(server, Bench()):
        pass
    assert "failed unexpectedly" in caplog.text
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("status", [403, 400])
async def test_any_other_refusal_is_told_by_its_number(server: DiscordServer, status, caplog):
    server.fail("GET", "/oauth2", status)
    async with running(server, Bench()):
        pass
    assert f"HTTP {status}" in caplog.text


# --- leaving --------------------------------------------------------------------------


async def test_health_says_how_it_stands(server: DiscordServer):
    async with running(server, Bench()) as surface:
        await surface.ready()
        assert surface.health() == Health(ok=True, user="changeover")
    assert not surface.health().ok


async def test_leaving_lets_an_answer_come_to_its_end(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    go_on = asyncio.Event()
    at_once = bench.store.read

    async def slowly() -> Document:
        await go_on.wait()
        return await at_once()

    bench.store.read = slowly  # type: ignore[method-assign]
    async with running(server, bench) as surface:
        asked = await server.command("model status", wait=False)
        await server.until(lambda: asked.callback)
        leaving = asyncio.create_task(surface.stop())
        await asyncio.sleep(0)
        too_late = await server.command("model cheap", wait=False)
        await server.until(lambda: too_late.done)
        assert "restarting" in too_late.answer.words
        clicked = await server.click(too_late.answer, "", custom_id="changeover:w:x", wait=False)
        await server.until(lambda: clicked.done)
        assert "restarting" in clicked.answer.words
        assert asked.loading
        go_on.set()
        await leaving
        await server.until(lambda: not asked.loading)
    assert bench.primary == "anthropic/claude-opus-4-5"


async def test_leaving_does_not_wait_for_ever(server: DiscordServer):
    bench = Bench()

    async def never() -> Document:
        await asyncio.Event().wait()
        raise AssertionError("nothing ends this wait but a cancel")

    bench.store.read = never  # type: ignore[method-assign]
    async with running(server, bench, drain_s=0.05):
        asked = await server.command("model status", wait=False)
        await server.until(lambda: asked.callback)


async def test_stopping_what_never_ran_returns():
    surface = DiscordSurface(Bench().app, Setup(Secret("x")), FakeMemory())
    await surface.stop()
    assert not surface.health().ok


async def test_a_prefix_that_discord_does_not_take_is_told_at_once(server: DiscordServer):
    surface = DiscordSurface(Bench(prefix="LLM ").app, Setup(Secret("x")), FakeMemory())
    with pytest.raises(SettingsError, match="/LLM model"):
        await surface.start()
