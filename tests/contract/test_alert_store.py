"""What every AlertStore keeps to: on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.codec import micros_of
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.ledger.store import DatabaseLedger
from bot.errors import StorageError
from bot.incident import DownHop, Incident, Sample, State
from bot.models import FailureReason, ModelRef, Usage
from bot.outage import AlertReason, Gap
from bot.ports import FallbackLog, MessageRef
from bot.ports.alerts import (
    AlertConflictError,
    AlertStore,
    ChannelTrouble,
    DesiredMessage,
    GoodAnswers,
    MessageState,
    Notice,
    NoticeKind,
)
from tests.support.fakes_alerts import (
    BY_ANA,
    BY_BO,
    FLASH,
    LLAMA,
    NOON,
    OPUS,
    Answer,
    FakeAlertStore,
    event,
)
from tests.support.fakes_ledger import attempt

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LIMITED = AlertReason.RATE_LIMIT
HELLO = MessageRef("slack", "C1", "17.5")


@dataclass
class Ground:
    """A store, another process's view of it, the events beside it, and a ledger to fill."""

    store: AlertStore
    other: AlertStore
    log: FallbackLog
    answer: Callable[[Sequence[Answer]], Awaitable[None]]


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def ground(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Ground]:
    if request.param == "fake":
        fake = FakeAlertStore()

        async def put(answers: Sequence[Answer]) -> None:
            fake.answers += answers

        yield Ground(fake, fake, fake.log, put)
        return
    url = new_database(request.param)
    database, second = Database(url), Database(url)
    ledger = DatabaseLedger(database)

    async def book(answers: Sequence[Answer]) -> None:
        await ledger.add(
            [
                replace(
                    attempt(
                        f"{n}-{one.request_id}",
                        at=one.at,
                        model=one.model,
                        cost=one.cost_nano_usd,
                        tokens=(one.tokens, 0),
                        fallback=bool(one.request_id),
                    ),
                    request_id=one.request_id or f"plain-{n}-{one.at}",
                    usage=Usage(one.tokens, cached_input_tokens=one.cached_tokens),
                )
                for n, one in enumerate(answers)
            ]
        )

    yield Ground(
        DatabaseAlertStore(database),
        DatabaseAlertStore(second),
        DatabaseFallbackLog(database),
        book,
    )
    for one in (database, second):
        await one.close()


def incident(**more: object) -> Incident:
    values: dict[str, object] = {
        "primary": OPUS,
        "reason": LIMITED,
        "opened_at": NOON,
        "last_event_at": NOON + SECOND,
        "failed_at": NOON + SECOND,
        "rerouted": 3,
        "refused": 1,
        "models": (OPUS, LLAMA),
        "hops": (DownHop(LLAMA, "auth", NOON, "401"),),
        "first_reason": AlertReason.TIMEOUT,
        "gaps": (Gap(NOON, SECOND),),
        "served": ((FLASH, 3),),
        "samples": (Sample(NOON, "req-1", FLASH, "rate_limit", "ü\u2028"),),
        "seen": (1, 2**47),
        "good": 1,
        "good_since": NOON + MINUTE,
        "announced_at": NOON + SECOND,
        "night": "2026-03-02",
        "opens": 3,
        "was_primary": True,
        "costs_nano_usd": -5,
        "costs_until": NOON,
        "says": ("a", "b"),
    }
    return Incident(**{**values, **more})  # type: ignore[arg-type]


async def save(
    store: AlertStore, *incidents: Incident, wants: Sequence[DesiredMessage] = ()
) -> None:
    await store.commit((), incidents, wants, NOON)


# --- events ---------------------------------------------------------------------------------------


async def test_events_wait_until_a_commit_takes_them(ground: Ground) -> None:
    assert list(await ground.store.queued(9)) == []
    events = [event(n, NOON - n * SECOND, detail="HTTP 429: slow") for n in range(4)]
    await ground.log.add_events(events)
    queued = await ground.other.queued(3)
    assert [one.event for one in queued] == events[:3]
    await ground.store.commit([queued[0].id, queued[2].id], (), (), NOON)
    assert [one.event for one in await ground.other.queued(9)] == [events[1], events[3]]
    assert len(await ground.log.events(NOON - HOUR, 9)) == 4


async def test_an_event_that_is_told_twice_is_queued_once(ground: Ground) -> None:
    await ground.log.add_events([event(1), event(1), event(2)])
    await ground.log.add_events([event(2), event(2, to=None), event(3)])
    found = [(one.event.request_id, one.event.to_model) for one in await ground.store.queued(9)]
    assert found == [("req-1", FLASH), ("req-2", FLASH), ("req-2", None), ("req-3", FLASH)]


async def test_events_without_a_request_are_told_apart_by_their_time(ground: Ground) -> None:
    nameless = [replace(event(1, NOON + n * SECOND), request_id="") for n in (0, 1, 1)]
    await ground.log.add_events(nameless)
    assert len(await ground.store.queued(9)) == 2


async def test_an_event_is_taken_by_one_process_alone(ground: Ground) -> None:
    await ground.log.add_events([event(n) for n in range(3)])
    ids = [one.id for one in await ground.store.queued(9)]
    await ground.store.commit(ids[:2], [incident()], (), NOON)
    with pytest.raises(AlertConflictError):
        await ground.other.commit(ids[1:], [incident(primary=LLAMA)], (), NOON)
    assert [one.primary for one in await ground.store.incidents(NOON)] == [OPUS]
    assert [one.id for one in await ground.store.queued(9)] == ids[2:]


async def test_an_event_that_is_committed_behind_a_later_one_is_not_missed(
    new_postgresql: Callable[[], str],
) -> None:
    import psycopg

    url = new_postgresql()
    database = Database(url)
    store, log = DatabaseAlertStore(database), DatabaseFallbackLog(database)
    await log.add_events([])
    assert list(await store.queued(9)) == []
    with psycopg.connect(url) as slow:
        slow.execute(
            "INSERT INTO fallback_events (at, request_id, from_model, to_model, reason, source) "
            "VALUES (%s, 'slow', 'a/b', 'c/d', 'timeout', 'gateway')",
            (micros_of(NOON),),
        )
        await log.add_events([event(1)])
        [fast] = await store.queued(9)
        await store.commit([fast.id], (), (), NOON)
        slow.commit()
    [late] = await store.queued(9)
    assert late.event.request_id == "slow"
    assert late.id < fast.id
    await database.close()


async def test_many_events_at_once(ground: Ground) -> None:
    await ground.log.add_events([event(n) for n in range(2500)])
    ids = [one.id for one in await ground.store.queued(5000)]
    assert len(ids) == 2500
    await ground.store.commit(ids, (), (), NOON)
    assert list(await ground.store.queued(9)) == []


# --- incidents ------------------------------------------------------------------------------------


async def test_an_incident_is_kept_as_it_is(ground: Ground) -> None:
    assert list(await ground.store.incidents(NOON)) == []
    assert await ground.store.incident(1) is None
    await save(ground.store, incident())
    [kept] = await ground.other.incidents(NOON)
    assert kept == incident(id=kept.id, revision=1)
    assert kept.seen == incident().seen
    assert await ground.other.incident(kept.id) == kept
    [row] = await ground.log.incidents(open_only=True, limit=9)
    assert (row.requests, row.served_by, row.up_since) == (4, FLASH, NOON + MINUTE)
    await save(
        ground.other,
        replace(kept, state=State.OPEN, rerouted=5_000_000_000, refused=0, served=(), good=0),
    )
    [changed] = await ground.store.incidents(NOON)
    assert (changed.state, changed.requests, changed.revision) == ("open", 5_000_000_000, 2)
    [row] = await ground.log.incidents(open_only=True, limit=9)
    assert (row.requests, row.served_by, row.up_since) == (5_000_000_000, None, None)


async def test_open_incidents_and_those_resolved_since(ground: Ground) -> None:
    await save(
        ground.store,
        incident(primary="old/one", resolved_at=NOON - HOUR, state=State.RESOLVED),
        incident(primary="just/over", resolved_at=NOON, state=State.RESOLVED),
        incident(primary="still/open", opened_at=NOON - 9 * HOUR),
    )
    found = [one.primary for one in await ground.store.incidents(NOON)]
    assert found == ["just/over", "still/open"]
    rows = await ground.log.incidents(open_only=True, limit=9)
    assert [row.primary for row in rows] == ["still/open"]


async def test_two_processes_do_not_overwrite_each_other(ground: Ground) -> None:
    await save(ground.store, incident())
    [kept] = await ground.store.incidents(NOON)
    await save(ground.store, replace(kept, rerouted=9))
    await ground.log.add_events([event(1)])
    [queued] = await ground.store.queued(9)
    with pytest.raises(AlertConflictError):
        await ground.other.commit([queued.id], [replace(kept, rerouted=99)], (), NOON)
    [after] = await ground.store.incidents(NOON)
    assert after.rerouted == 9
    assert len(await ground.store.queued(9)) == 1


async def test_the_first_who_acknowledges_an_open_incident_looks_after_it(ground: Ground) -> None:
    assert not await ground.store.acknowledge(1, BY_ANA, NOON)
    await save(ground.store, incident(state=State.OPEN))
    [kept] = await ground.store.incidents(NOON)
    assert await ground.store.acknowledge(kept.id, BY_ANA, NOON)
    assert not await ground.other.acknowledge(kept.id, BY_BO, NOON)
    [noted] = await ground.other.incidents(NOON)
    assert (noted.acknowledged_by, noted.acknowledged_at) == ("Ana", NOON)
    await save(ground.store, replace(kept, state=State.RESOLVED, resolved_at=NOON))
    [over] = await ground.other.incidents(NOON)
    assert (over.state, over.acknowledged_by) == ("resolved", "Ana")
    rows = await ground.log.incidents(open_only=False, limit=9)
    assert [row.acknowledged_by for row in rows] == ["Ana"]


async def test_an_acknowledgement_counts_as_a_change_until_it_is_kept(ground: Ground) -> None:
    await save(ground.store, incident(state=State.OPEN, changed=4))
    [kept] = await ground.store.incidents(NOON)
    await ground.store.acknowledge(kept.id, BY_ANA, NOON)
    # A save that has not seen it yet does not lose it.
    await save(ground.store, kept)
    noticed = await ground.other.incident(kept.id)
    assert noticed is not None
    assert (noticed.changed, noticed.acknowledged_by) == (5, "Ana")
    await save(ground.other, noticed)
    again = await ground.store.incident(kept.id)
    assert again is not None
    assert again.changed == 5


async def test_an_incident_that_is_over_cannot_be_acknowledged(ground: Ground) -> None:
    await save(ground.store, incident(state=State.RESOLVED, resolved_at=NOON))
    [kept] = await ground.store.incidents(NOON)
    assert not await ground.store.acknowledge(kept.id, BY_ANA, NOON)


# --- what the ledger tells ------------------------------------------------------------------------


async def test_good_answers_are_counted_from_after_the_failure(ground: Ground) -> None:
    nothing = await ground.store.good_answers([OPUS], NOON, NOON + HOUR, 3, by_any=True)
    assert nothing == GoodAnswers(0, None)
    await ground.answer(
        [
            Answer(NOON, OPUS),
            Answer(NOON + 2 * MINUTE, OPUS),
            Answer(NOON + MINUTE, OPUS),
            Answer(NOON + MINUTE, FLASH),
            Answer(NOON + HOUR, OPUS),
            Answer(NOON + 2 * HOUR, OPUS),
        ]
    )
    found = await ground.store.good_answers([OPUS], NOON, NOON + HOUR, 9, by_any=False)
    assert found == GoodAnswers(3, NOON + MINUTE)
    most = await ground.other.good_answers([OPUS], NOON, NOON + HOUR, 2, by_any=False)
    assert most == GoodAnswers(2, NOON + MINUTE)


async def test_for_a_dead_chain_any_answer_is_good(ground: Ground) -> None:
    await ground.answer([Answer(NOON + 2 * MINUTE, OPUS)])
    await ground.log.add_events(
        [
            event(1, NOON + MINUTE),
            event(2, NOON + MINUTE, to=None),
            event(3, NOON + MINUTE, primary=LLAMA),
            event(4, NOON),
        ]
    )
    found = await ground.store.good_answers([OPUS], NOON, NOON + HOUR, 9, by_any=True)
    assert found == GoodAnswers(2, NOON + MINUTE)
    assert await ground.store.good_answers(
        [OPUS], NOON, NOON + HOUR, 9, by_any=False
    ) == GoodAnswers(1, NOON + 2 * MINUTE)


async def test_what_answered_in_a_models_place_is_added_up(ground: Ground) -> None:
    await ground.log.add_events(
        [
            event(1, NOON),
            event(2, NOON + MINUTE),
            event(3, NOON + MINUTE, to=LLAMA),
            event(4, NOON + MINUTE, primary="other/one"),
            event(5, NOON + HOUR),
            event(6, NOON + MINUTE, to=None),
        ]
    )
    # The same request, told for another reason as well, counts once.
    await ground.log.add_events([event(1, NOON, reason=FailureReason.TIMEOUT)])
    await ground.answer(
        [
            Answer(NOON, FLASH, "req-1", 100, 10),
            Answer(NOON + MINUTE, FLASH, "req-2", 200, None),
            Answer(NOON + MINUTE, LLAMA, "req-3", 300, 0),
            Answer(NOON + MINUTE, FLASH, "req-4", 400, 40),
            Answer(NOON + HOUR, FLASH, "req-5", 500, 50),
            Answer(NOON + MINUTE, OPUS, "", 600, 60),
        ]
    )
    rows = await ground.store.rerouted(OPUS, NOON, NOON + HOUR)
    found = {row.model: row for row in rows}
    flash, llama = (
        found[ModelRef("deepseek", "deepseek-flash")],
        found[ModelRef("ollama", "llama3.3")],
    )
    assert len(rows) == 2
    assert (flash.requests, flash.cost_nano_usd, flash.unpriced) == (2, 10, 1)
    assert flash.usage == Usage(input_tokens=300)
    assert (llama.requests, llama.cost_nano_usd, llama.unpriced) == (1, 0, 0)
    assert list(await ground.store.rerouted(OPUS, NOON + 2 * HOUR, NOON + 3 * HOUR)) == []


async def test_what_a_models_own_answers_used_is_added_up(ground: Ground) -> None:
    assert await ground.store.usage_of(OPUS, NOON, NOON + HOUR) == Usage()
    await ground.answer(
        [
            Answer(NOON, OPUS, "req-1", 100, 10, 80),
            Answer(NOON + MINUTE, OPUS, "req-2", 200, 10, 20),
            Answer(NOON + MINUTE, FLASH, "req-3", 400, 10, 40),
            Answer(NOON + HOUR, OPUS, "req-4", 800, 10, 80),
        ]
    )
    found = await ground.store.usage_of(OPUS, NOON, NOON + HOUR)
    assert found == Usage(input_tokens=300, cached_input_tokens=100)


# --- messages -------------------------------------------------------------------------------------


async def wanted(ground: Ground, version: int = 1, key: str = "incident:1:1") -> MessageState:
    await ground.store.commit((), (), [DesiredMessage(key, "slack", version)], NOON)
    found = await ground.store.post(key, "slack")
    assert found is not None
    return found


async def test_a_message_that_is_wanted_is_behind_until_it_is_shown(ground: Ground) -> None:
    post = await wanted(ground)
    assert post == MessageState("incident:1:1", "slack", 1, 0, NOON)
    assert list(await ground.other.behind("slack")) == [post]
    assert list(await ground.other.behind("discord")) == []
    assert await ground.store.claim(post, NOON + SECOND)
    await ground.store.posted(post, HELLO, 1, NOON + 2 * SECOND)
    assert list(await ground.other.behind("slack")) == []
    shown = await ground.other.post("incident:1:1", "slack")
    assert shown is not None
    assert (shown.message, shown.shown, shown.shown_at) == (HELLO, 1, NOON + 2 * SECOND)
    assert shown.claimed_at is None


async def test_a_later_version_is_wanted_and_an_older_one_is_not(ground: Ground) -> None:
    post = await wanted(ground, 4)
    await ground.store.posted(post, HELLO, 4, NOON)
    assert (await wanted(ground, 3)).wanted == 4
    assert list(await ground.store.behind("slack")) == []
    await ground.store.commit((), (), [DesiredMessage(post.key, "slack", 5)], NOON + HOUR)
    [again] = await ground.store.behind("slack")
    assert (again.wanted, again.shown, again.message) == (5, 4, HELLO)
    assert again.wanted_at == NOON + HOUR


async def test_the_oldest_wish_comes_first(ground: Ground) -> None:
    for key, at in (("b", NOON), ("c", NOON - HOUR), ("a", NOON)):
        await ground.store.commit((), (), [DesiredMessage(key, "slack", 1)], at)
    assert [post.key for post in await ground.store.behind("slack")] == ["c", "a", "b"]


async def test_a_post_is_claimed_by_one_process_alone(ground: Ground) -> None:
    post = await wanted(ground)
    claims = [ground.store.claim(post, NOON), ground.other.claim(post, NOON)]
    assert sorted(await asyncio.gather(*claims)) == [False, True]
    [claimed] = await ground.store.behind("slack")
    assert claimed.claimed_at == NOON
    assert await ground.other.claim(claimed, NOON + HOUR)
    assert not await ground.store.claim(claimed, NOON + HOUR)


async def test_what_has_been_posted_since_it_was_read_is_not_claimed_again(ground: Ground) -> None:
    post = await wanted(ground)
    assert await ground.other.claim(post, NOON)
    await ground.other.posted(post, HELLO, 1, NOON)
    assert not await ground.store.claim(post, NOON)
    shown = await ground.store.post(post.key, "slack")
    assert shown is not None
    assert await ground.store.claim(shown, NOON)
    afresh = await ground.store.post(post.key, "slack")
    assert afresh is not None
    assert (afresh.message, afresh.claimed_at) == (HELLO, NOON)


async def test_a_failure_is_counted_and_put_off(ground: Ground) -> None:
    post = await wanted(ground)
    assert await ground.store.claim(post, NOON)
    await ground.store.put_off(post, NOON + MINUTE)
    [waiting] = await ground.other.behind("slack")
    assert (waiting.failures, waiting.retry_at, waiting.claimed_at) == (1, NOON + MINUTE, NOON)
    await ground.store.put_off(waiting, NOON + HOUR, unclaim=True)
    [again] = await ground.other.behind("slack")
    assert (again.failures, again.retry_at, again.claimed_at) == (2, NOON + HOUR, None)
    await ground.store.posted(again, HELLO, 1, NOON)
    done = await ground.other.post(post.key, "slack")
    assert done is not None
    assert (done.failures, done.retry_at) == (0, None)


async def test_a_message_can_be_left_as_it_is(ground: Ground) -> None:
    post = await wanted(ground, 2)
    await ground.store.give_up(post)
    assert list(await ground.store.behind("slack")) == []
    left = await ground.store.post(post.key, "slack")
    assert left is not None
    assert (left.message, left.shown) == (None, 2)


# --- notices, troubles, memory --------------------------------------------------------------------


async def test_a_notice_is_kept_once_and_asks_for_its_messages(ground: Ground) -> None:
    notice = Notice("outside:7", NoticeKind.OUTSIDE, NOON, {"old": None, "new": ["ü"]})
    assert await ground.store.notice("outside:7") is None
    assert await ground.store.add_notice(notice, ["slack", "discord"])
    other = replace(notice, data={})
    assert not await ground.other.add_notice(other, ["slack"])
    assert await ground.other.notice("outside:7") == notice
    assert [post.key for post in await ground.store.behind("discord")] == ["outside:7"]


async def test_two_processes_that_make_the_same_notice(ground: Ground) -> None:
    notice = Notice("morning:2026-03-02", NoticeKind.MORNING, NOON)
    stores = (ground.store, ground.other)
    made = await asyncio.gather(*(store.add_notice(notice, ["slack"]) for store in stores))
    assert sorted(made) == [False, True]
    assert len(await ground.store.behind("slack")) == 1


async def test_a_notice_can_be_changed_and_its_messages_edited(ground: Ground) -> None:
    notice = Notice("trouble:slack:1", NoticeKind.TROUBLE, NOON, {"until": None})
    await ground.store.add_notice(notice, ["discord"])
    [post] = await ground.store.behind("discord")
    await ground.store.posted(post, MessageRef("discord", "1", "2"), 1, NOON)
    over = replace(notice, at=NOON + HOUR, data={"until": "now"})
    await ground.other.amend_notice(over, ["discord"])
    [again] = await ground.store.behind("discord")
    assert (again.wanted, again.shown) == (2, 1)
    assert await ground.store.notice(notice.key) == over


async def test_a_surface_in_trouble_is_remembered_since_it_began(ground: Ground) -> None:
    assert list(await ground.store.troubles()) == []
    first = ChannelTrouble("slack", NOON, "The channel is archived.", "Set another.")
    await ground.store.set_trouble(first)
    await ground.other.set_trouble(ChannelTrouble("slack", NOON + HOUR, "Slack is away."))
    await ground.other.set_trouble(ChannelTrouble("discord", NOON, "No rights."))
    assert list(await ground.store.troubles()) == [
        ChannelTrouble("discord", NOON, "No rights."),
        ChannelTrouble("slack", NOON, "Slack is away."),
    ]
    await ground.store.clear_trouble("discord")
    await ground.store.clear_trouble("discord")
    assert [one.surface for one in await ground.other.troubles()] == ["slack"]


async def test_small_things_are_remembered(ground: Ground) -> None:
    assert await ground.store.recall("alerts.outside") is None
    await ground.store.remember("alerts.outside", "7")
    await ground.other.remember("alerts.outside", "8")
    assert await ground.store.recall("alerts.outside") == "8"


# --- what commands use of it ----------------------------------------------------------------------


async def test_what_is_long_over_is_forgotten_but_for_its_row(ground: Ground) -> None:
    store = ground.store
    over = NOON - HOUR
    await save(
        store,
        incident(primary="old/one", resolved_at=over, state=State.RESOLVED),
        incident(primary="still/open", opened_at=NOON - 9 * HOUR, state=State.OPEN),
        incident(primary="just/over", resolved_at=NOON + SECOND, state=State.RESOLVED),
    )
    old, going_on, fresh = await store.incidents(NOON - 9 * HOUR)
    keys = [f"incident:{one.id}:1" for one in (old, going_on)]
    await store.commit((), (), [DesiredMessage(key, "slack", 1) for key in keys], over)
    await store.commit((), (), [DesiredMessage(f"incident:{fresh.id}:1", "slack", 1)], NOON)
    await store.add_notice(Notice("outside:1", NoticeKind.OUTSIDE, over, {}), ["slack"])
    await store.add_notice(Notice("outside:2", NoticeKind.OUTSIDE, NOON, {}), ["slack"])
    assert await store.forget(NOON) == 4
    assert await store.forget(NOON) == 0
    left = {post.key for post in await store.behind("slack")}
    assert left == {keys[1], f"incident:{fresh.id}:1", "outside:2"}
    assert await store.notice("outside:1") is None
    assert await store.notice("outside:2") is not None
    kept = await store.incidents(NOON - 9 * HOUR)
    assert [bool(one.samples) for one in kept] == [False, True, True]
    assert (kept[0].id, kept[0].state, kept[0].requests) == (old.id, old.state, old.requests)


async def test_the_desk_needs_no_database_until_there_is_one(
    new_database: Callable[[str], str],
) -> None:
    url = new_database("sqlite")
    first = Database(url)
    desk = DatabaseAlertStore(first)
    assert list(await desk.troubles()) == []
    assert not await desk.acknowledge(1, BY_ANA, NOON)
    assert first.empty
    database = Database(url)
    store = DatabaseAlertStore(database)
    await store.set_trouble(ChannelTrouble("slack", NOON, "The channel is archived."))
    await save(store, incident(state=State.OPEN))
    assert [one.surface for one in await desk.troubles()] == ["slack"]
    assert await desk.acknowledge(1, BY_ANA, NOON)
    assert [one.surface for one in await desk.troubles()] == ["slack"]
    await first.close()
    await database.close()


async def test_what_the_database_refuses_is_a_storage_error(
    new_database: Callable[[str], str],
) -> None:
    database = Database(new_database("sqlite"))
    store = DatabaseAlertStore(database)
    with pytest.raises(StorageError):
        await store.commit((), [incident(primary=None)], (), NOON)
    await database.close()
