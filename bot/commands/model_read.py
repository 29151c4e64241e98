"""/model status, list and history: what is in force, what there is, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.card import Card, Caution, Text
from bot.commands.context import Context
from bot.commands.data import (
    chain_data,
    change_data,
    ending_data,
    incident_data,
    price_data,
    warnings_data,
)
from bot.commands.elsewhere import elsewhere_cautions, other_places
from bot.commands.plan_views import PlanView, line_of, plan_data, plan_views
from bot.commands.registry import Args
from bot.commands.snapshot import StatusSnapshot, load_snapshot, price_of, surroundings
from bot.config.naming import chain_words, known_provider, near, resolve, written
from bot.config.schema import ConfigView
from bot.errors import StorageError, UsageError
from bot.messages import cautions
from bot.messages.chain import skip_words, unasked_words
from bot.messages.limits import limit_cautions
from bot.messages.model import StatusWords, status_card, value
from bot.messages.model_list import ModelRow, list_card
from bot.messages.plans import plan_line
from bot.models import ModelRef, Price
from bot.routing.chain import Hop, allow_rule, lone_hop, providers_of


async def status(ctx: Context, args: Args) -> Card:
    """Show the primary, the chain, the last change and everything that is pending or wrong."""
    agent = args.text("agent")
    snapshot = await load_snapshot(ctx, agent)
    warnings = status_warnings(ctx, snapshot)
    first = snapshot.primary
    if agent is None and first is not None:
        places = other_places(snapshot.present, agents=False)
        pins = await ctx.ports.reloads.pinned()
        warnings += await elsewhere_cautions(ctx, places, first.ref, pins)
    pending = snapshot.pending
    plans = await _plans(ctx, snapshot) if agent is None else []
    back = (pending[0].due_at, value(pending[1].old)) if pending else None
    words = StatusWords(
        hops=snapshot.hops,
        prices=snapshot.prices,
        last_change=snapshot.last_change,
        pending=back,
        incidents=snapshot.known.incidents,
        warnings=tuple(warnings),
        place=ctx.ports.store.location,
        agent=agent,
        now=ctx.now,
        front=snapshot.choice.front,
        plans=tuple(plan_line(line_of(one)) for one in plans),
        trial=_trial_line(snapshot) if agent is None else (),
        choices=_choices(ctx, snapshot),
    )
    primary, last = snapshot.primary, snapshot.last_change
    data: dict[str, Any] = {
        "primary": str(primary.ref or primary.written) if primary else None,
        "preset": primary.preset if primary else None,
        "agent": agent,
        "config_path": ctx.ports.store.location,
        "revision": snapshot.present.document.revision,
        "chain": chain_data(snapshot),
        "last_change": change_data(last) if last else None,
        "pending_revert": {"at": back[0], "to": pending[1].old} if back and pending else None,
        "next_change": _next_change(snapshot, plans),
        "plans": [plan_data(one) for one in plans],
        "trial": _trial_data(snapshot),
        "muted_until": snapshot.known.muted_until,
        "incidents": [incident_data(row, ctx.now) for row in snapshot.known.incidents],
        "warnings": warnings_data(warnings),
    }
    return status_card(words, data)


async def _plans(ctx: Context, snapshot: StatusSnapshot) -> list[PlanView]:
    if snapshot.known.error is not None:
        return []
    try:
        return await plan_views(ctx, snapshot.view, snapshot.known.changes)
    except StorageError:
        # The card says already that the database cannot be asked.
        return []


def _next_change(snapshot: StatusSnapshot, plans: Sequence[PlanView]) -> dict[str, Any] | None:
    """Return which change of the primary comes next by itself, as far as is known now."""
    found: list[dict[str, Any]] = [
        {"at": one.next_at, "to": str(one.ref), "plan": one.plan.number}
        for one in plans
        if one.next_at is not None
    ]
    if snapshot.pending:
        revert, change = snapshot.pending
        found.append({"at": revert.due_at, "to": change.old, "plan": None})
    return min(found, key=lambda one: one["at"], default=None)


def _choices(ctx: Context, snapshot: StatusSnapshot) -> list[tuple[str, ModelRef, Price | None]]:
    """Return the presets, then the team's other aliases, as far as they mean another model."""
    view, first = snapshot.view, snapshot.primary
    words = [*ctx.catalog.presets, *(alias for alias in view.aliases.values() if alias)]
    named = {word.lower(): word for word in reversed(words) if word.split() == [word]}
    found = [(word, resolve(word, view, ctx.catalog).ref) for word in reversed(named.values())]
    others = ((word, ref) for word, ref in found if not first or ref != first.ref)
    return [(word, ref, price_of(ctx, ref, view)) for word, ref in others]


def status_warnings(ctx: Context, snapshot: StatusSnapshot) -> list[Caution]:
    """Gather everything the reader of a status should know."""
    rule = allow_rule(snapshot.view, ctx.ports.store.location)
    warnings = cautions.of_chain(snapshot.hops, snapshot.view, rule, ctx.catalog)
    warnings += limit_cautions(snapshot.hops, snapshot.limits)
    warnings += cautions.losses(snapshot.hops)
    warnings += cautions.unread_includes(snapshot.view)
    if snapshot.pending:
        due_at = snapshot.pending[0].due_at
        warnings += cautions.overdue(due_at, snapshot.known.service_seen_at, ctx.now)
    return [*warnings, *cautions.journal_away(snapshot.known.error)]


async def list_models(ctx: Context, args: Args) -> Card:
    """Show every configured model: those the file names, and the presets."""
    snapshot = await load_snapshot(ctx)
    wanted = args.text("name")
    providers = providers_of(snapshot.view, ctx.catalog)
    if wanted is not None:
        found = ctx.catalog.provider(wanted.lower())
        wanted = found.id if found else wanted.lower()
        if wanted not in providers and not known_provider(wanted, snapshot.view, ctx.catalog):
            guess = near(wanted, providers)
            raise UsageError(
                f"Unknown provider {wanted!r}.",
                f"Did you mean {guess}?" if guess else f"Providers: {', '.join(providers)}.",
            )
    rows = [_row(ctx, snapshot, ref) for ref in _configured(ctx, snapshot.view)]
    if wanted is not None:
        rows = [row for row in rows if _provider_id(ctx, row.ref) == wanted]
    data = {"models": [_row_data(ctx, row) for row in rows]}
    return list_card(rows, wanted, data)


def _trial_line(snapshot: StatusSnapshot) -> Text:
    if snapshot.known.trial is None:
        return ()
    from bot.messages.trials import status_line

    return status_line(snapshot.known.trial)


def _trial_data(snapshot: StatusSnapshot) -> dict[str, Any] | None:
    if snapshot.known.trial is None:
        return None
    from bot.messages.trials import history_data

    return history_data(snapshot.known.trial)


def _configured(ctx: Context, view: ConfigView) -> list[ModelRef]:
    """Return the models the file names, in its order, then those of the presets."""
    words = [*view.aliases, *chain_words(view)]
    refs = [written(word, view) for word in words if not word.endswith("*")]
    for choice in view.agents.values():
        refs += [written(word, view) for word in (choice.primary, *(choice.fallbacks or ()))]
    for id_, table in view.providers.items():
        for model in table.get("models") or ():
            if isinstance(model, dict) and isinstance(model.get("id"), str):
                refs.append(ModelRef(id_.lower(), model["id"]))
    named = {alias.lower() for alias in view.aliases.values() if alias}
    refs += [
        ctx.catalog.current(preset.model)
        for preset in ctx.catalog.presets.values()
        if preset.name not in named
    ]
    return list(dict.fromkeys(ref for ref in refs if ref is not None))


def _row(ctx: Context, snapshot: StatusSnapshot, ref: ModelRef) -> ModelRow:
    view = snapshot.view
    hop = lone_hop(1, ref, view, surroundings(ctx, snapshot.known))
    placed = next((h for h in snapshot.hops if h.ref == ref), None)
    allowed = not view.aliases or str(ref) in view.aliases
    return ModelRow(
        ref=ref,
        alias=view.aliases.get(str(ref)),
        preset=_preset(ctx, view, ref),
        price=price_of(ctx, ref, view),
        context_window=(hop.facts.context_window if hop.facts else None)
        or ctx.ports.prices.context_window(ref),
        key_present=hop.key_present,
        key_name=hop.key_name,
        allowed=allowed,
        in_use=_use(placed, snapshot),
        skip=placed.skip if placed else None,
        gateway_lacks=unasked_words(hop),
        facts=hop.facts,
    )


def _use(hop: Hop | None, snapshot: StatusSnapshot) -> str:
    """Say where a model stands in the chain; what it lacks has a column of its own."""
    if hop is None:
        return ""
    use = f"fallback {hop.position}" if hop.position else "primary"
    return f"{use}, skipped: {skip_words(hop, snapshot.hops)}" if hop.over else use


def _preset(ctx: Context, view: ConfigView, ref: ModelRef) -> str | None:
    """Return the preset that means this model; a team's alias decides before the catalog."""
    alias = (view.aliases.get(str(ref)) or "").lower()
    if alias in ctx.catalog.presets:
        return alias
    name = ctx.catalog.preset_of(ref)
    taken = {alias.lower() for alias in view.aliases.values() if alias}
    return None if name in taken else name


def _provider_id(ctx: Context, ref: ModelRef) -> str:
    found = ctx.catalog.provider(ref.provider)
    return found.id if found else ref.provider


def _row_data(ctx: Context, row: ModelRow) -> dict[str, Any]:
    return {
        "model": str(row.ref),
        "aliases": [row.alias] if row.alias else [],
        "presets": [row.preset] if row.preset else [],
        "provider": _provider_id(ctx, row.ref),
        "key_present": row.key_present,
        "allowed": row.allowed,
        "context_window": row.context_window,
        "price": price_data(row.price),
        "in_use": row.in_use or None,
        "skip_reason": row.skip,
        **ending_data(row.facts),
    }
