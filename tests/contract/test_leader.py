"""One process of several leads, and another takes over soon after its death."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.storage.database import Database
from adapters.storage.leader import LEASE, leader_of
from bot.errors import StorageError
from bot.ports.alerts import AlwaysLeader, Leader
from tests.fakes_storage import FakeClock

MAKE = Callable[[], Leader]


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
async def candidate(url: str, clock: FakeClock) -> AsyncIterator[Callable[..., Leader]]:
    made: list[tuple[Leader, Database]] = []

    def make(name: str = "alerts") -> Leader:
        database = Database(url)
        made.append((leader_of(database, url, clock, name), database))
        return made[-1][0]

    yield make
    for leader, database in made:
        await leader.resign()
        await database.close()


async def test_one_of_many_leads(candidate: Callable[..., Leader]) -> None:
    leaders = [candidate() for _ in range(4)]
    rounds = [await asyncio.gather(*(one.leads() for one in leaders)) for _ in range(3)]
    assert [leading.count(True) for leading in rounds] == [1, 1, 1]
    assert len({leading.index(True) for leading in rounds}) == 1


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


async def test_a_leader_that_asks_keeps_the_right(
    candidate: Callable[..., Leader], clock: FakeClock
) -> None:
    one, two = candidate(), candidate()
    assert await one.leads()
    for _ in range(40):
        clock.advance(timedelta(seconds=2))
        assert await one.leads()
        assert not await two.leads()


async def test_a_clock_that_is_put_back_leaves_one_leader(
    candidate: Callable[..., Leader], clock: FakeClock
) -> None:
    one, two = candidate(), candidate()
    assert await one.leads()
    clock.advance(timedelta(hours=-1))
    leading = list(await asyncio.gather(two.leads(), one.leads()))
    assert leading.count(True) == 1
    assert [await two.leads(), await one.leads()] == leading


CHILD = """
import asyncio, sys
from adapters.clock import SystemClock
from adapters.storage.database import Database
from adapters.storage.leader import leader_of

async def main(url):
    leader = leader_of(Database(url), url, SystemClock())
    print(await leader.leads(), flush=True)
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[1]))
"""


async def until_it_leads(leader: Leader) -> None:
    for _ in range(300):
        if await leader.leads():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody leads any more")


async def test_a_leader_that_is_killed_is_replaced(
    kind: str, url: str, candidate: Callable[..., Leader], clock: FakeClock
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert (await child.stdout.readline()).strip() == b"True"
    clock.at = SystemClock().now()
    heir = candidate()
    assert not await heir.leads()
    child.kill()
    await child.wait()
    if kind == "sqlite":
        # The row says so for a while; on a real clock this is less than 15 s.
        assert timedelta(seconds=15) > LEASE
        clock.advance(LEASE + timedelta(seconds=2))
        assert await heir.leads()
        return
    await until_it_leads(heir)


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_a_leader_that_loses_its_connection_leads_no_more(
    url: str, candidate: Callable[..., Leader]
) -> None:
    one, two = candidate(), candidate()
    assert await one.leads()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND granted AND objid = "
            "(hashtext(current_schema())::bigint & 4294967295)::oid"
        )
    await until_it_leads(two)
    with pytest.raises(StorageError):
        await one.leads()
    assert not await one.leads()
    await two.resign()
    assert await one.leads()


async def test_a_process_alone_always_leads() -> None:
    alone = AlwaysLeader()
    assert await alone.leads()
    await alone.resign()
    assert await alone.leads()
