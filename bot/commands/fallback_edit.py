"""/fallback set, add, remove, off: edits of the chain."""

from __future__ import annotations

from collections.abc import Callable

from bot.card import Card, Command, text
from bot.commands.change import ChangeSpec, change
from bot.commands.context import Context
from bot.commands.model_switch import resolve_all
from bot.commands.registry import Args
from bot.config.commit import Plan
from bot.config.naming import alias_target, near, resolve, written
from bot.config.plan import chain_for, plan_chain
from bot.config.present import Present
from bot.config.schema import ConfigView
from bot.durations import shorten
from bot.errors import NothingToDoError, UsageError
from bot.models import ModelRef

NewChain = Callable[[ConfigView], tuple[list[str], list[ModelRef]]]
"""Returns the chain's words and the models that the command names, which are warned about."""


async def set_chain(ctx: Context, args: Args) -> Card:
    """Replace the chain."""

    def chain(view: ConfigView) -> tuple[list[str], list[ModelRef]]:
        refs = resolve_all(args.words("models"), view, ctx)
        return [str(ref) for ref in refs], refs

    return await _edit(ctx, args, "set", chain)


async def add(ctx: Context, args: Args) -> Card:
    """Add a model to the chain, or to the allowlist where it is in the chain already."""

    def words(view: ConfigView) -> tuple[list[str], list[ModelRef]]:
        ref = resolve(args.need("model"), view, ctx.catalog).ref
        chain = chain_for(view, args.text("agent"))
        at = args.count("at")
        present = _position(ref, chain, view)
        if present is not None:
            if at is None or at == present + 1:
                return chain, [ref]
            word = chain.pop(present)
        else:
            word = str(ref)
        if at is not None and at > len(chain) + 1:
            raise UsageError(
                f"The chain has {len(chain)} fallbacks, so {at} is out of range.",
                f"Use at 1 to at {len(chain) + 1}, or omit it to append.",
            )
        chain.insert(len(chain) if at is None else at - 1, word)
        return chain, [ref]

    return await _edit(ctx, args, "add", words)


async def remove(ctx: Context, args: Args) -> Card:
    """Take a model out of the chain; it stays allowed."""

    def words(view: ConfigView) -> tuple[list[str], list[ModelRef]]:
        word = args.need("model").strip()
        chain = chain_for(view, args.text("agent"))
        if word in chain:
            position: int | None = chain.index(word)
        else:
            ref = alias_target(word, view) or _lenient(word, view, ctx)
            position = _position(ref, chain, view) if ref else None
        if position is None:
            guess = near(word, chain)
            raise NothingToDoError(
                f"{shorten(word)} is not in the chain.",
                text("Did you mean ", Command(f"fallback remove {guess}"), "?")
                if guess
                else text(Command("fallback status"), " shows the chain."),
            )
        # A model that is listed twice goes at its later place, which is the idle one.
        later = [i for i, other in enumerate(chain) if other == chain[position]]
        chain.pop(later[-1])
        return chain, []

    return await _edit(ctx, args, "remove", words)


async def off(ctx: Context, args: Args) -> Card:
    """Empty the chain."""
    return await _edit(ctx, args, "off", lambda view: ([], []))


async def _edit(ctx: Context, args: Args, action: str, new_chain: NewChain) -> Card:
    agent = args.text("agent")

    def plan(present: Present) -> Plan:
        view = present.view
        chain, new = new_chain(view)
        edits = plan_chain(view, chain, new, agent)
        return Plan(edits, chain_for(view, agent), chain, wants=tuple(new))

    return await change(
        ctx,
        ChangeSpec(
            what=f"Chain of agent {agent}" if agent else "Chain",
            action=action,
            agent=agent,
            planner=plan,
            reason=args.text("reason") or "",
        ),
    )


def _position(ref: ModelRef | None, chain: list[str], view: ConfigView) -> int | None:
    return next((i for i, word in enumerate(chain) if written(word, view) == ref), None)


def _lenient(word: str, view: ConfigView, ctx: Context) -> ModelRef | None:
    """Resolve a word for removal, where an unknown provider is no reason to refuse."""
    parsed = ModelRef.parse(word)
    if parsed is not None:
        return parsed
    return resolve(word, view, ctx.catalog).ref
