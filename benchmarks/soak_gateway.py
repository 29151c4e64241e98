"""A real gateway under load while it and its upstreams are killed at random; then the books.

    python -m benchmarks.soak_gateway [--minutes M] [--connections N] [--seed S]

Three loopback upstreams stand in one chain. Every few seconds one of them is killed and comes back,
or the gateway itself is, in turns by SIGKILL and SIGTERM. Callers ask all the time, whole and
streaming. At the end it must hold, else the exit code is 1:

- every answer that a caller got whole is in the ledger, once, but for those of the last moments
  before a SIGKILL, and the next start said that some may be missing;
- no request took longer than the timeouts allow, none got anything but an answer, a refusal in
  JSON, a labelled break or a cut connection;
- the gateway's memory did not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.loopback import TOKEN

ROOT = Path(__file__).resolve().parents[1]
UPSTREAMS = ("one", "two", "three")
LOSS_S = 1.0
LONGEST_S = 10.0
UP_WITHIN_S = 30.0
PAUSES_S = (0.5, 2.5)
GROWTH_MB = 25.0
TOLD = "without a clean stop"


@dataclass
class Got:
    """What became of the requests."""

    whole: dict[str, float] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    served_by: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    odd: list[str] = field(default_factory=list)


@dataclass
class Running:
    """One process that is killed and started again."""

    command: Sequence[str]
    env: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin."""
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "HOME", "TMPDIR")}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, cwd=ROOT, env=keep | self.env, stdout=log, stderr=log
            )

    async def end(self, by: signal.Signals) -> int:
        """Send the signal and wait for the end."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(by)
        return await self.process.wait()

    def resident_mb(self) -> float:
        """Return what the process holds, 0 where that is not told."""
        try:
            assert self.process is not None
            pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        except OSError:
            return 0.0
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Soak:
    """The processes, the callers and the one who kills."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._connections: int = options.connections
        self._dice = random.Random(options.seed)
        self._until_s = time.monotonic() + options.minutes * 60
        self._port, *ports = [_free_port() for _ in range(1 + len(UPSTREAMS))]
        self.upstreams = [self._upstream(port) for port in ports]
        self.gateway = self._gateway(ports)
        self.got = Got()
        self.kills: list[float] = []
        self.memory_mb: list[list[float]] = []
        self.exit_codes: list[int] = []
        self.upstream_kills = 0

    async def go(self) -> None:
        """Run until the time is over and everything is stopped."""
        for upstream in self.upstreams:
            await upstream.start()
        await self._up()
        url = f"http://127.0.0.1:{self._port}/v1/chat/completions"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            callers = [
                asyncio.create_task(self._call(session, url)) for _ in range(self._connections)
            ]
            await asyncio.gather(self._kill(), *callers)
        self.exit_codes.append(await self.gateway.end(signal.SIGTERM))
        for upstream in self.upstreams:
            await upstream.end(signal.SIGKILL)

    @property
    def _over(self) -> bool:
        return bool(time.monotonic() >= self._until_s)

    async def _kill(self) -> None:
        by = signal.SIGKILL
        while not self._over:
            await asyncio.sleep(self._dice.uniform(*PAUSES_S))
            self.memory_mb[-1].append(self.gateway.resident_mb())
            if self._dice.random() < 0.7:
                # The primary more often than the others, or there are few fallbacks.
                (upstream,) = self._dice.choices(self.upstreams, (3, 1, 1))
                await upstream.end(signal.SIGKILL)
                self.upstream_kills += 1
                await asyncio.sleep(self._dice.uniform(0.0, 1.5))
                await upstream.start()
                continue
            if by is signal.SIGKILL:
                self.kills.append(time.time())
                await self.gateway.end(by)
            else:
                self.exit_codes.append(await self.gateway.end(by))
            by = signal.SIGTERM if by is signal.SIGKILL else signal.SIGKILL
            await self._up()

    async def _up(self) -> None:
        await self.gateway.start()
        self.memory_mb.append([])
        began_s = time.monotonic()
        async with aiohttp.ClientSession() as session:
            while time.monotonic() - began_s < UP_WITHIN_S:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self._port}/readyz") as ready:
                        if ready.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise SystemExit(f"the gateway is not up within {UP_WITHIN_S:g} s")

    async def _call(self, session: aiohttp.ClientSession, url: str) -> None:
        while not self._over:
            stream = self._dice.random() < 0.3
            began_s = time.monotonic()
            try:
                async with asyncio.timeout(LONGEST_S * 2):
                    await self._ask(session, url, stream=stream)
            except aiohttp.ClientConnectorError:
                self.got.kinds["gateway down"] += 1
                await asyncio.sleep(0.05)
            except (aiohttp.ClientError, OSError):
                self.got.kinds["cut by a kill"] += 1
            except TimeoutError:
                self.got.odd.append(f"a request hung for {LONGEST_S * 2:g} s")
            self.got.longest_s = max(self.got.longest_s, time.monotonic() - began_s)
            await asyncio.sleep(self._dice.uniform(0.0, 0.02))

    async def _ask(self, session: aiohttp.ClientSession, url: str, *, stream: bool) -> None:
        body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with session.post(url, json=body | {"stream": stream}, headers=headers) as answer:
            content = await answer.read()
            request_id = answer.headers.get("x-request-id", "")
            if answer.status == 200 and (not stream or content.endswith(b"data: [DONE]\n\n")):
                self.got.kinds["answered"] += 1
                self.got.served_by[answer.headers.get("x-changeover-model", "")] += 1
                self.got.whole[request_id] = time.time()
            elif answer.status == 200 and b'"error"' in content[-2000:]:
                self.got.kinds["labelled break"] += 1
            elif answer.status == 503 and "error" in json.loads(content):
                self.got.kinds["refused in JSON"] += 1
            else:
                self.got.odd.append(f"{answer.status} {content[-200:]!r}")

    def _upstream(self, port: int) -> Running:
        command = [sys.executable, "-m", "benchmarks.loopback", "upstream", str(port)]
        return Running(command, {}, self._folder / "upstreams.log")

    def _gateway(self, ports: Sequence[int]) -> Running:
        providers = {
            name: {
                "baseUrl": f"http://127.0.0.1:{port}",
                "apiKey": "sk-soak",
                "api": "openai-completions",
            }
            for name, port in zip(UPSTREAMS, ports, strict=True)
        }
        primary, *fallbacks = [f"{name}/ok" for name in UPSTREAMS]
        model = {"primary": primary, "fallbacks": fallbacks}
        document = {"agents": {"defaults": {"model": model}}, "models": {"providers": providers}}
        config = self._folder / "moltbot.json"
        config.write_text(json.dumps(document))
        env = {
            "CHANGEOVER_CONFIG": str(config),
            "DATABASE_URL": f"sqlite:///{self._folder / 'changeover.db'}",
            "GATEWAY_TOKEN": TOKEN,
            "PORT": str(self._port),
            "CHANGEOVER_TIMEOUT_S": "2",
            "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "2",
            "CHANGEOVER_IDLE_TIMEOUT_S": "2",
        }
        command = [sys.executable, "-m", "adapters.main", "gateway"]
        return Running(command, env, self._folder / "gateway.log")


def main() -> None:
    """Soak, look at the books, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        soak = Soak(folder, options)
        asyncio.run(soak.go())
        faults = _judge(soak, folder)
    for fault in faults:
        print(f"WRONG: {fault}")
    print("All of it holds." if not faults else f"{len(faults)} of it do not hold.")
    raise SystemExit(bool(faults))


def _judge(soak: Soak, folder: Path) -> list[str]:
    """Compare what callers got with the books; print the figures, return what is wrong."""
    got, log = soak.got, (folder / "gateway.log").read_text()
    booked = _booked(folder / "changeover.db")
    missing = [at for request_id, at in got.whole.items() if request_id not in booked]
    ages = [min((k - at for k in soak.kills if k >= at), default=None) for at in missing]
    oldest_s = max((age for age in ages if age is not None), default=0.0)
    firsts = [run[0] for run in soak.memory_mb if len(run) > 1]
    grown = [run[-1] - run[0] for run in soak.memory_mb if len(run) > 1]
    print(", ".join(f"{count} {kind}" for kind, count in got.kinds.most_common()))
    print("served by " + ", ".join(f"{m} {n}" for m, n in sorted(got.served_by.items())))
    print(
        f"gateway killed {len(soak.kills)} times, ended {len(soak.exit_codes)} times; "
        f"upstreams killed {soak.upstream_kills} times; longest request {got.longest_s:.2f} s"
    )
    print(
        f"{len(booked)} answers in the ledger; {len(missing)} missing, "
        f"the oldest answered {oldest_s:.2f} s before a kill"
    )
    if grown:
        print(f"memory {statistics.median(firsts):.0f} MB, grown by {max(grown):.0f} MB at most")
    faults = list(dict.fromkeys(got.odd))[:10]
    if None in ages or oldest_s > LOSS_S:
        faults.append("answers are missing from the ledger from before the last second")
    if any(count > 1 for count in booked.values()):
        faults.append("a request is in the ledger as answered twice")
    if got.longest_s > LONGEST_S:
        faults.append(f"a request took {got.longest_s:.1f} s")
    if log.count(TOLD) < len(soak.kills):
        faults.append(f"{len(soak.kills)} kills, but {log.count(TOLD)} starts told of one")
    if any(soak.exit_codes):
        faults.append(f"ended with exit codes {soak.exit_codes}")
    if "Traceback" in log:
        faults.append("a traceback in the log: " + log[log.index("Traceback") :][:500])
    if grown and max(grown) > GROWTH_MB:
        faults.append(f"memory grew by {max(grown):.0f} MB")
    return faults


def _booked(path: Path) -> Counter[str]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute(
            "SELECT request_id FROM attempts WHERE answered AND reason IS NULL"
        )
        return Counter(row[0] for row in rows)
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
