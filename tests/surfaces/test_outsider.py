"""`changeover run` from outside: what leaves it holds no secret, and strangers get one sentence."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.servers import slack as workspace
from tests.servers.chaos import Call, Chaos, http
from tests.servers.discord import CHANNEL, DM, GUILD, TOKEN, DiscordServer
from tests.servers.discord_state import User
from tests.servers.slack import SlackServer, as_form, signed
from tests.support.fakes_gateway import CHAT, FLASH, GPT, MESSAGES, OPUS, config_of
from tests.surfaces.gateway.test_process import Serving, free_port
from tests.surfaces.test_program import Program

EVE, ELSEWHERE = User(66, "Eve"), 999888
REFUSAL = "Changeover answers only the team it belongs to."
BASES = ("ANTHROPIC", "OPENROUTER", "DEEPSEEK", "OPENAI", "GEMINI", "GROQ")
KEYS = {f"{base}_API_KEY": f"sk-canary+{base.lower()}/key=" for base in BASES} | {
    "OLLAMA_API_KEY": "canary-ollama-key",
    "OPENAI_ADMIN_KEY": "sk-admin-canary-openai",
    "ANTHROPIC_ADMIN_KEY": "sk-ant-admin-canary",
    "OPENROUTER_MANAGEMENT_KEY": "sk-or-canary-management",
    "GATEWAY_TOKEN": "canary gateway token ü",
    "CHANGEOVER_WEBHOOK_SECRET": "whsec_canaryhook",
    "OPENCLAW_GATEWAY_TOKEN": "canary-openclaw-token",
    "SLACK_BOT_TOKEN": workspace.BOT_TOKEN,
    "DISCORD_BOT_TOKEN": TOKEN,
}
SLACK = {
    "socket": {"SLACK_APP_TOKEN": workspace.APP_TOKEN},
    "http": {"SLACK_SIGNING_SECRET": workspace.SIGNING_SECRET},
}
CONFIG_KEY, HEADER, LOGIN = "canary-of-the-config", "canary header value", "canary:in@the/url"
PRIVATE = ("canary prompt", "金丝雀提示词", "canary-tool-argument", "canary-session-of-the-caller")
HI = [
    {"role": "user", "content": f"{PRIVATE[0]} {PRIVATE[1]}"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps({"at": PRIVATE[2]})},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": PRIVATE[2]},
]


class Outside:
    """A running program, and every text that has left it."""

    def __init__(self, folder: Path, slack: SlackServer, mode: str) -> None:
        self.slack, self.discord, self.chaos = slack, DiscordServer(), Chaos(self.script)
        self.left: list[str] = []
        self.port = free_port()
        self.secrets = {**KEYS, **SLACK[mode]}
        self.program = Program(folder, self.secrets)

    def configure(self) -> None:
        """Point everything at loopback."""
        url = self.chaos.url
        self.program.env |= {f"{base}_BASE_URL": url for base in (*BASES, "OLLAMA")} | {
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_CHANNEL": "C0OPS",
            "DISCORD_CHANNEL_ID": str(CHANNEL),
            "DISCORD_GUILD_ID": str(GUILD),
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "CHANGEOVER_OPERATORS": "*",
            "CHANGEOVER_PRICE_UPDATES": "off",
            "CHANGEOVER_STATUS_PAGES": "off",
            "CHANGEOVER_LOG_LEVEL": "debug",
            "PORT": str(self.port),
        }
        models = [{"id": "m", "name": "m"}]
        login = url.replace("://", f"://me:{quote(LOGIN, safe='')}@")
        near = {"baseUrl": url, "apiKey": CONFIG_KEY, "headers": {"X-Team": HEADER}}
        providers = {
            "near": near | {"models": models},
            "login": {"baseUrl": login, "models": models},
        }
        chain = (GPT, OPUS, FLASH, "near/m", "login/m", "gemini/gemini-2.5-pro", "groq/x")
        self.program.config.write_text(config_of(*chain, providers=providers))

    async def ask(self, path: str, **more: Any) -> str:
        body = {"model": "auto", "messages": HI, "max_tokens": 9, **more}
        token = {"authorization": f"Bearer {KEYS['GATEWAY_TOKEN']}"}
        headers = {**token, "x-session-id": PRIVATE[3]}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request("POST" if more.get("messages", 1) else "GET", url, json=body) as answer,
        ):
            return f"{answer.status} {answer.headers} {await answer.text()}"

    async def post(self, payload: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Send what Slack would send."""
        body = as_form(payload)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"http://127.0.0.1:{self.port}/slack/events"
        headers = signed(body) if headers is None else headers
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers={**headers, **kind}) as answer,
        ):
            return answer.status, await answer.text()

    async def command(self, text: str, **who: str) -> None:
        payload = self.slack.command_payload("/model", text, **who)
        if "SLACK_APP_TOKEN" in self.secrets:
            await (await self.slack.send("slash_commands", payload)).acked()
        else:
            assert await self.post(payload) == (200, "")

    def forms(self) -> list[str]:
        """Return each secret in the forms that it may be quoted in."""
        found = [*self.secrets.values(), CONFIG_KEY, HEADER, LOGIN]
        quoted = [quote(one, safe="") for one in found]
        escaped = [json.dumps(one)[1:-1] for one in found]
        return [*found, *quoted, *escaped, *(b64encode(one.encode()).decode() for one in found)]

    async def script(self, call: Call) -> None:
        """Fail, and quote all that was sent and more."""
        said = f"{call.head.decode('latin-1')} {call.body.decode()} {' '.join(self.forms())}"
        statuses = ("500 Oops", "401 No", "429 Slow", "402 Pay", "400 Bad", "200 OK", "403 No")
        status = statuses[len(self.chaos.calls) % len(statuses)]
        body = json.dumps({"error": {"type": "x", "message": said}}).encode()
        stream = status.startswith("200")
        kind = "text/event-stream" if stream else "application/json"
        await call.send(http(b"data: " + body + b"\n\n" if stream else body, status, kind))


async def strangers(out: Outside) -> None:
    """Try what somebody of another team, of a shared channel, another guild or a DM would try."""
    out.slack.users |= {"U8": "Gus", "U9": "Eve"}
    out.slack.teams |= {"U8": {"is_stranger": True}}
    for text in ("status", "history", "cheap"):
        await out.command(text, user="U9", team="T2")
        await out.command(text, user="U8")
        for channel, guild in ((CHANNEL, ELSEWHERE), (DM, GUILD)):
            asked = await out.discord.command(f"model {text}", by=EVE, channel=channel, guild=guild)
            assert asked.answer.private or channel == DM
            assert REFUSAL in asked.answer.words
            assert "openai" not in asked.answer.words
    for user in ("U8", "U9"):
        for number in (1, 2, 3):
            told = await out.slack.message(number, to=user)
            assert REFUSAL in told.words
            assert "openai" not in told.words


async def forgeries(out: Outside) -> None:
    """Send commands that Slack did not sign, or not now."""
    payload = out.slack.command_payload("/model", "cheap")
    body, now = as_form(payload), time.time()
    for headers in (
        {},
        signed(body, secret="another"),
        signed(body, at=now - 3600),
        signed(body, at=now + 3600),
        signed(body.replace("cheap", "best")),
    ):
        assert await out.post(payload, headers) == (401, "")


@pytest.mark.parametrize("mode", SLACK)
async def test_no_secret_leaves_and_no_stranger_gets_in(tmp_path: Path, mode: str) -> None:
    slack = SlackServer()
    await slack.start()
    out = Outside(tmp_path, slack, mode)
    async with out.chaos:
        await out.discord.start()
        out.configure()
        serving = Serving(await out.program.start("run"), out.port)
        answers = []
        try:
            await serving.until("is up on")
            await asyncio.wait_for(out.discord.connected(), 60)
            if mode == "socket":
                await slack.until(lambda: slack.sockets)
            for number in range(14):
                answers.append(await out.ask(CHAT, stream=bool(number % 2)))
                answers.append(await out.ask(MESSAGES, stream=bool(number % 2)))
            await out.command(f"use near/m reason {KEYS['OPENAI_API_KEY']}")
            changed = await slack.message()
            for line in ("status", "history"):
                await out.command(line)
            await slack.message(3)
            await out.discord.command("fallback test")
            await strangers(out)
            if mode == "http":
                await forgeries(out)
            assert out.program.primary == "near/m", changed.words
            out.left += [await out.ask(path, messages=0) for path in ("/metrics", "/readyz")]
            for line in (
                "doctor",
                "doctor --json",
                "fallback test --json",
                "fallback events 1d --json",
                "model status --json",
                "model history --json",
                "cost today --json",
                "db backup copy.db --json",
            ):
                out.left += [str(part) for part in await out.program(*line.split())]
            files = files_of(tmp_path)
            assert {"changeover.db", "changeover.db-wal", "copy.db"} <= set(files)
            assert await serving.end() == 0
        finally:
            if serving.process.returncode is None:
                serving.process.kill()
            await out.discord.stop()
            await slack.stop()
    out.left += [*files, *(one.decode("utf-8", "replace") for one in files.values())]
    out.left += [str(slack.calls), *(one.words for one in slack.posted), *serving.log]
    out.left += [message.words for message in out.discord.seen()]
    everything = "\n".join(out.left)
    # Who asked may read their own words; nobody else.
    for word in PRIVATE:
        for form in (word, json.dumps(word)[1:-1]):
            assert form not in everything, around(everything, form)
    everything += "\n".join(answers)
    assert "[hidden]" in everything
    assert "gateway token" not in everything, around(everything, "gateway token")
    for form in out.forms():
        assert form not in everything, around(everything, form)
    assert "Traceback" not in everything


def files_of(folder: Path) -> dict[str, bytes]:
    """Read what lies in the folder; the config's own backups hold what the config holds."""
    mine = [one for one in folder.iterdir() if not one.name.startswith("moltbot.json")]
    return {one.name: one.read_bytes() for one in mine}


def around(text: str, word: str) -> str:
    at = text.find(word)
    return f"{word}: {text[max(0, at - 300) : at + 200]}"


async def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    for password in ("canary@in@the@url", "canary%40in%2Fthe%3Aurl"):
        url = f"postgresql://me:{password}@127.0.0.1:1/nowhere"
        program = Program(tmp_path, {"DATABASE_URL": url, "OPENAI_API_KEY": "k" * 20})
        program.config.write_text(config_of(GPT))
        for line in ("doctor", "doctor --json", "model history", "model cheap", "db backup x.dump"):
            _, out, err = await program(*line.split())
            said = out + err
            assert said
            for word in ("canary", "@in", "in@", "in/the", "in%2F", "Traceback"):
                assert word not in said, f"{line}: {said}"
