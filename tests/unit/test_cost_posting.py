"""The scheduled digest stands in its channel exactly once, whatever dies in between."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.access import SERVICE
from bot.card import plain
from bot.commands.cost_posting import DigestChannel, post_due_digests
from bot.costs.posting import LEASE, PATIENCE, Posting
from bot.errors import StorageError
from bot.ports import MessageRef
from tests.bench_costs import DAY, DOLLAR, NOW, TEAM, bench_of, full_bench, spent
from tests.fakes_core import Bench
from tests.fakes_costs import FakeChannel

MINUTE = timedelta(minutes=1)


@dataclass
class Service:
    """A bot that posts what is due; `later` lets time pass and looks again, as a new process."""

    bench: Bench
    channel: FakeChannel
    due_at: datetime = NOW
    started_at: datetime = NOW - DAY
    history: bool = True

    async def post(self):
        place = DigestChannel("fake:C1", self.channel, self.channel if self.history else None)
        (outcome,) = await post_due_digests(
            self.bench.app.context(SERVICE),
            [place],
            self.due_at,
            started_at=self.started_at,
            arm=self.bench.app.arm,
        )
        return outcome

    async def later(self, span):
        self.bench.clock.advance(span)
        self.channel.dies = ""
        return await self.post()


async def service(*attempts, **more):
    return Service(await bench_of(*(attempts or TEAM)), FakeChannel(), **more)


async def test_it_is_posted_once():
    bot = await service()
    first = await bot.post()
    assert (first.posting, first.message) == (Posting.CLAIM, MessageRef("fake", "C1", "1"))
    assert (await bot.post()).posting is Posting.DONE
    assert (await bot.later(5 * DAY)).posting is Posting.DONE
    (card,) = bot.channel.cards
    assert "last week" in plain(card.title)
    assert "week 2026-02-23 to 2026-03-01" in plain(card.footer)
    assert card.data["extra"] is False
    assert all(button.id for button in card.buttons)


async def test_the_next_week_has_a_digest_of_its_own():
    bot = await service()
    await bot.post()
    bot.due_at += 7 * DAY
    await bot.later(7 * DAY)
    assert len(bot.channel.cards) == 2
    assert "week 2026-03-02 to 2026-03-08" in plain(bot.channel.cards[1].footer)


async def test_what_was_missed_is_caught_up():
    bot = await service(started_at=NOW + 2 * DAY)
    await bot.later(2 * DAY)
    assert len(bot.channel.cards) == 1
    late = await service(started_at=NOW + 9 * DAY)
    late.due_at = NOW
    await late.later(9 * DAY)
    assert "in the week 2026-02-23 to 2026-03-01" in plain(late.channel.cards[0].title)


async def test_a_new_install_does_not_catch_up_on_what_it_never_counted():
    bot = await service(spent(1, MINUTE, DOLLAR), started_at=NOW + MINUTE)
    bot.bench.wait(minutes=2)
    assert (await bot.post()).posting is Posting.NOTHING_COUNTED
    assert bot.channel.cards == []
    # The next one comes, and says since when it counts.
    bot.due_at += 7 * DAY
    await bot.later(7 * DAY)
    assert "Recorded since" in "\n".join(map(plain, bot.channel.cards[0].body))


async def test_a_kill_before_the_message_is_settled_by_posting_it():
    bot = await service()
    bot.channel.dies = "before"
    outcome = await bot.post()
    assert outcome.trouble is not None
    assert (await bot.later(LEASE / 3)).posting is Posting.WAIT
    settled = await bot.later(LEASE)
    assert (settled.posting, len(bot.channel.cards)) == (Posting.CLAIM, 1)
    assert (await bot.later(LEASE)).posting is Posting.DONE
    assert bot.channel.cards[0].warnings[0].code != "maybe_twice"


async def test_a_kill_after_the_message_is_settled_by_finding_it():
    bot = await service()
    bot.channel.dies = "after"
    with pytest.raises(SystemError):
        await bot.post()
    settled = await bot.later(LEASE)
    assert (settled.posting, settled.message) == (Posting.SETTLE, MessageRef("fake", "C1", "1"))
    assert (await bot.later(LEASE)).posting is Posting.DONE
    assert len(bot.channel.cards) == 1


async def test_a_channel_that_cannot_be_read_is_asked_for_an_hour():
    bot = await service()
    bot.channel.dies = "before"
    await bot.post()
    bot.channel.blind = True
    assert (await bot.later(LEASE)).trouble is not None
    assert bot.channel.cards == []
    await bot.later(PATIENCE)
    (card,) = bot.channel.cards
    assert "may appear twice" in card.warnings[-1].text


async def test_a_place_without_history_says_that_it_may_stand_twice():
    bot = await service(history=False)
    bot.channel.dies = "after"
    with pytest.raises(SystemError):
        await bot.post()
    await bot.later(LEASE)
    assert "may appear twice" in bot.channel.cards[1].warnings[-1].text
    assert (await bot.later(LEASE)).posting is Posting.DONE


async def test_a_clock_that_was_a_month_ahead_settles_when_it_is_put_right():
    bot = await service()
    bot.bench.wait(days=30)
    bot.channel.dies = "after"
    with pytest.raises(SystemError):
        await bot.post()
    settled = await bot.later(-30 * DAY)
    assert settled.posting is Posting.SETTLE
    assert len(bot.channel.cards) == 1


async def test_two_processes_post_one():
    bot = await service()

    class Slow(FakeChannel):
        async def post(self, card):
            other.append(await bot.post())
            return await super().post(card)

    other: list = []
    bot.channel = Slow()
    calm = bot.channel
    first = await bot.post()
    assert first.posting is Posting.CLAIM
    assert [outcome.posting for outcome in other] == [Posting.WAIT]
    assert len(calm.cards) == 1


async def test_who_loses_the_claim_or_the_take_over_waits():
    bot = await service()
    log = bot.bench.digests

    async def lost(*_):
        return False

    log.claim = lost
    assert (await bot.post()).posting is Posting.WAIT
    del log.claim
    bot.channel.dies = "before"
    await bot.post()
    log.take_over = lost
    assert (await bot.later(LEASE)).posting is Posting.WAIT
    assert bot.channel.cards == []


async def test_one_channels_trouble_is_not_anothers():
    bench = await full_bench()
    good, bad = FakeChannel(), FakeChannel(dies="before")
    outcomes = await post_due_digests(
        bench.app.context(SERVICE),
        [DigestChannel("fake:bad", bad, bad), DigestChannel("fake:good", good, good)],
        NOW,
        started_at=NOW,
        arm=bench.app.arm,
    )
    assert [outcome.trouble is None for outcome in outcomes] == [False, True]
    assert len(good.cards) == 1


async def test_a_ledger_that_is_away_claims_nothing():
    bot = await service()
    bot.bench.ledger.fail = StorageError("The database is away.", "Start it.")
    assert (await bot.post()).trouble is not None
    assert bot.bench.digests.rows == {}
    bot.bench.ledger.fail = None
    assert (await bot.post()).posting is Posting.CLAIM


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/Santiago"])
async def test_the_week_is_the_teams(zone):
    bench = await bench_of(*TEAM, zone=zone)
    bot = Service(bench, FakeChannel())
    await bot.post()
    data = bot.channel.cards[0].data
    local = data["from"].astimezone(bench.app.settings.timezone)
    assert (local.weekday(), local.hour, local.minute) == (0, 0, 0)
    assert data["to"] <= NOW.astimezone(UTC)
