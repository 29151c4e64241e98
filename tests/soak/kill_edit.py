"""Kill an editor with SIGKILL in mid-edit, again and again: no file torn, no finished edit lost.

    python -m tests.soak.kill_edit 1000 [--mounted]

Each round forks a process that edits in a loop and reports each finished edit; at a random moment
it is killed. What then stands in the file must be the last reported edit or the one after it.
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

from tests.soak.counting import count_up, document, number_in, open_store


def main(rounds: int, *, mounted: bool) -> int:
    """Run the rounds and print the figures; 1 when something was torn or lost."""
    faults: list[str] = []
    edits = unreported = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moltbot.json"
        path.write_bytes(document(0))
        last = 0
        for number in range(1, rounds + 1):
            reported = _round(path, mounted)
            try:
                present = number_in(asyncio.run(open_store(path, mounted=mounted).read()))
            except Exception as error:  # noqa: BLE001
                faults.append(f"round {number}: torn: {error}")
                break
            expected = max(last, reported)
            if present not in (expected, expected + 1):
                faults.append(f"round {number}: {present} stands where {expected} was reported")
            unreported += present == expected + 1
            edits += present - last
            last = present
        # A last edit finds the lock free, and leaves the file whole and no litter behind.
        asyncio.run(count_up(open_store(path, mounted=mounted)))
        litter = [f for f in os.listdir(folder) if f.endswith((".tmp", "-redo"))]
        if litter:
            faults.append(f"left behind: {litter}")
    print(
        f"rounds {rounds}, edits {edits}, killed after the write and before the report "
        f"{unreported}, seconds {time.monotonic() - started:.1f}, faults {len(faults)}"
    )
    for fault in faults[:10]:
        print(fault)
    return 1 if faults else 0


def _round(path: Path, mounted: bool) -> int:
    """Fork an editor, kill it, and return the last edit it reported (0 for none)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            asyncio.run(_edit(path, writing, mounted))
        finally:
            os._exit(3)
    os.close(writing)
    head = os.read(reading, 9)
    time.sleep(random.uniform(0, 0.012))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    reports = head
    while part := os.read(reading, 4096):
        reports += part
    os.close(reading)
    lines = reports.decode().split("\n")
    return max((int(line) for line in lines[:-1]), default=0)


async def _edit(path: Path, writing: int, mounted: bool) -> None:
    store = open_store(path, mounted=mounted)
    while True:
        number = await count_up(store)
        os.write(writing, f"{number:08}\n".encode())


if __name__ == "__main__":
    wanted = [word for word in sys.argv[1:] if word.isdigit()]
    sys.exit(main(int(wanted[0]) if wanted else 30, mounted="--mounted" in sys.argv))
