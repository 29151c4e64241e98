"""What the doctor says of Discord, asked of a simulated Discord."""

from __future__ import annotations

import pytest

from adapters.discord.doctor import examine_discord
from bot.commands.doctor import Check, Level
from bot.models import Secret
from tests.servers.discord import CHANNEL, GUILD, TOKEN, DiscordServer
from tests.support.fakes_discord import Setup, pointed_at


async def look(server: DiscordServer, token: str = TOKEN, **more) -> dict[str, Check]:
    setup = Setup(Secret(token), **{"channel_id": CHANNEL, "guild_id": GUILD, **more})
    with pointed_at(server.api_url, server.gateway_url):
        checks = await examine_discord(setup)
    return {check.name: check for check in checks}


async def test_all_in_place(server: DiscordServer):
    checks = await look(server)
    assert all(check.ok for check in checks.values())
    assert checks["discord token"].detail == "Logs in as changeover."
    assert "Llamas" in checks["discord guild"].detail
    assert "#llm-ops" in checks["discord channel"].detail
    link = checks["discord invite"].detail
    assert "client_id=100200" in link
    assert "scope=bot+applications.commands" in link
    assert f"permissions={1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16}" in link
    assert server.gateway.identifies == []


async def test_discord_is_asked_through_the_proxy(server: DiscordServer, monkeypatch):
    monkeypatch.setenv("http_proxy", server.api_url.removesuffix("/api/v10"))
    with pointed_at("http://discord.invalid/api/v10", server.gateway_url):
        checks = await examine_discord(Setup(Secret(TOKEN), CHANNEL, GUILD))
    assert all(check.ok for check in checks)


async def test_a_wrong_token(server: DiscordServer):
    checks = await look(server, token="wrong")
    assert list(checks) == ["discord token"]
    assert not checks["discord token"].ok
    assert "DISCORD_BOT_TOKEN" in checks["discord token"].detail
    assert "Reset Token" in checks["discord token"].resolution


async def test_a_guild_without_the_bot(server: DiscordServer):
    checks = await look(server, guild_id=999)
    assert not checks["discord guild"].ok
    assert "oauth2/authorize" in checks["discord guild"].resolution


async def test_no_guild_is_fine(server: DiscordServer):
    assert (await look(server, guild_id=None))["discord guild"].ok


async def test_no_channel_is_a_warning(server: DiscordServer):
    check = (await look(server, channel_id=None))["discord channel"]
    assert (check.ok, check.level) == (False, Level.WARNING)


async def test_a_channel_that_is_not_there(server: DiscordServer):
    check = (await look(server, channel_id=12345))["discord channel"]
    assert not check.ok
    assert "cannot see the channel 12345" in check.detail


@pytest.mark.parametrize(
    ("bit", "right"), [(11, "Send Messages"), (14, "Embed Links"), (15, "Attach Files")]
)
async def test_missing_rights_are_named(server: DiscordServer, bit, right):
    server.denied = 1 << bit
    check = (await look(server))["discord channel"]
    assert not check.ok
    assert right in check.detail


async def test_a_server_in_trouble_is_told_by_its_number(server: DiscordServer):
    server.fail("GET", "/channels", 400)
    check = (await look(server))["discord channel"]
    assert "HTTP 400" in check.detail


async def test_an_address_nobody_answers_at(server: DiscordServer):
    port = server.port
    await server.stop()
    setup = Setup(Secret(TOKEN), api_url=f"http://127.0.0.1:{port}/api/v10")
    with pointed_at(None, None):
        [check] = await examine_discord(setup)
    assert "is unreachable" in check.detail
    await server.start()
