"""How fast Slack gets its acknowledgement: 50 commands at once, on a slow store.

Slack gives 3 seconds from a command to the acknowledgement on the socket. The simulated Slack
runs in a process of its own and measures from the envelope it sends to the acknowledgement it
receives; beside it, in the same run, the bound: a websocket that acknowledges and nothing else.

Run it as `python -m benchmarks.slack_ack`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

import aiohttp
import uvloop

from adapters.main.heap import freeze_gc
from adapters.slack.app import SlackSurface
from tests.servers.slack import APP_TOKEN, Channel, MessageSync, SlackServer
from tests.support.fakes_core import Bench
from tests.support.fakes_slack import Setup

AT_ONCE, ROUNDS, STORE_S, AIM_MS = 50, 20, 0.5, 50.0
Done = Callable[[], Awaitable[list[float]]]


async def serve() -> None:
    """Be Slack: for each client that comes, ask in rounds and print the milliseconds."""
    # What is measured is the client: this side must not stop to tidy up.
    gc.disable()
    server = SlackServer()
    await server.start()
    print(server.url, flush=True)
    channels = count()
    for answers in (0, AT_ONCE):
        await server.until(lambda: server.sockets, timeout_s=60)
        await asyncio.sleep(0.3)
        asked: list[MessageSync] = []
        for _ in range(ROUNDS):
            batch = []
            for _ in range(AT_ONCE):
                # Each in a channel of its own: answers to one channel wait for each other.
                channel = f"C{next(channels)}"
                server.channels[channel] = Channel(channel.lower())
                batch.append(await server.command("/model", "status", channel=channel))
            await server.until(lambda batch=batch: all(d.ack.done() for d in batch))
            asked += batch
            await server.until(lambda answers=answers: len(server.posted) >= answers, timeout_s=60)
            server.posted.clear()
        print(json.dumps([(d.ack_s or 0.0) * 1000 for d in asked]), flush=True)
        await server.until(lambda: not server.sockets, timeout_s=60)
    await server.stop()


async def ours(url: str, done: Done) -> list[float]:
    """The real surface and core, on a config store that takes half a second."""
    bench = Bench()
    at_once = bench.store.read

    async def slowly() -> object:
        await asyncio.sleep(STORE_S)
        return await at_once()

    bench.store.read = slowly  # type: ignore[method-assign, assignment]
    surface = SlackSurface(bench.app, Setup(api_url=f"{url}/api/", channel=None))
    await surface.start()
    freeze_gc()
    try:
        return await done()
    finally:
        await surface.stop()


async def bound(url: str, done: Done) -> list[float]:
    """A client that acknowledges and knows nothing else."""
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {APP_TOKEN}"}
        async with session.post(f"{url}/api/apps.connections.open", headers=headers) as answer:
            address = (await answer.json())["url"]

        async def listen() -> None:
            async with session.ws_connect(address) as socket:
                async for message in socket:
                    envelope = json.loads(message.data).get("envelope_id")
                    if envelope:
                        await socket.send_json({"envelope_id": envelope})

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
        sys.executable, "-m", "benchmarks.slack_ack", "--serve", stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )  # fmt: skip
    assert process.stdout is not None
    lines = process.stdout
    url = (await lines.readline()).decode().strip()

    async def done() -> list[float]:
        result: list[float] = json.loads(await lines.readline())
        return result

    print(f"{AT_ONCE} commands at once, {ROUNDS} rounds, a store that takes {STORE_S} s")
    started = time.monotonic()
    least = figures("bound: aiohttp, acknowledges only", await bound(url, done))
    found = figures("changeover on slack-bolt", await ours(url, done))
    print(f"ratio to the bound: median {found[0] / least[0]:.1f}, p99 {found[1] / least[1]:.1f}")
    print(f"p99 of {AIM_MS:.0f} ms aimed at: {'met' if found[1] <= AIM_MS else 'missed'}")
    await process.wait()
    print(f"took {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    uvloop.run(serve() if "--serve" in sys.argv else main())
