"""`changeover run`: gateway, Slack and Discord in one real process, and an end in good order."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders
from tests.servers.discord import BO, CHANNEL, GUILD, TOKEN, DiscordServer
from tests.servers.slack import SlackServer
from tests.surfaces.test_program import Program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = SlackServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def discord() -> AsyncIterator[DiscordServer]:
    server = DiscordServer()
    await server.start()
    yield server
    await server.stop()


async def served_by(port: int) -> str:
    """Ask the gateway for the primary, and return which model answered."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"model": "auto", "messages": [{"role": "user", "content": "hi"}]},
        ) as response,
    ):
        return response.headers["x-changeover-model"]


async def test_both_chats_and_the_gateway_in_one_process(
    tmp_path: Path, slack: SlackServer, discord: DiscordServer
):
    port = free_port()
    async with SimulatedProviders(latency_s=0) as providers:
        program = Program(
            tmp_path,
            providers.env()
            | {
                "SLACK_BOT_TOKEN": "xoxb-the-bot",
                "SLACK_APP_TOKEN": "xapp-the-app",
                "SLACK_API_URL": slack.api_url,
                "SLACK_CHANNEL": "#llm-ops",
                "DISCORD_BOT_TOKEN": TOKEN,
                "DISCORD_CHANNEL_ID": str(CHANNEL),
                "DISCORD_GUILD_ID": str(GUILD),
                "DISCORD_API_URL": discord.api_url,
                "DISCORD_GATEWAY_URL": discord.gateway_url,
                "CHANGEOVER_OPERATORS": "slack:U1,discord:11",
                "PORT": str(port),
            },
        )
        program.config.write_text(DEMO_CONFIG)
        service = await program.start("run")
        try:
            await asyncio.wait_for(discord.connected(), 60)
            await slack.until(lambda: slack.sockets, 60)
            delivery = await slack.command("/model", "cheap reason from slack")
            await delivery.acked()
            message = await slack.message()
            assert "cheap" in message.words
            status = await discord.command("model status")
            assert "deepseek/deepseek-flash" in str(status.answer.embed)
            refused = await discord.command("model best", by=BO)
            assert refused.answer.private
            async with asyncio.timeout(60):
                while await served_by(port) != "deepseek/deepseek-flash":
                    """The gateway follows the file, a moment after the change is said."""
        finally:
            service.send_signal(signal.SIGTERM)
            _, err = await asyncio.wait_for(service.communicate(), 60)
        assert service.returncode == 0
        assert "Traceback" not in err.decode()
        assert "xoxb-the-bot" not in err.decode()
        history = await program.data("model", "history")
        assert [c["surface"] for c in history["data"]["changes"]] == ["slack"]


async def test_a_wrong_token_does_not_stop_the_rest(tmp_path: Path, slack: SlackServer):
    port = free_port()
    program = Program(
        tmp_path,
        {
            "SLACK_BOT_TOKEN": "xoxb-the-bot",
            "SLACK_APP_TOKEN": "xapp-the-app",
            "SLACK_API_URL": slack.api_url,
            "DISCORD_BOT_TOKEN": "wrong.token.here",
            "DISCORD_API_URL": "http://127.0.0.1:9/api/v10",
            "DISCORD_GATEWAY_URL": "ws://127.0.0.1:9",
            "ANTHROPIC_API_KEY": "k",
            "PORT": str(port),
        },
    )
    program.config.write_text(DEMO_CONFIG)
    service = await program.start("run")
    try:
        await slack.until(lambda: slack.sockets, 60)
        delivery = await slack.command("/model", "status")
        await delivery.acked()
        assert "claude-opus-4-5" in (await slack.message()).words
    finally:
        service.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(service.communicate(), 60)
    assert service.returncode == 0
    assert "Traceback" not in err.decode()
    assert "discord" in err.decode().lower()
