"""The config as the gateway follows it: candidates and routes, made once a revision and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from adapters.shared.proxy import proxy_for
from bot.catalog import Catalog
from bot.config.present import present_of
from bot.config.schema import ConfigView
from bot.costs.pricing import unit_price
from bot.dialects.endpoint import auth_headers, endpoint_url, refuse_login
from bot.models import Dialect, ModelRef, Price
from bot.ports import Document, Prices, StoredLimits
from bot.routing.chain import ChainContext, provider_of
from bot.routing.limits import hop_limits
from bot.routing.router import Candidate, Candidates, candidates_for

_MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Route:
    """Where a candidate is asked, with which headers, and through which proxy."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    proxy: str | None


class LiveConfig:
    """The last good document; a broken one is told by its reader and changes nothing here.

    What limits the fallbacks is judged anew each minute: some prices depend on the time of day.
    """

    def __init__(
        self, catalog: Catalog, env: Mapping[str, str], location: str, prices: Prices
    ) -> None:
        self._around = ChainContext(catalog, env, location, gateway=True)
        self._prices = prices
        self._limits = StoredLimits()
        self._judged_at: datetime | None = None
        self._view: ConfigView | None = None
        self._candidates: dict[tuple[str, Dialect, bool, ModelRef | None], Candidates] = {}
        self._routes: dict[tuple[str, Dialect], Route] = {}
        self.revision = self.state = ""

    @property
    def view(self) -> ConfigView:
        """The checked config. A gateway takes its first document before it listens."""
        assert self._view is not None
        return self._view

    @property
    def around(self) -> ChainContext:
        """What the chain is judged by."""
        return self._around

    def take(self, document: Document) -> bool:
        """Follow a document; False when it is the one that is followed already.

        Raises:
            ConfigError: it cannot be used; the last good one stays in force.
        """
        if document.state == self.state:
            return False
        self._view = present_of(document, self._around.location).view
        self.revision, self.state = document.revision, document.state
        self._candidates.clear()
        self._routes.clear()
        self._judged_at = None
        return True

    def limit(self, limits: StoredLimits) -> None:
        """Limit the fallbacks from now on."""
        if limits != self._limits:
            self._limits = limits
            self._judged_at = None

    def follow(self, catalog: Catalog) -> None:
        """Take a catalog in which models have ended, so that presets mean their successors."""
        if catalog is not self._around.catalog:
            self._around = replace(self._around, catalog=catalog)
            self._candidates.clear()

    def candidates(
        self,
        asked: str,
        dialect: Dialect,
        now: datetime,
        *,
        fallbacks: bool,
        trial: ModelRef | None = None,
    ) -> Candidates:
        """Return who may answer, a trial's candidate first. Raises UnknownModelError."""
        self._judge(now)
        key = (asked, dialect, fallbacks, trial)
        found = self._candidates.get(key)
        if found is None:
            found = candidates_for(
                asked, self.view, self._around, dialect, fallbacks=fallbacks, trial=trial
            )
            if len(self._candidates) >= _MOST_KEPT:
                self._candidates.clear()
            self._candidates[key] = found
        return found

    def route(self, candidate: Candidate, dialect: Dialect) -> Route:
        """Return where a candidate is asked. Raises SettingsError for an unusable base URL."""
        key = (candidate.name, dialect)
        route = self._routes.get(key)
        if route is None:
            route = self._make_route(candidate, dialect)
            if len(self._routes) >= _MOST_KEPT:
                self._routes.clear()
            self._routes[key] = route
        return route

    def _judge(self, now: datetime) -> None:
        """Begin each minute anew, while anything limits the fallbacks."""
        minute = now.replace(second=0, microsecond=0)
        if minute == self._judged_at:
            return
        view, first = self.view, self._judged_at is None

        def price_of(ref: ModelRef) -> Price | None:
            provider = provider_of(ref, view, self._around.catalog, self._around.env)
            return unit_price(ref, provider, view, self._prices, minute)

        limits = hop_limits(self._limits, view, price_of, now)
        if first or limits or self._around.limits:
            self._around = replace(self._around, limits=limits)
            self._candidates.clear()
        self._judged_at = minute

    def _make_route(self, candidate: Candidate, dialect: Dialect) -> Route:
        provider = candidate.provider
        base = self._around.env.get(provider.base_url_env or "") or provider.config_base_url
        url = endpoint_url(provider, dialect, base, candidate.ref.name)
        headers = auth_headers(provider, dialect, candidate.hop.key)
        if "authorization" in headers:
            refuse_login(f"The base URL of {provider.id}", url)
        return Route(url, headers, proxy_for(url))
