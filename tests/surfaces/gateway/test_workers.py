"""`GATEWAY_WORKERS`: several gateway processes on one port, as callers and operators see them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.servers.chaos import DONE, Call, Chaos, chunk, good, head
from tests.servers.slack import SIGNING_SECRET, SlackServer, as_form, signed
from tests.support.fakes_gateway import CHAT, GPT, config_of
from tests.surfaces.gateway.test_process import BODY, Serving, free_port, rows_of, serving
from tests.surfaces.test_program import Program

TOKEN = {"authorization": "Bearer TOPSECRET-token"}


async def script(call: Call) -> None:
    await call.send(good())


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[tuple[Chaos, Serving]]:
    async with (
        Chaos(script) as chaos,
        serving(folder, chaos.url, GATEWAY_WORKERS="2") as one,
    ):
        yield chaos, one


def workers_of(one: Serving) -> list[int]:
    """Return the process ids of the workers."""
    found = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text()
    return [int(word) for word in found.split()]


async def ask(url: str, times: int = 1) -> set[int]:
    """Ask over a new connection each time; return the status codes."""
    found = set()
    for _ in range(times):
        async with (
            aiohttp.ClientSession(headers=TOKEN) as session,
            session.post(url + CHAT, json=BODY) as answer,
        ):
            found.add(answer.status)
            await answer.read()
    return found


async def figure(url: str, name: str) -> float:
    async with (
        aiohttp.ClientSession(headers=TOKEN) as session,
        session.get(f"{url}/metrics") as got,
    ):
        assert got.status == 200
        page = await got.text()
    lines = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until_gone(*pids: int) -> None:
    for _ in range(6000):
        if not any(map(alive, pids)):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a process lives on")


async def written(folder: Path, rows: int) -> None:
    for _ in range(6000):
        if len(rows_of(folder)) == rows:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"there are {len(rows_of(folder))} rows, not {rows}")


async def test_figures_are_those_of_all_workers_and_outlive_a_kill(tmp_path: Path):
    async with two_workers(tmp_path) as (_, one):
        workers = workers_of(one)
        assert len(workers) == 2
        assert await ask(one.url, 24) == {200}
        # Whichever worker answers.
        assert {await figure(one.url, "changeover_requests_total") for _ in range(8)} == {24}
        assert await figure(one.url, "changeover_request_seconds_count") == 24
        await written(tmp_path, 24)
        os.kill(workers[0], signal.SIGKILL)
        await one.until("ended (signal 9)")
        assert await ask(one.url, 6) == {200}
        assert await figure(one.url, "changeover_requests_total") == 30
        await one.until("serves again")
        assert len(workers_of(one)) == 2
        assert await figure(one.url, "changeover_gateway_workers") == 2
        assert await figure(one.url, "changeover_gateway_worker_restarts_total") == 1
        assert await figure(one.url, "changeover_requests_total") == 30
        assert await one.end() == 0
    log = "".join(one.log)
    assert len(rows_of(tmp_path)) == 30
    assert "Traceback" not in log
    assert "TOPSECRET" not in log


async def test_the_end_is_one_drain_for_all(tmp_path: Path):
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow(call: Call) -> None:
        if not call.json.get("stream"):
            await call.send(good())
            return
        await call.send(head(), chunk("Hel"))
        begun.release()
        await go_on.wait()
        await call.send(chunk("lo", "stop"), DONE)

    async def stream() -> bytes:
        async with (
            aiohttp.ClientSession(headers=TOKEN) as session,
            session.post(one.url + CHAT, json={**BODY, "stream": True}) as answer,
        ):
            return await answer.read()

    async def ready() -> int:
        async with aiohttp.ClientSession() as session, session.get(f"{one.url}/readyz") as answer:
            return answer.status

    async with (
        Chaos(slow) as chaos,
        serving(tmp_path, chaos.url, GATEWAY_WORKERS="2", CHANGEOVER_DRAIN_S="2") as one,
    ):
        workers = workers_of(one)
        assert {await ready() for _ in range(8)} == {200}
        streams = [asyncio.create_task(stream()) for _ in range(8)]
        for _ in streams:
            await begun.acquire()
        # As systemd does it: to every process.
        for process in (one.process.pid, *workers):
            os.kill(process, signal.SIGTERM)
        await one.until("stopping")
        assert {await ready() for _ in range(8)} == {503}
        assert await ask(one.url, 4) == {200}
        go_on.set()
        for text in await asyncio.gather(*streams):
            assert text.endswith(DONE)
            assert b"error" not in text
        assert await one.end(signal.SIGTERM) == 0
        await until_gone(*workers)
    assert len(rows_of(tmp_path)) == 12
    assert not any("lost" in line or "ERROR" in line for line in one.log)


async def test_a_worker_that_is_to_stop_makes_room_for_another(tmp_path: Path):
    async with two_workers(tmp_path) as (_, one):
        old = workers_of(one)[1]
        os.kill(old, signal.SIGTERM)
        await one.until("serves again")
        assert not alive(old)
        assert await ask(one.url, 8) == {200}
        assert not any("ERROR" in line for line in one.log)


async def test_no_worker_outlives_a_main_process_that_is_killed(tmp_path: Path):
    port = free_port()
    async with two_workers(tmp_path) as (chaos, one):
        workers = workers_of(one)
        assert await ask(one.url, 4) == {200}
        await one.end(signal.SIGKILL)
        await until_gone(*workers)
        assert "".join(one.log).count("the main process is gone") == 2
        # They have written what they had, and the port is free.
        assert len(rows_of(tmp_path)) == 4
        async with serving(tmp_path, chaos.url, port, GATEWAY_WORKERS="2"):
            pass


async def test_slack_reaches_the_one_bot_whichever_worker_it_calls(tmp_path: Path):
    slack, port = SlackServer(), free_port()
    await slack.start()
    program = Program(
        tmp_path,
        {
            "OPENAI_API_KEY": "k",
            "GATEWAY_TOKEN": "TOPSECRET-token",
            "GATEWAY_WORKERS": "2",
            "PORT": str(port),
            "SLACK_BOT_TOKEN": "xoxb-the-bot",
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": slack.api_url,
        },
    )
    program.config.write_text(config_of(GPT))

    async def post(body: str, headers: dict[str, str]) -> tuple[int, str]:
        url = f"http://127.0.0.1:{port}/slack/events"
        form = {"content-type": "application/x-www-form-urlencoded", **headers}
        async with (
            aiohttp.ClientSession(headers=form) as session,
            session.post(url, data=body) as answer,
        ):
            return answer.status, await answer.text()

    one = Serving(await program.start("run"), port)
    try:
        await one.until("is up on")
        body = ""
        for count in range(1, 7):
            body = as_form(slack.command_payload("/model", "status"))
            assert await post(body, signed(body)) == (200, "")
            await slack.until(lambda count=count: len(slack.posted) == count, 60)
        assert "openai/gpt-5" in slack.posted[-1].words
        assert (await post(body, signed(body, "another")))[0] == 401
        challenge = json.dumps({"type": "url_verification", "challenge": "c4"})
        as_json = {"content-type": "application/json"} | signed(challenge)
        assert "c4" in (await post(challenge, as_json))[1]
        assert await one.end(signal.SIGTERM) == 0
    finally:
        await one.end(signal.SIGKILL)
        await slack.stop()
    assert "Traceback" not in "".join(one.log)


async def test_refusals_to_start(tmp_path: Path):
    program = Program(tmp_path, {"OPENAI_API_KEY": "k", "GATEWAY_WORKERS": "2"})
    program.config.write_text(config_of(GPT))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program.env["PORT"] = str(taken.getsockname()[1])
        code, _, err = await program("gateway")
    assert code == 4
    assert "cannot listen on" in err
    # What only a worker finds out is said by the main process.
    program.env["PORT"] = "0"
    program.config.write_text("{")
    code, _, err = await program("gateway")
    assert code == 4
    assert "ERROR" not in err
    assert "unclosed bracket" in err
    assert "Traceback" not in err
