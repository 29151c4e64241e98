"""Let many processes edit one config file at once: every edit counts.

python -m tests.soak.race_edit 64 5 [--mounted]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.counting import count_up, document, number_in, open_store


def main(processes: int, edits: int, *, mounted: bool) -> int:
    """Run the race and print the figures; 1 when an edit was lost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moltbot.json"
        path.write_bytes(document(0))
        started = time.monotonic()
        children = [_start(path, edits, mounted) for _ in range(processes)]
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        seconds = time.monotonic() - started
        present = number_in(asyncio.run(open_store(path, mounted=mounted).read()))
    lost = processes * edits - present
    print(
        f"processes {processes}, edits each {edits}, lost {lost}, failed processes {failed}, "
        f"seconds {seconds:.1f}"
    )
    return 1 if lost or failed else 0


def _start(path: Path, edits: int, mounted: bool) -> int:
    child = os.fork()
    if child:
        return child
    try:
        asyncio.run(_edit(path, edits, mounted))
        os._exit(0)
    finally:
        os._exit(3)


async def _edit(path: Path, edits: int, mounted: bool) -> None:
    store = open_store(path, mounted=mounted)
    for _ in range(edits):
        await count_up(store)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()] or [64, 5]
    sys.exit(main(numbers[0], numbers[1], mounted="--mounted" in sys.argv))
