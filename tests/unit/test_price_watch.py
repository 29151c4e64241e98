"""Newer published prices: taken where they can be believed, and each change told once."""

from __future__ import annotations

import json
import time
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelPrice

from adapters.main.prices import PriceUpdates, examine_prices, watch_prices
from adapters.main.wiring import Wired, wire
from adapters.prices import ListedPrices
from adapters.prices.updates import PriceFeed
from adapters.terminal.layout import Reader
from adapters.terminal.render import plain_text
from bot.access import SERVICE
from bot.catalog import shipped
from bot.commands.price_watch import check_prices
from bot.models import ModelRef, Price, Usage
from tests.support.fakes_core import Bench, FakePrices
from tests.support.fakes_ledger import NOON, attempt
from tests.support.fakes_outbox import FakeOutbox

OPUS = ModelRef("anthropic", "claude-opus-4-5")
OLD, NEW = Price(Decimal(5), Decimal(25)), Price(Decimal(4), Decimal(20), source="genai-prices")
DAY = datetime(2026, 12, 24, 12, tzinfo=UTC)


class ChangingPrices(FakePrices):
    """One published price for everything."""

    price = OLD

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        return self.price


async def bench_with_traffic() -> tuple[Bench, ChangingPrices]:
    bench, prices = Bench(), ChangingPrices()
    bench.app.ports = replace(bench.app.ports, prices=prices)
    earlier = bench.clock.now() - timedelta(hours=1)
    usage = Usage(1_000_000, 200_000)
    rows = [attempt(n, at=earlier, model=str(OPUS), cost=0) for n in range(2)]
    await bench.ledger.add([replace(row, usage=usage) for row in rows])
    return bench, prices


async def test_a_change_is_told_once_with_what_it_means_on_the_last_week():
    bench, prices = await bench_with_traffic()
    outbox, context = FakeOutbox(), bench.app.context(SERVICE)
    known = await check_prices(context, outbox, {})
    assert known == {str(OPUS): ["5", "25", None, None]}
    assert await check_prices(context, outbox, known) == known
    assert outbox.cards() == []
    prices.price = NEW
    assert await check_prices(context, outbox, known) == {str(OPUS): ["4", "20", None, None]}
    # Another process, or this one before it could take note, sees the same change.
    await check_prices(context, outbox, known)
    (card,) = outbox.cards()
    words = plain_text(card, Reader(UTC, NOON))
    assert "Price change: anthropic/claude-opus-4-5" in words
    assert "$5 / $25 → $4 / $20 per 1M tokens in / out (20% cheaper)." in words
    assert "The last 7 days (2 requests) at list prices: $20.00 → $16.00, $4.00 less." in words
    assert card.data["after_usd"] == 16


async def test_the_teams_own_price_is_no_news_and_a_dearer_one_is_a_warning():
    bench, prices = await bench_with_traffic()
    outbox, context = FakeOutbox(), bench.app.context(SERVICE)
    prices.own = {OPUS: replace(NEW, source="operator")}
    assert await check_prices(context, outbox, {}) == {}
    prices.own = {}
    prices.price = Price(Decimal(10), Decimal(50), Decimal("0.50"), None, "x", date(2026, 12, 1))
    await check_prices(context, outbox, {str(OPUS): ["5", "25", "0.5", None]})
    (card,) = outbox.cards()
    assert card.tone == "warning"
    assert "Source: x of 2026-12-01." in plain_text(card, Reader(UTC, NOON))


def _with(price: ModelPrice, rates: dict[str, Any]) -> ModelPrice:
    changed = copy(price)
    for name, rate in rates.items():
        setattr(changed, name, rate)
    return changed


def snapshot_with(**rates: Any) -> DataSnapshot:
    """The package's list with another price for one model."""
    changed = []
    for provider in providers:
        models = provider.models
        if provider.id == "anthropic":
            models = [
                replace(model, prices=_with(model.get_prices(DAY), rates))
                if model.is_match(OPUS.name)
                else model
                for model in models
            ]
        changed.append(replace(provider, models=models))
    return DataSnapshot(providers=changed, from_auto_update=True)


def test_a_fetched_list_holds_at_once_and_makes_nothing_free():
    prices = ListedPrices(shipped())
    before = prices.listed(OPUS, DAY)
    assert before is not None
    prices.take(snapshot_with(input_mtok=Decimal(4)), date(2026, 12, 24))
    taken = prices.listed(OPUS, DAY)
    assert taken is not None
    assert (taken.input_usd_per_1m, taken.as_of) == (Decimal(4), date(2026, 12, 24))
    assert taken.output_usd_per_1m == before.output_usd_per_1m
    prices.take(snapshot_with(input_mtok=Decimal(0), output_mtok=Decimal(0)), date(2026, 12, 25))
    assert prices.listed(OPUS, DAY) == before
    prices.take(DataSnapshot(providers=[], from_auto_update=True), date(2026, 12, 26))
    assert prices.listed(OPUS, DAY) == before


class FakeFeed(PriceFeed):
    """What the package's thread would have fetched."""

    snapshot: DataSnapshot | None = None
    trouble = ""

    def look(self) -> tuple[DataSnapshot | None, str]:
        return self.snapshot, self.trouble


@pytest.fixture
def wired(tmp_path, monkeypatch) -> Wired:
    (tmp_path / "moltbot.json").write_text("{}")
    url = f"sqlite:///{tmp_path / 'x.db'}"
    return wire({"DATABASE_URL": url}, config=str(tmp_path / "moltbot.json"), cwd=tmp_path)


async def test_the_doctor_says_how_current_prices_are(wired):
    try:
        feed = FakeFeed()
        updates = PriceUpdates(wired, feed)
        await updates.look()
        assert "a running service fetches newer ones" in (await examine_prices(wired)).detail
        feed.trouble = "ConnectError"
        await updates.look()
        failed = await examine_prices(wired)
        assert "Prices of 2026-11-22; the last update failed (ConnectError)." in failed.detail
        assert (failed.ok, "CHANGEOVER_PRICE_UPDATES=off" in failed.resolution) == (False, True)
        feed.trouble, feed.snapshot = "", snapshot_with(input_mtok=Decimal(4))
        await updates.look()
        await updates.look()
        current = await examine_prices(wired)
        assert current.ok
        assert f"Prices of {feed.snapshot.timestamp.date()}." == current.detail
        price = wired.app.ports.prices.listed(OPUS, DAY)
        assert price is not None
        assert price.input_usd_per_1m == 4
        off = replace(wired, service=replace(wired.service, price_updates=False))
        assert "CHANGEOVER_PRICE_UPDATES is off" in (await examine_prices(off)).detail
        quiet = PriceUpdates(off)
        await quiet.start()
        await quiet.stop()
    finally:
        await wired.close()


async def test_what_is_known_outlives_the_service(wired):
    try:
        row = attempt(1, at=datetime.now(UTC) - timedelta(hours=1), model=str(OPUS), cost=0)
        await wired.app.ports.ledger.add([replace(row, usage=Usage(1000, 10))])
        outbox = FakeOutbox()
        await watch_prices(wired, outbox)
        prices = wired.app.ports.prices
        assert isinstance(prices, ListedPrices)
        prices.take(snapshot_with(input_mtok=Decimal(4)), date(2026, 12, 24))
        await watch_prices(wired, outbox)
        await watch_prices(wired, outbox)
        (key,) = outbox.kept
        assert json.loads(json.dumps(outbox.kept[key].data))["new"][0] == "4"
    finally:
        await wired.close()


def test_a_network_that_does_not_allow_it_is_no_error():
    feed = PriceFeed("http://127.0.0.1:9/nothing")
    feed.start()
    try:
        while feed.look() == (None, ""):
            time.sleep(0.01)
        assert feed.look() == (None, "ConnectError")
    finally:
        feed.stop()
