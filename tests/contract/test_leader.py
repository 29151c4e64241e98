"""One process of several leads, and another takes over soon after its death."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from adapters.clock import SystemClock
from adapters.storage.database import Database
from adapters.storage.leader import LEASE, LeaseLeader
from bot.ports.alerts import AlwaysLeader, Leader
from tests.support.databases import once
from tests.support.fakes_storage import FakeClock

PassTime = Callable[[timedelta], Awaitable[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def url(kind: str, new_database: Callable[[str], str]) -> str:
    return new_database(kind)


@pytest.fixture
def pass_time(url: str) -> PassTime:
    """Let time pass for the lease: PostgreSQL's own clock cannot be set, so the row is aged."""

    async def wait(by: timedelta) -> None:
        await once(url, f"UPDATE leases SET until = until - {by // timedelta(microseconds=1)}")

    return wait


@pytest.fixture
async def candidate(url: str, clock: FakeClock) -> AsyncIterator[Callable[..., Leader]]:
    made: list[tuple[Leader, Database]] = []

    def make(name: str = "alerts") -> Leader:
        database = Database(url)
        made.append((LeaseLeader(database, clock, name), database))
        return made[-1][0]

    yield make
    for leader, database in made:
        await leader.resign()
        await database.close()


async def test_one_of_many_leads(candidate: Callable[..., Leader]) -> None:
    leaders = [candidate() for _ in range(4)]
    rounds = [await asyncio.gather(*(one.leads() for one in leaders)) for _ in range(3)]
    assert [len([term for term in terms if term]) for terms in rounds] == [1, 1, 1]
    assert len({tuple(terms) for terms in rounds}) == 1


async def test_who_resigns_makes_room(candidate: Callable[..., Leader]) -> None:
    one, two = candidate(), candidate()
    assert await one.leads()
    assert not await two.leads()
    await one.resign()
    assert await two.leads()
    assert not await one.leads()
    await two.resign()
    assert await one.leads()


async def test_other_tasks_have_other_leaders(candidate: Callable[..., Leader]) -> None:
    one, two = candidate(), candidate("digests")
    assert await one.leads()
    assert await two.leads()


async def test_a_leader_that_asks_keeps_its_term(
    candidate: Callable[..., Leader], pass_time: PassTime
) -> None:
    one, two = candidate(), candidate()
    term = await one.leads()
    for _ in range(20):
        await pass_time(timedelta(seconds=4))
        assert await one.leads() == term
        assert not await two.leads()


async def test_the_lease_leaves_time_to_take_over_within_15_s() -> None:
    assert timedelta(seconds=15) >= LEASE + timedelta(seconds=2)


async def test_a_term_that_ran_out_is_over_for_good(
    candidate: Callable[..., Leader], pass_time: PassTime
) -> None:
    one, two = candidate(), candidate()
    old = await one.leads()
    assert old is not None
    assert await one.holds(old)
    await pass_time(LEASE)
    assert not await one.holds(old)
    assert await two.leads()
    assert not await one.leads()
    await pass_time(LEASE)
    # It leads again, and what it had begun in its first term still may not go on.
    new = await one.leads()
    assert new is not None
    assert await one.holds(new)
    assert not await one.holds(old)
    assert not await two.leads()


async def test_one_process_asks_from_several_tasks(candidate: Callable[..., Leader]) -> None:
    one = candidate()
    terms = await asyncio.gather(*(one.leads() for _ in range(5)))
    assert len(set(terms)) == 1
    assert terms[0]


async def test_a_clock_that_is_put_back_leaves_one_leader(
    candidate: Callable[..., Leader], clock: FakeClock
) -> None:
    one, two = candidate(), candidate()
    assert await one.leads()
    clock.advance(timedelta(hours=-1))
    terms = await asyncio.gather(two.leads(), one.leads())
    assert len([term for term in terms if term]) == 1
    assert [await two.leads(), await one.leads()] == list(terms)


CHILD = """
import asyncio, sys
from adapters.clock import SystemClock
from adapters.storage.database import Database
from adapters.storage.leader import LeaseLeader

async def main(url):
    leader = LeaseLeader(Database(url), SystemClock())
    term = await leader.leads()
    print(bool(term), flush=True)
    while True:
        sys.stdin.readline()
        print(await leader.holds(term), bool(await leader.leads()), flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_leader_that_is_killed_or_stopped_is_replaced(
    url: str, candidate: Callable[..., Leader], clock: FakeClock, pass_time: PassTime, sign: int
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert (await child.stdout.readline()).strip() == b"True"
        clock.at = SystemClock().now()
        heir = candidate()
        assert not await heir.leads()
        child.send_signal(sign)
        await pass_time(LEASE)
        assert await heir.leads()
        if sign == signal.SIGSTOP:
            child.send_signal(signal.SIGCONT)
            child.stdin.write(b"\n")
            assert (await child.stdout.readline()).strip() == b"False False"
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_a_process_alone_always_leads() -> None:
    alone = AlwaysLeader()
    term = await alone.leads()
    assert term is not None
    await alone.resign()
    assert await alone.holds(term)
