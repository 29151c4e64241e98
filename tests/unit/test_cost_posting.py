"""The scheduled digest stands in its channels exactly once, whatever dies in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bot.access import SERVICE
from bot.alerts.delivery import AT_WORK
from bot.alerts.notices import StoredOutbox
from bot.card import plain
from bot.commands.cost_posting import PATIENCE, digest_draft, put_due_digest
from bot.errors import ConfigError, StorageError
from tests.support.bench_costs import DAY, DOLLAR, NOW, TEAM, bench_of, full_bench, spent
from tests.support.fakes_alerts import AlertBench, FakeAlertStore
from tests.support.fakes_core import Bench
from tests.support.fakes_costs import FakeChannel

MINUTE = timedelta(minutes=1)
MONDAY = "digest:2026-02-23"


@dataclass
class Service:
    """A bot that posts what is due; `later` lets time pass and looks again, as a new process."""

    bench: Bench
    channels: dict[str, FakeChannel] = field(default_factory=lambda: {"fake": FakeChannel()})
    due_at: datetime = NOW
    started_at: datetime = NOW - DAY
    history: bool = True
    store: FakeAlertStore = field(default_factory=FakeAlertStore)

    async def post(self):
        """Put what is due, then deliver; return whether something was put."""
        put = await self.put()
        for name in self.channels:
            await self.deliver(name)
        return put

    async def put(self):
        context = self.bench.app.context(SERVICE)
        return await put_due_digest(context, self.outbox, self.due_at, started_at=self.started_at)

    async def deliver(self, name="fake"):
        pipeline = AlertBench(*self.channels).start(
            clock=self.bench.clock,
            store=self.store,
            chats=self.channels,
            histories=self.channels if self.history else {},
            digest=partial(digest_draft, self.bench.app.context(SERVICE), self.outbox),
        )
        await pipeline.deliver(name)

    async def later(self, span):
        self.bench.clock.advance(span)
        for channel in self.channels.values():
            channel.dies = ""
        return await self.post()

    async def dies(self, when):
        self.channel.dies = when
        with pytest.raises(KeyboardInterrupt):
            await self.post()

    @property
    def outbox(self):
        return StoredOutbox(self.store, list(self.channels))

    @property
    def channel(self):
        return self.channels["fake"]


async def service(*attempts, **more):
    return Service(await bench_of(*(attempts or TEAM)), **more)


async def test_it_is_posted_once():
    bot = await service()
    assert await bot.post()
    assert not await bot.post()
    assert not await bot.later(5 * DAY)
    (card,) = bot.channel.cards
    assert "last week" in plain(card.title)
    assert "week 2026-02-23 to 2026-03-01" in plain(card.footer)
    assert card.data["extra"] is False
    assert card.warnings[-1].code != "maybe_twice"


async def test_the_next_week_has_a_digest_of_its_own():
    bot = await service()
    await bot.post()
    bot.due_at += 7 * DAY
    await bot.later(7 * DAY)
    assert len(bot.channel.cards) == 2
    assert "week 2026-03-02 to 2026-03-08" in plain(bot.channel.cards[1].footer)


async def test_a_digest_that_waited_for_a_week_gives_way_to_the_next():
    bot = await service()
    bot.channel.dies = "before"
    await bot.post()
    bot.due_at += 7 * DAY
    await bot.later(7 * DAY)
    (card,) = bot.channel.cards
    assert "week 2026-03-02 to 2026-03-08" in plain(card.footer)


async def test_what_was_missed_is_caught_up():
    bot = await service(started_at=NOW + 2 * DAY)
    await bot.later(2 * DAY)
    assert len(bot.channel.cards) == 1
    late = await service(started_at=NOW + 9 * DAY)
    await late.later(9 * DAY)
    assert "in the week 2026-02-23 to 2026-03-01" in plain(late.channel.cards[0].title)


async def test_a_new_install_does_not_catch_up_on_what_it_never_counted():
    bot = await service(spent(1, MINUTE, DOLLAR), started_at=NOW + MINUTE)
    bot.bench.wait(minutes=2)
    assert not await bot.post()
    assert bot.channel.cards == []
    # The next one comes, and says since when it counts.
    bot.due_at += 7 * DAY
    await bot.later(7 * DAY)
    assert "Recorded since" in "\n".join(map(plain, bot.channel.cards[0].body))


async def test_a_refusal_before_the_message_is_settled_by_posting_it():
    bot = await service()
    bot.channel.dies = "before"
    await bot.post()
    await bot.later(MINUTE)
    (card,) = bot.channel.cards
    assert card.warnings[-1].code != "maybe_twice"
    await bot.later(DAY)
    assert len(bot.channel.cards) == 1


async def test_a_kill_after_the_message_is_settled_by_finding_it_and_edits_nothing():
    bot = await service()
    await bot.dies("after")
    await bot.later(AT_WORK / 2)
    assert (await bot.store.post(MONDAY, "fake")).message is None
    await bot.later(AT_WORK)
    assert (await bot.store.post(MONDAY, "fake")).message.id == "1"
    await bot.later(DAY)
    assert len(bot.channel.cards) == 1


async def test_a_channel_that_cannot_be_read_is_asked_for_an_hour():
    bot = await service()
    bot.channel.dies = "before"
    await bot.post()
    bot.channel.blind = True
    await bot.later(5 * MINUTE)
    assert bot.channel.cards == []
    await bot.later(PATIENCE)
    (card,) = bot.channel.cards
    assert "may appear twice" in card.warnings[-1].text


async def test_a_place_without_history_says_that_it_may_stand_twice():
    bot = await service(history=False)
    await bot.dies("after")
    await bot.later(PATIENCE)
    assert "may appear twice" in bot.channel.cards[1].warnings[-1].text
    await bot.later(DAY)
    assert len(bot.channel.cards) == 2


async def test_a_clock_that_was_a_month_ahead_settles_when_it_is_put_right():
    bot = await service()
    bot.bench.wait(days=30)
    await bot.dies("after")
    await bot.later(-30 * DAY)
    assert (await bot.store.post(MONDAY, "fake")).message is not None
    assert len(bot.channel.cards) == 1


async def test_a_clock_that_was_months_ahead_posts_no_week_again():
    bot = await service()
    await bot.post()
    bot.bench.wait(days=90)
    await bot.store.forget(bot.bench.clock.now() - 40 * DAY)
    bot.bench.wait(days=-90)
    assert not await bot.post()
    assert len(bot.channel.cards) == 1


async def test_two_processes_post_one():
    bot = await service()

    class Slow(FakeChannel):
        async def post(self, card):
            await bot.put()
            await bot.deliver()
            return await super().post(card)

    bot.channels["fake"] = Slow()
    await bot.post()
    assert len(bot.channel.cards) == 1


async def test_one_channels_trouble_is_not_anothers():
    channels = {"bad": FakeChannel(dies="before"), "good": FakeChannel()}
    bot = Service(await full_bench(), channels)
    await bot.post()
    assert [len(channel.cards) for channel in channels.values()] == [0, 1]


async def test_a_ledger_that_is_away_posts_nothing_until_it_is_back():
    bot = await service()
    bot.bench.ledger.fail = StorageError("The database is away.", "Start it.")
    with pytest.raises(StorageError):
        await bot.post()
    assert await bot.outbox.find(MONDAY) is None
    bot.bench.ledger.fail = None
    await bot.put()
    bot.bench.ledger.fail = StorageError("The database is away.", "Start it.")
    with pytest.raises(StorageError):
        await bot.post()
    assert bot.channel.cards == []
    bot.bench.ledger.fail = None
    await bot.post()
    assert len(bot.channel.cards) == 1


async def test_a_config_that_cannot_be_read_holds_no_digest_up():
    bot = await service()
    bot.bench.store.fail_read = ConfigError("The config is broken.", "Fix it.")
    await bot.post()
    assert len(bot.channel.cards) == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/Santiago"])
async def test_the_week_is_the_teams(zone):
    bench = await bench_of(*TEAM, zone=zone)
    bot = Service(bench)
    await bot.post()
    data = bot.channel.cards[0].data
    local = data["from"].astimezone(bench.app.settings.timezone)
    assert (local.weekday(), local.hour, local.minute) == (0, 0, 0)
    assert data["to"] <= NOW.astimezone(UTC)
