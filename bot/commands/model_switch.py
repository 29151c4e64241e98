"""/model best … local, use, fallback, strategy, preset: what changes primary, chain and names."""

from __future__ import annotations

from bot.card import Card, Caution, Code, Command, Text, text
from bot.commands.change import Request, change, judge
from bot.commands.context import Context
from bot.commands.picture import Picture
from bot.commands.registry import Args
from bot.config.commit import Plan, Present
from bot.config.naming import Named, alias_target, check_preset_name, resolve
from bot.config.plan import (
    choice_for,
    plan_alias,
    plan_alias_removal,
    plan_chain,
    plan_primary,
    plan_strategy,
)
from bot.config.schema import ConfigView
from bot.dialects.locality import is_private
from bot.errors import NothingToDoError, RefusedError, UsageError
from bot.messages.cautions import not_private
from bot.messages.model import took_successor
from bot.models import ModelRef
from bot.routing.chain import provider_of


async def use(ctx: Context, args: Args) -> Card:
    """Switch the primary to any alias, preset or `provider/model`."""
    return await switch(ctx, args.need("model"), args)


async def switch(ctx: Context, word: str, args: Args) -> Card:
    """Switch the primary to what a word means in the file as it stands."""
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
        return Plan(edits, choice.primary, str(named.ref), wants=(named.ref,))

    def target(present: Present) -> ModelRef:
        return resolve(word, present.view, ctx.catalog).ref

    def notes(present: Present) -> tuple[Text, ...]:
        return _successor_notes([resolve(word, present.view, ctx.catalog)], ctx)

    def warn(picture: Picture) -> list[Caution]:
        return judge(ctx, picture, [resolve(word, picture.view, ctx.catalog).ref])

    return await change(
        ctx,
        Request(
            what=f"Primary of agent {agent}" if agent else "Primary",
            action="use",
            planner=plan,
            reason=args.text("reason") or "",
            priced=True,
            agent=agent,
            deadline=args.text("for"),
            notes=notes,
            warn=warn,
            everywhere=target if args.text("everywhere") else None,
        ),
    )


async def fallback(ctx: Context, args: Args) -> Card:
    """Put the preset fallback chain in place."""

    def chain(view: ConfigView) -> list[Named]:
        return _chain(ctx.catalog.chain, view, ctx)

    def plan(present: Present) -> Plan:
        refs = [named.ref for named in chain(present.view)]
        old = list(present.view.default.fallbacks or ())
        words = [str(ref) for ref in refs]
        return Plan(plan_chain(present.view, words, refs), old, words, wants=tuple(refs))

    return await change(
        ctx,
        Request(
            what="Chain",
            action="fallback",
            planner=plan,
            reason=args.text("reason") or "",
            notes=lambda present: _successor_notes(chain(present.view), ctx),
            warn=lambda picture: judge(ctx, picture, [n.ref for n in chain(picture.view)]),
        ),
    )


async def strategy(ctx: Context, args: Args) -> Card:
    """Set one of the guide's four strategies, primary and chain in one edit."""
    chosen = ctx.catalog.strategies[args.need("name")]

    def models(view: ConfigView) -> list[Named]:
        return _chain((chosen.primary, *chosen.fallbacks), view, ctx)

    def plan(present: Present) -> Plan:
        primary, *chain = (named.ref for named in models(present.view))
        if chosen.private_only:
            provider = provider_of(primary, present.view, ctx.catalog, ctx.settings.env)
            if not is_private(primary, provider):
                raise RefusedError(*not_private(primary, chosen.primary))
        edits = plan_strategy(present.view, primary, chain)
        wants = (primary, *chain)
        return Plan(edits, present.view.default.primary, str(primary), wants=wants)

    def notes(present: Present) -> tuple[Text, ...]:
        _, *chain = models(present.view)
        words = " → ".join(str(named.ref) for named in chain) or "none"
        return (text("Fallbacks: ", Code(words)), *_successor_notes(models(present.view), ctx))

    return await change(
        ctx,
        Request(
            what=f"Strategy {chosen.name}",
            action="strategy",
            planner=plan,
            reason=args.text("reason") or "",
            priced=True,
            notes=notes,
            warn=lambda picture: judge(ctx, picture, [n.ref for n in models(picture.view)]),
            everywhere=(lambda present: models(present.view)[0].ref)
            if args.text("everywhere")
            else None,
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
        return Plan(edits, old, str(named.ref), wants=(named.ref,))

    def notes(present: Present) -> tuple[Text, ...]:
        ref = resolve(word, present.view, ctx.catalog).ref
        had = present.view.aliases.get(str(ref))
        if had and had.lower() != name:
            return (text(f"A model has one preset in this file, so {had} was replaced."),)
        return ()

    def warn(picture: Picture) -> list[Caution]:
        return judge(ctx, picture, [resolve(name, picture.view, ctx.catalog).ref])

    return await change(
        ctx,
        Request(
            what=f"Preset {name}",
            action="preset",
            planner=plan,
            reason=args.text("reason") or "",
            notes=notes,
            warn=warn,
        ),
    )


async def _remove(ctx: Context, name: str, args: Args) -> Card:
    def plan(present: Present) -> Plan:
        before = alias_target(name, present.view)
        edits = plan_alias_removal(present.view, name)
        if not edits:
            shipped = ctx.catalog.presets.get(name)
            raise NothingToDoError(
                f"{name} is built in, not in the file."
                if shipped
                else f"There is no preset {name}.",
                text(Command(f"model preset {name} MODEL", form=True), " points it elsewhere."),
            )
        return Plan(edits, str(before), None)

    def notes(present: Present) -> tuple[Text, ...]:
        shipped = ctx.catalog.presets.get(name)
        if shipped is None:
            return ()
        return (
            text(f"{name} points to ", Code(str(ctx.catalog.current(shipped.model))), " again."),
        )

    return await change(
        ctx,
        Request(
            what=f"Preset {name}",
            action="preset remove",
            planner=plan,
            reason=args.text("reason") or "",
            notes=notes,
        ),
    )


def resolve_all(words: tuple[str, ...], view: ConfigView, ctx: Context) -> list[ModelRef]:
    """Resolve a list of words to models, none of them twice.

    Raises:
        UsageError: a model stands there twice.
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
            retired=ctx.catalog.facts(n.replaced).retired_on is not None,
        )
        for n in named
        if n.replaced
    )
