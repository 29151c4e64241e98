"""Alerts under a flood: what an event costs to count and to decide on, and what people see of it.

    scripts/bench alerts

`apply` and `decide` are compared with the bare copy of an incident, the least that a pure state
machine has to do. The flood is 100,000 fallback events in one minute, on SQLite, through the
pipeline to a channel: messages, edits, the longest time the event loop kept others waiting, how
long a command takes beside it, and the memory that is left over. Before it, a look at 20,000
fallbacks that waited, and what it takes to break such a look off.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adapters.storage.alerts import DatabaseAlertStore  # noqa: E402
from adapters.storage.database import Database  # noqa: E402
from adapters.storage.fallback_log import DatabaseFallbackLog  # noqa: E402
from adapters.storage.journal import DatabaseJournal  # noqa: E402
from adapters.storage.ledger.store import DatabaseLedger  # noqa: E402
from bot.alerts.impact import Impacts  # noqa: E402
from bot.alerts.pipeline import AlertPorts, Pipeline  # noqa: E402
from bot.alerts.policy import AlertSettings, EvaluationContext, decide  # noqa: E402
from bot.catalog import shipped  # noqa: E402
from bot.incident import Incident, State  # noqa: E402
from bot.models import FailureReason, ModelRef, Usage  # noqa: E402
from bot.ports import Attempt  # noqa: E402
from tests.support.fakes_alerts import (  # noqa: E402
    CONFIG,
    FLASH,
    LLAMA,
    NOON,
    OPUS,
    FakeChat,
    apply,
    apply_all,
    event,
)
from tests.support.fakes_core import KEYS, Bench, FakePrices  # noqa: E402
from tests.support.fakes_storage import FakeClock, FakeConfigStore  # noqa: E402

EVENTS = 100_000
A_SECOND = EVENTS // 60
ROUNDS = 20_000
BACKLOG = 20_000
STALL_BOUND_S = 0.25
"""How long others may wait for the event loop: far under a second."""
STOP_BOUND_S = 15.0
"""In which a service has to end once it is told to."""
BENCH = Bench()


def micros(work, rounds: int = ROUNDS) -> float:
    """Return the best of five rounds, in microseconds a call."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, (time.perf_counter() - start) / rounds)
    return best * 1e6


def pure() -> None:
    """Time the state machine beside a bare copy."""
    rules, scene, now = AlertSettings(), EvaluationContext(), NOON + timedelta(minutes=2)
    events = [event(n, NOON + timedelta(seconds=n / 100)) for n in range(300)]
    waiting = replace(apply_all(None, events, now), id=1)
    going_on = replace(waiting, state=State.OPEN, announced_at=NOON, last_edit_at=NOON, messages=1)
    bare = micros(lambda: replace(going_on, changed=1))
    fresh = iter(range(10**9))

    def count() -> Incident:
        return apply(going_on, event(next(fresh), now), now)

    batch = [event(f"b{n}", now) for n in range(2000)]
    whole = micros(lambda: apply_all(going_on, batch, now), 20) / len(batch)
    made = micros(lambda: event(next(fresh), now))
    print(f"bare copy of an incident    {bare:8.2f} µs  (the bound)")
    for name, spent in (
        ("decide, not told yet", micros(lambda: decide(waiting, now, rules, scene))),
        ("decide, going on", micros(lambda: decide(going_on, now, rules, scene))),
        ("apply, one by one", micros(count) - made),
        ("apply, in batches of 2000", whole),
    ):
        print(f"{name:27} {spent:8.2f} µs  {spent / bare:5.2f} x")


def built(
    database: Database, log: DatabaseFallbackLog, clock: FakeClock, chat: FakeChat
) -> Pipeline:
    """Put the alerts together as a service has them."""
    config = FakeConfigStore(json.dumps(CONFIG).encode())
    return Pipeline(
        AlertPorts(
            clock,
            DatabaseAlertStore(database),
            Impacts(config, log, FakePrices(), shipped(), KEYS),
            DatabaseJournal(database),
            {"slack": chat},
        )
    )


async def flood(*, traced: bool) -> None:
    """Send a minute's flood through the pipeline; `traced` looks at memory and not at time."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.db")
        log, clock = DatabaseFallbackLog(database), FakeClock(NOON)
        chat = FakeChat("slack", clock)
        pipeline = built(database, log, clock, chat)
        await pipeline.tick()
        marks: list[int] = []
        stalls, done = [0.0], asyncio.Event()
        watching = asyncio.create_task(watch(stalls, done))
        idle = sorted([await ask() for _ in range(40)])
        beside: list[float] = []
        asking = asyncio.create_task(ask_on(beside, done))
        writing = spent = 0.0
        for second in range(60):
            batch = [
                event(f"{second}-{n}", clock.now(), to=FLASH if n % 9 else LLAMA)
                for n in range(A_SECOND)
            ]
            start = time.perf_counter()
            await log.add_events(batch)
            written = time.perf_counter()
            clock.advance(timedelta(seconds=1))
            await pipeline.tick()
            spent += time.perf_counter() - written
            writing += written - start
            if traced and second in (9, 59):
                del batch
                gc.collect()
                marks.append(tracemalloc.get_traced_memory()[0])
        done.set()
        await asyncio.gather(watching, asking)
        [row] = await log.incidents(open_only=True, limit=9)
        await database.close()
    if traced:
        grown = (marks[1] - marks[0]) / 1024
        print(f"  memory grown by {grown:.0f} KiB between 17,000 events and {EVENTS:,}")
        return
    total = A_SECOND * 60
    assert row.requests == total
    print(f"\n{total:,} events in one minute of the clock, SQLite:")
    print(f"  written in {writing:.1f} s, alerts took {spent:.1f} s of the minute's 60")
    print(f"  per event, alerts / writing it  {spent / writing:.2f} x")
    print(
        f"  messages {len(chat.main)}, answers below {len(chat.messages) - len(chat.main)}, ",
        end="",
    )
    print(f"edits {chat.edits}, all {row.requests:,} requests counted")
    print(f"  the event loop kept others waiting for {max(stalls) * 1000:.0f} ms at most")
    beside.sort()
    print(
        f"  a command takes {idle[len(idle) // 2] * 1000:.1f} ms when idle, "
        f"{beside[len(beside) // 2] * 1000:.1f} ms beside it ({len(beside)} asked, "
        f"the slowest {beside[-1] * 1000:.0f} ms), at {total / (writing + spent):,.0f} events/s"
    )


async def backlog() -> None:
    """Look once at 20,000 fallbacks with their ledger rows, and break such a look off."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/bench.db")
        log, clock = DatabaseFallbackLog(database), FakeClock(NOON)
        pipeline = built(database, log, clock, FakeChat("slack", clock))
        await pipeline.tick()
        ledger, step = DatabaseLedger(database), timedelta(minutes=20) / BACKLOG
        at = [NOON + n * step for n in range(BACKLOG)]
        await ledger.add([row for n in range(BACKLOG) for row in attempts(n, at[n])])
        await log.add_events([event(n, at[n]) for n in range(BACKLOG)])
        clock.advance(timedelta(minutes=21))
        broken_off = asyncio.create_task(pipeline.tick())
        await asyncio.sleep(0.2)
        start = time.perf_counter()
        broken_off.cancel()
        await asyncio.wait({broken_off})
        stop = time.perf_counter() - start
        stalls, done = [0.0], asyncio.Event()
        watching = asyncio.create_task(watch(stalls, done))
        start = time.perf_counter()
        while not await pipeline.decide():
            """What was broken off was still being written."""
        look = time.perf_counter() - start
        done.set()
        await watching
        [row] = await log.incidents(open_only=True, limit=9)
        assert row.requests == BACKLOG
        await database.close()
    print(f"\n{BACKLOG:,} fallbacks in one look, SQLite, with two ledger rows each:")
    print(f"  the whole look {look:.2f} s, {look / STOP_BOUND_S:.2f} x the time for a stop")
    print(f"  the event loop kept others waiting for {max(stalls) * 1000:.0f} ms at most, ", end="")
    print(f"{max(stalls) / STALL_BOUND_S:.2f} x its bound")
    print(f"  broken off after 200 ms: over {stop * 1000:.0f} ms later, ", end="")
    print(f"{stop / STOP_BOUND_S:.2f} x the time for a stop")


def attempts(number: int, at: datetime) -> list[Attempt]:
    """Make the ledger rows of a fallback: who failed, who answered."""
    failed, served = ModelRef.parse(OPUS), ModelRef.parse(FLASH)
    assert failed is not None
    assert served is not None
    limit, usage = FailureReason.RATE_LIMIT, Usage(input_tokens=1000, output_tokens=100)
    name = f"req-{number}"
    return [
        Attempt(at, name, 1, failed, failed.provider, Usage(), reason=limit, status=429,
                answered=False, last=False, fallback=True),
        Attempt(at, name, 2, served, served.provider, usage, fallback=True, cost_nano_usd=1000),
    ]  # fmt: skip


async def ask() -> float:
    """Return the seconds that `/fallback status` takes."""
    start = time.perf_counter()
    card = await BENCH.say("/fallback status")
    assert card.error is None
    return time.perf_counter() - start


async def ask_on(spent: list[float], done: asyncio.Event) -> None:
    """Ask ten times a second."""
    while not done.is_set():
        spent.append(await ask())
        await asyncio.sleep(0.1)


async def watch(stalls: list[float], done: asyncio.Event) -> None:
    """Measure how late a task is that wants to run every 5 ms."""
    while not done.is_set():
        start = time.perf_counter()
        await asyncio.sleep(0.005)
        stalls.append(time.perf_counter() - start - 0.005)


if __name__ == "__main__":
    pure()
    asyncio.run(backlog())
    asyncio.run(flood(traced=False))
    tracemalloc.start()
    asyncio.run(flood(traced=True))
