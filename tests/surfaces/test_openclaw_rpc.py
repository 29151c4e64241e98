"""OpenClaw's RPC over a real WebSocket: what it counted, and what its log says of a change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.openclaw.crosscheck import cross_check
from adapters.openclaw.reload import OpenClawReloads
from adapters.openclaw.rpc import RpcError, connected
from adapters.storage.config_file import FileConfigStore
from bot.models import Secret, Usage
from bot.ports.reloads import Taken
from tests.fakes_ledger import FakeLedger, attempt
from tests.fakes_openclaw import Named

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
APPLIED = "[reload] config hot reload applied (agents.defaults.model.primary)"
TOKEN = Secret("tok")


class Gateway:
    """Speaks the frames that 2026.1.29 and 2026.9.6 were seen to speak."""

    def __init__(self) -> None:
        self.log = ["[gateway] ready"]
        self.tokens = 0
        self.status = "fresh"
        self.calls: list[str] = []
        self.url = ""
        self.rubbish = False

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "event", "event": "connect.challenge", "payload": {}})
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            self.calls.append(asked["method"])
            await socket.send_json({"type": "event", "event": "tick", "payload": {}})
            if self.rubbish:
                await socket.send_str("rubbish")
                await socket.close()
                break
            await socket.send_json({"type": "res", "id": asked["id"], **self.answer(asked)})
        return socket

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        params = asked["params"]
        match asked["method"]:
            case "connect" if params.get("auth") != {"token": "tok"}:
                return {"ok": False, "error": {"code": "X", "message": "unauthorized"}}
            case "usage.cost":
                totals = {"totalTokens": self.tokens, "totalCost": 0.5}
                cache = {"status": self.status}
                return {"ok": True, "payload": {"totals": totals, "cacheStatus": cache}}
            case "logs.tail":
                lines = self.log[params.get("cursor", len(self.log) - 1) :]
                return {"ok": True, "payload": {"lines": lines, "cursor": len(self.log)}}
            case _:
                return {"ok": True, "payload": {"type": "hello-ok"}}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    app = web.Application()
    app.router.add_get("/", made.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


def named(gateway: Gateway, token: Secret = TOKEN) -> Named:
    return Named(gateway_url=gateway.url, gateway_token=token)


async def ledger_of(*tokens: int) -> FakeLedger:
    ledger = FakeLedger()
    rows = [
        replace(
            attempt(str(n), at=NOW - timedelta(minutes=1)),
            source="openclaw",
            usage=Usage(input_tokens=count),
        )
        for n, count in enumerate(tokens)
    ]
    await ledger.add(
        [*rows, replace(attempt("ours", at=NOW - timedelta(1)), usage=Usage(input_tokens=10**6))]
    )
    return ledger


@pytest.mark.parametrize(
    ("theirs", "ours", "served", "ok", "words"),
    [
        (1000, 1000, False, True, "they agree"),
        (1000, 990, False, True, "they agree"),
        (1000, 500, False, False, "they differ"),
        (1000, 500, True, True, "served by our gateway"),
        (500, 1000, True, False, "they differ"),
    ],
)
async def test_both_counts_are_held_side_by_side(
    gateway: Gateway, theirs: int, ours: int, served: bool, ok: bool, words: str
) -> None:
    gateway.tokens = theirs
    [check] = await cross_check(named(gateway), await ledger_of(ours), NOW, served=served)
    assert (check.ok, words in check.detail) == (ok, True)


async def test_a_count_that_is_not_done_is_no_difference(gateway: Gateway) -> None:
    gateway.status = "refreshing"
    [check] = await cross_check(named(gateway), await ledger_of(7), NOW, served=False)
    assert check.ok
    assert "still counting" in check.detail


async def test_a_wrong_token_is_said_and_never_shown(gateway: Gateway) -> None:
    settings = named(gateway, Secret("wrong-one"))
    [check] = await cross_check(settings, await ledger_of(), NOW, served=False)
    assert not check.ok
    assert "unauthorized" in check.detail
    assert "OPENCLAW_GATEWAY_TOKEN" in str(check.resolution)
    assert "wrong-one" not in str(check)


async def test_nobody_there_and_rubbish_are_said(gateway: Gateway) -> None:
    gateway.rubbish = True
    with pytest.raises(RpcError, match="closed the connection"):
        async with connected(gateway.url, TOKEN):
            raise AssertionError("connected to rubbish")
    with pytest.raises(RpcError, match="is unreachable"):
        async with connected("ws://127.0.0.1:1/", TOKEN):
            raise AssertionError("connected to nobody")


async def test_without_a_gateway_nothing_is_compared() -> None:
    assert await cross_check(Named(), FakeLedger(), NOW, served=False) == []


async def test_a_change_is_confirmed_through_the_rpc(gateway: Gateway, tmp_path: Path) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text("{}")
    gateway.log.append(APPLIED)
    reloads = OpenClawReloads(named(gateway), FileConfigStore(config), timeout_s=10.0)
    watch = await reloads.begin()
    assert watch is not None
    asked = asyncio.create_task(watch.confirm())
    await asyncio.sleep(0.05)
    assert not asked.done()
    gateway.log.append(APPLIED)
    assert (await asked).taken is Taken.IN_FORCE


async def test_an_rpc_that_is_away_leaves_the_log_file(tmp_path: Path) -> None:
    config, log = tmp_path / "openclaw.json", tmp_path / "openclaw.log"
    config.write_text("{}")
    log.write_text("")
    settings = Named(log=log, gateway_url="ws://127.0.0.1:1/")
    watch = await OpenClawReloads(settings, FileConfigStore(config)).begin()
    assert watch is not None
    log.write_text(APPLIED + "\n")
    assert (await watch.confirm()).taken is Taken.IN_FORCE
