"""The prices read out beforehand: equal to genai-prices' own, and used with that release alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from adapters.prices import ListedPrices, published, published_price, release
from adapters.prices import known as known_prices
from adapters.prices.known import Known
from bot.catalog import shipped
from bot.models import ModelRef, Price

DEAR, CHEAP = Price(Decimal(2), Decimal(4)), Price(Decimal(1), Decimal(2))
FLASH = ModelRef("deepseek", "deepseek-flash")


def test_the_file_is_what_the_installed_release_says():
    asked = partial(published_price, shipped())
    made = known_prices.make(shipped(), release(), published, asked)
    assert known_prices.FILE.read_text() == made, "run python -m adapters.prices.known"


@pytest.mark.parametrize("day", ["2025-12-31", "2026-10-14", "2026-11-22", "2027-06-30"])
def test_both_ways_lead_to_the_same_price_at_any_time_of_day(day):
    quick, slow = ListedPrices(shipped()), ListedPrices(shipped(), known={})
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    for hour in (0, 1, 3.75, 4, 6, 9.75, 10, 16.5, 23.75):
        at = begin + timedelta(hours=hour)
        for ref in shipped().models:
            assert quick.listed(ref, at) == slow.listed(ref, at), (ref, at)


def test_a_price_holds_for_its_days_and_hours():
    known = Known(date(2026, 10, 14), date(2027, 1, 1), (0, 60, 240), (CHEAP, DEAR, CHEAP))
    assert known.at(datetime(2026, 10, 13, 23, 59, tzinfo=UTC)) is None
    assert known.at(datetime(2026, 10, 14, 0, 59, 59, tzinfo=UTC)) is CHEAP
    assert known.at(datetime(2026, 10, 14, 1, tzinfo=UTC)) is DEAR
    assert known.at(datetime(2026, 12, 31, 4, tzinfo=UTC)) is CHEAP
    assert known.at(datetime(2027, 1, 1, tzinfo=UTC)) is None


def test_another_release_than_the_files_is_asked_itself(tmp_path: Path):
    other = tmp_path / "known.json"
    written = json.loads(known_prices.FILE.read_text())
    other.write_text(json.dumps({**written, "release": "0.0.1"}))
    assert known_prices.read(other) == {}
    assert FLASH in known_prices.read()


def test_a_model_of_the_catalog_is_priced_without_the_slow_import():
    program = """
import sys
from datetime import UTC, datetime
from adapters.prices import ListedPrices
from bot.catalog import shipped
prices, at = ListedPrices(shipped()), datetime(2026, 11, 23, tzinfo=UTC)
assert all(prices.listed(ref, at) or facts.price is None
           for ref, facts in shipped().models.items() if ref.provider == "deepseek")
print("genai_prices" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"
