"""The ledger's queue: takes at once, writes soon, and loses nothing without a word."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

import pytest

from adapters.storage.database import Database
from adapters.storage.journal import DatabaseJournal
from adapters.storage.ledger.heartbeat import Heartbeat
from adapters.storage.ledger.queue import LedgerQueue
from adapters.storage.ledger.store import DatabaseLedger
from bot.errors import StorageError
from bot.models import FailureReason
from bot.ports import Attempt, FallbackEvent, GroupBy
from tests.support.fakes_files import REPO
from tests.support.fakes_ledger import NOON, FakeLedger, attempt
from tests.support.fakes_storage import FakeClock, FakeFallbackLog, FakeJournal

AWAY = StorageError("The database does not exist.", "Look for it.")


def event(number: int) -> FallbackEvent:
    return FallbackEvent(NOON, f"req-{number}", "a/one", "b/two", FailureReason.TIMEOUT)


EVENT = event(1)
SERVICE = "gateway host:8787"


class Ground:
    """A queue and what is around it."""

    def __init__(self) -> None:
        self.ledger = FakeLedger()
        self.log = FakeFallbackLog()
        self.journal = FakeJournal()
        self.clock = FakeClock()
        self.queues: list[LedgerQueue] = []

    def queue(self, **more: float) -> LedgerQueue:
        """Start a queue of the same service."""
        pace = {"flush_s": 0.01, "retry_s": 0.01, **more}
        queue = LedgerQueue(
            self.ledger,
            self.log,
            self.journal,
            self.clock,
            service=SERVICE,
            **pace,  # type: ignore[arg-type]
        )
        self.queues.append(queue)
        queue.start()
        return queue

    def fail(self, error: StorageError | None) -> None:
        """Take the database away, or (None) bring it back."""
        self.ledger.fail = self.log.fail = self.journal.fail = error

    async def kill(self, queue: LedgerQueue) -> None:
        """End a queue as a crash would."""
        assert queue._task is not None
        queue._task.cancel()
        await asyncio.wait({queue._task})


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    ground = Ground()
    yield ground
    for queue in ground.queues:
        await queue.stop(0.01)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what it waits for knows no event
            await asyncio.sleep(0.005)


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() for record in caplog.records)


# --- the everyday ---------------------------------------------------------------------------------


async def test_what_is_put_is_written_soon(ground: Ground) -> None:
    queue = ground.queue()
    queue.put(attempt(1))
    queue.put_event(EVENT)
    assert (queue.waiting, queue.written) == (2, 0)
    await until(lambda: queue.waiting == 0)
    assert list(ground.ledger.kept.values()) == [attempt(1)]
    assert await ground.log.events(NOON, 9) == [EVENT]
    queue.put(attempt(2))
    await until(lambda: len(ground.ledger.kept) == 2)
    assert (queue.written, queue.dropped) == (3, 0)


async def test_many_are_written_before_their_time(ground: Ground) -> None:
    queue = ground.queue(flush_s=3600)
    queue.put(attempt("first"))
    await until(lambda: queue.waiting == 0)
    for number in range(500):
        queue.put(attempt(number))
    await until(lambda: len(ground.ledger.kept) == 501)


async def test_few_wait_for_their_time(ground: Ground) -> None:
    queue = ground.queue(flush_s=3600)
    queue.put(attempt("first"))
    await until(lambda: queue.waiting == 0)
    for number in range(499):
        queue.put(attempt(number))
    await asyncio.sleep(0.05)
    assert (queue.waiting, len(ground.ledger.kept)) == (499, 1)


async def test_a_stop_writes_what_is_left(ground: Ground) -> None:
    queue = ground.queue(flush_s=3600)
    for number in range(5000):
        queue.put(attempt(number))
    queue.put_event(EVENT)
    await queue.stop()
    assert (len(ground.ledger.kept), queue.waiting, queue.dropped) == (5000, 0, 0)
    assert await ground.log.events(NOON, 9) == [EVENT]


async def test_what_comes_after_the_stop_is_counted_as_dropped(ground: Ground) -> None:
    queue = ground.queue()
    await queue.stop()
    queue.put(attempt(1))
    assert (queue.waiting, queue.dropped) == (0, 1)


async def test_what_was_put_before_the_start_is_written(ground: Ground) -> None:
    queue = LedgerQueue(ground.ledger, ground.log, ground.journal, ground.clock)
    queue.put(attempt(1))
    queue.start()
    await queue.stop()
    assert len(ground.ledger.kept) == 1


# --- a database that is away ----------------------------------------------------------------------


async def test_a_database_that_is_away_for_a_while(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    queue = ground.queue()
    queue.put(attempt(1))
    await until(lambda: queue.waiting == 0)
    ground.fail(AWAY)
    for number in range(2, 700):
        queue.put(attempt(number))
        queue.put_event(event(number))
    await until(lambda: said(caplog, "stay in memory") > 0)
    await asyncio.sleep(0.1)
    assert queue.waiting == 698 * 2
    ground.fail(None)
    await until(lambda: queue.waiting == 0)
    assert len(ground.ledger.kept) == 699
    assert len(await ground.log.events(NOON, 9999)) == 698
    await until(lambda: said(caplog, "is back, buffered") == 1)
    assert said(caplog, "stay in memory") == 1
    assert said(caplog, "The database does not exist. Look for it.") == 1
    assert said(caplog, "dropped") == 0


async def test_a_database_that_is_away_at_the_start(ground: Ground) -> None:
    ground.fail(AWAY)
    queue = ground.queue()
    queue.put(attempt(1))
    await asyncio.sleep(0.05)
    ground.fail(None)
    await until(lambda: len(ground.ledger.kept) == 1)


async def test_only_events_fail(ground: Ground) -> None:
    ground.log.fail = AWAY
    queue = ground.queue()
    queue.put(attempt(1))
    queue.put_event(EVENT)
    await until(lambda: len(ground.ledger.kept) == 1)
    assert queue.waiting == 1
    ground.log.fail = None
    await until(lambda: queue.waiting == 0)
    assert await ground.log.events(NOON, 9) == [EVENT]


async def test_beyond_the_limit_the_newest_are_dropped_and_told(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    ground.fail(AWAY)
    queue = ground.queue(most=10)
    for number in range(15):
        queue.put(attempt(number))
    assert (queue.waiting, queue.dropped) == (10, 5)
    assert said(caplog, "buffer full at 10 attempts: dropping the rest") == 1
    ground.fail(None)
    await until(lambda: queue.waiting == 0)
    assert [key for key, _ in ground.ledger.kept] == [f"req-{n}" for n in range(10)]
    await until(lambda: said(caplog, "5 attempts and 0 fallback events were dropped") == 1)
    queue.put(attempt(99))
    await until(lambda: len(ground.ledger.kept) == 11)
    assert (queue.dropped, queue.written) == (5, 11)
    assert said(caplog, "were dropped") == 1


async def test_a_stop_does_not_wait_for_ever(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    queue = ground.queue()
    ground.fail(AWAY)
    queue.put(attempt(1))
    queue.put(attempt(2))
    queue.put_event(EVENT)
    await queue.stop(0.05)
    assert said(caplog, "2 attempts, 1 fallback events are lost") == 1
    assert (queue.waiting, queue.dropped) == (0, 3)


async def test_a_stop_waits_for_a_database_that_comes_back(ground: Ground) -> None:
    ground.fail(AWAY)
    queue = ground.queue()
    queue.put(attempt(1))
    asyncio.get_running_loop().call_later(0.1, ground.fail, None)
    await queue.stop(20)
    assert len(ground.ledger.kept) == 1


async def test_a_row_that_cannot_be_written_costs_no_other(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    class Picky(FakeLedger):
        async def add(self, attempts: Sequence[Attempt]) -> None:
            if any(one.request_id == "req-77" for one in attempts):
                raise ZeroDivisionError
            await super().add(attempts)

    ground.ledger = Picky()
    queue = ground.queue()
    for number in range(3000):
        queue.put(attempt(number))
    await until(lambda: queue.waiting == 0)
    assert (len(ground.ledger.kept), queue.written, queue.dropped) == (2999, 2999, 1)
    assert said(caplog, "one of the attempts cannot be written") == 1


# --- how the last run ended -----------------------------------------------------------------------

UNCLEAN = "ended without a clean stop"


async def test_a_first_run_and_a_clean_stop_say_nothing(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        queue = ground.queue()
        queue.put(attempt(1))
        await queue.stop()
        ground.clock.advance(timedelta(seconds=3))
    assert said(caplog, UNCLEAN) == 0


async def test_a_crash_is_told_by_the_next_start_and_only_by_that(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    await ground.queue().stop()
    ground.clock.advance(timedelta(seconds=1))
    first = ground.queue()
    first.put(attempt(1))
    await until(lambda: first.waiting == 0)
    await ground.kill(first)
    ground.clock.advance(timedelta(hours=1))
    second = ground.queue()
    await until(lambda: said(caplog, UNCLEAN) == 1)
    assert said(caplog, "gateway host:8787") == 1
    assert said(caplog, "after 2026-03-02T09:00:01+00:00") == 1
    await second.stop()
    await ground.queue().stop()
    assert said(caplog, UNCLEAN) == 1


async def test_rows_that_were_lost_at_the_stop_are_told_again(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    queue = ground.queue()
    queue.put(attempt(1))
    await until(lambda: queue.waiting == 0)
    ground.fail(AWAY)
    queue.put(attempt(2))
    await queue.stop(0.02)
    ground.fail(None)
    await ground.queue().stop()
    assert said(caplog, UNCLEAN) == 1


async def test_a_clock_that_is_put_back_raises_no_alarm(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    await ground.queue().stop()
    ground.clock.advance(timedelta(days=-30))
    for _ in range(2):
        await ground.queue().stop()
    assert said(caplog, UNCLEAN) == 0


async def test_services_of_other_names_are_not_looked_at(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["gateway a", "gateway b", "x" * 300, "y" * 300]
    for name in names:
        await Heartbeat(ground.journal, ground.clock, name).alive()
    assert said(caplog, UNCLEAN) == 0
    assert len(ground.journal._beats) == 4
    assert max(map(len, ground.journal._beats)) < 60


KILLED = """
import asyncio, sys
from adapters.clock import SystemClock
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.journal import DatabaseJournal
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.ledger.queue import LedgerQueue
from tests.support.fakes_ledger import attempt

async def main(url):
    database = Database(url)
    queue = LedgerQueue(
        DatabaseLedger(database),
        DatabaseFallbackLog(database),
        DatabaseJournal(database),
        SystemClock(),
        flush_s=0.02,
    )
    queue.start()
    for number in range(1000):
        queue.put(attempt(number))
    while queue.waiting:
        await asyncio.sleep(0.01)
    print("written", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_killed_process_loses_nothing_that_was_written(
    kind: str, new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    url = new_database(kind)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, url, cwd=REPO, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"written\n"
    child.send_signal(signal.SIGKILL)
    await child.communicate()
    database = Database(url)
    ledger = DatabaseLedger(database)
    queue = LedgerQueue(ledger, FakeFallbackLog(), DatabaseJournal(database), FakeClock())
    with caplog.at_level(logging.WARNING):
        queue.start()
        await queue.stop()
    day = timedelta(days=1)
    (found,) = await ledger.spend(NOON - day, NOON + day, GroupBy.MODEL)
    await database.close()
    assert found.attempts == 1000
    assert said(caplog, UNCLEAN) == 1
