"""Plans at a moment: which is in force, which is paused, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.commands.context import Context
from bot.commands.snapshot import HISTORY, price_at_of
from bot.config.naming import resolve, written
from bot.config.notes import owner
from bot.config.schema import ConfigView
from bot.errors import ChangeoverError, StorageError
from bot.messages.plans import PlanLine, paused_note
from bot.models import ModelRef
from bot.ports import Change
from bot.ports.plans import PlanRun, SwitchPlan
from bot.spans import Text
from bot.windows import AROUND, PriceAt, Window, clock_windows, current, low_windows, parse_when
from bot.windows import following as next_window

PLAN = "plan"
"""The action of a change that a plan made."""


class PlanState(StrEnum):
    """What state a plan is in."""

    WAITING = "waiting"
    DUE = "due"
    IN_FORCE = "in_force"
    PAUSED = "paused"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan at a moment; `now` is the window that the moment lies in, `why` what is wrong."""

    plan: SwitchPlan
    state: PlanState
    ref: ModelRef | None = None
    now: Window | None = None
    following: Window | None = None
    why: str = ""

    @property
    def next_at(self) -> datetime | None:
        """When it switches next."""
        if self.state is PlanState.DUE and self.now:
            return self.now.start
        return self.following.start if self.following else None


def windows_around(
    ctx: Context, when: str, ref: ModelRef, view: ConfigView, span: timedelta = AROUND
) -> list[Window]:
    """Return a plan's windows from two weeks ago until `span` from now, in order."""
    start, end = ctx.now - AROUND, ctx.now + span
    hours = parse_when(when)
    if hours is not None:
        return clock_windows(hours, ctx.settings.timezone, start, end)
    return low_windows(_figure(ctx, ref, view), start, end)


def _figure(ctx: Context, ref: ModelRef, view: ConfigView) -> PriceAt:
    price_at = price_at_of(ctx, ref, view)

    def figure(at: datetime) -> Decimal | None:
        price = price_at(at)
        return price.blended_usd_per_1m if price else None

    return figure


def views_of(
    ctx: Context,
    view: ConfigView,
    plans: Sequence[SwitchPlan],
    runs: Sequence[PlanRun],
    changes: Sequence[Change],
) -> list[PlanView]:
    """Return each plan with its state; `changes` newest first."""
    standing = owner(changes, view.default.path)
    return [_view_of(ctx, view, plan, runs, standing) for plan in plans]


def _view_of(
    ctx: Context,
    view: ConfigView,
    plan: SwitchPlan,
    runs: Sequence[PlanRun],
    standing: Change | None,
) -> PlanView:
    try:
        ref = resolve(plan.model, view, ctx.catalog).ref
    except ChangeoverError as error:
        return PlanView(plan, PlanState.BLOCKED, why=error.message)
    windows = windows_around(ctx, plan.when, ref, view)
    if not windows:
        return PlanView(plan, PlanState.BLOCKED, ref, why=f"No off-peak price is known for {ref}.")
    window, after = current(windows, ctx.now), next_window(windows, ctx.now)
    if window is None:
        return PlanView(plan, PlanState.WAITING, ref, None, after)
    run = run_of(plan, window, runs)
    if run is None:
        return PlanView(plan, PlanState.DUE, ref, window, after)
    mine = run.change_id is not None and standing is not None and standing.id == run.change_id
    same = run.change_id is None and not run.why and written(view.default.primary, view) == ref
    state = PlanState.IN_FORCE if mine or same else PlanState.PAUSED
    return PlanView(plan, state, ref, window, after, run.why)


def run_of(plan: SwitchPlan, window: Window, runs: Sequence[PlanRun]) -> PlanRun | None:
    """Return what was noted of a plan's window; one whose price bands moved is the same still."""
    return next(
        (
            run
            for run in runs
            if run.number == plan.number and run.start_at < window.end and window.start < run.end_at
        ),
        None,
    )


async def plan_views(ctx: Context, view: ConfigView, changes: Sequence[Change]) -> list[PlanView]:
    """Read the plans in force, as they stand now.

    Raises:
        StorageError: the database could not be asked.
    """
    location = ctx.ports.store.location
    plans = await ctx.ports.plans.plans(location)
    if not plans:
        return []
    return views_of(ctx, view, plans, await ctx.ports.plans.runs(location, ctx.now), changes)


async def paused_notes(ctx: Context, view: ConfigView, back_at: datetime | None) -> list[Text]:
    """Say which plan a person's switch of the primary pauses; one that reverts in time does not."""
    try:
        changes = await ctx.ports.journal.changes(ctx.ports.store.location, HISTORY)
        found = await plan_views(ctx, view, changes)
    except StorageError:
        return []
    return [
        paused_note(line_of(one))
        for one in found
        if one.now
        and one.ref
        and (back_at is None or back_at >= one.now.end)
        # Before the service has noted the window too: it will find the switch in history.
        and one.state in (PlanState.PAUSED, PlanState.DUE)
        and written(view.default.primary, view) != one.ref
    ]


def line_of(one: PlanView) -> PlanLine:
    """Return a plan as the cards say it."""
    plan = one.plan
    return PlanLine(
        plan.number,
        plan.model,
        plan.when,
        one.state,
        one.now.end if one.now else None,
        one.following.start if one.following else None,
        one.why,
        plan.set_by,
        plan.reason,
    )


def plan_data(one: PlanView) -> dict[str, Any]:
    """Return what `--json` has of a plan."""
    plan, window = one.plan, one.now
    return {
        "plan": plan.number,
        "model": plan.model,
        "resolves_to": str(one.ref) if one.ref else None,
        "when": plan.when,
        "state": one.state,
        "from": window.start if window else None,
        "until": window.end if window else None,
        "next_at": one.next_at,
        "next_until": one.following.end if one.following else None,
        "reason": plan.reason or None,
        "set_by": plan.set_by,
        "set_at": plan.set_at,
        "why": one.why or None,
    }


def reason_of(plan: SwitchPlan) -> str:
    """Return what history says of a plan's switches; by its beginning they are known."""
    why = f" ({plan.reason})" if plan.reason else ""
    return f"{_mark(plan.number)} {plan.model} {plan.when}{why}"


def _mark(number: int) -> str:
    return f"plan {number}:"


def plan_of(change: Change) -> int | None:
    """Return the number of the plan that made a change."""
    head, colon, _ = change.reason.partition(":")
    if change.action != PLAN or not colon:
        return None
    return int(head.removeprefix("plan "))
