"""Following a Moltbot or OpenClaw at size: log tail and transcript ingest beside `grep -c`.

    python -m benchmarks.openclaw [--log-mb N] [--sessions N] [--messages N] [--sqlite-rows N]

Each figure is the median of several rounds in which the competitors take turns over the same
files; what counts are the ratios. `peak` is what the process grew by while it read, `longest
pause` how long the event loop stood still in the worst case while a backlog came in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.openclaw.tail import LogTail
from bot.openclaw.fallback_tracker import FallbackTracker
from bot.openclaw.log_lines import Decision, read_line
from bot.ports import Attempt, FallbackEvent
from tests.support.fakes_openclaw import Desk, decision, entry

NOW = datetime.now(UTC)
ROUNDS = 3
EVERY = 2000
Timed = Callable[[], float]
_FILLER = {
    "0": '{"subsystem":"agent/embedded"}',
    "1": "tool call finished in 120 ms; " + "the words of an ordinary line. " * 8,
    "_meta": {"runtime": "node", "logLevelName": "INFO"},
    "time": NOW.isoformat(),
}


def write_log(path: Path, megabytes: int) -> int:
    """Write a log in which one line in many tells a fallback; return how many do."""
    plain = json.dumps(_FILLER, separators=(",", ":")).encode() + b"\n"
    block = plain * EVERY
    told = size = 0
    with path.open("wb") as file:
        while size < megabytes * 1_000_000:
            line = decision(f"run-{told}", at=NOW)
            size += file.write(block) + file.write(line)
            told += 1
    return told


def grep(paths: Sequence[Path], word: str) -> float:
    """Return how long `grep -c` takes."""
    began = time.perf_counter()
    for at in range(0, len(paths), 500):
        names = [str(path) for path in paths[at : at + 500]]
        # Not to /dev/null: grep would stop at the first match.
        subprocess.run(["grep", "-c", word, *names], stdout=subprocess.PIPE, check=False)
    return time.perf_counter() - began


def tail(path: Path, expected: int) -> float:
    """Read the whole log and understand it; return how long that took."""
    began = time.perf_counter()
    reader, runs, events = LogTail([path]), FallbackTracker(), 0
    more = True
    while more:
        part = reader.read()
        reader.accept(part)
        more = part.more
        for raw in part.lines:
            line = read_line(raw)
            if isinstance(line, Decision):
                events += runs.feed(line, NOW) is not None
    assert events == expected, (events, expected)
    return time.perf_counter() - began


class Counting(Desk):
    """A desk that counts instead of keeping."""

    async def _attempts(self, attempts: Sequence[Attempt]) -> None:
        self.handed += len(attempts)

    async def _events(self, events: Sequence[FallbackEvent]) -> None:
        return


async def ingest(desk: Counting) -> tuple[float, float]:
    """Let a watcher catch up; return how long that took and the loop's longest pause."""
    watcher = desk.watcher()
    worst, done = 0.0, False

    async def beat() -> None:
        nonlocal worst
        while not done:
            last = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - last - 0.001)

    beating = asyncio.create_task(beat())
    began = time.perf_counter()
    await desk.follow(watcher)
    took = time.perf_counter() - began
    done = True
    await beating
    return took, worst


def line_up(name: str, megabytes: float, ours: list[float], theirs: list[float]) -> None:
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"{name:<28} {megabytes / mine:8.0f} MB/s   grep -c {megabytes / other:8.0f} MB/s   "
        f"ratio {other / mine:5.2f}"
    )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rounds(
    mine: Callable[[], float], other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(other())
        ours.append(mine())
    return ours, theirs


def bench_log(root: Path, megabytes: int) -> None:
    path = root / "openclaw.log"
    told = write_log(path, megabytes)
    before = peak_mb()
    ours, theirs = rounds(lambda: tail(path, told), lambda: grep([path], "model_fallback_decision"))
    line_up("log", path.stat().st_size / 1e6, ours, theirs)
    print(f"{'':<28} {told} fallbacks understood; peak +{peak_mb() - before:.0f} MB")


def bench_sessions(root: Path, sessions: int, messages: int) -> None:
    desk = Counting(root / "jsonl", clock=_clock())
    desk.root.mkdir()
    padding = "tool output " * 60
    lines = b"".join(
        entry(number, "assistant" if number % 2 else "toolResult", at=NOW, words=padding)
        for number in range(messages)
    )
    paths = [desk.session(f"s{number}", f"agent{number % 4}") for number in range(sessions)]
    for path in paths:
        path.write_bytes(lines)
    before = peak_mb()
    ours, theirs, worst = [], [], 0.0
    for _ in range(ROUNDS):
        theirs.append(grep(paths, '"usage"'))
        desk.memory.kept.clear()
        desk.handed = 0
        took, pause = asyncio.run(ingest(desk))
        ours.append(took)
        worst = max(worst, pause)
        assert desk.handed == sessions * (messages // 2), desk.handed
    line_up(f"{sessions} transcripts", len(lines) * sessions / 1e6, ours, theirs)
    print(f"{'':<28} peak +{peak_mb() - before:.0f} MB, longest pause {worst * 1000:.0f} ms")


def bench_sqlite(root: Path, rows: int) -> None:
    desk = Counting(root / "sqlite", clock=_clock())
    desk.root.mkdir()
    path = desk.database()
    text = entry(1, "assistant", at=NOW, words="an answer " * 60).decode()
    with closing(sqlite3.connect(path)) as base, base:
        base.executemany(
            "INSERT INTO transcript_events (session_id, seq, event_json, created_at) "
            "VALUES (?, ?, ?, ?)",
            ((f"s{n % 50}", n, text.replace("00000001", f"{n:08x}"), n) for n in range(rows)),
        )
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(grep([path], "usage"))
        desk.memory.kept.clear()
        ours.append(asyncio.run(ingest(desk))[0])
    line_up(f"{rows} rows of SQLite", len(text) * rows / 1e6, ours, theirs)


def _clock() -> object:
    from tests.support.fakes_storage import FakeClock

    return FakeClock(NOW + timedelta(seconds=1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log-mb", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--sqlite-rows", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench_log(Path(folder), options.log_mb)
        bench_sessions(Path(folder), options.sessions, options.messages)
        bench_sqlite(Path(folder), options.sqlite_rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
