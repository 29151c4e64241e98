"""The chain as it will really be walked: which hops stand in it, and which are passed over, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePath

from bot.catalog import Catalog
from bot.config.keyring import Keyring
from bot.config.naming import alias_of, variable_in, written_with_profile
from bot.config.plan import in_models, in_policy
from bot.config.release import in_old_folder, in_state_folder, is_new
from bot.config.schema import OWN_PROVIDER, ConfigView, ModelChoice
from bot.config.served import Serving, generation_of, has_provider, is_mapped, serving
from bot.dialects.custom import OPENCLAW_APIS, custom_provider
from bot.dialects.locality import is_private, located
from bot.dialects.references import filled, missing_in, variable_named
from bot.models import ModelFacts, ModelRef, Provider, Secret
from bot.ports import Cooldown
from bot.ports.reloads import NO_NEIGHBOUR, Neighbour
from bot.routing.cooldown import Scope, covering
from bot.routing.limits import HopLimits, Over


class AllowRule(StrEnum):
    """What the release that owns the file does with a fallback outside its allowlist."""

    SKIPS = "skips"
    EXEMPT = "exempt"
    UNKNOWN = "unknown"


class Walker(StrEnum):
    """Who goes down the chain when a model fails."""

    GATEWAY = "gateway"
    OPENCLAW = "openclaw"


class SkipReason(StrEnum):
    """Why a hop is passed over."""

    NO_KEY = "no_key"
    KEY_ELSEWHERE = "key_elsewhere"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_PROVIDER = "unknown_provider"
    UNSUPPORTED = "unsupported"
    OPENCLAW_ONLY = "openclaw_only"
    NOT_SERVED = "not_served"
    NOT_A_MODEL = "not_a_model"
    REPEATED = "repeated"
    OURSELVES = "ourselves"
    OVER_LIMIT = "over_limit"
    OVER_BUDGET = "over_budget"


@dataclass(frozen=True, slots=True)
class Hop:
    """One candidate of the chain; position 0 is the primary.

    `written` is what the file says, `ref` the model it means. `key_name` is the variable (or
    config path) that holds the key. `skip` None means that `walker` asks it; `unasked` is why our
    own gateway could not, whoever walks. `profile` is the auth profile that the file names with it.
    `over` says what a fallback is over that is skipped for its price or place.
    """

    position: int
    written: str
    ref: ModelRef | None
    preset: str | None
    provider: Provider | None
    key: Secret | None
    key_name: str | None
    allowed: bool
    skip: SkipReason | None
    cooldown: Cooldown | None
    facts: ModelFacts | None
    walker: Walker = Walker.GATEWAY
    unasked: SkipReason | None = None
    signed_in: bool = False
    profile: str | None = None
    over: Over | None = None

    @property
    def key_present(self) -> bool:
        """True when the provider can be asked: its key is there, or it needs none."""
        return self.key is not None or (self.provider is not None and self.key_name is None)

    @property
    def walked(self) -> bool:
        """True when a failing chain reaches this hop and asks it."""
        return self.skip is None

    @property
    def private(self) -> bool:
        """True when the conversation does not leave the team's machines."""
        return self.ref is not None and is_private(self.ref, self.provider)

    @property
    def near(self) -> bool:
        """True when the server is on this machine or its network, whatever it hands on."""
        return self.provider is not None and self.provider.near


@dataclass(frozen=True, slots=True)
class ChainContext:
    """What a chain is judged by besides the file: keys, release, cool-downs, limits."""

    catalog: Catalog
    env: Mapping[str, str]
    location: str = ""
    cooldowns: Sequence[Cooldown] = ()
    gateway: bool = False
    neighbour: Neighbour = NO_NEIGHBOUR
    limits: HopLimits | None = None

    def has_openclaw(self, view: ConfigView) -> bool:
        """Return whether anything shows that a Moltbot or OpenClaw runs on the config."""
        named = view.version is not None or in_state_folder(PurePath(self.location))
        return named or self.neighbour.attached

    def walker(self, view: ConfigView, choice: ModelChoice) -> Walker:
        """Return who walks a chain: our gateway where it is first or nothing else runs."""
        if self.gateway or choice.front is not None or not self.has_openclaw(view):
            return Walker.GATEWAY
        return Walker.OPENCLAW


def chain_of(view: ConfigView, choice: ModelChoice, around: ChainContext) -> tuple[Hop, ...]:
    """Lay out primary and fallbacks; an agent's own model without a chain inherits it."""
    default = view.default
    primary = choice.primary or default.primary
    fallbacks = choice.fallbacks if choice.fallbacks is not None else default.fallbacks
    rule = allow_rule(view, around.location)
    walker = around.walker(view, choice)
    hops: list[Hop] = []
    seen: set[ModelRef] = set()
    for position, word in enumerate([primary, *(fallbacks or ())]):
        if word is None:
            continue
        hop = _hop(position, word, view, around, rule, walker, seen)
        hops.append(hop)
        if hop.ref is not None:
            seen.add(hop.ref)
    limits = around.limits
    if limits is None or walker is Walker.OPENCLAW:
        return tuple(hops)
    return (*hops[:1], *(_limited(hop, hops[0], limits) for hop in hops[1:]))


def _limited(hop: Hop, first: Hop, limits: HopLimits) -> Hop:
    """Skip a fallback that is over a limit; a chain's first hop is what was chosen."""
    if hop.skip is not None or hop.ref is None:
        return hop
    over = limits.over(hop.ref, first.ref, private=hop.private)
    if over is None:
        return hop
    return replace(
        hop, skip=SkipReason.OVER_LIMIT if over.limit else SkipReason.OVER_BUDGET, over=over
    )


def lone_hop(position: int, ref: ModelRef, view: ConfigView, around: ChainContext) -> Hop:
    """Lay out one model that need not stand in the chain, as the gateway would ask it."""
    walker = around.walker(view, view.default)
    return _hop(position, str(ref), view, around, AllowRule.EXEMPT, walker, set())


def allow_rule(view: ConfigView, location: str) -> AllowRule:
    """Tell the owning release's rule from `meta.lastTouchedVersion`, else the state folder."""
    new = is_new(view.version)
    if new is not None:
        return AllowRule.EXEMPT if new else AllowRule.SKIPS
    return AllowRule.SKIPS if in_old_folder(PurePath(location)) else AllowRule.UNKNOWN


def providers_of(view: ConfigView, catalog: Catalog) -> dict[str, Provider]:
    """Return the catalog's providers with the file's own, which may override a base or a key."""
    found = dict(catalog.providers)
    for id_, table in view.providers.items():
        lowered = id_.lower()
        built_in = catalog.provider(lowered)
        found[built_in.id if built_in else lowered] = custom_provider(id_, table, built_in)
    return found


def provider_of(
    ref: ModelRef, view: ConfigView, catalog: Catalog, env: Mapping[str, str]
) -> Provider | None:
    """Return the provider that serves a model, with what its address in `env` says of it."""
    built_in = catalog.provider(ref.provider)
    names = {built_in.id, *built_in.aliases} if built_in else {ref.provider}
    found = built_in
    for id_, table in view.providers.items():
        if id_.lower() in names:
            found = custom_provider(id_, table, built_in, ref.name)
    if found is None:
        return None
    if any("$" in text for text in (*_sent(found), found.base_url)):
        known = {**view.keys.env, **env}
        found = replace(
            found,
            base_url=filled(found.base_url, known),
            config_base_url=filled(found.config_base_url or "", known) or None,
            headers={name: filled(value, known) for name, value in found.headers.items()},
        )
    return located(found, env)


def key_of(
    provider: Provider, env: Mapping[str, str], keys: Keyring, profile: str | None = None
) -> tuple[Secret | None, str | None]:
    """Return a provider's key and the name of what holds it; no name means none is needed.

    A profile that the model names is the only one; else our environment comes first, then what
    OpenClaw has: the file's entry, its variables, its profiles.
    """
    names = (provider.id, *provider.aliases)
    known = {**keys.env, **env}
    if profile is not None:
        named = keys.profile(profile, names)
        return _filled(named.key, known) if named else None, f"auth profile {profile}"
    waiting = next((v for text in _sent(provider) if (v := missing_in(text))), None)
    if waiting is not None:
        return None, waiting
    if provider.key_env and env.get(provider.key_env):
        return Secret(env[provider.key_env]), provider.key_env
    if provider.config_key:
        bare = variable_named(provider.config_key)
        key = known.get(bare or "") or filled(provider.config_key, known)
        lacking, named_by = missing_in(key), bare or missing_in(provider.config_key)
        if key == bare and not provider.near:
            lacking = bare
        if lacking is not None:
            return None, lacking
        return Secret(key), named_by or f"models.providers.{provider.id}.apiKey"
    if provider.key_env and known.get(provider.key_env):
        return Secret(known[provider.key_env]), provider.key_env
    first = keys.first(names)
    if first is not None and (stored := _filled(first[1].key, known)):
        return stored, f"auth profile {first[0]}"
    return None, provider.unreadable or provider.key_env


def _sent(provider: Provider) -> tuple[str, ...]:
    """List what goes out with every request besides the key."""
    return (provider.config_base_url or provider.base_url, *provider.headers.values())


def _filled(key: Secret, env: Mapping[str, str]) -> Secret | None:
    value = filled(key.reveal(), env)
    return None if missing_in(value) else Secret(value)


def scope_of(hop: Hop) -> Scope | None:
    """Return what a hop's failures count against; None for one that cannot be asked at all."""
    if hop.ref is None or hop.provider is None:
        return None
    return Scope.of(hop.provider.id, hop.key, hop.ref)


def lost_on_the_way(hops: Sequence[Hop]) -> list[tuple[Hop, list[str]]]:
    """Name what each walked hop cannot do that the first can: `vision`, `tools`, `context`."""
    walked = [hop for hop in hops if hop.walked and hop.facts]
    if not walked or walked[0].facts is None:
        return []
    first = walked[0].facts
    losses = []
    for hop in walked[1:]:
        facts = hop.facts
        if facts is None:
            continue
        lost = [
            name
            for name, had, has in (
                ("vision", first.vision, facts.vision),
                ("tools", first.tools, facts.tools),
            )
            if had and has is False
        ]
        if (facts.context_window or first.context_window or 0) < (first.context_window or 0):
            lost.append("context")
        if lost:
            losses.append((hop, lost))
    return losses


def _hop(
    position: int,
    word: str,
    view: ConfigView,
    around: ChainContext,
    rule: AllowRule,
    walker: Walker,
    seen: set[ModelRef],
) -> Hop:
    meant = filled(word, {**view.keys.env, **around.env})
    ref, profile = (None, None) if variable_in(meant) else written_with_profile(meant, view)
    provider = provider_of(ref, view, around.catalog, around.env) if ref else None
    key, key_name = key_of(provider, around.env, view.keys, profile) if provider else (None, None)
    allowed = ref is not None and (
        in_models(view, ref)
        if rule is not AllowRule.EXEMPT
        else (position > 0 or in_policy(view, ref))
    )
    signed_in = ref is not None and ref.provider in {*view.profiles, *around.neighbour.profiles}
    unasked = _unasked(ref, provider, key, key_name)
    if unasked is SkipReason.UNKNOWN_PROVIDER and ref:
        listed = signed_in or is_mapped(ref, view) or has_provider(ref.provider)
        unasked = SkipReason.OPENCLAW_ONLY if listed else unasked
    skip = _by_openclaw(ref, view, unasked) if walker is Walker.OPENCLAW else unasked
    if ref in seen:
        skip = SkipReason.REPEATED
    barred = position > 0 and not allowed and rule is AllowRule.SKIPS and not around.gateway
    if barred and skip in (None, SkipReason.NOT_SERVED):
        skip = SkipReason.NOT_ALLOWED
    return Hop(
        position=position,
        written=word,
        ref=ref,
        preset=_preset(ref, view, around.catalog) if ref else None,
        provider=provider,
        key=key,
        key_name=key_name,
        allowed=allowed,
        skip=skip,
        cooldown=covering(Scope.of(provider.id, key, ref), around.cooldowns)
        if ref and provider
        else None,
        facts=_facts(ref, provider, view, around.catalog) if ref else None,
        walker=walker,
        unasked=unasked,
        signed_in=signed_in,
        profile=profile,
    )


def _unasked(
    ref: ModelRef | None, provider: Provider | None, key: Secret | None, key_name: str | None
) -> SkipReason | None:
    """Return why our gateway cannot ask a model."""
    if ref is None:
        return SkipReason.NOT_A_MODEL
    if ref.provider == OWN_PROVIDER:
        return SkipReason.OURSELVES
    if provider is None:
        return SkipReason.UNKNOWN_PROVIDER
    if not provider.endpoints:
        # What OpenClaw speaks and we do not is no fault of the config.
        known = provider.api in OPENCLAW_APIS
        return SkipReason.OPENCLAW_ONLY if known else SkipReason.UNSUPPORTED
    lacks = provider.unreadable
    if lacks is not None and (key is None or ".headers." in lacks or ".request." in lacks):
        return SkipReason.KEY_ELSEWHERE
    if key is None and key_name is not None:
        return SkipReason.NO_KEY
    return None


def _by_openclaw(
    ref: ModelRef | None, view: ConfigView, unasked: SkipReason | None
) -> SkipReason | None:
    """Return why OpenClaw cannot ask a model: it has no such model, or nobody has."""
    if ref is None or unasked is SkipReason.UNKNOWN_PROVIDER:
        return unasked
    unserved = serving(ref, view, generation_of(view.version)) is Serving.UNSERVED
    return SkipReason.NOT_SERVED if unserved else None


def _preset(ref: ModelRef, view: ConfigView, catalog: Catalog) -> str | None:
    return alias_of(ref, view) or catalog.preset_of(ref)


def _facts(
    ref: ModelRef, provider: Provider | None, view: ConfigView, catalog: Catalog
) -> ModelFacts:
    known = catalog.facts(ModelRef(provider.id, ref.name) if provider else ref)
    table = view.entry(ref.provider)
    for row in table.get("models") or ():
        if isinstance(row, dict) and row.get("id") == ref.name:
            window, inputs = row.get("contextWindow"), row.get("input")
            return replace(
                known,
                ref=ref,
                context_window=window if isinstance(window, int) else known.context_window,
                vision="image" in inputs if isinstance(inputs, list) else known.vision,
            )
    return known
