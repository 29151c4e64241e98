"""`changeover gateway` as a process: start, refusals, the end, and a sudden one."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.gateway.http import Limits
from tests.servers.chaos import DONE, Call, Chaos, chunk, good, head
from tests.support.fakes_gateway import CHAT, FLASH, GPT, HI, Gate, config_of
from tests.surfaces.gateway.conftest import Start
from tests.surfaces.test_program import Program

BODY = {"model": "auto", "messages": HI}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Serving:
    """A `changeover gateway` that has been started."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def until(self, words: str) -> None:
        for _ in range(6000):
            if any(words in line for line in self.log):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{words!r} is not said, but: {self.log}")

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        await self._reading
        # Also of a process that has left others behind, which hold its pipes.
        assert self.process.stdout is not None
        await self.process.stdout.read()
        return await self.process.wait()


@asynccontextmanager
async def serving(folder: Path, url: str, port: int = 0, **env: str) -> AsyncIterator[Serving]:
    port = port or free_port()
    program = Program(
        folder,
        {
            "OPENAI_API_KEY": "sk-proj-TOPSECRET",
            "OPENAI_BASE_URL": url,
            "PORT": str(port),
            "GATEWAY_TOKEN": "TOPSECRET-token",
            **env,
        },
    )
    program.config.write_text(config_of(GPT))
    one = Serving(await program.start("gateway"), port)
    try:
        await one.until("is up on")
        yield one
    finally:
        await one.end(signal.SIGKILL)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        headers={"authorization": "Bearer TOPSECRET-token"}
    ) as session:
        yield session


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "changeover.db")
    try:
        # The first answer may be quicker than the tables are made.
        if not connection.execute("select 1 from sqlite_master where name = 'attempts'").fetchall():
            return []
        query = "select model, status, input_tokens, output_tokens from attempts order by id"
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_a_second_gateway_shares_the_port_during_an_update(
    tmp_path: Path, session: aiohttp.ClientSession
):
    async def script(call: Call) -> None:
        await call.send(good())

    async with Chaos(script) as chaos, serving(tmp_path, chaos.url) as old:
        port = int(old.url.rpartition(":")[2])
        async with serving(tmp_path, chaos.url, port) as new:
            assert any("another gateway of this database" in line for line in new.log)
            assert await old.end() == 0
            async with session.post(new.url + CHAT, json=BODY) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("command", ["run", "gateway"])
async def test_a_port_that_is_taken_is_an_error(tmp_path: Path, command: str):
    async def script(call: Call) -> None:
        await call.send(good())

    async with Chaos(script) as chaos, serving(tmp_path, chaos.url) as one:
        port = one.url.rpartition(":")[2]
        # A bot is no gateway: not beside its own kind; nor is a foreign program any of ours.
        taken = port if command == "run" else chaos.url.rpartition(":")[2].partition("/")[0]
        program = Program(tmp_path, {"OPENAI_API_KEY": "k", "PORT": taken})
        code, _, err = await program(command)
        assert code == 4
        assert f"{taken} is in use" in err or f":{taken}: " in err
        assert "Stop it first" in err or "Set PORT" in err


async def test_it_stays_open_while_a_balancer_looks_away(
    tmp_path: Path, session: aiohttp.ClientSession
):
    async def script(call: Call) -> None:
        await call.send(good())

    async with (
        Chaos(script) as chaos,
        serving(tmp_path, chaos.url, CHANGEOVER_DRAIN_S="3") as one,
    ):
        async with session.get(f"{one.url}/readyz") as ready:
            assert ready.status == 200
        one.process.send_signal(signal.SIGTERM)
        await one.until("stopping")
        async with session.get(f"{one.url}/readyz") as ready:
            assert ready.status == 503
            assert ready.headers["connection"] == "close"
            assert "shutting down" in (await ready.json())["why"]
        async with session.post(one.url + CHAT, json=BODY) as answer:
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
        assert await one.end() == 0
    assert len(rows_of(tmp_path)) == 1


async def test_sigterm_lets_requests_under_way_end(tmp_path: Path, session: aiohttp.ClientSession):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def script(call: Call) -> None:
        if call.json.get("stream"):
            await call.send(head(), chunk("Hel"))
            begun.set()
            await go_on.wait()
            await call.send(chunk("lo", "stop"), DONE)
            return
        await call.send(good())

    async with Chaos(script) as chaos, serving(tmp_path, chaos.url) as one:
        async with session.post(one.url + CHAT, json=BODY) as answer:
            assert answer.status == 200
        async with session.post(one.url + CHAT, json={**BODY, "stream": True}) as stream:
            await begun.wait()
            assert b"Hel" in await stream.content.readany()
            one.process.send_signal(signal.SIGTERM)
            await one.until("stopping")
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(f"{one.url}/healthz")
            go_on.set()
            rest = await stream.read()
        assert rest.endswith(DONE)
        assert b"error" not in rest
        assert await one.end() == 0
    rows = rows_of(tmp_path)
    assert [row[:2] for row in rows] == [(GPT, 200), (GPT, 200)]
    assert rows[0][2:] == (12, 3)
    log = "".join(one.log)
    assert "Traceback" not in log
    assert "TOPSECRET" not in log


async def test_a_kill_is_told_at_the_next_start(tmp_path: Path, session: aiohttp.ClientSession):
    async def script(call: Call) -> None:
        await call.send(good())

    port = free_port()
    async with Chaos(script) as chaos:
        async with serving(tmp_path, chaos.url, port) as one:
            async with session.post(one.url + CHAT, json=BODY) as answer:
                assert answer.status == 200
            for _ in range(6000):
                if rows_of(tmp_path):
                    break
                await asyncio.sleep(0.01)
            await one.end(signal.SIGKILL)
        assert len(rows_of(tmp_path)) == 1
        async with serving(tmp_path, chaos.url, port) as two:
            await two.until("without a clean stop")
            async with session.get(f"{two.url}/readyz") as ready:
                assert (await ready.json()) == {"status": "ready"}
            assert await two.end() == 0


async def test_refusals_to_start(tmp_path: Path):
    program = Program(tmp_path, {"OPENAI_API_KEY": "k", "PORT": str(free_port())})
    program.config.write_text(config_of(GPT))
    program.env["GATEWAY_HOST"] = "0.0.0.0"
    code, out, err = await program("gateway")
    assert (code, out) == (4, "")
    assert "no token is set" in err
    assert "GATEWAY_TOKEN" in err
    program.env["GATEWAY_HOST"] = "127.0.0.1"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program.env["PORT"] = str(taken.getsockname()[1])
        code, out, err = await program("gateway")
    assert code == 4
    assert "cannot listen on" in err
    assert "PORT" in err
    assert "Traceback" not in err


# --- the end in this process, where time can be made short -------------------------------------


async def drained(gate: Gate, chaos: Chaos, stream: bool) -> tuple[int, str]:
    """Ask for something that never ends, stop, and return what the caller got of it."""

    async def ask() -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(gate.url + CHAT, json={**BODY, "stream": stream}) as response,
        ):
            return response.status, (await response.read()).decode()

    request = asyncio.create_task(ask())
    for _ in range(6000):
        if chaos.calls:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    await gate.service.stop()
    return await request


@pytest.mark.parametrize("stream", [False, True])
async def test_what_lasts_too_long_is_told(start: Start, stream: bool):
    async def script(call: Call) -> None:
        if stream:
            await call.send(head(), chunk("Hel"))
        await call.hang()

    async with Chaos(script) as chaos:
        limits = Limits(drain_s=0.2)
        gate = await start(
            config_of(GPT, FLASH), OPENAI_BASE_URL=chaos.url, more={"limits": limits}
        )
        status, text = await drained(gate, chaos, stream)
    if stream:
        assert status == 200
        last = json.loads(text.rstrip().rpartition("data: ")[2])
        assert last["error"]["code"] == "stopping"
    else:
        assert status == 503
        assert json.loads(text)["error"]["code"] == "stopping"


async def test_what_arrives_while_draining(start: Start):
    """A connection that stood open is closed, not left hanging."""
    gate = await start(more={"limits": Limits(drain_s=0.2)})
    async with aiohttp.ClientSession() as session:
        async with session.post(gate.url + CHAT, json=BODY) as response:
            assert response.status == 200
        await gate.service.stop()
        with pytest.raises(aiohttp.ClientError):
            await session.post(gate.url + CHAT, json=BODY)
