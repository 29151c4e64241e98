"""Let editors of three kinds change one config at the same moment: each must succeed.

    python -m tests.soak.race_editors 64

A third are people in a chat, all served by one process; a third are terminals, and a third are
runs of `switch-model.sh`. Prints how long the service's own edits held the writers' lock.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyjson5

from adapters.main.wiring import wire
from adapters.storage.files import config_file
from bot.access import Actor, Surface

ROOT = Path(__file__).parents[2]
CONFIG = {
    "agents": {
        "defaults": {
            "model": {"primary": "anthropic/claude-opus-4-5", "fallbacks": ["ollama/llama3.3"]},
            "models": {"anthropic/claude-opus-4-5": {}},
        }
    }
}
SWITCHES = ("best", "fast", "cheap", "think", "local")


async def main(editors: int) -> int:
    """Run the race and print the figures; 1 when an editor failed or an edit was lost."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moltbot.json"
        path.write_text(json.dumps(CONFIG, indent=2) + "\n// the team's\n")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "PYTHONPATH": str(ROOT),
            "CHANGEOVER_CONFIG": str(path),
            "DATABASE_URL": f"sqlite:///{folder}/changeover.db",
        }
        third = editors // 3
        terminals = [
            (sys.executable, "-m", "adapters.main", "model", "preset", f"t{n}", f"groq/t{n}")
            for n in range(third)
        ]
        scripts = [
            (str(ROOT / "scripts" / "switch-model.sh"), SWITCHES[n % len(SWITCHES)])
            for n in range(editors - 2 * third)
        ]
        began = time.monotonic()
        service = asyncio.create_task(_service(env, third))
        others = await asyncio.gather(*(_program(env, line) for line in (*terminals, *scripts)))
        chats, held_s = await service
        seconds = time.monotonic() - began
        wanted = {f"{kind}{n}" for kind in "ct" for n in range(third)}
        models = pyjson5.decode(path.read_text())["agents"]["defaults"]["models"]
        lost = wanted - {entry.get("alias") for entry in models.values()}
    failed = [said for said in (*chats, *others) if said]
    held_ms = sorted(1000 * one for one in held_s)
    print(
        f"editors {editors}, failed {len(failed)}, lost {len(lost)}, seconds {seconds:.1f}, "
        f"load {os.getloadavg()[0]:.1f}, lock held by {len(held_ms)} edits: median "
        f"{statistics.median(held_ms):.1f} ms, longest {held_ms[-1]:.1f} ms"
    )
    for said in failed[:5]:
        print(said)
    return 1 if failed or lost else 0


async def _service(env: dict[str, str], editors: int) -> tuple[list[str], list[float]]:
    """Edit as so many people of a chat, and return what went wrong and how long each held it."""
    held: list[float] = []
    module: Any = config_file
    lock = module.writers_lock

    @asynccontextmanager
    async def timed(*args: Any, **more: Any) -> AsyncIterator[None]:
        async with lock(*args, **more):
            began = time.perf_counter()
            yield
            held.append(time.perf_counter() - began)

    module.writers_lock = timed
    wired = wire(env)
    actor = Actor(Surface.CLI, "ana", "Ana", owner=True)
    try:
        cards = await asyncio.gather(
            *(wired.app.handle(actor, f"/model preset c{n} groq/c{n}") for n in range(editors))
        )
    finally:
        module.writers_lock = lock
        await wired.close()
    return [card.error.message if card.error else "" for card in cards], held


async def _program(env: dict[str, str], line: tuple[str, ...]) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*line, env=env, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return f"{line[-2:]}: {(err or out).decode()}" if process.returncode else ""


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 64)))
