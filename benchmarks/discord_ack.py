"""How fast Discord gets its acknowledgement: 50 commands at once, on a slow store.

Discord gives 3 seconds from INTERACTION_CREATE to the callback. The simulated Discord runs in a
process of its own and measures from the event it sends to the callback it receives; beside it,
in the same run, the bound: a client that does nothing but send the callback, on bare aiohttp.

    scripts/bench discord_ack
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import uvloop

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adapters.main.heap import freeze_gc  # noqa: E402
from tests.servers.discord import DEFERRED, TOKEN, DiscordServer  # noqa: E402
from tests.servers.discord_gateway import Session  # noqa: E402
from tests.servers.discord_state import Exchange  # noqa: E402
from tests.support.fakes_core import Bench  # noqa: E402
from tests.support.fakes_discord import running  # noqa: E402

AT_ONCE, ROUNDS, STORE_S, AIM_MS = 50, 20, 0.5, 50.0
STATUS = {"name": "status", "type": 1, "options": []}
COMMAND = {"id": "1", "name": "model", "type": 1, "options": [STATUS]}


@dataclass
class Elsewhere:
    """The addresses of a simulated Discord in another process."""

    port: int

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"


async def serve() -> None:
    """Be Discord: for each client that comes, ask in rounds and print the milliseconds."""
    # What is measured is the client: this side must not stop to tidy up.
    gc.disable()
    server = DiscordServer()
    await server.start()
    print(server.port, flush=True)
    for answered in (False, True):
        await server.connected()
        session = server.gateway.session
        assert session is not None
        await asyncio.sleep(0.3)
        asked: list[Exchange] = []
        for _ in range(ROUNDS):
            batch = [await server.send(COMMAND) for _ in range(AT_ONCE)]
            await server.until(partial(all_of, batch, answered))
            asked += batch
        assert all(exchange.callback == DEFERRED for exchange in asked)
        print(json.dumps([(e.acked_after_s or 0.0) * 1000 for e in asked]), flush=True)
        await server.until(partial(is_gone, session))
    await server.stop()


def is_gone(session: Session) -> bool:
    """Whether a client has left."""
    return session.socket is None


def all_of(batch: list[Exchange], answered: bool) -> bool:
    """Whether every command is acknowledged, and answered too where that is awaited."""
    return all(exchange.callback and (exchange.done or not answered) for exchange in batch)


async def ours(discord: Elsewhere, done: Callable[[], Awaitable[list[float]]]) -> list[float]:
    """The real surface and core, on a config store that takes half a second."""
    bench = Bench()
    at_once = bench.store.read

    async def slowly() -> object:
        await asyncio.sleep(STORE_S)
        return await at_once()

    bench.store.read = slowly  # type: ignore[method-assign, assignment]
    async with running(discord, bench, guild_id=None, wait=False, drain_s=0.1):  # type: ignore[arg-type]
        freeze_gc()
        return await done()


async def bound(discord: Elsewhere, done: Callable[[], Awaitable[list[float]]]) -> list[float]:
    """A client that acknowledges and knows nothing else."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def acknowledge(event: dict[str, str]) -> None:
            path = f"/interactions/{event['id']}/{event['token']}/callback"
            async with session.post(f"{discord.api_url}{path}", json={"type": DEFERRED}) as answer:
                await answer.read()

        async def listen() -> None:
            tasks = set()
            url = f"{discord.gateway_url}?v=10&encoding=json"
            async with session.ws_connect(url) as ws:
                identify = {"token": TOKEN, "intents": 1, "properties": {}}
                await ws.send_json({"op": 2, "d": identify})
                async for message in ws:
                    event = json.loads(message.data)
                    if event["t"] == "INTERACTION_CREATE":
                        tasks.add(asyncio.create_task(acknowledge(event["d"])))

        listening = asyncio.create_task(listen())
        try:
            return await done()
        finally:
            listening.cancel()
            await asyncio.wait({listening})


def figures(name: str, milliseconds: list[float]) -> tuple[float, float]:
    """Print and return median and p99."""
    median = statistics.median(milliseconds)
    p99 = statistics.quantiles(milliseconds, n=100)[98]
    print(f"{name:<34} median {median:6.1f} ms   p99 {p99:6.1f} ms   n {len(milliseconds)}")
    return median, p99


async def main() -> None:
    """Run both, one after the other, and print what came out."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = process.stdout
    discord = Elsewhere(int(await lines.readline()))

    async def done() -> list[float]:
        result: list[float] = json.loads(await lines.readline())
        return result

    print(f"{AT_ONCE} commands at once, {ROUNDS} rounds, a store that takes {STORE_S} s")
    started = time.monotonic()
    least = figures("bound: aiohttp, acknowledges only", await bound(discord, done))
    found = figures("changeover on discord.py", await ours(discord, done))
    print(f"ratio to the bound: median {found[0] / least[0]:.1f}, p99 {found[1] / least[1]:.1f}")
    print(f"p99 of {AIM_MS:.0f} ms aimed at: {'met' if found[1] <= AIM_MS else 'missed'}")
    await process.wait()
    print(f"took {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    uvloop.run(serve() if "--serve" in sys.argv else main())
