"""What an incident means for the chain as it stands: who serves, what is lost, how to fix it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain

from bot.card import Code, Command, Link, Text, text
from bot.catalog import Catalog
from bot.config.naming import resolve
from bot.config.present import present_of
from bot.config.schema import ConfigView
from bot.costs.pricing import unit_price
from bot.errors import ConfigError, StorageError
from bot.incident import Impact, Incident
from bot.messages.chain import REASONS, settings_page
from bot.messages.words import change_in_price, tokens
from bot.models import FailureReason, ModelRef, Price
from bot.outage import AlertReason
from bot.ports import ConfigStore, Cooldown, FallbackLog, Prices
from bot.ports.reloads import NoReloads, Reloads
from bot.routing.chain import (
    ChainContext,
    Hop,
    SkipReason,
    Walker,
    chain_of,
    lone_hop,
    lost_on_the_way,
    provider_of,
)
from bot.spans import recalled

MOST_COMMAND = 88
"""Longer commands do not fit into a button."""

_OWNERS = frozenset({FailureReason.AUTH, FailureReason.BILLING})


@dataclass(slots=True)
class Impacts:
    """Reads the config as it is now and looks at incidents with it; parses each revision once."""

    config: ConfigStore
    log: FallbackLog
    prices: Prices
    catalog: Catalog
    env: Mapping[str, str]
    reloads: Reloads = field(default_factory=NoReloads)
    _seen: tuple[str, ConfigView] | None = None

    async def chains(self) -> tuple[frozenset[str], frozenset[str]] | None:
        """Return the models that the config puts first, and all of its chains; None if unread."""
        view = await self._view()
        if view is None:
            return None
        choices = [view.default, *view.agents.values()]
        around = await self._around(())
        chains = [chain_of(view, choice, around) for choice in choices if choice.primary]
        named = [[str(hop.ref or hop.written) for hop in hops] for hops in chains if hops]
        return frozenset(names[0] for names in named), frozenset(chain.from_iterable(named))

    async def of(self, incident: Incident, now: datetime) -> Impact:
        """Return what an incident means now; what cannot be read leaves its part empty."""
        view = await self._view()
        if view is None or incident.reason is AlertReason.CONFIG_INVALID:
            return Impact(step=_step(incident, None, None))
        around = await self._around(await self._cooldowns(now))
        hops = chain_of(view, replace(view.default, primary=incident.primary), around)
        first = hops[0] if hops else None
        serving = next((hop for hop in hops if str(hop.ref) == incident.served_by), None)
        switch = None
        if incident.was_primary is not False and not incident.replaced:
            dead = incident.reason is AlertReason.CHAIN_EXHAUSTED
            switch = _switch(self._spare(view, hops, around, now) if dead else serving)
        return Impact(
            place=(serving.position + 1, len(hops)) if serving else None,
            lost=_lost(hops, serving),
            again_at=first.cooldown.until if first and first.cooldown else None,
            prices=self._prices(view, first, serving, now),
            switch=switch,
            step=_step(incident, first, switch),
            also=tuple(_also(hops[1:], now)),
        )

    async def _cooldowns(self, now: datetime) -> Sequence[Cooldown]:
        try:
            return await self.log.cooldowns(now)
        except StorageError:
            return ()

    def unit_price(self, model: ModelRef, view: ConfigView, at: datetime) -> Price | None:
        """Return a model's unit prices."""
        provider = provider_of(model, view, self.catalog, self.env)
        return unit_price(model, provider, view, self.prices, at)

    async def price_of(self, model: ModelRef, at: datetime) -> Price | None:
        """Return a model's unit prices as the config stands; None when they are unknown."""
        view = await self._view()
        return None if view is None else self.unit_price(model, view, at)

    def _spare(
        self, view: ConfigView, hops: Sequence[Hop], around: ChainContext, now: datetime
    ) -> Hop | None:
        """Return the first preset that stands outside a dead chain and could be asked."""
        taken = {hop.provider.id for hop in hops if hop.provider}
        for preset in self.catalog.presets.values():
            hop = lone_hop(1, resolve(preset.name, view, self.catalog).ref, view, around)
            cooling = hop.cooldown is not None and hop.cooldown.holds(now)
            # OpenClaw may have a key that is not seen here, but nobody should bet a chain on it.
            usable = hop.walked and (hop.unasked is not SkipReason.NO_KEY or hop.signed_in)
            if usable and not cooling and hop.provider and hop.provider.id not in taken:
                return hop
        return None

    def _prices(
        self, view: ConfigView, first: Hop | None, serving: Hop | None, now: datetime
    ) -> str | None:
        if first is None or serving is None or first.ref is None or serving.ref is None:
            return None
        before = self.unit_price(first.ref, view, now)
        return change_in_price(before, self.unit_price(serving.ref, view, now))

    async def _around(self, cooldowns: Sequence[Cooldown]) -> ChainContext:
        neighbour = await self.reloads.neighbour()
        place = self.config.location
        return ChainContext(self.catalog, self.env, place, cooldowns, neighbour=neighbour)

    async def _view(self) -> ConfigView | None:
        try:
            document = await self.config.read()
            if self._seen is None or self._seen[0] != document.state:
                self._seen = document.state, present_of(document, self.config.location).view
        except (ConfigError, StorageError):
            return None
        return self._seen[1]


def _lost(hops: Sequence[Hop], serving: Hop | None) -> tuple[str, ...]:
    if serving is None:
        return ()
    # Both were asked, however the chain is judged now.
    asked = [replace(hop, skip=None) for hop in (hops[0], serving)]
    lost = next((names for hop, names in lost_on_the_way(asked)), [])
    window = serving.facts.context_window if serving.facts else None
    words = {
        "vision": "images",
        "tools": "tools",
        "context": f"context beyond {tokens(window)}" if window else "context",
    }
    return tuple(words[name] for name in lost)


def _switch(serving: Hop | None) -> tuple[str, str] | None:
    if serving is None or serving.position == 0:
        return None
    command = f"model use {serving.preset or serving.ref}"
    label = serving.preset or serving.written.rpartition("/")[2]
    return (label, command) if len(command) <= MOST_COMMAND else None


def _step(incident: Incident, first: Hop | None, switch: tuple[str, str] | None) -> Text:
    match incident.reason:
        case AlertReason.CONFIG_INVALID:
            return recalled(incident.says[1])
        case AlertReason.CHAIN_EXHAUSTED:
            return text("Run ", Command("fallback test"), " for a fix per hop.")
        case AlertReason.MODEL_NOT_FOUND:
            pages = (settings_page(one.detail) for one in incident.samples)
            return _replace(first, next(filter(None, pages), ""))
        case AlertReason.AUTH | AlertReason.BILLING:
            return _owners_step(FailureReason(incident.reason), first)
        case _ if incident.replaced:
            return text(Code(incident.primary), " is no longer the primary.")
        case _ if switch:
            return text("If it lasts: ", Command(switch[1]))
        case _:
            return text("Run ", Command("fallback test"), " to see its current error.")


def _replace(first: Hop | None, page: str) -> Text:
    if page:
        settings = Link("OpenRouter's settings", page)
        return text("Allow it in ", settings, ", or replace it with one of ", Command("model list"))
    successor = first.facts.successor if first and first.facts and first.facts.gone else None
    if successor:
        return text("Replace it: ", Command(f"model use {successor}"))
    return text("Replace it with one of ", Command("model list"))


def _owners_step(reason: FailureReason, hop: Hop | None) -> Text:
    provider = hop.provider if hop else None
    if hop and hop.ref and hop.walker is Walker.OPENCLAW and _by_sign_in(hop):
        if reason is FailureReason.AUTH:
            login = Code(f"openclaw models auth login --provider {hop.ref.provider}")
            return text("Sign in again where OpenClaw runs: ", login)
        return text(f"Check the {hop.ref.provider} account that OpenClaw is signed in to.")
    if reason is FailureReason.AUTH:
        key = (hop.key_name if hop else None) or "its API key"
        if provider and provider.keys_url:
            page = Link(f"{provider.title}'s keys", provider.keys_url)
            return text(f"Renew {key} at ", page, " and restart.")
        return text(f"Renew {key} and restart.")
    if provider and provider.billing_url:
        return text(
            "Add credit at ", Link(f"{provider.title}'s billing", provider.billing_url), "."
        )
    return text("Add credit at the provider.")


def _by_sign_in(hop: Hop) -> bool:
    """Return whether OpenClaw calls a model with its own sign-in, not with a key of ours."""
    return hop.unasked is SkipReason.OPENCLAW_ONLY or (
        hop.unasked is SkipReason.NO_KEY and hop.signed_in
    )


def _also(hops: Sequence[Hop], now: datetime) -> list[Text]:
    """Say which later hops are out for a reason that only a person can fix."""
    found = []
    for hop in hops:
        cooling = hop.cooldown
        if cooling and cooling.holds(now) and cooling.reason in _OWNERS:
            found.append(
                text(
                    f"Also {REASONS[cooling.reason]}: ",
                    Code(str(hop.ref)),
                    ". ",
                    *_owners_step(cooling.reason, hop),
                )
            )
    return found
