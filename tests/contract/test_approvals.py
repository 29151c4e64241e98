"""What every Approvals port keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.demo import DEMO_CONFIG
from adapters.main.wiring import wire
from adapters.storage.approvals import DatabaseApprovals
from adapters.storage.database import Database
from bot.access import Actor, Permission, Surface
from bot.ports.approvals import Approval, Approvals, ApprovalState, Decision
from tests.support.fakes_storage import FakeApprovals

NOW = datetime(2026, 12, 1, 22, 0, 0, 123457, tzinfo=UTC)
ANA = Actor(Surface.DISCORD, "1", "Ana", frozenset({"discord-role:7", "discord-role:8"}), home="5")
REQUEST = Approval(
    document="/m.json",
    words="model best reason “ümlaut” 🚀",
    by=ANA,
    role=Permission.ADMIN,
    at=NOW,
    expires_at=NOW + timedelta(minutes=30),
    reason="“ümlaut” 🚀",
    rules=("dearer:5", "cloud"),
    facts={"revision": "r1", "prices": [None, ["5", "25"]], "until": None},
    shown={"old": None, "new": ["a/b"], "diff": "-a\n+b\n"},
)
BO = Decision(ApprovalState.APPROVED, "Bo", "slack:U2", NOW + timedelta(minutes=1), note="why")


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def stores(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Callable[[], Approvals]]:
    """Return a way to open the same store as another process would."""
    if request.param == "fake":
        fake = FakeApprovals()
        yield lambda: fake
        return
    url = new_database(request.param)
    opened: list[Database] = []

    def open_store() -> Approvals:
        database = Database(url)
        opened.append(database)
        return DatabaseApprovals(database)

    yield open_store
    for one in opened:
        await one.close()


async def test_another_process_reads_a_request_whole(stores: Callable[[], Approvals]) -> None:
    kept = await stores().add(REQUEST)
    assert replace(kept, id=0) == REQUEST
    assert await stores().get("/m.json", kept.id) == kept
    assert await stores().get("/other.json", kept.id) is None
    assert await stores().get("/m.json", kept.id + 1) is None
    later = await stores().add(replace(REQUEST, words="model local"))
    elsewhere = await stores().add(replace(REQUEST, document="/other.json"))
    assert len({kept.id, later.id, elsewhere.id}) == 3
    assert list(await stores().recent("/m.json", 9)) == [later, kept]
    assert list(await stores().recent("/m.json", 1)) == [later]
    assert list(await stores().unsettled("/m.json")) == [kept, later]


async def test_of_many_decisions_at_once_one_counts(stores: Callable[[], Approvals]) -> None:
    kept = await stores().add(REQUEST)
    decisions = [replace(BO, by=f"B{n}") for n in range(5)]
    taken = await asyncio.gather(*(stores().decide(kept.id, one) for one in decisions))
    assert taken.count(True) == 1
    decided = await stores().get("/m.json", kept.id)
    assert decided == replace(
        kept,
        state=ApprovalState.APPROVED,
        decided_by=f"B{taken.index(True)}",
        decided_key="slack:U2",
        decided_at=BO.at,
        note="why",
    )
    assert not await stores().decide(kept.id + 7, BO)


async def test_what_came_of_it_is_said_once(stores: Callable[[], Approvals]) -> None:
    store = stores()
    kept = await store.add(REQUEST)
    assert not await store.finish(kept.id, ApprovalState.DONE, change_id=3)
    assert await store.decide(kept.id, replace(BO, overridden=True))
    # Back to waiting, as if nobody had decided.
    assert await store.finish(kept.id, ApprovalState.WAITING)
    assert await store.get("/m.json", kept.id) == kept
    assert await store.decide(kept.id, BO)
    done = [stores().finish(kept.id, ApprovalState.DONE, change_id=n) for n in range(3)]
    finished = await asyncio.gather(*done)
    assert finished.count(True) == 1
    assert not await store.finish(kept.id, ApprovalState.VOID, note="late")
    found = await store.get("/m.json", kept.id)
    assert found is not None
    assert (found.state, found.change_id, found.note) == ("done", finished.index(True), "why")


async def test_what_is_not_posted_as_it_is_stays_unsettled(
    stores: Callable[[], Approvals],
) -> None:
    store = stores()
    kept = await store.add(REQUEST)
    await store.set_posted(kept.id, ApprovalState.WAITING)
    assert [one.posted for one in await store.unsettled("/m.json")] == ["waiting"]
    expired = Decision(ApprovalState.EXPIRED, "Changeover", "service:changeover", NOW)
    assert await store.decide(kept.id, expired)
    assert [one.state for one in await store.unsettled("/m.json")] == ["expired"]
    await store.set_posted(kept.id, ApprovalState.EXPIRED)
    assert list(await store.unsettled("/m.json")) == []


async def test_nothing_waits_in_an_empty_database(stores: Callable[[], Approvals]) -> None:
    assert list(await stores().unsettled("/m.json")) == []
    assert not await stores().decide(1, BO)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_of_two_bots_that_are_clicked_at_once_one_makes_the_change(
    kind: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    config = tmp_path / "moltbot.json"
    config.write_text(DEMO_CONFIG, encoding="utf-8")
    env = {
        "CHANGEOVER_CONFIG": str(config),
        "DATABASE_URL": new_database(kind),
        "CHANGEOVER_APPROVAL": "all",
        "CHANGEOVER_OPERATORS": "*",
    }
    bots = [wire(env, cwd=tmp_path) for _ in range(2)]
    ana, bo, cy = (
        Actor(Surface.SLACK, f"U{n}", name) for n, name in enumerate(("Ana", "Bo", "Cy"))
    )
    try:
        for _ in range(3):
            card = await bots[0].app.handle(ana, "model cheap")
            number = card.data["approval"]
            line = f"model approve {number}"
            clicks = [bot.app.handle(by, line) for bot, by in zip(bots, (bo, cy), strict=True)]
            answers = await asyncio.gather(*clicks)
            assert sorted(one.ok for one in answers) == [False, True]
            [late] = [one for one in answers if not one.ok]
            assert late.error is not None
            assert late.error.message.endswith(f"approved request {number} already.")
            assert (await bots[1].app.handle(bo, "model undo")).ok
        history = await bots[1].app.handle(ana, "model history")
        actions = [one["action"] for one in history.data["changes"]]
        assert actions == ["undo", "use"] * 3
    finally:
        for bot in bots:
            await bot.close()
