"""The published prices of the catalog's models, read out of genai-prices beforehand.

That package takes longer to import than all the rest that `/model status` needs, and most teams
run models of the catalog. So its answers for those stand in `known.json`, made by

    python -m adapters.prices.known

for one release of it and used with that release alone; a test holds the two equal. What a price
depends on is kept: the days from which and until which it holds, and the time of day.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.catalog import Catalog, shipped
from bot.models import ModelRef, Price, PriceTier

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

FILE = Path(__file__).with_suffix(".json")
_QUARTERS = 96


@dataclass(frozen=True, slots=True)
class Known:
    """A model's prices: from the day `since` to before `until`, by the minute of the day (UTC)."""

    since: date | None
    until: date | None
    minutes: tuple[int, ...]
    prices: tuple[Price, ...]

    def at(self, at: datetime) -> Price | None:
        """Return the price in force at a time; None when that is not known here."""
        utc = at.astimezone(UTC)
        day = utc.date()
        if (self.since and day < self.since) or (self.until and day >= self.until):
            return None
        return self.prices[bisect_right(self.minutes, utc.hour * 60 + utc.minute) - 1]


def read(path: Path = FILE) -> Mapping[ModelRef, Known]:
    """Read the file; nothing when it was made from another release than is installed."""
    found = json.loads(path.read_text(encoding="ascii"))
    if not _installed(found["release"]):
        return {}
    models = {}
    for name, entry in found["models"].items():
        ref = ModelRef.parse(name)
        assert ref is not None
        models[ref] = Known(
            _day(entry["since"]),
            _day(entry["until"]),
            tuple(minute for minute, _ in entry["day"]),
            tuple(_price(price) for _, price in entry["day"]),
        )
    return models


def make(
    catalog: Catalog,
    release: str,
    find: Callable[[ModelRef], ModelInfo | None],
    price_at: Callable[[ModelRef, datetime], Price | None],
) -> str:
    """Write the file's text from the package's own answers."""
    today = catalog.genai_prices[release]
    models = {}
    for ref, facts in sorted(catalog.models.items(), key=lambda item: str(item[0])):
        model = None if facts.price_first else find(ref)
        if model is not None:
            models[str(ref)] = _entry(model, today, partial(price_at, ref))
    return json.dumps({"release": release, "models": models}, indent=1, default=str) + "\n"


def _entry(
    model: ModelInfo, today: date, price_at: Callable[[datetime], Price | None]
) -> dict[str, Any]:
    changes = _changes(model)
    day: list[tuple[int, Any]] = []
    midnight = datetime.combine(today, time(), UTC)
    for quarter in range(_QUARTERS):
        at = midnight + quarter * timedelta(minutes=15)
        price = price_at(at)
        assert price is not None
        written = _written(asdict(price))
        if not day or day[-1][1] != written:
            day.append((quarter * 15, written))
    return {
        "since": max((change for change in changes if change <= today), default=None),
        "until": min((change for change in changes if change > today), default=None),
        "day": day,
    }


def _changes(model: ModelInfo) -> list[date]:
    rows = [*(model.prices if isinstance(model.prices, list) else ())]
    constraints = [row.constraint for row in (*rows, *(model.price_variants or ()))]
    found = (getattr(constraint, "start_date", None) for constraint in constraints)
    return [change for change in found if change is not None]


def _written(value: Any) -> Any:
    """Leave out what is not known, so that the file is short."""
    if isinstance(value, dict):
        known = ((name, one) for name, one in value.items() if one not in (None, ()))
        return {name: _written(one) for name, one in known if one is not False}
    return [_written(one) for one in value] if isinstance(value, tuple | list) else value


def _price(written: Mapping[str, Any]) -> Price:
    values = _decimals(written)
    values["as_of"] = _day(values.get("as_of"))
    values["tiers"] = tuple(PriceTier(**_decimals(tier)) for tier in values.get("tiers", ()))
    values["variants"] = tuple((name, _price(one)) for name, one in values.get("variants", ()))
    return Price(**values)


def _decimals(written: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Decimal(value) if "_usd_per_" in name else value for name, value in written.items()
    }


def _day(written: str | None) -> date | None:
    return None if written is None else date.fromisoformat(written)


def _installed(release: str) -> bool:
    """Return whether this release of the package is installed, without importing it."""
    spec = find_spec("genai_prices")
    if spec is None or spec.origin is None:
        return False
    return (Path(spec.origin).parents[1] / f"genai_prices-{release}.dist-info").is_dir()


def _main() -> None:
    from adapters.prices import published, published_price, release

    catalog = shipped()
    text = make(catalog, release(), published, partial(published_price, catalog))
    FILE.write_text(text, encoding="ascii")


if __name__ == "__main__":
    _main()
