"""Telegram's webhook, its variables, and what the doctor finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.environment import read_service_settings
from adapters.telegram.doctor import examine_telegram
from adapters.telegram.service import SECRET_HEADER
from adapters.telegram.settings import UPDATES_PATH
from bot.errors import SettingsError
from tests.servers.telegram import ANA, BOT_ID, GROUP, TOKEN, TelegramServer
from tests.support.fakes_slack import FakeCore, public
from tests.support.fakes_telegram import Setup, running

ADDRESS = "https://bot.example.com"


@pytest.fixture
async def server() -> AsyncIterator[TelegramServer]:
    telegram = TelegramServer()
    await telegram.start()
    yield telegram
    await telegram.stop()


async def test_a_webhook_takes_what_has_the_secret_once(server: TelegramServer) -> None:
    core = FakeCore(lines={"model status": public("Here")})
    async with running(server, core, webhook_url=ADDRESS) as surface:
        assert server.webhook["url"] == ADDRESS + UPDATES_PATH
        assert server.polls == 0
        application = web.Application()
        assert surface.mount(application)
        update = {"update_id": 5, "message": server._typed("/model status", ANA, GROUP)}
        secret = {SECRET_HEADER: server.webhook["secret_token"]}
        async with TestClient(TestServer(application)) as client:
            for headers, status in (({}, 401), ({SECRET_HEADER: "é"}, 401), (secret, 200)):
                answer = await client.post(UPDATES_PATH, json=update, headers=headers)
                assert answer.status == status
            await server.shown("Here")
            assert (await client.post(UPDATES_PATH, json=update, headers=secret)).status == 200
            for body in (b"[]", b"{", b"null", b'{"update_id": 6, "message": 1}'):
                assert (await client.post(UPDATES_PATH, data=body, headers=secret)).status == 400
        assert len(core.handled) == 1


@pytest.mark.parametrize(
    ("status", "words"), [("member", "may post"), ("left", "is not in"), ("kicked", "is not in")]
)
async def test_the_doctor_looks_at_token_updates_and_chat(
    server: TelegramServer, status: str, words: str
) -> None:
    server.members[BOT_ID] = status
    checks = {c.name: c for c in await examine_telegram(Setup(api_url=server.api_url))}
    assert [c.ok for c in checks.values()] == [True, True, status == "member"]
    assert words in str(checks["telegram chat"].detail)
    server.token = "1:other"
    [refused] = await examine_telegram(Setup(api_url=server.api_url))
    assert "rejected the token" in str(refused.detail)
    assert not refused.ok


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELEGRAM_BOT_TOKEN", "nonsense"),
        ("TELEGRAM_CHAT_ID", "@ops"),
        ("TELEGRAM_TOPIC_ID", "0"),
        ("TELEGRAM_API_URL", "127.0.0.1:8081"),
    ],
)
def test_wrong_variables_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as error:
        read_service_settings({"TELEGRAM_BOT_TOKEN": TOKEN, name: value})
    assert TOKEN not in f"{error.value.message} {error.value.hint}"


def test_the_library_is_loaded_only_where_there_is_a_token() -> None:
    code = "import adapters.main.chats, adapters.main.doctor, sys; print('telegram' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
