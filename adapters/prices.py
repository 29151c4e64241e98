"""Unit prices: the operator's file, genai-prices, the shipped catalog."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.catalog import Catalog
from bot.errors import SettingsError
from bot.models import ModelRef, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_GENAI_IDS = {"gemini": "google"}
_KINDS = (
    "input_usd_per_1m",
    "output_usd_per_1m",
    "cached_input_usd_per_1m",
    "cache_write_usd_per_1m",
)


class ListedPrices:
    """Implements `bot.ports.Prices`.

    genai-prices takes a quarter of a second to import, so that happens at the first question.
    Its answers are kept per model and hour, since some prices depend on the time of day.
    """

    def __init__(self, catalog: Catalog, own: dict[ModelRef, Price] | None = None) -> None:
        self._catalog = catalog
        self._own = own or {}
        self._kept: dict[tuple[ModelRef, datetime], Price | None] = {}

    def operator(self, ref: ModelRef) -> Price | None:
        """Return the price the operator's file sets."""
        return self._own.get(ref)

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        """Return the published price in force at that time."""
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if (ref, hour) not in self._kept:
            self._kept[ref, hour] = self._look_up(ref, hour)
        return self._kept[ref, hour]

    def knows(self, ref: ModelRef) -> bool:
        """Decide whether the model's name is published anywhere."""
        return ref in self._own or ref in self._catalog.models or _published(ref) is not None

    def context_window(self, ref: ModelRef) -> int | None:
        """Return the model's context window in tokens, if published."""
        known = self._catalog.facts(ref).context_window
        if known is not None:
            return known
        model = _published(ref)
        return model.context_window if model else None

    def _look_up(self, ref: ModelRef, at: datetime) -> Price | None:
        facts = self._catalog.facts(ref)
        # genai-prices keeps a retired model's price of long ago; the catalog's is the last one.
        if facts.retired_on and facts.price:
            return facts.price
        model = _published(ref)
        as_of = self._catalog.genai_prices.get(_release())
        return (_unit_price(model, at, as_of) if model else None) or facts.price


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
        raise SettingsError(f"{path}: {name} has {unknown!r}, which is no price.", hint)
    amounts = {key: _amount(path, name, key, value, hint) for key, value in table.items()}
    if not {"input_usd_per_1m", "output_usd_per_1m"} <= set(amounts):
        raise SettingsError(f"{path}: {name} needs both an input and an output price.", hint)
    return Price(**amounts, source="operator", as_of=as_of)


def _amount(path: Path, name: str, key: str, value: object, hint: str) -> Decimal:
    amount = None
    if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = None
    if amount is None or not amount.is_finite() or amount < 0:
        raise SettingsError(f"{path}: {key} of {name} is {value!r}, which is no price.", hint)
    return amount


def _published(ref: ModelRef) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot

    provider = _GENAI_IDS.get(ref.provider, ref.provider)
    names = [ref.name]
    if provider == "openrouter":
        names.append(_dotted(ref.name))
    for name in names:
        try:
            _, model = get_snapshot().find_provider_model(name, None, provider, None)
        except LookupError:
            continue
        return model
    return None


def _release() -> str:
    from genai_prices import __version__

    return __version__


def _dotted(name: str) -> str:
    """Write OpenRouter's version numbers: `claude-sonnet-4-5` → `claude-sonnet-4.5`."""
    head, dash, last = name.rpartition("-")
    return f"{head}.{last}" if dash and last.isdigit() and head[-1:].isdigit() else name


def _unit_price(model: ModelInfo, at: datetime, as_of: date | None) -> Price | None:
    rates = model.get_prices(at)

    def rate(value: Any) -> Decimal | None:
        # A tiered price starts at its base; the tiers are the ledger's business.
        base: Decimal | None = getattr(value, "base", value)
        return base

    input_usd, output_usd = rate(rates.input_mtok), rate(rates.output_mtok)
    if input_usd is None or output_usd is None:
        return None
    return Price(
        input_usd,
        output_usd,
        rate(rates.cache_read_mtok),
        rate(rates.cache_write_mtok),
        source="genai-prices",
        as_of=as_of,
    )
