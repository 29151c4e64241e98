"""Holds the three walks of docs/architecture.md to the running program.

`python -m scripts.walks` runs a command, a request and an outage against the simulated providers.
It prints the files that each of them enters, those that the page lists with their number, and the
size of each room; a listed file that is not entered is an error.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from adapters.demo import send
from adapters.main.demo import Demo, wire_demo
from adapters.main.gateway import GatewayService
from adapters.main.terminal import person
from adapters.simulated import SimulatedProviders
from adapters.simulated.clock import SimulatedClock
from adapters.terminal.console import Console
from bot.access import Surface

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"


class Trace:
    """The product's files in the order in which a function of theirs was first called."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self._root = f"{ROOT}/"

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            name = frame.f_code.co_filename.removeprefix(self._root)
            if name.startswith(("bot/", "adapters/")):
                self.files.setdefault(name)


async def traced(work: Callable[[], Awaitable[object]]) -> list[str]:
    """Return the files that a piece of work enters, in its threads too."""
    trace = Trace()
    threading.setprofile(trace)
    sys.setprofile(trace)
    try:
        await work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return list(trace.files)


async def walk_all() -> dict[str, list[str]]:
    """Walk each walk once, in a demo that has done the same before: no start is in it."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="changeover-walks-") as folder:
        clock = SimulatedClock()
        async with SimulatedProviders(clock=clock) as providers:
            wired = wire_demo(Path(folder), providers, clock)
            gateway = GatewayService(wired)
            await gateway.start()
            demo = Demo(providers, wired, gateway, clock)
            look = wired.look(json=False, prompt=False)
            console = Console(wired.app, person(Surface.CONSOLE), look, yes=True)
            base_url = f"http://127.0.0.1:{gateway.port}"

            async def request(model: str) -> None:
                await send(base_url, 1, model)
                await gateway.flush()

            async def outage() -> None:
                providers.break_provider("anthropic", "rate_limit")
                await send(base_url, 5, "auto")
                await gateway.flush()
                await demo.wait("2m")

            try:
                await wired.app.refresh_names()
                await console.say(["/model fast"])
                found["command"] = await traced(lambda: console.say(["/model cheap"]))
                await console.say(["/model best"])
                await request("auto")
                # A model that was not asked for yet: its candidates are still to be laid out.
                found["request"] = await traced(lambda: request("fast"))
                found["outage"] = await traced(outage)
            finally:
                await gateway.stop()
                await wired.close()
    return found


def listed(page: str, walk: str) -> list[str]:
    """Return the files that the page lists for a walk, in its order."""
    block = page.split(f"<!-- {walk} -->")[1].split(f"<!-- /{walk} -->", maxsplit=1)[0]
    return re.findall(r"^\d+\. `([^`]+)`", block, re.MULTILINE)


def sizes() -> list[str]:
    """Describe how large each room of the product is."""
    command = ["git", "ls-files", "bot/*.py", "adapters/*.py"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rooms: dict[str, list[int]] = {}
    for name in names.split():
        room = name.rsplit("/", 1)[0]
        rooms.setdefault(room, []).append(len((ROOT / name).read_text("utf-8").splitlines()))
    rooms["all"] = [count for counts in rooms.values() for count in counts]
    return [f"{r:<28} {len(n):>4} files {sum(n):>7,} lines" for r, n in rooms.items()]


def main() -> int:
    """Print the walks and the sizes; return 1 where the page lists what is not entered."""
    page = PAGE.read_text("utf-8")
    missing = 0
    for walk, entered in asyncio.run(walk_all()).items():
        steps = listed(page, walk)
        print(f"\n{walk}: {len(steps)} files to read, {len(entered)} entered")
        for name in entered:
            print(f"  {steps.index(name) + 1 if name in steps else '':>2} {name}")
        for name in steps:
            if name not in entered:
                missing += 1
                print(f"  {name} is listed in {PAGE.name} and not entered", file=sys.stderr)
    print("\n" + "\n".join(sizes()))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
