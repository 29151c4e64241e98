"""Kill an editor with SIGKILL while it edits an included file: nothing torn, no undo lost.

    python -m tests.soak.kill_included 100

Each round forks a process that switches the primary through the whole product, journal and all;
the value is in an included file. After the kill that file is whole, holds the last reported
switch or the one after it, and history knows it: undo restores what was there before.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import pyjson5

from adapters.main.wiring import Wired, wire
from bot.access import Actor, Surface

MAIN = b'// the team\'s\n{agents: {defaults: {model: {$include: "./parts/model.json5"}}}}\n'
ANA = Actor(Surface.CLI, "ana", "Ana", owner=True)


def main(rounds: int) -> int:
    """Run the rounds and print the figures; 1 when something was torn or lost."""
    faults: list[str] = []
    began, edits, last = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moltbot.json"
        part = path.parent / "parts" / "model.json5"
        part.parent.mkdir()
        path.write_bytes(MAIN)
        part.write_text("// whose\n{primary: 'groq/m0'}\n")
        env = {
            "HOME": folder,
            "CHANGEOVER_CONFIG": str(path),
            "DATABASE_URL": f"sqlite:///{folder}/changeover.db",
        }
        for number in range(1, rounds + 1):
            reported = _round(env, last)
            try:
                present = _primary(part)
            except Exception as error:  # noqa: BLE001
                faults.append(f"round {number}: torn: {error}")
                break
            expected = max(last, reported)
            if present not in (expected, expected + 1):
                faults.append(f"round {number}: m{present} stands where m{expected} was reported")
            faults += asyncio.run(_undo(env, part, present, number))
            edits, last = edits + present - last, present
        if path.read_bytes() != MAIN:
            faults.append("the config itself was changed")
        folders = (path.parent, part.parent)
        litter = [f for one in folders for f in os.listdir(one) if f.endswith((".tmp", "-redo"))]
        if litter:
            faults.append(f"left behind: {litter}")
    seconds = time.monotonic() - began
    print(f"rounds {rounds}, edits {edits}, seconds {seconds:.1f}, faults {len(faults)}")
    for fault in faults[:10]:
        print(fault)
    return 1 if faults else 0


def _primary(part: Path) -> int:
    text = part.read_text()
    if not text.startswith("// whose\n"):
        raise ValueError(f"not as it was written: {text!r}")
    return int(pyjson5.decode(text)["primary"].removeprefix("groq/m"))


async def _undo(env: dict[str, str], part: Path, present: int, number: int) -> list[str]:
    """Take the last switch back and make it again; return what was not as it should be."""
    if present == 0:
        return []
    wired = wire(env)
    try:
        card = await wired.app.handle(ANA, "model undo")
        if card.error:
            return [f"round {number}: undo: {card.error.message}"]
        if (back := _primary(part)) != present - 1:
            return [f"round {number}: undo came to m{back}, not m{present - 1}"]
        await _use(wired, present)
    finally:
        await wired.close()
    return []


async def _use(wired: Wired, number: int) -> None:
    card = await wired.app.handle(ANA, f"model use groq/m{number}")
    if card.error or not card.data["changed"]:
        raise RuntimeError(str(card.error or card.data))


def _round(env: dict[str, str], last: int) -> int:
    """Fork an editor, kill it, and return the last switch it reported (0 for none)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            asyncio.run(_edit(env, writing, last))
        finally:
            os._exit(3)
    os.close(writing)
    reports = os.read(reading, 9)
    time.sleep(random.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 4096):
        reports += part
    os.close(reading)
    return max((int(line) for line in reports.decode().split("\n")[:-1]), default=0)


async def _edit(env: dict[str, str], writing: int, last: int) -> None:
    wired = wire(env)
    while True:
        last += 1
        await _use(wired, last)
        os.write(writing, f"{last:08}\n".encode())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
