"""What plans saved: the traffic of their windows, priced on the model that was there before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bot.commands.context import Context
from bot.commands.cost_compare import alternatives
from bot.commands.cost_data import nano_data
from bot.commands.cost_figures import SAMPLE
from bot.config.naming import written
from bot.config.notes import model_path, owner
from bot.config.schema import ConfigView
from bot.costs.digest import PlanSaving
from bot.costs.period import Span
from bot.models import ModelRef
from bot.ports import Change, GroupBy
from bot.ports.plans import PlanRun, SwitchPlan


async def plan_savings(ctx: Context, config: ConfigView, span: Span) -> list[PlanSaving]:
    """Return what each plan's windows in a span cost, by plan and the model before.

    Raises:
        StorageError: the database could not be asked.
    """
    location = ctx.ports.store.location
    every = await ctx.ports.plans.runs(location, span.start)
    runs = [run for run in every if run.change_id is not None and run.start_at < span.end]
    if not runs:
        return []
    oldest = min(run.change_id for run in runs if run.change_id is not None)
    changes = await ctx.ports.journal.changes_since(location, oldest)
    plans = {one.number: one for one in await ctx.ports.plans.plans(location, ended=True)}
    found: dict[tuple[int, str], PlanSaving] = {}
    for run in runs:
        made = next((one for one in changes if one.id == run.change_id), None)
        other = written(made.old, config) if made and isinstance(made.old, str) else None
        if made is None or other is None or run.number not in plans:
            continue
        spans = _held(run, made, changes, span)
        part = await _saving(ctx, config, plans[run.number], (other, str(made.new)), spans)
        before = found.get((run.number, part.other))
        found[run.number, part.other] = _sum(before, part) if before else part
    return list(found.values())


def _held(run: PlanRun, made: Change, changes: Sequence[Change], span: Span) -> Iterator[Span]:
    """Yield when a window's switch was the one in force, within a span."""
    path = model_path(made)
    later = [one for one in reversed(changes) if one.id >= made.id]
    for place, one in enumerate(later):
        standing = owner(later[place::-1], path) if path else None
        until = later[place + 1].at if place + 1 < len(later) else run.end_at
        part = Span(max(one.at, span.start), min(until, run.end_at, span.end))
        if standing is not None and standing.id == made.id and part.start < part.end:
            yield part


async def _saving(
    ctx: Context,
    config: ConfigView,
    plan: SwitchPlan,
    models: tuple[ModelRef, str],
    parts: Iterator[Span],
) -> PlanSaving:
    """Price what the planned model answered, the second of the two, on the other one."""
    other, planned = models
    requests = cost = 0
    whole: int | None = 0
    for part in parts:
        spent = await ctx.ports.ledger.spend(part.start, part.end, GroupBy.MODEL)
        mine = [group for group in spent if group.key == planned]
        sample = await ctx.ports.ledger.attempts(part.start, part.end, SAMPLE)
        of_it = [one for one in sample if str(one.model) == planned]
        [alike] = alternatives(ctx, config, [(other, None)], mine, of_it)
        requests += sum(group.requests for group in mine)
        cost += sum(group.cost_nano_usd for group in mine)
        whole = None if whole is None or alike.nano is None else whole + alike.nano
    return PlanSaving(plan.number, plan.model, plan.when, str(other), 1, requests, cost, whole)


def _sum(one: PlanSaving, other: PlanSaving) -> PlanSaving:
    known = one.other_nano is not None and other.other_nano is not None
    return PlanSaving(
        one.number,
        one.model,
        one.when,
        one.other,
        one.windows + other.windows,
        one.requests + other.requests,
        one.cost_nano + other.cost_nano,
        (one.other_nano or 0) + (other.other_nano or 0) if known else None,
    )


def saving_data(one: PlanSaving) -> dict[str, Any]:
    """Return what `--json` has of a plan's saving."""
    return {
        "plan": one.number,
        "model": one.model,
        "when": one.when,
        "other": one.other,
        "windows": one.windows,
        "requests": one.requests,
        "cost_usd": nano_data(one.cost_nano),
        "other_cost_usd": nano_data(one.other_nano),
        "saved_usd": nano_data(one.saved_nano),
    }
