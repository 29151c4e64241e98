"""Newer prices over real HTTP: the package's own updater, pointed at a server on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from genai_prices.data_snapshot import set_custom_snapshot

from adapters.main.prices import PriceUpdates, examine_prices, watch_prices
from adapters.main.wiring import Wired, wire
from adapters.prices import updates
from adapters.prices.updates import PriceFeed
from adapters.storage.ledger.store import DatabaseLedger
from adapters.terminal.layout import Reader
from adapters.terminal.render import plain_text
from bot.models import ModelRef, Usage
from tests.support.fakes_ledger import attempt
from tests.support.fakes_outbox import FakeOutbox
from tests.support.fakes_storage import FakeClock

OPUS = ModelRef("anthropic", "claude-opus-4-5")
NOW = datetime(2026, 12, 3, 12, tzinfo=UTC)
WITHIN_S = 0.5


def listing(prices: Any) -> bytes:
    """The published list with one model in it."""
    match = {"starts_with": OPUS.name}
    model = {"id": OPUS.name, "name": "Opus", "match": match, "prices": prices}
    provider = {"id": "anthropic", "name": "Anthropic", "api_pattern": "x", "models": [model]}
    return json.dumps([provider]).encode()


def rates(given: float, output: float) -> dict[str, float]:
    return {"input_mtok": given, "output_mtok": output, "cache_read_mtok": given / 10}


class Site:
    """A place that the list is fetched from; `answer` says how."""

    def __init__(self) -> None:
        self.answer: Callable[[web.Request], Any] = lambda _: web.Response(status=500)
        self.asked = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        found = self.answer(request)
        answer: web.StreamResponse = await found if asyncio.iscoroutine(found) else found
        return answer

    def gives(self, body: bytes, status: int = 200) -> None:
        self.answer = lambda _: web.Response(status=status, body=body)


async def drips(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then, for ever."""
    answer = web.StreamResponse()
    with suppress(ConnectionError):
        await answer.prepare(request)
        await _drip(request, answer)
    return answer


async def _drip(request: web.Request, answer: web.StreamResponse) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await answer.write(b" ")
        await asyncio.sleep(0.05)


async def hangs(request: web.Request) -> web.StreamResponse:
    """Say nothing for longer than anybody waits."""
    await asyncio.sleep(10 * WITHIN_S)
    return web.Response()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site, app = Site(), web.Application()
    app.router.add_get("/list", site.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/list"
    yield site
    await runner.cleanup()


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Wired]:
    (tmp_path / "moltbot.json").write_text("{}")
    wired = wire(
        {"DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}"},
        config=str(tmp_path / "moltbot.json"),
        clock=FakeClock(NOW),
        cwd=tmp_path,
    )
    yield wired
    await wired.close()


@pytest.fixture
async def feed(site: Site) -> AsyncIterator[PriceFeed]:
    feed = PriceFeed(site.url, every_s=0.05, within_s=WITHIN_S)
    yield feed
    feed.stop()
    # The package has one thread for all; what it still fetches would be the next test's list.
    async with asyncio.timeout(60):
        while any(one.name == "genai_prices:update" for one in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    set_custom_snapshot(None)


async def until(look: PriceUpdates, true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await look.look()
            await asyncio.sleep(0.02)


def price_of(wired: Wired) -> tuple[object, object]:
    price = wired.app.ports.prices.listed(OPUS, wired.clock.now())
    assert price is not None
    return price.input_usd_per_1m, price.output_usd_per_1m


@pytest.mark.parametrize(
    ("bad", "trouble"),
    [
        (b"<html>Not a list</html>", "JSONDecodeError"),
        (b'{"providers": []}', "ValueError"),
        (b"[]", "ValueError"),
        (b'[{"id": "anthropic"}]', "ValidationError"),
        (listing(rates(4, 20))[:-40], "JSONDecodeError"),
        (500, "HTTPStatusError"),
        (404, "HTTPStatusError"),
        (drips, "TimeoutError"),
        (hangs, "ReadTimeout"),
        ("huge", "ValueError"),
    ],
)
async def test_what_is_no_list_changes_nothing_and_the_next_good_one_is_taken(
    site: Site,
    wired: Wired,
    feed: PriceFeed,
    bad: Any,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if bad == "huge":
        monkeypatch.setattr(updates, "MOST_BYTES", 100_000)
        site.gives(listing(rates(4, 20)) + b" " * 200_000)
    elif isinstance(bad, bytes):
        site.gives(bad)
    elif isinstance(bad, int):
        site.gives(b"", bad)
    else:
        site.answer = bad
    before, look = price_of(wired), PriceUpdates(wired, feed)
    await asyncio.to_thread(feed.start)
    await until(look, lambda: feed.look()[1] == trouble)
    await look.look()
    check = await examine_prices(wired)
    assert not check.ok
    assert trouble in check.detail
    assert price_of(wired) == before
    site.gives(listing(rates(4, 20)))
    await until(look, lambda: price_of(wired) == (4, 20))
    assert (await examine_prices(wired)).ok


@pytest.mark.parametrize("wrong", [(0, 0), (-5, 25), (5, -25), (10**9, 25)])
async def test_a_price_that_is_none_is_not_taken(
    site: Site, wired: Wired, feed: PriceFeed, wrong: tuple[int, int]
) -> None:
    before, look = price_of(wired), PriceUpdates(wired, feed)
    site.gives(listing(rates(*wrong)))
    await asyncio.to_thread(feed.start)
    await until(look, lambda: feed.look()[0])
    await look.look()
    assert price_of(wired) == before


async def test_a_price_that_changes_in_mid_week_is_told_once_with_last_weeks_traffic(
    site: Site, wired: Wired, feed: PriceFeed
) -> None:
    ledger = DatabaseLedger(wired.database)
    row = attempt(1, at=NOW - timedelta(days=5), model=str(OPUS), cost=7_500_000_000)
    await ledger.add([replace(row, usage=Usage(1_000_000, 100_000))])
    outbox, look = FakeOutbox(), PriceUpdates(wired, feed)
    # Known for a while before it holds, as vendors announce it.
    start = {"start_date": "2026-12-04"}
    site.gives(listing([{"prices": rates(5, 25)}, {"constraint": start, "prices": rates(6, 30)}]))
    await asyncio.to_thread(feed.start)
    await until(look, lambda: feed.look()[0])
    await look.look()
    await watch_prices(wired, outbox)
    await watch_prices(wired, outbox)
    assert (price_of(wired), outbox.cards()) == ((5, 25), [])
    assert isinstance(wired.clock, FakeClock)
    wired.clock.advance(timedelta(days=1))
    await watch_prices(wired, outbox)
    await watch_prices(wired, outbox)
    [card] = outbox.cards()
    words = plain_text(card, Reader(UTC, NOW))
    assert "$5 / $25 → $6 / $30 per 1M tokens in / out" in words
    assert "The last 7 days (1 request) at list prices: $7.50 → $9.00, $1.50 more." in words
    # What was booked at the old price stays.
    [booked] = await ledger.attempts(NOW - timedelta(days=7), NOW, 9)
    assert booked.cost_nano_usd == 7_500_000_000
    await until(look, lambda: site.asked > 3)
    await watch_prices(wired, outbox)
    assert outbox.cards() == []
