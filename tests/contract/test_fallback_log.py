"""What every FallbackLog keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from bot.models import FailureReason
from bot.ports import (
    Ceiling,
    Cooldown,
    FallbackEvent,
    FallbackLog,
    IncidentRow,
    MadeId,
    StoredLimit,
    StoredLimits,
)
from bot.routing.cooldown import ended
from tests.support.fakes_storage import FakeFallbackLog

NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LIMIT = FailureReason.RATE_LIMIT


@dataclass
class Ground:
    """The log, another process's view of it, and a way to put incidents in."""

    log: FallbackLog
    other: FallbackLog
    add_incident: Callable[[IncidentRow], Awaitable[None]]


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def ground(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Ground]:
    if request.param == "fake":
        fake = FakeFallbackLog()

        async def append(row: IncidentRow) -> None:
            fake.incident_rows.append(row)

        yield Ground(fake, fake, append)
        return
    url = new_database(request.param)
    database, other = Database(url), Database(url)

    async def add(row: IncidentRow) -> None:
        values = {
            "id": row.id,
            "state": row.state,
            "primary_model": row.primary,
            "reason": row.reason,
            "opened_at": row.opened_at,
            "resolved_at": row.resolved_at,
            "requests": row.requests,
            "served_by": row.served_by,
            "details": '{"message":null}',
        }
        await database.write(lambda c: c.insert("incidents", values))

    yield Ground(DatabaseFallbackLog(database), DatabaseFallbackLog(other), add)
    for one in (database, other):
        await one.close()


async def test_an_empty_log_knows_nothing(ground: Ground) -> None:
    assert list(await ground.log.cooldowns(NOW)) == []
    assert list(await ground.log.events(NOW, 9)) == []
    assert list(await ground.log.incidents(open_only=False, limit=9)) == []
    assert await ground.log.muted_until() is None


async def test_an_empty_log_has_nothing_to_end(ground: Ground) -> None:
    await ground.log.set_cooldown()
    await ground.log.mute(None)
    await ground.log.add_events([])
    assert list(await ground.log.events(NOW, 9)) == []


async def test_a_cooldown_is_in_force_until_it_ends(ground: Ground) -> None:
    later = Cooldown("groq", FailureReason.BILLING, NOW + 5 * MINUTE, 2)
    soon = Cooldown("anthropic", LIMIT, NOW + MINUTE)
    for cooldown in (later, soon):
        await ground.log.set_cooldown(cooldown)
    assert list(await ground.other.cooldowns(NOW)) == [soon, later]
    assert list(await ground.other.cooldowns(NOW + MINUTE)) == [later]
    assert list(await ground.other.cooldowns(NOW + 5 * MINUTE)) == []


async def test_a_cooldown_is_prolonged_and_never_cut_short(ground: Ground) -> None:
    long = Cooldown("groq", FailureReason.BILLING, NOW + 5 * MINUTE, 2)
    await ground.log.set_cooldown(Cooldown("groq", LIMIT, NOW + MINUTE, 1))
    await ground.log.set_cooldown(long)
    await ground.other.set_cooldown(Cooldown("groq", LIMIT, NOW + 2 * MINUTE, 3))
    assert list(await ground.log.cooldowns(NOW)) == [long]
    again = Cooldown("groq", LIMIT, NOW + 5 * MINUTE, 4)
    await ground.log.set_cooldown(again)
    assert list(await ground.log.cooldowns(NOW)) == [again]


async def test_a_cooldown_that_ended_makes_room_for_a_shorter_one(ground: Ground) -> None:
    await ground.log.set_cooldown(Cooldown("groq", LIMIT, NOW, 5))
    fresh = Cooldown("groq", LIMIT, NOW + MINUTE, 1)
    await ground.log.set_cooldown(fresh)
    assert list(await ground.log.cooldowns(NOW)) == [fresh]


async def test_many_begin_and_end_at_once(ground: Ground) -> None:
    rows = [Cooldown(f"p{n}", LIMIT, NOW + MINUTE, n) for n in range(3)]
    await ground.log.set_cooldown(*reversed(rows))
    assert list(await ground.other.cooldowns(NOW)) == rows
    await ground.log.set_cooldown()
    assert list(await ground.other.cooldowns(NOW)) == rows


async def test_proof_ends_what_began_before_it(ground: Ground) -> None:
    key = Cooldown("groq#1", LIMIT, NOW + 9 * MINUTE, 3, NOW, named=True)
    model = Cooldown("groq/llama#1", FailureReason.MODEL_NOT_FOUND, NOW + 9 * MINUTE, 1, NOW)
    await ground.log.set_cooldown(key, model)
    assert list(await ground.other.cooldowns(NOW)) == [key, model]
    proof = ended("groq#1", NOW + MINUTE)
    await ground.other.set_cooldown(proof)
    assert list(await ground.log.cooldowns(NOW)) == [proof, model]
    assert list(await ground.log.cooldowns(NOW + MINUTE)) == [model]
    # What began before it, and is only told now, does not come back; what began later counts.
    await ground.log.set_cooldown(key)
    assert list(await ground.log.cooldowns(NOW + MINUTE)) == [model]
    later = Cooldown("groq#1", LIMIT, NOW + 3 * MINUTE, 1, NOW + 2 * MINUTE)
    await ground.log.set_cooldown(later)
    assert list(await ground.log.cooldowns(NOW + MINUTE)) == [later, model]
    # An older proof ends nothing that began after it.
    await ground.other.set_cooldown(ended("groq#1", NOW + MINUTE))
    assert list(await ground.log.cooldowns(NOW + MINUTE)) == [later, model]


async def test_a_cooldown_of_a_clock_that_was_put_back_makes_room(ground: Ground) -> None:
    ahead = Cooldown("groq#1", LIMIT, NOW + 2 * DAY + MINUTE, 4, NOW + 2 * DAY)
    now = Cooldown("groq#1", LIMIT, NOW + MINUTE, 1, NOW)
    await ground.log.set_cooldown(ahead)
    await ground.log.set_cooldown(now)
    assert list(await ground.log.cooldowns(NOW)) == [now]


def event(number: int, at: datetime = NOW, to: str | None = "b/two") -> FallbackEvent:
    return FallbackEvent(at, f"req-{number}", "a/one", to, LIMIT, "gateway")


async def test_events_come_newest_first_and_no_more_than_asked_for(ground: Ground) -> None:
    old, two, three, last = (
        event(1, NOW - MINUTE),
        event(2),
        event(3, to=None),
        event(4, NOW + MINUTE),
    )
    await ground.log.add_events([last, old])
    await ground.other.add_events([two, three])
    assert list(await ground.log.events(NOW, 9)) == [last, three, two]
    assert list(await ground.log.events(NOW - MINUTE, 2)) == [last, three]


async def test_an_event_keeps_what_was_said_and_whether_the_first_was_asked(
    ground: Ground,
) -> None:
    said = FallbackEvent(NOW, "r", "a/one", None, LIMIT, "gateway", "HTTP 429: ü", asked=False)
    marks = [
        replace(said, request_id="cut", cut=True),
        replace(said, request_id="alone", alone=True),
        replace(said, request_id="unfit", unfit=True),
    ]
    await ground.log.add_events([said, *marks])
    assert list(await ground.log.events(NOW, 9))[::-1] == [said, *marks]


async def test_an_event_that_is_told_twice_is_kept_once(ground: Ground) -> None:
    await ground.log.add_events([event(1), event(1), event(2)])
    await ground.other.add_events([event(2), event(2, to=None)])
    assert len(await ground.log.events(NOW, 9)) == 3


async def test_an_event_that_is_held_back_is_written_anew_until_it_is_taken(
    ground: Ground,
) -> None:
    held = replace(event(1), held_until=NOW + MINUTE)
    await ground.log.add_events([held, event(2)])
    assert list(await ground.other.events(NOW, 9)) == [event(2), held]
    settled = replace(event(1), unfit=True, exhausted=True)
    await ground.other.add_events([settled, replace(event(2), unfit=True)])
    assert list(await ground.log.events(NOW, 9)) == [event(2), settled]
    await ground.log.add_events([held])
    assert list(await ground.log.events(NOW, 9)) == [event(2), settled]


async def test_every_reason_can_be_kept(ground: Ground) -> None:
    events = [FallbackEvent(NOW, r.value, "a/one", "b/two", r, "openclaw") for r in FailureReason]
    await ground.log.add_events(events)
    assert list(await ground.log.events(NOW, 99)) == events[::-1]


async def test_events_of_many_writers_are_all_kept(ground: Ground) -> None:
    logs = (ground.log, ground.other)
    await asyncio.gather(*(logs[n % 2].add_events([event(n), event(n + 100)]) for n in range(10)))
    found = {e.request_id for e in await ground.log.events(NOW, 99)}
    assert found == {f"req-{n + more}" for n in range(10) for more in (0, 100)}


async def test_incidents_come_newest_first(ground: Ground) -> None:
    resolved = IncidentRow(1, "resolved", "a/one", "rate_limit", NOW, NOW + MINUTE, 3, "b/two")
    first = IncidentRow(2, "open", "a/one", "auth", NOW + MINUTE, None, 0, None)
    second = IncidentRow(
        3, "open", "c/three", "timeout", NOW + 2 * MINUTE, None, 5_000_000_000, "b"
    )
    for row in (second, resolved, first):
        await ground.add_incident(row)
    assert list(await ground.log.incidents(open_only=False, limit=9)) == [second, first, resolved]
    assert list(await ground.log.incidents(open_only=True, limit=9)) == [second, first]
    assert list(await ground.log.incidents(open_only=False, limit=1)) == [second]


async def test_gateways_report_what_callers_send(ground: Ground):
    today, week_ago = NOW.date(), NOW.date() - 7 * DAY
    assert await ground.other.used(today) == {}
    await ground.log.report_used("gateway a", {"openai": {"": today, "tools": week_ago}})
    await ground.log.report_used("gateway b", {"openai": {"": week_ago, "seed": today}})
    await ground.log.report_used("gateway c", {"responses": {"": week_ago, "tools": week_ago}})
    assert await ground.other.used(today) == {"openai": {"seed"}}
    every = {"openai": {"seed", "tools"}, "responses": {"tools"}}
    assert await ground.other.used(week_ago) == every
    await ground.log.report_used("gateway b", {})
    assert await ground.other.used(today) == {"openai": frozenset()}


async def test_who_made_what(ground: Ground) -> None:
    one, two = "a" * 32, "b" * 32
    await ground.log.add_made([])
    assert await ground.other.makers([one], NOW) == {}
    await ground.log.add_made([MadeId(one, "openai/x", NOW), MadeId(two, "groq/y", NOW)])
    await ground.other.add_made([MadeId(two, "groq/z", NOW + MINUTE)])
    assert await ground.other.makers([one, two, "c" * 32], NOW) == {one: "openai/x", two: "groq/z"}
    assert await ground.log.makers([one, two], NOW + MINUTE) == {two: "groq/z"}
    assert await ground.log.makers([], NOW) == {}
    await ground.log.add_made([MadeId(two, "groq/z", NOW + 31 * DAY)])
    assert await ground.log.makers([one, two], NOW) == {two: "groq/z"}


async def test_the_mute_can_be_set_moved_and_lifted(ground: Ground) -> None:
    await ground.log.mute(NOW)
    assert await ground.other.muted_until() == NOW
    await ground.other.mute(NOW + MINUTE)
    assert await ground.log.muted_until() == NOW + MINUTE
    await ground.log.mute(None)
    assert await ground.other.muted_until() is None


async def test_gateways_report_the_conversations_that_stay(ground: Ground):
    assert await ground.other.staying(NOW) == {}
    await ground.log.report_staying("gateway a", NOW, {"deepseek/x": 2, "ollama/y": 1})
    await ground.log.report_staying("gateway b", NOW + MINUTE, {"deepseek/x": 1})
    assert await ground.other.staying(NOW) == {"deepseek/x": 3, "ollama/y": 1}
    assert await ground.other.staying(NOW + MINUTE) == {"deepseek/x": 1}
    await ground.log.report_staying("gateway b", NOW + MINUTE, {})
    assert await ground.other.staying(NOW + MINUTE) == {}


async def test_each_config_has_limits_of_its_own(ground: Ground):
    here, elsewhere = "/srv/moltbot.json", "db:"
    limit, ceiling = StoredLimit("2x", "Ana", NOW), Ceiling("deepseek/deepseek-flash", NOW + DAY)
    assert await ground.other.limits(here) == StoredLimits()
    await ground.log.set_limit(here, limit)
    await ground.log.set_ceiling(here, ceiling)
    assert await ground.other.limits(here) == StoredLimits(limit, ceiling)
    assert await ground.other.limits(elsewhere) == StoredLimits()
    await ground.log.set_limit(here, replace(limit, words="private"))
    await ground.log.set_ceiling(here, None)
    assert await ground.other.limits(here) == StoredLimits(replace(limit, words="private"))
    await ground.log.set_limit(here, None)
    await ground.log.set_limit(here, None)
    assert await ground.other.limits(here) == StoredLimits()
