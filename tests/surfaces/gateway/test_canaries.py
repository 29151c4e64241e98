"""Canaries in every key, header, address, error body and prompt, then looked for in what leaves."""

from __future__ import annotations

import json
import logging
import os
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from adapters.logs import setup_logging
from adapters.main.chats import Chats
from adapters.slack.app import SlackSurface
from bot.access import Actor, Surface
from bot.errors import SettingsError
from tests.servers.chaos import Call, Chaos, http
from tests.servers.slack import SlackServer
from tests.support.fakes_gateway import CHAT, HI, MESSAGES, OPUS, config_of
from tests.surfaces.gateway.conftest import Start

OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
NEAR, FAR, HEADER = "Canary-near+77=key", "canary-far=key-88", "canary header value 99"
ENV = {
    "ANTHROPIC_API_KEY": "canary-anthropic-11",
    "OPENAI_ADMIN_KEY": "canary-admin-22",
    "GATEWAY_TOKENS": "ana:canary-caller-33",
    "SLACK_BOT_TOKEN": "xoxb-the-bot",
    "SLACK_APP_TOKEN": "xapp-the-app",
    "CHANGEOVER_WEBHOOK_SECRET": "canary-hook-44",
    "HTTPS_PROXY": "http://me:canary-proxy-55@192.0.2.1:1",
    "FAR_WORD": FAR,
}
PROMPT = "prompt-of-the-caller-66"


LINES = (
    "fallback test",
    "fallback status",
    "fallback events 1d",
    f"model use {FAR}",
    f"model use near/m reason {FAR}",
    "model history",
    "model status",
)


def echo() -> str:
    """Whatever a provider may have seen, in the forms that it may quote it in."""
    basic = b64encode(f"me:{NEAR}".encode()).decode()
    known = [v.rpartition(":")[2].partition("@")[0] for v in ENV.values()]
    return " | ".join([*known, NEAR, FAR, HEADER, quote(NEAR, safe=""), f"Basic {basic}"])


async def test_no_canary_leaves(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(call: Call) -> None:
        body = json.dumps({"error": {"type": "x", "message": f"{echo()} {PROMPT}"}}).encode()
        status = statuses[len(chaos.calls) % len(statuses)]
        if status.startswith("200"):
            await call.send(
                http(b"event: error\ndata: " + body + b"\n\n", status, "text/event-stream")
            )
        else:
            await call.send(http(body, status, "application/json"))

    statuses = ["500 Oops", "401 No", "429 Slow", "404 model", "400 Bad", "200 OK", "403 No"]
    slack = SlackServer()
    await slack.start()
    async with Chaos(script) as chaos:
        api = {"baseUrl": chaos.url, "models": [{"id": "m", "name": "m"}]}
        providers = {
            "near": {**api, "apiKey": NEAR, "headers": {"X-Team": HEADER}},
            "far": {**api, "apiKey": "${FAR_WORD}", "api": "anthropic-messages"},
        }
        gate = await start(
            config_of("near/m", OPUS, "far/m", providers=providers),
            ANTHROPIC_BASE_URL=chaos.url,
            SLACK_API_URL=slack.api_url,
            SLACK_CHANNEL="C0OPS",
            CHANGEOVER_OPERATORS="*",
            **ENV,
        )
        settings = gate.wired.settings
        setup_logging("text", "DEBUG", settings.blackout.clean)
        chat = Chats(gate.wired).slack
        assert isinstance(chat, SlackSurface)
        await chat.start()
        await chat.ready()
        token = {"authorization": "Bearer canary-caller-33"}
        hi = [{"role": "user", "content": PROMPT}]
        left = []
        for number in range(2 * len(statuses)):
            for path in (CHAT, MESSAGES):
                for stream in (False, True):
                    answer = await gate.ask(path, headers=token, stream=stream, messages=hi)
                    left.append(f"{answer.status} {answer.headers} {answer.text}")
            if number == 3:
                asked = {**token, "x-changeover-fallback": "none"}
                left += [
                    (await gate.ask(headers=asked, model=model, messages=HI)).text
                    for model in (FAR, NEAR, "near/m")
                ]
        logging.getLogger("x").warning("%s", echo())
        try:
            raise ValueError(echo())
        except ValueError:
            logging.getLogger("x").exception("it broke")
        answers, left = left, []
        for line in LINES:
            card = await gate.wired.app.handle(OWNER, line)
            left.append(repr(card))
            await chat.chat.post(card)
        await slack.command("/model", f"use far/m reason {NEAR}")
        await slack.until(lambda: [m for m in slack.posted if "far/m" in m.words])
        left += [str(await gate.events()), str(await gate.attempts()), await gate.metrics()]
        left += [str(slack.calls), str([message.words for message in slack.posted])]
        await chat.stop()
    await slack.stop()
    await gate.wired.database.close()
    left += [
        (tmp_path / name).read_bytes().decode("utf-8", "replace")
        for name in os.listdir(tmp_path)
        if name.startswith("changeover.db")
    ]
    left += list(capsys.readouterr())
    assert len(chaos.calls) > 10
    # Who asked may read their own words; nobody else.
    assert PROMPT not in "\n".join(left)
    everything = "\n".join([*answers, *left])
    assert "[hidden]" in everything
    for canary in ("canary-", "anary-near", "canary header", "Canary", quote(NEAR, safe="")):
        at = everything.find(canary)
        assert at < 0, everything[max(0, at - 300) : at + 100]
    assert b64encode(NEAR.encode()).decode()[4:16] not in everything


@pytest.mark.parametrize("where", ["env", "config"])
async def test_a_login_in_a_base_url_is_refused_by_name(start: Start, where: str) -> None:
    url = "https://me:canary-in-the-url@127.0.0.1:1/v1"
    if where == "env":
        name = "OPENAI_BASE_URL"
        told = {name: url, "OPENAI_API_KEY": "sk-1"}
        config = config_of(OPUS)
    else:
        name, told = r"models\.providers\.far\.baseUrl", {}
        config = config_of(
            "far/m", providers={"far": {"baseUrl": url, "apiKey": "k", "models": []}}
        )
    with pytest.raises(SettingsError, match=name) as refused:
        await start(config, **told)
    assert "canary" not in str(refused.value)
    assert refused.value.exit_code == 4


async def test_a_login_in_a_base_url_works_without_a_key(start: Start) -> None:
    async def script(call: Call) -> None:
        heard.append(call.header("authorization"))
        await call.send(http(b'{"error": {"message": "no"}}', "500 Oops", "application/json"))

    heard: list[str | None] = []
    async with Chaos(script) as chaos:
        url = chaos.url.replace("://", "://me:my-login@")
        gate = await start(config_of("near/m", providers={"near": {"baseUrl": url, "models": []}}))
        answer = await gate.ask()
    assert heard
    assert set(heard) == {f"Basic {b64encode(b'me:my-login').decode()}"}
    assert "my-login" not in answer.text
