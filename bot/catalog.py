"""The shipped catalog: providers, presets, chain, strategies and model facts as dated data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from bot.models import AuthScheme, Dialect, Endpoint, ModelFacts, ModelRef, Preset, Price, Provider
from bot.ports.lifecycles import Lifecycle

_WEEKEND = (5, 6)
LEAVING = timedelta(days=7)
"""So long before its retirement a model's successor takes its place in the presets."""


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


class PageFormat(StrEnum):
    """What a provider's status page serves to programs."""

    STATUSPAGE = "statuspage"
    INCIDENT_IO = "incident_io"
    RSS = "rss"


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The status page of a provider, by its title: `url` is read, `link` is shown.

    `components` are the names, in lower case, of those parts that carry the API; none for all.
    """

    provider: str
    url: str
    format: PageFormat
    link: str
    components: frozenset[str] = frozenset()


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
    status_pages: Mapping[str, StatusPage] = field(default_factory=dict)
    _by_state: dict[tuple[frozenset[ModelRef], frozenset[ModelRef]], Catalog] = field(
        default_factory=dict, compare=False, repr=False
    )

    def on(self, day: date) -> Catalog:
        """Return the catalog as it reads on a day: a model is retired from its date on.

        A day before the catalog's own can only be a wrong clock's, and counts as that.
        """
        day = max(day, self.as_of)
        gone = {ref: at for ref, facts in self.models.items() if (at := _retired_on(facts, day))}
        leaving = frozenset(
            ref
            for ref, facts in self.models.items()
            if ref not in gone and facts.retires_on and facts.retires_on - LEAVING <= day
        )
        state = (frozenset(gone), leaving)
        if state not in self._by_state:
            models = {
                ref: replace(facts, retired_on=gone.get(ref), leaving=ref in leaving)
                for ref, facts in self.models.items()
            }
            self._by_state[state] = replace(self, models=models)
        return self._by_state[state]

    def informed(self, found: Sequence[Lifecycle]) -> Catalog:
        """Return the catalog with what the providers themselves say of their models."""
        models = dict(self.models)
        for one in found:
            models[one.ref] = _informed(self.facts(one.ref), one)
        return replace(self, models=models, _by_state={})

    def facts(self, ref: ModelRef) -> ModelFacts:
        """Return what is known of a model, which may be no more than its name."""
        return self.models.get(ref) or ModelFacts(ref)

    def provider(self, id_: str) -> Provider | None:
        """Return the provider of that id; OpenClaw's other names for one count too."""
        named = self.providers.get(id_)
        return named or next((p for p in self.providers.values() if id_ in p.aliases), None)

    def current(self, ref: ModelRef) -> ModelRef:
        """Follow successors of what is gone, or leaves within a week, to today's model."""
        seen = {ref}
        while (facts := self.facts(ref)).successor and (facts.gone or facts.leaving):
            if facts.successor in seen:
                break
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
        status_pages={
            id_: StatusPage(
                data["providers"][id_]["title"],
                table["url"],
                PageFormat(table["format"]),
                table["link"],
                frozenset(name.casefold() for name in table.get("components", ())),
            )
            for id_, table in data.get("status_pages", {}).items()
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
        rerouted=table.get("rerouted", False),
        date_source="catalog" if "retires_on" in table else "",
        date_as_of=table.get("date_as_of", as_of) if "retires_on" in table else None,
        misspelt=table.get("misspelt", False),
        successor=_ref(successor) if successor else None,
        price_first=table.get("price_first", False),
    )


def _retired_on(facts: ModelFacts, day: date) -> date | None:
    """Return since when a model is no longer to be had; None while it may still be."""
    ends = facts.retires_on
    if facts.refused_on is not None:
        return min(ends, facts.refused_on) if ends else facts.refused_on
    if ends is None or ends > day:
        return None
    seen = facts.seen_on is not None and facts.seen_on >= ends
    return None if seen and not facts.rerouted else ends


def _informed(facts: ModelFacts, found: Lifecycle) -> ModelFacts:
    """Put what a provider says of its model before what the catalog says."""
    seen = [at.date() for at in (found.listed_at, found.answered_at) if at]
    facts = replace(
        facts,
        seen_on=max(seen, default=None),
        refused_on=found.refused_at.date() if found.refused_at else None,
        delisted_on=found.absent_since.date() if found.delisted and found.absent_since else None,
        withdrawn_on=found.withdrawn_on,
    )
    if not found.dated:
        return facts
    withdrawn = found.withdrawn_on
    if found.retires_on is None and withdrawn is None:
        withdrawn = facts.retires_on
    return replace(
        facts,
        retires_on=found.retires_on,
        withdrawn_on=withdrawn,
        date_source="list",
        date_as_of=found.looked_at.date(),
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
