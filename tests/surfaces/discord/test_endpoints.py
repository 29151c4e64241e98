"""The names of discord.py's insides that one module leans on."""

from __future__ import annotations

import logging

import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.endpoints import keep_log_short, point_at, role_ids
from tests.support.fakes_discord import pointed_at


def test_discord_py_has_the_names_that_are_set():
    assert discord.version_info[:2] == (2, 7)
    assert Route.BASE == "https://discord.com/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"


def test_addresses_are_set_and_put_back():
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    with pointed_at("http://127.0.0.1:1/api/v10/", "ws://127.0.0.1:2"):
        assert Route("GET", "/users/@me").url == "http://127.0.0.1:1/api/v10/users/@me"
        assert DiscordWebSocket.DEFAULT_GATEWAY.port == 2
    assert before == (Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY)


def test_without_addresses_discords_own_stay():
    before = Route.BASE
    point_at(None, None)
    assert before == Route.BASE


def test_somebody_outside_a_guild_has_no_roles():
    assert role_ids(discord.Object(1)) == frozenset()  # type: ignore[arg-type]


def test_a_reconnect_is_logged_on_one_line_and_a_fault_whole(caplog):
    keep_log_short()
    keep_log_short()
    logger = logging.getLogger("discord.client")
    assert len(logger.filters) == 1
    logger.error("Attempting a reconnect in %.2fs", 1.5, exc_info=OSError("no route"))
    logger.error("Ignoring exception in %s", "on_ready", exc_info=OSError("no route"))
    reconnect, fault = caplog.records[-2:]
    assert reconnect.getMessage() == "Attempting a reconnect in 1.50s (OSError)"
    assert reconnect.exc_info is None
    assert fault.exc_info is not None


def test_that_voice_is_not_supported_is_no_news(caplog):
    keep_log_short()
    discord.Client(intents=discord.Intents(guilds=True))
    assert caplog.records == []
