"""/model best … local, use, fallback, strategy, preset, undo: what changes the config."""

from __future__ import annotations

from bot.card import Card, Code, Command, Text, text
from bot.commands.change import ChangeSpec, change
from bot.commands.context import Context
from bot.commands.registry import Args
from bot.commands.snapshot import HISTORY
from bot.config.commit import Plan
from bot.config.history import to_undo, undo
from bot.config.naming import Named, alias_target, check_preset_name, resolve
from bot.config.plan import (
    choice_for,
    plan_alias,
    plan_alias_removal,
    plan_chain,
    plan_primary,
    plan_strategy,
)
from bot.config.present import Present, read_config
from bot.config.schema import ConfigView
from bot.dialects.locality import is_private
from bot.errors import NothingToDoError, RefusedError, StorageError, UsageError
from bot.messages.cautions import not_private
from bot.messages.model import took_successor
from bot.models import ModelRef
from bot.openclaw.serve import SERVE, unserve
from bot.routing.chain import provider_of


async def use(ctx: Context, args: Args) -> Card:
    """Switch the primary to any alias, preset or `provider/model`."""
    return await switch(ctx, args.need("model"), args)


async def switch(ctx: Context, word: str, args: Args) -> Card:
    """Switch the primary to what a word means in the file as it is now."""
    agent = args.text("agent")
    if agent is not None and args.text("everywhere"):
        raise UsageError(
            "everywhere sets all agents; agent names one.",
            text("Choose one: ", Command(f"model use {word} everywhere")),
        )

    def plan(present: Present) -> Plan:
        named = resolve(word, present.view, ctx.catalog)
        choice = choice_for(present.view, agent)
        edits = plan_primary(present.view, named.ref, agent)
        notes = _successor_notes([named], ctx)
        return Plan(edits, choice.primary, str(named.ref), wants=(named.ref,), notes=notes)

    return await change(
        ctx,
        ChangeSpec(
            what=f"Primary of agent {agent}" if agent else "Primary",
            action="use",
            planner=plan,
            reason=args.text("reason") or "",
            priced=True,
            agent=agent,
            deadline=args.text("for"),
            everywhere=bool(args.text("everywhere")),
        ),
    )


async def fallback(ctx: Context, args: Args) -> Card:
    """Put the preset fallback chain in place."""

    def plan(present: Present) -> Plan:
        chain = _chain(ctx.catalog.chain, present.view, ctx)
        refs = [named.ref for named in chain]
        old = list(present.view.default.fallbacks or ())
        words = [str(ref) for ref in refs]
        edits = plan_chain(present.view, words, refs)
        return Plan(edits, old, words, wants=tuple(refs), notes=_successor_notes(chain, ctx))

    spec = ChangeSpec("Chain", "fallback", plan, reason=args.text("reason") or "")
    return await change(ctx, spec)


async def strategy(ctx: Context, args: Args) -> Card:
    """Set one of the guide's four strategies, primary and chain in one edit."""
    chosen = ctx.catalog.strategies[args.need("name")]

    def plan(present: Present) -> Plan:
        models = _chain((chosen.primary, *chosen.fallbacks), present.view, ctx)
        primary, *chain = wants = tuple(named.ref for named in models)
        if chosen.private_only:
            provider = provider_of(primary, present.view, ctx.catalog, ctx.settings.env)
            if not is_private(primary, provider):
                raise RefusedError(*not_private(primary, chosen.primary))
        edits = plan_strategy(present.view, primary, chain)
        words = " → ".join(map(str, chain)) or "none"
        notes = (text("Fallbacks: ", Code(words)), *_successor_notes(models, ctx))
        old = present.view.default.primary
        return Plan(edits, old, str(primary), wants=wants, notes=notes)

    return await change(
        ctx,
        ChangeSpec(
            what=f"Strategy {chosen.name}",
            action="strategy",
            planner=plan,
            reason=args.text("reason") or "",
            priced=True,
            everywhere=bool(args.text("everywhere")),
        ),
    )


async def preset(ctx: Context, args: Args) -> Card:
    """Name a model, or take a name away."""
    taken = {c.name for c in ctx.registry.of("model")} - set(ctx.catalog.presets)
    name = check_preset_name(args.need("name"), taken)
    word = args.need("model")
    if word.lower() == "remove":
        return await _remove(ctx, name, args)

    def plan(present: Present) -> Plan:
        named = resolve(word, present.view, ctx.catalog)
        before = alias_target(name, present.view)
        edits = plan_alias(present.view, name, named.ref)
        old = str(before) if before else None
        had = present.view.aliases.get(str(named.ref))
        replaced = text(f"A model has one preset in this file, so {had} was replaced.")
        notes = (replaced,) if had and had.lower() != name else ()
        return Plan(edits, old, str(named.ref), wants=(named.ref,), notes=notes)

    spec = ChangeSpec(f"Preset {name}", "preset", plan, reason=args.text("reason") or "")
    return await change(ctx, spec)


async def _remove(ctx: Context, name: str, args: Args) -> Card:
    def plan(present: Present) -> Plan:
        before = alias_target(name, present.view)
        edits = plan_alias_removal(present.view, name)
        shipped = ctx.catalog.presets.get(name)
        if not edits:
            raise NothingToDoError(
                f"{name} is built in, not in the file."
                if shipped
                else f"There is no preset {name}.",
                text(Command(f"model preset {name} MODEL", form=True), " points it elsewhere."),
            )
        notes: tuple[Text, ...] = ()
        if shipped is not None:
            target = Code(str(ctx.catalog.current(shipped.model)))
            notes = (text(f"{name} points to ", target, " again."),)
        return Plan(edits, str(before), None, notes=notes)

    what, reason = f"Preset {name}", args.text("reason") or ""
    return await change(ctx, ChangeSpec(what, "preset remove", plan, reason=reason, warns=False))


async def take_back(ctx: Context, args: Args) -> Card:
    """Revert the last change or the one asked for, as a new change."""
    journal, place = ctx.ports.journal, ctx.ports.store.location
    wanted = args.count("amount") or ctx.action.change_id
    # A writer that died before it could say so has made the last change.
    await read_config(ctx.ports.store, journal, ctx.now)
    try:
        changes = (
            await journal.changes_since(place, wanted)
            if wanted is not None
            else await journal.changes(place, HISTORY)
        )
    except StorageError as error:
        raise StorageError(f"No history: {error.message}", error.step) from error
    chosen = to_undo(changes, wanted)
    priced = isinstance(chosen.new, str) or isinstance(chosen.old, str)
    headline = "Primary" if priced and chosen.action != "preset" else "Undone"
    return await change(
        ctx,
        ChangeSpec(
            what=headline,
            action="undo",
            planner=unserve(chosen) if chosen.action == SERVE else undo(chosen),
            reason=args.text("reason") or f"undo of change {chosen.id}",
            priced=headline == "Primary",
            asks=False,
            warns=False,
        ),
    )


def resolve_all(words: tuple[str, ...], view: ConfigView, ctx: Context) -> list[ModelRef]:
    """Resolve a list of words to models, none of them twice.

    Raises:
        UsageError: a model is listed twice.
        UnknownModelError: a word means nothing.
    """
    refs = [resolve(word, view, ctx.catalog).ref for word in words]
    twice = next((ref for ref in refs if refs.count(ref) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is listed twice.", "List every model once.")
    return refs


def _chain(words: tuple[str, ...], view: ConfigView, ctx: Context) -> list[Named]:
    return [_current(resolve(word, view, ctx.catalog), ctx) for word in words]


def _current(named: Named, ctx: Context) -> Named:
    """Replace a model that the catalog itself names by today's; a team's alias is followed."""
    current = ctx.catalog.current(named.ref)
    if named.via != "model" or current == named.ref:
        return named
    return Named(current, named.via, named.word, replaced=named.ref)


def _successor_notes(named: list[Named], ctx: Context) -> tuple[Text, ...]:
    return tuple(
        took_successor(
            n.word,
            n.replaced,
            n.ref,
            ctx.catalog.facts(n.replaced),
        )
        for n in named
        if n.replaced
    )
