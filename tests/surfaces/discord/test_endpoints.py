"""The names of discord.py's insides that one module leans on."""

from __future__ import annotations

import logging

import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord.endpoints import one_line_each, point_at, pointed_at, role_ids


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


@pytest.mark.parametrize("error", [OSError("no route"), None])
def test_a_reconnect_is_logged_on_one_line(error, caplog):
    one_line_each()
    one_line_each()
    logger = logging.getLogger("discord.client")
    assert len(logger.filters) == 1
    logger.error("Attempting a reconnect in %.2fs", 1.5, exc_info=error)
    record = caplog.records[-1]
    assert record.exc_info is None or record.exc_info == (None, None, None)
    assert record.getMessage().startswith("Attempting a reconnect in 1.50s")
