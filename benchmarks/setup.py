"""From a clone to the demo's first answer and to the first test, beside pip and the same lock.

Every run has a fresh clone and an empty home, so no cache: what a newcomer waits for. The peer is
what one would type without the scripts: a virtual environment, its own pip and the hashed lock
(extras and all), before anything has been run. It needs the network; the ratios are what counts.

Run it as `python -m benchmarks.setup [--rounds 3]`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
AIM = 1 / 3
DEMO = ["./scripts/changeover", "demo", "--say", "/model status"]
TEST = ["./scripts/test", "-q", "tests/unit/test_durations.py"]


def seconds(work: Callable[[Path, dict[str, str]], None]) -> float:
    """How long it takes in an empty folder with an empty home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir()
        dropped = {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR"}
        env = {name: value for name, value in os.environ.items() if name not in dropped}
        env |= {"HOME": str(home), "PYTHON": getattr(sys, "_base_executable", sys.executable)}
        env.pop("PYTHONPATH", None)
        began = time.perf_counter()
        work(Path(folder), env)
        return time.perf_counter() - began


def run(command: list[str], folder: Path, env: dict[str, str]) -> None:
    """One command, quiet unless it fails."""
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit((done.stdout + done.stderr).decode())


def ours(command: list[str]) -> Callable[[Path, dict[str, str]], None]:
    """Clone, then the one command."""

    def work(folder: Path, env: dict[str, str]) -> None:
        run(["git", "clone", "--quiet", str(ROOT), "clone"], folder, env)
        run(command, folder / "clone", env)

    return work


def by_pip(lock: str) -> Callable[[Path, dict[str, str]], None]:
    """A virtual environment and the lock, by pip."""

    def work(folder: Path, env: dict[str, str]) -> None:
        run([env["PYTHON"], "-m", "venv", "venv"], folder, env)
        pip = ["venv/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes"]
        run([*pip, "-r", str(ROOT / lock)], folder, env)

    return work


def main() -> int:
    """Print the medians, their ratios and the aim."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    pairs = {
        "clone to the demo's first answer": (ours(DEMO), by_pip("requirements.lock")),
        "clone to the first test": (ours(TEST), by_pip("requirements-dev.lock")),
    }
    print("| | ours | pip and the same lock | ratio |\n|---|--:|--:|--:|")
    for name, works in pairs.items():
        taken = [[seconds(work) for work in works] for _ in range(rounds)]
        mine, peer = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"| {name} | {mine:.1f} s | {peer:.1f} s | {mine / peer:.2f} |", flush=True)
    print(f"\nAim: {AIM:.2f} or less. Load of the machine at the end: {os.getloadavg()[0]:.1f}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
