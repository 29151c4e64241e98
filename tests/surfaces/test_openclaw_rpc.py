"""OpenClaw's RPC over a real WebSocket: what it counted, and what its log says of a change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.openclaw.reload import OpenClawReloads
from adapters.openclaw.rpc import ADMIN, READ, WRITE, RpcError, connected
from adapters.openclaw.usage_reconciliation import cross_check
from adapters.storage.files.config_file import FileConfigStore
from bot.models import Secret, Usage
from bot.ports.reloads import Pin, PinChange, PinKind, PinOutcome, ReloadOutcome
from tests.support.fakes_ledger import FakeLedger, attempt
from tests.support.fakes_openclaw import Named

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
        self.release = "2026.9.6"
        self.sessions: dict[str, str | None] = {}
        self.jobs: dict[str, str] = {}
        self.lies = False
        self.refuses: dict[str, str] = {}
        self._scopes: list[str] = []

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
        if why := self.refuses.get(asked["method"]):
            return {"ok": False, "error": {"code": "X", "message": why}}
        match asked["method"]:
            case "connect" if params.get("auth") != {"token": "tok"}:
                return {"ok": False, "error": {"code": "X", "message": "unauthorized"}}
            case "usage.cost":
                totals = {"totalTokens": self.tokens, "totalCost": 0.5}
                cache = {"status": self.status}
                return {"ok": True, "payload": {"totals": totals, "cacheStatus": cache}}
            case "connect":
                # 2026.3 takes every scope from a client without a device.
                self._scopes = [] if self.release == "2026.3.13" else params["scopes"]
                return {"ok": True, "payload": {"type": "hello-ok"}}
            case method if (lacks := self.lacks(method)) is not None:
                return {"ok": False, "error": {"message": f"missing scope: {lacks}"}}
            case "sessions.list":
                return {"ok": True, "payload": self.page(params.get("offset", 0))}
            case "sessions.patch":
                if not self.lies:
                    self.sessions[params["key"]] = params["model"]
                provider, _, model = (self.sessions[params["key"]] or "").partition("/")
                entry = {"providerOverride": provider, "modelOverride": model}
                return {"ok": True, "payload": {"entry": entry if model else {}}}
            case "cron.list":
                return {"ok": True, "payload": {"jobs": [self.job(name) for name in self.jobs]}}
            case "cron.update":
                self.jobs[params["id"]] = params["patch"]["payload"]["model"]
                return {"ok": True, "payload": self.job(params["id"])}
            case "cron.runs" if self.release == "2026.1.29":
                return {"ok": True, "payload": {"entries": [{"jobId": params["id"]}]}}
            case "cron.runs":
                entries = [{"sessionId": "run-1"}, {"sessionId": "run-1"}, {"sessionId": "run-2"}]
                return {"ok": True, "payload": {"entries": entries}}
            case "logs.tail":
                lines = self.log[params.get("cursor", len(self.log) - 1) :]
                return {"ok": True, "payload": {"lines": lines, "cursor": len(self.log)}}
            case _:
                return {"ok": True, "payload": {"type": "hello-ok"}}

    def lacks(self, method: str) -> str | None:
        """Return the scope that a call needs and the connection has not."""
        new = self.release == "2026.9.6"
        admin = {"cron.update"} | (set() if new else {"sessions.patch"})
        needed = ADMIN if method in admin else WRITE if method == "sessions.patch" else READ
        held = {*self._scopes, *({READ, WRITE} if WRITE in self._scopes else ())}
        return None if needed in held or ADMIN in held else needed

    def page(self, offset: int) -> dict[str, Any]:
        """Return a page of two sessions; older releases do not say who chose a model."""
        rows: list[dict[str, Any]] = []
        for key, model in list(self.sessions.items())[offset : offset + 2]:
            provider, _, name = (model or "alpha/m").partition("/")
            row: dict[str, Any] = {
                "key": key,
                "sessionId": f"id-{key}",
                "modelProvider": provider,
                "model": name,
            }
            if self.release == "2026.9.6":
                row["modelOverrideSource"] = "user" if model else None
            rows.append(row)
        more = offset + 2 < len(self.sessions)
        return {"sessions": rows, "hasMore": more, "nextOffset": offset + 2 if more else None}

    def job(self, name: str) -> dict[str, Any]:
        """Return a cron job."""
        return {
            "id": name,
            "name": name,
            "payload": {"kind": "agentTurn", "model": self.jobs[name]},
        }


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
    assert (await asked).taken is ReloadOutcome.IN_FORCE


async def test_an_rpc_that_is_away_leaves_the_log_file(tmp_path: Path) -> None:
    config, log = tmp_path / "openclaw.json", tmp_path / "openclaw.log"
    config.write_text("{}")
    log.write_text("")
    settings = Named(log=log, gateway_url="ws://127.0.0.1:1/")
    watch = await OpenClawReloads(settings, FileConfigStore(config)).begin()
    assert watch is not None
    log.write_text(APPLIED + "\n")
    assert (await watch.confirm()).taken is ReloadOutcome.IN_FORCE


# ---------------------------------------------------------------- sessions and cron jobs

KEYS = ["agent:main:a", "agent:main:b", "agent:ops:subagent:1"]


def beside(gateway: Gateway, folder: Path, *, visible: bool = True) -> OpenClawReloads:
    """Make what asks the gateway; its state folder knows the sessions, where it can be seen."""
    gateway.sessions = {KEYS[0]: "beta/m", KEYS[1]: None, KEYS[2]: "beta/m"}
    gateway.jobs = {"nightly": "beta/m"}
    config = folder / "openclaw.json"
    config.write_text("{}")
    if visible:
        for agent, key in (("main", KEYS[0]), ("ops", KEYS[2])):
            kept = {"modelOverride": "m", "providerOverride": "beta", "sessionId": f"id-{key}"}
            sessions = folder / "agents" / agent / "sessions"
            sessions.mkdir(parents=True)
            (sessions / "sessions.json").write_text(json.dumps({key: kept}))
    return OpenClawReloads(named(gateway), FileConfigStore(config))


def changes(pins: Sequence[Pin]) -> list[PinChange]:
    return [
        PinChange(p.kind, p.key, p.name, p.model, "x/y" if p.kind is PinKind.JOB else None)
        for p in pins
    ]


@pytest.mark.parametrize(
    ("release", "visible"),
    [("2026.1.29", True), ("2026.9.6", True), ("2026.9.6", False)],
)
async def test_sessions_and_cron_jobs_are_found_and_changed(
    gateway: Gateway, tmp_path: Path, release: str, visible: bool
) -> None:
    gateway.release = release
    reloads = beside(gateway, tmp_path, visible=visible)
    pins = await reloads.pinned()
    assert pins.unreachable is None
    found = {pin.key: pin for pin in pins.found}
    assert set(found) == {KEYS[0], KEYS[2], "nightly"}
    assert {pin.model for pin in pins.found} == {"beta/m"}
    assert [key for key, pin in found.items() if pin.by_tool] == [KEYS[2]]
    assert found[KEYS[0]].sessions == (f"id-{KEYS[0]}",)
    runs = () if release == "2026.1.29" else ("run-1", "run-2")
    assert found["nightly"].sessions == runs
    results = await reloads.repin(changes(pins.found))
    assert {one.outcome for one in results} == {PinOutcome.DONE}
    assert gateway.sessions == dict.fromkeys(KEYS)
    assert gateway.jobs == {"nightly": "x/y"}


async def test_what_moved_or_is_gone_is_not_touched(gateway: Gateway, tmp_path: Path) -> None:
    reloads = beside(gateway, tmp_path, visible=False)
    wanted = changes((await reloads.pinned()).found)
    gateway.sessions[KEYS[0]] = "other/m"
    del gateway.sessions[KEYS[2]]
    outcomes = {one.change.key: one.outcome for one in await reloads.repin(wanted)}
    assert outcomes == {
        KEYS[0]: PinOutcome.MOVED_ON,
        KEYS[2]: PinOutcome.GONE,
        "nightly": PinOutcome.DONE,
    }
    assert gateway.sessions[KEYS[0]] == "other/m"


async def test_a_release_that_gives_no_scopes_is_said_to(gateway: Gateway, tmp_path: Path) -> None:
    gateway.release = "2026.3.13"
    reloads = beside(gateway, tmp_path)
    pins = await reloads.pinned()
    assert {pin.key for pin in pins.found} == {KEYS[0], KEYS[2]}
    assert pins.unreachable is not None
    assert "does not allow sessions.list from here: missing scope: operator.read" in (
        pins.unreachable.message
    )
    [one, _] = await reloads.repin(changes(pins.found))
    assert one.outcome is PinOutcome.FAILED
    assert gateway.sessions[KEYS[0]] == "beta/m"


async def test_an_answer_that_changed_nothing_is_no_success(
    gateway: Gateway, tmp_path: Path
) -> None:
    gateway.lies = True
    reloads = beside(gateway, tmp_path, visible=False)
    [one] = await reloads.repin(changes((await reloads.pinned()).found)[1:2])
    assert one.outcome is PinOutcome.FAILED
    assert "did not make it" in str(one.error)


async def test_without_a_gateway_they_are_named_and_left(gateway: Gateway, tmp_path: Path) -> None:
    beside(gateway, tmp_path)
    reloads = OpenClawReloads(Named(), FileConfigStore(tmp_path / "openclaw.json"))
    pins = await reloads.pinned()
    assert len(pins.found) == 2
    assert "OPENCLAW_GATEWAY_URL" in str(pins.unreachable)
    assert [one.outcome for one in await reloads.repin(changes(pins.found))] == [
        PinOutcome.FAILED,
        PinOutcome.FAILED,
    ]
    assert gateway.calls == []


async def test_an_openclaw_that_is_away_leaves_all_as_it_is(
    gateway: Gateway, tmp_path: Path
) -> None:
    beside(gateway, tmp_path)
    away = Named(gateway_url="ws://127.0.0.1:1/")
    reloads = OpenClawReloads(away, FileConfigStore(tmp_path / "openclaw.json"))
    pins = await reloads.pinned()
    assert "is unreachable" in str(pins.unreachable)
    assert {one.outcome for one in await reloads.repin(changes(pins.found))} == {PinOutcome.FAILED}


@pytest.mark.parametrize(
    ("method", "why", "said"),
    [
        ("connect", "device identity required", "does not allow connect from here"),
        ("connect", "pairing required", "does not allow connect from here"),
        ("sessions.list", "unknown method: sessions.list", "has no sessions.list"),
        ("cron.list", "store is locked", "refused cron.list: store is locked"),
    ],
)
async def test_a_refusal_is_one_sentence_and_changes_nothing(
    gateway: Gateway, tmp_path: Path, method: str, why: str, said: str
) -> None:
    reloads = beside(gateway, tmp_path)
    gateway.refuses[method] = why
    pins = await reloads.pinned()
    assert {pin.key for pin in pins.found} == {KEYS[0], KEYS[2]}
    assert pins.unreachable is not None
    assert said in pins.unreachable.message
    assert {one.outcome for one in await reloads.repin(changes(pins.found))} == {PinOutcome.FAILED}
    assert gateway.sessions[KEYS[0]] == "beta/m"


async def test_one_change_that_is_refused_leaves_the_others(
    gateway: Gateway, tmp_path: Path
) -> None:
    reloads = beside(gateway, tmp_path, visible=False)
    pins = await reloads.pinned()
    gateway.refuses["cron.update"] = "model not allowed: x/y"
    results = {one.change.key: one for one in await reloads.repin(changes(pins.found))}
    assert results["nightly"].outcome is PinOutcome.FAILED
    assert "model not allowed: x/y" in str(results["nightly"].error)
    assert gateway.sessions == dict.fromkeys(KEYS)
