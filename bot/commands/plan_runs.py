"""The windows of plans that are due: each is switched to once, and goes back as `for` does.

A window's switch is an ordinary change with a timed revert, so what ends it, after a crash or a
day of downtime too, is the revert. A window is noted as dealt with after its change is made; a
process that died in between finds the change in history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.access import SERVICE
from bot.alerts.notices import plan_notice
from bot.commands.approval import rules_of
from bot.commands.change import ChangeSpec, change
from bot.commands.context import Context
from bot.commands.plan_views import PLAN, PlanState, PlanView, plan_of, reason_of, views_of
from bot.commands.snapshot import HISTORY, written_price
from bot.config.commit import Plan
from bot.config.naming import resolve
from bot.config.notes import owner
from bot.config.plan import choice_for, plan_primary
from bot.config.present import Present, read_config
from bot.config.schema import ConfigView
from bot.errors import (
    ChangeoverError,
    ConfigLockedError,
    ConfigRefusedError,
    RefusedError,
    StorageError,
)
from bot.messages.approvals import rule_words
from bot.messages.words import change_in_price
from bot.ports import Change
from bot.ports.alerts import Notice, Outbox
from bot.ports.plans import PlanRun, SwitchPlan
from bot.spans import Command, text
from bot.windows import Window

PUT_BACK = timedelta(minutes=5)
"""A window that begins so much later than now was switched to by a clock that ran ahead."""


async def run_due_plans(ctx: Context, outbox: Outbox) -> None:
    """Switch to every plan whose window has come; what to say of it is kept before that is noted.

    Call it every few seconds, in as many processes as there are.

    Raises:
        ConfigError, StorageError: it could not be tried; the next look does what is left.
    """
    store, location = ctx.ports.plans, ctx.ports.store.location
    runs = await store.runs(location, ctx.now)
    runs = await _put_back(ctx, runs)
    plans = await store.plans(location)
    if not plans:
        return
    present = await read_config(ctx.ports.store, ctx.ports.journal, ctx.now)
    changes = await ctx.ports.journal.changes(location, HISTORY)
    for one in views_of(ctx, present.view, plans, runs, changes):
        if one.state is PlanState.DUE and one.now is not None:
            await _deal_with(ctx, outbox, one, one.now, present)


async def _put_back(ctx: Context, runs: Sequence[PlanRun]) -> Sequence[PlanRun]:
    """Take back what a clock that ran ahead has switched; it is done anew in its own time."""
    location = ctx.ports.store.location
    early = [run for run in runs if run.start_at > ctx.now + PUT_BACK]
    if not early:
        return runs
    reverts = {one.change_id: one for one in await ctx.ports.journal.reverts(location)}
    for run in early:
        revert = reverts.get(run.change_id) if run.change_id is not None else None
        if revert is not None:
            await ctx.ports.journal.move_revert(revert.id, ctx.now)
        await ctx.ports.plans.drop_run(location, run)
    return [run for run in runs if run not in early]


async def _deal_with(
    ctx: Context, outbox: Outbox, one: PlanView, window: Window, present: Present
) -> None:
    location, view = ctx.ports.store.location, present.view
    changes = await ctx.ports.journal.changes(location, HISTORY)
    made = _made(one.plan, window, changes)
    if made is None:
        holder = owner(changes, view.default.path)
        timed = {revert.change_id for revert in await ctx.ports.journal.reverts(location)}
        if holder is not None and holder.id in timed:
            # A timed switch, a person's or a budget's, comes first; the plan follows its end.
            return
        since = max(window.start, one.plan.set_at)
        if holder is not None and holder.at >= since and holder.actor_key != SERVICE.key:
            why = f"{holder.actor_name} switched the primary"
            await _noted(ctx, one, window, None, why)
            return
        if held := _held_by(ctx, one, present):
            await _fail(ctx, outbox, one, window, held)
            await _noted(ctx, one, window, None, held.message)
            return
        made = await _switched(ctx, outbox, one, window)
        if made is None:
            return
    await outbox.put(_notice(ctx, one, window, made, view))
    await _noted(ctx, one, window, made.id)


async def _switched(ctx: Context, outbox: Outbox, one: PlanView, window: Window) -> Change | None:
    """Make a window's switch; None where none was made, and what came of it is kept."""
    try:
        card = await change(ctx, _request(ctx, one.plan, window))
    except (ConfigLockedError, StorageError):
        return None
    except ChangeoverError as error:
        await _fail(ctx, outbox, one, window, error)
        if isinstance(error, ConfigRefusedError):
            # What OpenClaw refused it would refuse again, each time until it is taken back.
            await _noted(ctx, one, window, None, error.message)
        return None
    if not card.data["changed"]:
        await _noted(ctx, one, window, None)
        return None
    changes = await ctx.ports.journal.changes(ctx.ports.store.location, HISTORY)
    return _made(one.plan, window, changes)


async def _fail(
    ctx: Context, outbox: Outbox, one: PlanView, window: Window, error: ChangeoverError
) -> None:
    """Say once in the channel why a window was not switched to."""
    data = {
        "plan": one.plan.number,
        "model": one.plan.model,
        "when": one.plan.when,
        "error": error.message,
        "hint": error.hint,
    }
    notice = plan_notice(ctx.ports.store.location, window.start, data, ctx.now)
    if not await outbox.put(notice):
        kept = await outbox.find(notice.key)
        if kept is not None and kept.data.get("error") != error.message:
            await outbox.amend(notice)


def _held_by(ctx: Context, one: PlanView, present: Present) -> RefusedError | None:
    """Return why a plan may not switch: its change was never approved as it would be now."""
    plan = one.plan
    if not ctx.settings.approval.any or plan.approved == "*" or one.ref is None:
        return None
    wanted = Plan(plan_primary(present.view, one.ref), present.view.default.primary, str(one.ref))
    rules = rules_of(ctx, present, wanted)
    if not rules or (plan.ref == str(one.ref) and set(rules) <= set(plan.approved.split(","))):
        return None
    why = ", ".join(map(rule_words, rules))
    return RefusedError(
        f"The switch to {one.ref} has to be approved: {why}.",
        text("Set it again: ", Command(f"model plan off {plan.number}")),
    )


def _request(ctx: Context, plan: SwitchPlan, window: Window) -> ChangeSpec:
    def planner(present: Present) -> Plan:
        choice = choice_for(present.view, None)
        new = resolve(plan.model, present.view, ctx.catalog).ref
        return Plan(plan_primary(present.view, new), choice.primary, str(new), wants=(new,))

    return ChangeSpec(
        what="Primary",
        action=PLAN,
        planner=planner,
        reason=reason_of(plan),
        priced=True,
        back_at=window.end,
        asks=False,
    )


def _made(plan: SwitchPlan, window: Window, changes: Sequence[Change]) -> Change | None:
    """Return the switch that history has of a window, unless its time was up as well."""
    over = {one.reverts for one in changes if one.action == "revert"}
    mine = (one for one in changes if window.holds(one.at) and one.id not in over)
    return next((one for one in mine if plan_of(one) == plan.number), None)


async def _noted(
    ctx: Context, one: PlanView, window: Window, change_id: int | None, why: str = ""
) -> None:
    run = PlanRun(one.plan.number, window.start, window.end, change_id, why)
    await ctx.ports.plans.keep_run(ctx.ports.store.location, run)


def _notice(ctx: Context, one: PlanView, window: Window, made: Change, view: ConfigView) -> Notice:
    prices = (written_price(ctx, value, view) for value in (made.old, made.new))
    data = {
        "plan": one.plan.number,
        "model": one.plan.model,
        "when": one.plan.when,
        "old": made.old,
        "new": made.new,
        "change_id": made.id,
        "until": window.end.isoformat(),
        "price": change_in_price(*prices) or "",
        "place": ctx.ports.store.location,
    }
    return plan_notice(ctx.ports.store.location, window.start, data, ctx.now)
