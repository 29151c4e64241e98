"""Unit prices: the operator's file, genai-prices, the shipped catalog."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.prices.known import Known, read
from bot.catalog import Catalog
from bot.costs.pricing import MOST_USD_PER_1M, RATES, scaled
from bot.errors import SettingsError
from bot.models import ModelRef, Price, PriceTier

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

_GENAI_IDS = {"gemini": "google"}
_KINDS = (
    "input_usd_per_1m",
    "output_usd_per_1m",
    "cached_input_usd_per_1m",
    "cache_write_usd_per_1m",
    "cache_write_1h_usd_per_1m",
)
_RATES = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
)
# What a variant's price depends on that a usage's terms may name: OpenAI's tier, Anthropic's speed.
_TERMS = ("service_tier", "speed", "processing")
_USUAL_TERMS = ("default", "standard")
_MOST_KEPT = 20_000


class ListedPrices:
    """Implements `bot.ports.Prices`.

    genai-prices takes a fifth of a second to import, so that happens at the first question that
    `known.json` has no answer to. The answers are kept per model and quarter of an hour,
    since some prices depend on the time of day and change on the half hour.
    """

    def __init__(
        self,
        catalog: Catalog,
        own: dict[ModelRef, Price] | None = None,
        *,
        known: Mapping[ModelRef, Known] | None = None,
    ) -> None:
        self._catalog = catalog
        self._own = own or {}
        self._known = known
        self._fresh: tuple[DataSnapshot, date] | None = None
        self._kept: dict[tuple[ModelRef, datetime], Price | None] = {}
        self._sold: dict[tuple[str, datetime], Price | None] = {}

    def take(self, snapshot: DataSnapshot, as_of: date) -> None:
        """Price by a newer list of genai-prices from now on."""
        self._fresh = snapshot, as_of
        self._kept.clear()
        self._sold.clear()

    def operator(self, ref: ModelRef) -> Price | None:
        """Return the price the operator's file sets."""
        return self._own.get(ref)

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        """Return the published price in force at that time."""
        quarter = _quarter(at)
        if (ref, quarter) not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[ref, quarter] = self._look_up(ref, quarter)
        return self._kept[ref, quarter]

    def sold(self, name: str, at: datetime) -> Price | None:
        """Return what the first vendor that sells a model by this name asks for it."""
        key = (name, _quarter(at))
        if key not in self._sold:
            if len(self._sold) >= _MOST_KEPT:
                self._sold.clear()
            whole = ModelRef.parse(name)
            vendors = (ModelRef(id_, name) for id_ in self._catalog.providers)
            found = (self.listed(ref, at) for ref in (whole, *vendors) if ref)
            # What a vendor gives away, a proxy need not.
            self._sold[key] = next((price for price in found if price and not price.free), None)
        return self._sold[key]

    def knows(self, ref: ModelRef) -> bool:
        """Return whether the model's name is published anywhere."""
        return ref in self._own or ref in self._catalog.models or published(ref) is not None

    def context_window(self, ref: ModelRef) -> int | None:
        """Return the model's context window in tokens, if published."""
        known = self._catalog.facts(ref).context_window
        if known is not None:
            return known
        model = published(ref)
        return model.context_window if model else None

    def _look_up(self, ref: ModelRef, at: datetime) -> Price | None:
        facts = self._catalog.facts(ref)
        if facts.price_first:
            return facts.price
        quiet = self._catalog.quiet_days.get(ref.provider)
        at = quiet.price_time(at) if quiet else at
        free = self._catalog.free_names.get(ref.provider)
        given = free.price(ref.name) if free else None
        return self._with_factors(ref, self._published(ref, at) or facts.price or given)

    def _published(self, ref: ModelRef, at: datetime) -> Price | None:
        if self._fresh is not None:
            model = published(ref, self._fresh[0])
            fresh = _unit_price(model, at, self._fresh[1]) if model else None
            # A list from outside makes nothing free or absurd, and forgets nothing.
            if fresh is not None and not fresh.free and _sound(fresh):
                return fresh
        if self._known is None:
            self._known = read()
        known = self._known.get(ref)
        price = known.at(at) if known else None
        if price is not None:
            return price
        return published_price(self._catalog, ref, at)

    def _with_factors(self, ref: ModelRef, price: Price | None) -> Price | None:
        factors = self._catalog.term_factors.get(ref.provider)
        if price is None or not factors:
            return price
        named = dict(price.variants)
        more = tuple((term, scaled(price, by)) for term, by in factors.items() if term not in named)
        return replace(price, variants=(*price.variants, *more))


def _sound(price: Price) -> bool:
    rates = (getattr(price, name) for name in RATES)
    return all(rate is None or 0 <= rate <= MOST_USD_PER_1M for rate in rates)


def _quarter(at: datetime) -> datetime:
    utc = at.astimezone(UTC)
    return utc.replace(minute=utc.minute // 15 * 15, second=0, microsecond=0)


def read_operator_prices(path: Path) -> dict[ModelRef, Price]:
    """Read CHANGEOVER_PRICES: a TOML table a model, prices in USD per million tokens.

    Raises:
        SettingsError: the file cannot be read, or says something that is no price.
    """
    hint = 'Write ["provider/model"] with input_usd_per_1m and output_usd_per_1m below it.'
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingsError(
            f"CHANGEOVER_PRICES names {path}, which cannot be read: {error.strerror}.", hint
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.", hint) from error
    as_of = datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
    prices = {}
    for name, table in tables.items():
        ref = ModelRef.parse(name)
        if ref is None or not isinstance(table, dict):
            raise SettingsError(f"{path}: {name!r} is not a provider/model table.", hint)
        prices[ref] = _operator_price(path, name, table, as_of, hint)
    return prices


def _operator_price(path: Path, name: str, table: dict[str, Any], as_of: date, hint: str) -> Price:
    unknown = next((key for key in table if key not in _KINDS), None)
    if unknown is not None:
        raise SettingsError(f"{path}: {name} has {unknown!r}, which is not a price.", hint)
    amounts = {key: _amount(path, name, key, value, hint) for key, value in table.items()}
    if not {"input_usd_per_1m", "output_usd_per_1m"} <= set(amounts):
        raise SettingsError(f"{path}: {name} needs both an input and an output price.", hint)
    return Price(
        amounts["input_usd_per_1m"],
        amounts["output_usd_per_1m"],
        amounts.get("cached_input_usd_per_1m"),
        amounts.get("cache_write_usd_per_1m"),
        "operator",
        as_of,
        amounts.get("cache_write_1h_usd_per_1m"),
    )


def _amount(path: Path, name: str, key: str, value: object, hint: str) -> Decimal:
    amount = None
    if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= MOST_USD_PER_1M:
        raise SettingsError(f"{path}: {key} of {name} is {value!r}, which is not a price.", hint)
    return amount


def published(ref: ModelRef, snapshot: DataSnapshot | None = None) -> ModelInfo | None:
    """Return what genai-prices knows of a model, by the name that it has there."""
    snapshot = snapshot or _shipped_list()
    provider = _GENAI_IDS.get(ref.provider, ref.provider)
    names = [ref.name]
    if provider == "openrouter":
        names.append(_dotted(ref.name))
    for name in names:
        try:
            _, model = snapshot.find_provider_model(name, None, provider, None)
        except LookupError:
            continue
        return model
    return None


@cache
def _shipped_list() -> DataSnapshot:
    """Return the list that comes with the package, whatever was fetched since."""
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    return DataSnapshot(providers=providers, from_auto_update=False)


def published_price(catalog: Catalog, ref: ModelRef, at: datetime) -> Price | None:
    """Return genai-prices' own price of a model at a time."""
    model = published(ref)
    return _unit_price(model, at, catalog.genai_prices.get(release())) if model else None


def release() -> str:
    """Return the release of genai-prices that is installed."""
    from genai_prices import __version__

    return __version__


def _dotted(name: str) -> str:
    """Write OpenRouter's version numbers: `claude-sonnet-4-5` → `claude-sonnet-4.5`."""
    head, dash, last = name.rpartition("-")
    return f"{head}.{last}" if dash and last.isdigit() and head[-1:].isdigit() else name


def _unit_price(model: ModelInfo, at: datetime, as_of: date | None) -> Price | None:
    price = _plain_price(model.get_prices(at), as_of)
    if price is None:
        return None
    variants = {}
    for variant in model.price_variants or ():
        (key, terms), *more = variant.when.items()
        if not more and key in _TERMS and terms not in _USUAL_TERMS:
            variants[terms] = _plain_price(model.get_prices(at, {key: terms}), as_of)
    special = tuple((terms, one) for terms, one in variants.items() if one and one != price)
    return replace(price, variants=special)


def _plain_price(rates: ModelPrice, as_of: date | None) -> Price | None:
    values = [getattr(rates, name) for name in _RATES]

    def above(limit: int | None) -> list[Decimal | None]:
        return [_rate(value, limit) for value in values]

    input_usd, output_usd, cached, write, write_1h = above(None)
    if input_usd is None or output_usd is None:
        return None
    limits = sorted({tier.start for value in values for tier in getattr(value, "tiers", ())})
    return Price(
        input_usd,
        output_usd,
        cached,
        write,
        source="genai-prices",
        as_of=as_of,
        cache_write_1h_usd_per_1m=write_1h,
        tiers=tuple(_tier(limit, above(limit)) for limit in limits),
        audio_input_usd_per_1m=_rate(rates.input_audio_mtok, None),
        audio_output_usd_per_1m=_rate(rates.output_audio_mtok, None),
        cached_audio_usd_per_1m=_rate(rates.cache_audio_read_mtok, None),
        image_output_usd_per_1m=_rate(rates.output_image_mtok, None),
        web_search_usd_per_1k=_rate(rates.web_searches_kcount, None),
    )


def _tier(limit: int, rates: list[Decimal | None]) -> PriceTier:
    input_usd, output_usd, *caches = rates
    assert input_usd is not None
    assert output_usd is not None
    return PriceTier(limit, input_usd, output_usd, *caches)


def _rate(value: Any, limit: int | None) -> Decimal | None:
    """Return a unit price: its base, or what holds above a limit of input tokens."""
    rate: Decimal | None = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if limit is not None and tier.start <= limit:
            rate = tier.price
    return rate
