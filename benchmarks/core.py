"""The core walks, beside a bound in the same run: edits, the chain test, a cold command.

    PYTHONPATH=. .venv/bin/python benchmarks/core.py

An edit is compared with a bare write + fsync + rename of the same bytes, `/fallback test` with
its slowest hop alone, cold commands with `python -c pass`. Ratios are what counts: the milliseconds
belong to the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adapters.main.wiring import wire  # noqa: E402
from adapters.simulated import SimulatedProviders  # noqa: E402
from adapters.storage.files.config_file import FileConfigStore  # noqa: E402
from bot.access import Actor, Surface  # noqa: E402
from bot.config.edit import SetValue, apply_edits  # noqa: E402

ME = Actor(Surface.CLI, "bench", "bench", owner=True)
PATH = ("agents", "defaults", "model", "primary")
COLD_ROUNDS = 15


def config(size: int) -> bytes:
    """Make a commented config of about so many bytes."""
    lines = [
        "{",
        "  // the team's gateway",
        '  agents: { defaults: { model: { primary: "anthropic/claude-opus-4-5" } } },',
        "  channels: {",
    ]
    number = 0
    while sum(map(len, lines)) < size:
        lines.append(f'    room{number}: {{ enabled: true, name: "Room {number}" }}, // note')
        number += 1
    return "\n".join([*lines, "  },", "}", ""]).encode()


def timed(work: Callable[[], object], rounds: int) -> float:
    """Return the median of some rounds, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def bare(folder: Path, raw: bytes) -> None:
    """Write, fsync, rename: what any safe edit has to do."""
    temporary = folder / "bare.tmp"
    with temporary.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / "bare.json")


def edits() -> None:
    """Compare a whole edit (lock, read, splice, prove, backup, write) with the bound."""
    for size in (5_000, 500_000):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            raw = config(size)
            path = folder / "moltbot.json"
            path.write_bytes(raw)
            store = FileConfigStore(path)
            turn = iter(range(10**9))

            async def edit(store: FileConfigStore = store, turn: object = turn) -> None:
                async with store.exclusive() as session:
                    document = await session.read()
                    value = f"deepseek/model-{next(turn)}"  # type: ignore[call-overload]
                    new = apply_edits(document.raw, [SetValue(PATH, value)])
                    await session.write(new, expected_revision=document.revision)

            with asyncio.Runner() as runner:
                whole = timed(lambda r=runner, e=edit: r.run(e()), 21)
            bound = timed(lambda f=folder, b=raw: bare(f, b), 21)
            row(f"edit, {size // 1000} KB", whole, bound, "write+fsync+rename")


def chain_test() -> None:
    """Compare `/fallback test` of four hops with its slowest hop."""

    async def run() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "moltbot.json"
            chain = ["deepseek/deepseek-flash", "groq/openai/gpt-oss-120b", "ollama/llama3.3"]
            model = {"primary": "anthropic/claude-opus-4-5", "fallbacks": chain}
            path.write_text(json.dumps({"agents": {"defaults": {"model": model}}}))
            async with SimulatedProviders(latency_s=0.4) as providers:
                env = providers.env() | {
                    "CHANGEOVER_CONFIG": str(path),
                    "DATABASE_URL": f"sqlite:///{name}/c.db",
                }
                wired = wire(env)
                await wired.app.handle(ME, "fallback test")
                walls, slowest = [], []
                for _ in range(5):
                    data = (await wired.app.handle(ME, "fallback test")).data
                    walls.append(data["wall_ms"])
                    slowest.append(max(hop["latency_ms"] for hop in data["hops"]))
                await wired.close()
        return statistics.median(walls), statistics.median(slowest)

    wall, slowest = asyncio.run(run())
    row("/fallback test, 4 hops", wall, slowest, "its slowest hop")


def cpu_ms(arguments: list[str], folder: Path, env: Mapping[str, str]) -> float:
    """Return what a process and its threads took of the processor, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def cold() -> None:
    """Compare the CPU of cold processes with an empty Python's, turn by turn."""
    program = ["-m", "adapters.main"]
    runs = {
        "python -c pass": ["-c", "pass"],
        "--help": [*program, "--help"],
        "model status": [*program, "model", "status"],
        "model cheap": [*program, "model", "cheap"],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = os.environ | {"PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": "x"}
        env |= {"DEEPSEEK_API_KEY": "x"}
        taken: dict[str, list[float]] = {what: [] for what in runs}
        # The first round, not counted, compiles and makes the database.
        for turn in range(COLD_ROUNDS + 1):
            for what, arguments in runs.items():
                (folder / "moltbot.json").write_bytes(config(2_000))
                spent = cpu_ms(arguments, folder, env)
                if turn:
                    taken[what].append(spent)
    bound = statistics.median(taken.pop("python -c pass"))
    for what, spans in taken.items():
        row(f"{what}, cold, CPU", statistics.median(spans), bound, "python -c pass")


def row(what: str, measured_ms: float, bound_ms: float, bound: str) -> None:
    """Print one comparison."""
    print(
        f"{what:26} {measured_ms:9.2f} ms   {bound_ms:9.2f} ms {bound:20} "
        f"ratio {measured_ms / bound_ms:6.2f}"
    )


if __name__ == "__main__":
    edits()
    cold()
    chain_test()
