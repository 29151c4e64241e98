"""Models in use that their providers end, and the command that replaces each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from bot.card import Card
from bot.commands.context import Context
from bot.commands.cost_figures import config_of
from bot.commands.registry import Args
from bot.config.naming import resolve, written
from bot.config.schema import ConfigView
from bot.costs.digest import Retirement
from bot.messages.retirement_notice import reminder_card
from bot.models import ModelRef

AHEAD = timedelta(days=60)
REMIND_AFTER = timedelta(days=7)


async def remind(ctx: Context, args: Args) -> Card:
    """Hold back a model's notices for a week, but for those of its last week; then repeat one."""
    config = await config_of(ctx)
    ref = resolve(args.need("model"), config, ctx.catalog).ref
    at = ctx.now + REMIND_AFTER
    await ctx.ports.lifecycles.remind(ref, ctx.now, at)
    return reminder_card(str(ref), at, {"model": str(ref), "remind_at": at})


def retirements(ctx: Context, config: ConfigView, used: Iterable[str]) -> list[Retirement]:
    """Return the models that the config names or traffic used and that end within 60 days."""
    return ending(ctx, config, used, within=AHEAD)


def ending(
    ctx: Context, config: ConfigView, used: Iterable[str], *, within: timedelta
) -> list[Retirement]:
    """Return the models that the config names or traffic used and that end, soonest first.

    One that is gone already, or missing in its provider's list, counts as long as the config names
    it.
    """
    steps = steps_of(ctx, config)
    named = {ref for word in used if (ref := ModelRef.parse(word))}
    today, found = ctx.now.date(), []
    for ref in steps.keys() | named:
        facts = ctx.catalog.facts(ref)
        ends = facts.retired_on or facts.retires_on
        if ends is None:
            counts = ref in steps and facts.delisted_on is not None
        else:
            counts = ends <= today + within and (ends > today or ref in steps)
        if counts:
            found.append(Retirement(facts, steps.get(ref, "") if facts.successor else ""))
    return sorted(found, key=lambda one: (one.retires_on or date.max, str(one.ref)))


def steps_of(ctx: Context, config: ConfigView) -> dict[ModelRef, str]:
    """Return, for each model that the config names, the command that puts its successor there."""
    steps: dict[ModelRef, str] = {}
    fallbacks = [word for word in config.default.fallbacks or () if word]
    places: list[tuple[str | None, str]] = [
        (config.default.primary, "model use {}"),
        *((word, _chain(fallbacks, word)) for word in fallbacks),
        *((key, f"model preset {alias} {{}}") for key, alias in config.aliases.items() if alias),
        *((own.primary, f"model use {{}} agent {name}") for name, own in config.agents.items()),
    ]
    for word, step in places:
        ref = written(word, config)
        if ref is not None:
            steps.setdefault(ref, step.format(ctx.catalog.facts(ref).successor))
    return steps


def _chain(fallbacks: list[str], word: str) -> str:
    words = ("{}" if other == word else other for other in fallbacks)
    return f"fallback set {' '.join(words)}"
