"""Let many processes write the same attempts at once: each is counted once, to the nano-dollar.

python -m tests.soak.race_ledger 8 20 [DATABASE_URL]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from datetime import timedelta

from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from bot.ports import Attempt, GroupBy
from tests.support.fakes_ledger import NOON, attempt

_ROWS = 50


def main(processes: int, batches: int, url: str | None) -> int:
    """Run the race and print the figures; 1 when anything is missing, or counted twice."""
    with tempfile.TemporaryDirectory() as folder:
        address = url or f"sqlite:///{folder}/changeover.db"
        started = time.monotonic()
        children = [_start(address, number, batches) for number in range(processes)]
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        seconds = time.monotonic() - started
        rows, costs = asyncio.run(_result(address))
    every = {
        n
        for process in range(processes)
        for turn in range(batches)
        for n in _numbers(process, turn)
    }
    missing, twice = len(every) - len(set(rows)), len(rows) - len(set(rows))
    off = [cost - sum(_cost(n) for n in every) for cost in costs]
    print(
        f"processes {processes}, batches {batches}, rows {len(every)}, missing {missing}, "
        f"twice {twice}, cost off by {max(map(abs, off))}, failed processes {failed}, "
        f"seconds {seconds:.1f}"
    )
    return 1 if missing or twice or any(off) or failed else 0


def _numbers(process: int, turn: int) -> list[int]:
    """The attempts of one batch; half of them are a neighbour's too, in the other direction."""
    first = (turn * 3 + process) * _ROWS // 2
    numbers = list(range(first, first + _ROWS))
    return numbers if process % 2 else numbers[::-1]


def _cost(number: int) -> int:
    return 10**6 + number * 7919


def _attempt(number: int) -> Attempt:
    at = NOON + timedelta(minutes=number % 240)
    return attempt(
        number, at=at, model=f"p{number % 3}/m", cost=_cost(number), caller=f"c{number % 4}"
    )


def _start(url: str, number: int, batches: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        asyncio.run(_write(url, number, batches))
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - said, and counted as a failed process
        print(f"process {number}: {error!r}", file=sys.stderr)
    finally:
        os._exit(3)


async def _write(url: str, process: int, batches: int) -> None:
    database = Database(url)
    ledger = DatabaseLedger(database)
    for turn in range(batches):
        await ledger.add([_attempt(n) for n in _numbers(process, turn)])
    await database.close()


async def _result(url: str) -> tuple[list[str], list[int]]:
    """Return every row's request, and the whole cost by rollups alone and by rows alone."""
    database = Database(url)
    ledger = DatabaseLedger(database)
    start, end = NOON - timedelta(days=1), NOON + timedelta(days=1)
    rows = await ledger.attempts(start, end, 10**6)
    spend = await ledger.spend(start, end, GroupBy.MODEL)
    await database.close()
    by_rows = sum(row.cost_nano_usd or 0 for row in rows)
    return [row.request_id for row in rows], [sum(g.cost_nano_usd for g in spend), by_rows]


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()] or [8, 20]
    addresses = [word for word in sys.argv[1:] if "://" in word]
    sys.exit(main(numbers[0], numbers[1], addresses[0] if addresses else None))
