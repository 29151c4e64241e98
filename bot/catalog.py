"""The shipped catalog: providers, presets, chain, strategies and model facts as dated data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from bot.models import AuthScheme, Dialect, Endpoint, ModelFacts, ModelRef, Preset, Price, Provider

_WEEKEND = (5, 6)


@dataclass(frozen=True, slots=True)
class Strategy:
    """A primary and a chain, each entry a preset's name or a model.

    With `private_only` it promises that no conversation leaves the team's machines.
    """

    name: str
    primary: str
    fallbacks: tuple[str, ...]
    private_only: bool = False


@dataclass(frozen=True, slots=True)
class QuietDays:
    """When a provider's peak prices do not hold: the prices of `quiet_at` (UTC) do all day."""

    quiet_at: time
    weekends: bool
    holidays: frozenset[date]

    def price_time(self, at: datetime) -> datetime:
        """Return the time whose prices are in force at `at`."""
        utc = at.astimezone(UTC)
        day = utc.date()
        quiet = day in self.holidays or (self.weekends and day.weekday() in _WEEKEND)
        return datetime.combine(day, self.quiet_at, UTC) if quiet else utc


@dataclass(frozen=True, slots=True)
class FreeNames:
    """The names that a provider sells at $0 by its own list, and the suffix of others."""

    names: frozenset[str]
    suffix: str
    as_of: date

    def price(self, name: str) -> Price | None:
        """Return the price of such a name; None for any other."""
        if name not in self.names and not name.endswith(self.suffix):
            return None
        return Price(Decimal(0), Decimal(0), source="catalog", as_of=self.as_of)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is known without asking a provider, as of a day: see `on`.

    `genai_prices` dates the releases of that package whose prices were looked through;
    `term_factors` are what a provider's terms multiply its prices by, as `us` does Anthropic's.
    """

    as_of: date
    genai_prices: Mapping[str, date]
    providers: Mapping[str, Provider]
    presets: Mapping[str, Preset]
    chain: tuple[str, ...]
    strategies: Mapping[str, Strategy]
    models: Mapping[ModelRef, ModelFacts]
    quiet_days: Mapping[str, QuietDays] = field(default_factory=dict)
    term_factors: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    free_names: Mapping[str, FreeNames] = field(default_factory=dict)
    _by_gone: dict[frozenset[ModelRef], Catalog] = field(
        default_factory=dict, compare=False, repr=False
    )

    def on(self, day: date) -> Catalog:
        """Return the catalog as it reads on a day: a model is retired from its date on.

        A day before the catalog's own can only be a wrong clock's, and counts as that.
        """
        day = max(day, self.as_of)
        gone = frozenset(
            ref
            for ref, facts in self.models.items()
            if facts.retires_on and facts.retires_on <= day
        )
        if gone not in self._by_gone:
            models = {
                ref: replace(facts, retired_on=facts.retires_on if ref in gone else None)
                for ref, facts in self.models.items()
            }
            self._by_gone[gone] = replace(self, models=models)
        return self._by_gone[gone]

    def facts(self, ref: ModelRef) -> ModelFacts:
        """Return what is known of a model, which may be no more than its name."""
        return self.models.get(ref) or ModelFacts(ref)

    def provider(self, id_: str) -> Provider | None:
        """Return the provider of that id; OpenClaw's other names for one count too."""
        named = self.providers.get(id_)
        return named or next((p for p in self.providers.values() if id_ in p.aliases), None)

    def current(self, ref: ModelRef) -> ModelRef:
        """Follow successors of what is gone to the model that stands in for `ref` today."""
        seen = {ref}
        while (facts := self.facts(ref)).gone and facts.successor and facts.successor not in seen:
            ref = facts.successor
            seen.add(ref)
        return ref

    def preset_of(self, ref: ModelRef) -> str | None:
        """Return the preset whose model (or its successor) this is."""
        for preset in self.presets.values():
            if ref in (preset.model, self.current(preset.model)):
                return preset.name
        return None


def parse_catalog(source: str) -> Catalog:
    """Read a catalog from TOML text; it reads as on its own date.

    Raises:
        KeyError, ValueError: the text is not of the catalog's shape.
    """
    data = tomllib.loads(source)
    as_of: date = data["as_of"]
    catalog = Catalog(
        as_of=as_of,
        genai_prices=data["genai_prices"],
        providers={id_: _provider(id_, table) for id_, table in data["providers"].items()},
        presets={
            name: Preset(name, _ref(table["model"]), table["use_case"])
            for name, table in data["presets"].items()
        },
        chain=tuple(data["chain"]["fallbacks"]),
        strategies={
            name: Strategy(
                name, table["primary"], tuple(table["fallbacks"]), table.get("private_only", False)
            )
            for name, table in data["strategies"].items()
        },
        models={_ref(name): _facts(name, table, as_of) for name, table in data["models"].items()},
        quiet_days={id_: _quiet_days(table) for id_, table in data.get("quiet_days", {}).items()},
        term_factors={
            id_: {term: Decimal(row["factor"]) for term, row in table.items()}
            for id_, table in data.get("term_factors", {}).items()
        },
        free_names={
            id_: FreeNames(frozenset(table["names"]), table["suffix"], table["as_of"])
            for id_, table in data.get("free_names", {}).items()
        },
    )
    return catalog.on(as_of)


@cache
def shipped() -> Catalog:
    """Return the catalog that comes with the program."""
    return parse_catalog(Path(__file__).with_name("catalog.toml").read_text(encoding="utf-8"))


def _ref(name: str) -> ModelRef:
    ref = ModelRef.parse(name)
    if ref is None:
        raise ValueError(f"{name!r} is not provider/model")
    return ref


def _provider(id_: str, table: Mapping[str, Any]) -> Provider:
    endpoints = {
        Dialect(row["dialect"]): Endpoint(
            row["prefix"], row["tail"], AuthScheme(row["auth"]), row.get("stateless", False)
        )
        for row in table["endpoints"]
    }
    known = {key: value for key, value in table.items() if key not in ("endpoints", "aliases")}
    return Provider(
        id=id_,
        endpoints=endpoints,
        base_url_env=f"{id_.upper()}_BASE_URL",
        aliases=tuple(table.get("aliases", ())),
        **known,
    )


def _facts(name: str, table: Mapping[str, Any], as_of: date) -> ModelFacts:
    price = table.get("price")
    successor = table.get("successor")
    return ModelFacts(
        ref=_ref(name),
        context_window=table.get("context_window"),
        vision=table.get("vision"),
        tools=table.get("tools"),
        price=_price(price, table.get("price_as_of", as_of)) if price else None,
        retires_on=table.get("retires_on"),
        misspelt=table.get("misspelt", False),
        successor=_ref(successor) if successor else None,
        price_first=table.get("price_first", False),
    )


def _quiet_days(table: Mapping[str, Any]) -> QuietDays:
    days = {
        first + timedelta(days=offset)
        for first, last in table["holidays"]
        for offset in range((last - first).days + 1)
    }
    return QuietDays(table["quiet_at"], table["weekends"], frozenset(days))


def _price(table: Mapping[str, str], as_of: date) -> Price:
    def money(kind: str) -> Decimal | None:
        return Decimal(table[kind]) if kind in table else None

    return Price(
        input_usd_per_1m=Decimal(table["input"]),
        output_usd_per_1m=Decimal(table["output"]),
        cached_input_usd_per_1m=money("cached_input"),
        cache_write_usd_per_1m=money("cache_write"),
        source="catalog",
        as_of=as_of,
        cache_write_1h_usd_per_1m=money("cache_write_1h"),
    )
