"""A gateway and a bot beside it under steady load, with upstreams that fail by turns.

    python -m tests.soak.service [--minutes M] [--rate R] [--seed S]

The last hop always lives, so no caller may see an error. At the end it must hold, else the exit
code is 1: every answer is in the ledger once, the memory of both processes is flat, their
descriptors are as few as before once idle connections have been closed, the alerts took up every
fallback, and both processes end in order.
"""

from __future__ import annotations

import argparse
import asyncio
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
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders
from tests.servers.slack import SlackServer

ROOT = Path(__file__).resolve().parents[2]
# Those that pass: a refused key is left alone for hours, and nothing would fail any more.
REASONS = ("rate_limit", "server_error", "network", "bad_response")
BREAKABLE = ("anthropic", "openrouter", "deepseek")
BROKEN_S = (4.0, 12.0)
SAMPLE_EVERY_S = 5.0
MOST_GROWTH_MB = 15.0
MOST_NEW_DESCRIPTORS = 20
LONGEST_LOOK_S = 5.0
# The gateway keeps an idle connection for a minute, and looks for those once a minute.
CLOSED_WITHIN_S = 150.0


@dataclass
class Figures:
    """What was seen."""

    answered: int = 0
    served_by: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    breaks: Counter[str] = field(default_factory=Counter)
    rss_mb: dict[str, list[float]] = field(default_factory=dict)
    descriptors: dict[str, list[int]] = field(default_factory=dict)
    left_open: dict[str, int] = field(default_factory=dict)
    exit_codes: dict[str, int] = field(default_factory=dict)


class Soak:
    """One run."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._dice = random.Random(options.seed)
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._over = False
        self.figures = Figures()

    async def go(self) -> None:
        """Load, break, sample, end."""
        slack = SlackServer()
        await slack.start()
        try:
            async with SimulatedProviders(latency_s=0.02) as providers:
                port = await self._start(providers.env(), slack.api_url)
                self._look_at_all()
                work = [
                    asyncio.create_task(step)
                    for step in (self._break(providers), self._sample(), self._load(port))
                ]
                await asyncio.sleep(self._options.minutes * 60)
                self._over = True
                await asyncio.gather(*work)
                await self._calm_down()
                await self._end()
        finally:
            await slack.stop()

    async def _start(self, providers: dict[str, str], slack_api: str) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        config = self._folder / "moltbot.json"
        config.write_text(DEMO_CONFIG)
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR")}
        env = keep | providers | {
            "PYTHONPATH": str(ROOT), "HOME": str(self._folder), "PORT": str(port),
            "CHANGEOVER_CONFIG": str(config), "CHANGEOVER_DRAIN_S": "1",
            "CHANGEOVER_PRICE_UPDATES": "off",
            "CHANGEOVER_STATUS_PAGES": "off",
            "SLACK_API_URL": slack_api, "SLACK_BOT_TOKEN": "xoxb-the-bot",
            "SLACK_APP_TOKEN": "xapp-the-app", "SLACK_CHANNEL": "#llm-ops",
        }  # fmt: skip
        for name in ("gateway", "bot"):
            with (self._folder / f"{name}.log").open("wb") as log:
                self._processes[name] = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "adapters.main", name,
                    cwd=self._folder, env=env, stdout=log, stderr=log,
                )  # fmt: skip
            await self._until_up(name)
        return port

    async def _until_up(self, name: str) -> None:
        for _ in range(600):
            if "is up on" in (self._folder / f"{name}.log").read_text():
                return
            await asyncio.sleep(0.1)
        raise SystemExit(f"{name} did not start: see {self._folder}")

    async def _load(self, port: int) -> None:
        """Ask at the rate, whether or not the answers keep up."""
        url, asked = f"http://127.0.0.1:{port}/v1/chat/completions", set()
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(connector=connector) as session:
            began, count = time.monotonic(), 0
            while not self._over:
                count += 1
                task = asyncio.create_task(self._ask(session, url, stream=count % 3 == 0))
                asked.add(task)
                task.add_done_callback(asked.discard)
                due = began + count / self._options.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*asked)

    async def _ask(self, session: aiohttp.ClientSession, url: str, *, stream: bool) -> None:
        began = time.monotonic()
        body = {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        try:
            async with session.post(url, json=body) as answer:
                content = await answer.read()
                whole = not stream or content.rstrip().endswith(b"[DONE]")
                if answer.status == 200 and whole and b'"error"' not in content[:200]:
                    self.figures.answered += 1
                    self.figures.served_by[answer.headers["x-changeover-model"]] += 1
                else:
                    self.figures.errors[f"{answer.status} {content[:160]!r}"] += 1
        except aiohttp.ClientError as error:
            self.figures.errors[repr(error)] += 1
        self.figures.seconds.append(time.monotonic() - began)

    async def _break(self, providers: SimulatedProviders) -> None:
        while not self._over:
            provider, reason = self._dice.choice(BREAKABLE), self._dice.choice(REASONS)
            providers.break_provider(provider, reason, retry_after_s=2)
            self.figures.breaks[reason] += 1
            await asyncio.sleep(self._dice.uniform(*BROKEN_S))
            providers.heal(provider)
            await asyncio.sleep(self._dice.uniform(*BROKEN_S))

    async def _sample(self) -> None:
        while not self._over:
            self._look_at_all()
            await asyncio.sleep(SAMPLE_EVERY_S)

    def _look_at_all(self) -> None:
        for name, process in self._processes.items():
            self._look(name, process.pid)

    async def _calm_down(self) -> None:
        """Wait until the connections of the load are closed, or should be."""
        before = {name: counts[0] for name, counts in self.figures.descriptors.items()}
        latest = time.monotonic() + CLOSED_WITHIN_S
        left = self.figures.left_open
        while time.monotonic() < latest:
            for name, process in self._processes.items():
                left[name] = len(os.listdir(f"/proc/{process.pid}/fd"))
            if all(left[name] <= before[name] for name in before):
                return
            await asyncio.sleep(SAMPLE_EVERY_S)

    def _look(self, name: str, pid: int) -> None:
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = int(status.partition("VmRSS:")[2].split()[0])
        self.figures.rss_mb.setdefault(name, []).append(kilobytes / 1000)
        self.figures.descriptors.setdefault(name, []).append(len(os.listdir(f"/proc/{pid}/fd")))

    async def _end(self) -> None:
        for name, process in self._processes.items():
            process.send_signal(signal.SIGTERM)
            self.figures.exit_codes[name] = await process.wait()


def judge(figures: Figures, folder: Path, minutes: float) -> list[str]:
    """Print the figures and return what does not hold."""
    faults = [f"{count} × a caller's error: {what}" for what, count in figures.errors.items()]
    with sqlite3.connect(folder / "changeover.db") as database:
        booked, requests = database.execute(
            "SELECT count(*), count(DISTINCT request_id) FROM attempts WHERE answered"
        ).fetchone()
        looks = [
            row[0] / 1e6
            for row in database.execute("SELECT taken_at - at FROM fallback_events WHERE taken_at")
        ]
        waiting = database.execute(
            "SELECT count(*) FROM fallback_events WHERE taken_at IS NULL"
        ).fetchone()[0]
        incidents = database.execute("SELECT count(*) FROM incidents").fetchone()[0]
    database.close()
    times = sorted(figures.seconds)
    print(
        f"{figures.answered} answers in {minutes:g} min, {figures.answered / minutes / 60:.1f}/s; "
        f"{sum(figures.errors.values())} errors"
    )
    print("served by " + ", ".join(f"{m} {n}" for m, n in figures.served_by.most_common()))
    print(f"upstream faults: {', '.join(f'{r} {n}' for r, n in figures.breaks.most_common())}")
    print(
        f"an answer took {1000 * statistics.median(times):.0f} ms in the middle, "
        f"{1000 * times[len(times) * 99 // 100]:.0f} ms at p99, {1000 * times[-1]:.0f} ms at most"
    )
    print(f"{booked} answers in the ledger")
    if looks:
        print(
            f"{len(looks)} fallbacks, {incidents} incidents; the alerts took one up after "
            f"{statistics.median(looks):.2f} s in the middle, {max(looks):.2f} s at most"
        )
    if not booked == requests == figures.answered:
        faults.append(
            f"{figures.answered} answers, but {booked} in the ledger ({requests} requests)"
        )
    if waiting > 50 or (looks and max(looks) > LONGEST_LOOK_S):
        faults.append(f"{waiting} fallbacks were not taken up, or late")
    for name in figures.rss_mb:
        faults += _flat(name, figures.rss_mb[name])
        faults += _closed(name, figures.descriptors[name], figures.left_open[name])
        if figures.exit_codes[name]:
            faults.append(f"{name} ended with {figures.exit_codes[name]}")
        log = (folder / f"{name}.log").read_text()
        if "Traceback" in log:
            faults.append(f"{name}: {log[log.index('Traceback') :][:600]}")
    return faults


def _flat(name: str, rss_mb: list[float]) -> list[str]:
    """Compare the second quarter with the last: the first one is for warming up."""
    part = max(1, len(rss_mb) // 4)
    early, late = statistics.median(rss_mb[part : 2 * part]), statistics.median(rss_mb[-part:])
    print(f"{name}: {early:.0f} → {late:.0f} MB")
    grew = late - early > MOST_GROWTH_MB
    return [f"{name} grew by {late - early:.0f} MB"] if grew else []


def _closed(name: str, descriptors: list[int], left: int) -> list[str]:
    """Compare the descriptors after the load with those before: in between, callers count."""
    print(f"{name}: {descriptors[0]} descriptors, {max(descriptors)} under load, {left} after it")
    more = left - descriptors[0]
    return [f"{name} has {more} more descriptors"] if more > MOST_NEW_DESCRIPTORS else []


def main() -> None:
    """Soak, look at the books, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        soak = Soak(Path(name), options)
        asyncio.run(soak.go())
        faults = judge(soak.figures, Path(name), options.minutes)
    for fault in faults:
        print(f"WRONG: {fault}")
    print("All of it holds." if not faults else f"{len(faults)} of it do not hold.")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
