"""What to warn of when a change names models."""

from __future__ import annotations

from collections.abc import Sequence

from bot.card import Caution
from bot.commands.context import Context
from bot.commands.snapshot import StatusSnapshot, surroundings
from bot.config.naming import near
from bot.config.schema import ConfigView, view_of
from bot.config.served import is_listed, is_mapped
from bot.messages import cautions
from bot.models import ModelRef
from bot.routing.chain import SkipReason, allow_rule, lone_hop


def new_model_cautions(
    ctx: Context, snapshot: StatusSnapshot, refs: Sequence[ModelRef]
) -> list[Caution]:
    """Warn about models just chosen: no key, unknown, retired; and about a leaky local primary."""
    view, found = snapshot.view, []
    for ref in dict.fromkeys(refs):
        place = next((h.position for h in snapshot.hops if h.ref == ref), 1)
        hop = lone_hop(place, ref, view, surroundings(ctx, snapshot.known))
        found += [
            c
            for c in cautions.of_hop(hop, (hop,), allow_rule(view, ctx.ports.store.location))
            if c.code not in ("not_allowed", "retired", "rerouted", "misspelt")
        ]
        found += cautions.retired_target(ref, hop)
        before = view_of(snapshot.present.document)
        known = is_mapped(ref, before) or is_listed(ref)
        known = known or hop.unasked is SkipReason.OPENCLAW_ONLY
        if hop.facts and not hop.facts.gone and not known:
            found += _unheard(ctx, ref, before)
    found += cautions.unaccepted_formats(snapshot.hops)
    return [*found, *cautions.local_only_in_name(snapshot.hops)]


def _unheard(ctx: Context, ref: ModelRef, view: ConfigView) -> list[Caution]:
    own = {
        f"{id_.lower()}/{row.get('id')}"
        for id_, table in view.providers.items()
        for row in table.get("models") or ()
        if isinstance(row, dict)
    }
    provider = ctx.catalog.provider(ref.provider)
    listed = ModelRef(provider.id, ref.name) if provider else ref
    if str(ref) in own or (provider and provider.self_hosted) or listed in ctx.catalog.models:
        return []
    if ref.provider in {p.lower() for p in view.providers} and not own:
        return []
    if ctx.ports.prices.knows(listed):
        return []
    pool = [*own, *(str(r) for r, f in ctx.catalog.models.items() if not f.gone)]
    same = [name for name in pool if name.startswith(f"{ref.provider}/")]
    return [cautions.unknown_name(ref, near(str(ref), same))]
