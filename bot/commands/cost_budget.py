"""/cost budget, and the watch over it: notices at 50, 80 and 100 %, and the switch at 100 %."""

from __future__ import annotations

from collections.abc import Mapping

from bot.card import Card, Command, text
from bot.commands.change import ChangeSpec, change
from bot.commands.context import Context
from bot.commands.cost_data import budget_data, percent_data
from bot.commands.registry import Args
from bot.commands.snapshot import HISTORY
from bot.config.commit import Plan
from bot.config.naming import resolve
from bot.config.plan import choice_for, plan_primary
from bot.config.present import Present, read_config
from bot.costs.budget import BudgetState, BudgetStep, decide, parse_amount
from bot.costs.figures import total_of
from bot.costs.period import Span, calendar, zone_name
from bot.errors import ChangeoverError, ConfigRefusedError, UsageError
from bot.messages.cost_budget import (
    budget_card,
    no_budget_card,
    unwatched,
)
from bot.ports import Budget, BudgetPeriod, Ceiling, Change, GroupBy, Spend
from bot.ports.alerts import Notice, NoticeKind, Outbox

_HINT = text("For example: ", Command("cost budget 50 per day then cheap"))


async def budget(ctx: Context, args: Args) -> Card:
    """Show, set or lift the budget."""
    amount = args.text("amount")
    if amount is None:
        if args.text("period") or args.text("then"):
            raise UsageError("A budget needs an amount in USD.", _HINT)
        return await _show(ctx, await ctx.ports.budgets.budget(), changed=False)
    if amount.lower() == "off":
        return await _lift(ctx)
    nano = parse_amount(amount)
    period = args.text("period")
    if period is None:
        raise UsageError("A budget needs a period: per day, per week or per month.", _HINT)
    then = args.text("then")
    if then is not None:
        # Refused now rather than on the day it is needed.
        config = (await read_config(ctx.ports.store, ctx.ports.journal, ctx.now)).view
        then = resolve(then, config, ctx.catalog).word
    wish = Budget(nano, BudgetPeriod(period), then, ctx.actor.name, ctx.now)
    await _bind(ctx, None)
    return await _show(ctx, await ctx.ports.budgets.set_budget(wish), changed=True)


async def _show(ctx: Context, present: Budget | None, *, changed: bool) -> Card:
    if present is None:
        return no_budget_card(False, ctx.actor, budget_data(None, None))
    state, spent = await budget_state(ctx, present)
    alive = await ctx.ports.journal.last_beat("bot")
    return budget_card(
        state,
        spent.unpriced,
        _data(state),
        changed_by=ctx.actor if changed else None,
        warnings=unwatched(alive, ctx.now),
    )


async def _lift(ctx: Context) -> Card:
    was = await ctx.ports.budgets.budget()
    await ctx.ports.budgets.set_budget(None)
    await _bind(ctx, None)
    return no_budget_card(was is not None, ctx.actor, budget_data(None, None))


async def check_budget(ctx: Context, outbox: Outbox) -> None:
    """Put the notice that is due into the outbox, and switch if that was asked for.

    Call it every minute or so, in as many processes as there are: each notice comes once. The
    switch is tried until it is made or the period ends, whatever was told.

    Raises:
        StorageError: the database could not be asked; the next look does what is left.
    """
    present = await ctx.ports.budgets.budget()
    if present is None:
        await _bind(ctx, None)
        return
    state, spent = await budget_state(ctx, present)
    if state.reached is BudgetStep.NONE:
        return
    key = f"budget:{present.id}:{int(state.period.start.timestamp())}"
    told = max([0, *[step.value for step in BudgetStep if await _told(outbox, key, step)]])
    if state.reached.value > told:
        notice = Notice(
            f"{key}:{state.reached.value}",
            NoticeKind.BUDGET,
            ctx.now,
            _notice_data(ctx, state, spent.unpriced),
        )
        await outbox.put(notice)
    if present.then is not None and BudgetStep.ALL in state.passed:
        model = await _switch_once(ctx, outbox, state, f"{key}:switch", present.then)
        await _bind(ctx, Ceiling(model, state.period.end) if model else None)


async def _bind(ctx: Context, ceiling: Ceiling | None) -> None:
    """Let no fallback cost more than the model that a spent budget switched to, or free them."""
    log, place = ctx.ports.log, ctx.ports.store.location
    if (await log.limits(place)).ceiling != ceiling:
        await log.set_ceiling(place, ceiling)


async def _told(outbox: Outbox, key: str, step: BudgetStep) -> bool:
    return await outbox.find(f"{key}:{step.value}") is not None


def _notice_data(ctx: Context, state: BudgetState, unpriced: int) -> dict[str, object]:
    return {
        "amount_nano": state.budget.amount_nano_usd,
        "period": str(state.budget.period),
        "spent_nano": state.spent_nano,
        "reached": state.reached.value,
        "start": state.period.start.isoformat(),
        "end": state.period.end.isoformat(),
        "at": ctx.now.isoformat(),
        "unpriced": unpriced,
        "then": state.budget.then,
    }


async def _switch_once(
    ctx: Context, outbox: Outbox, state: BudgetState, key: str, word: str
) -> str | None:
    """Switch the primary until the period ends, unless that is done; note what came of it.

    Returns the model that the budget switched to; None where the switch could not be made.
    """
    kept = await outbox.find(key)
    if kept is not None and (not kept.data["error"] or kept.data.get("refused")):
        return _model_of(kept.data)
    data: dict[str, object] = {"word": word, "back_at": state.period.end.isoformat(), "error": ""}
    data |= await _switched(ctx, state, word)
    notice = Notice(key, NoticeKind.BUDGET_SWITCH, ctx.now, data)
    if kept is None:
        await outbox.put(notice)
    elif data["error"] != kept.data["error"]:
        await outbox.amend(notice)
    return _model_of(data)


def _model_of(data: Mapping[str, object]) -> str | None:
    model = data.get("new")
    return str(model) if model and not data["error"] else None


async def _switched(ctx: Context, state: BudgetState, word: str) -> dict[str, object]:
    """Switch, or find the switch of a process that died before it could say so."""
    made = await _made(ctx, state)
    if made is None:
        try:
            card = await change(ctx, _request(ctx, word, state.period))
        except ChangeoverError as error:
            # What OpenClaw refused it would refuse again, each time until it is taken back.
            refused = isinstance(error, ConfigRefusedError)
            return {"error": error.message, "hint": error.hint, "refused": refused}
        made = await _made(ctx, state)
        if made is None:
            names = ("changed", "old", "new", "change_id")
            return {name: card.data[name] for name in names}
    return {"old": made.old, "new": made.new, "change_id": made.id}


async def _made(ctx: Context, state: BudgetState) -> Change | None:
    """Return this period's switch, if history has it."""
    since = max(state.period.start, state.budget.set_at)
    changes = await ctx.ports.journal.changes(ctx.ports.store.location, HISTORY)
    return next((one for one in changes if one.action == "budget" and one.at >= since), None)


def _request(ctx: Context, word: str, period: Span) -> ChangeSpec:
    def plan(present: Present) -> Plan:
        choice = choice_for(present.view, None)
        new = resolve(word, present.view, ctx.catalog).ref
        return Plan(plan_primary(present.view, new), choice.primary, str(new), wants=(new,))

    return ChangeSpec(
        what="Primary",
        action="budget",
        planner=plan,
        reason="budget used up",
        priced=True,
        back_at=period.end,
        asks=False,
    )


async def budget_state(ctx: Context, present: Budget) -> tuple[BudgetState, Spend]:
    """Return how far a budget is spent, and what was."""
    zone = ctx.settings.timezone
    period = calendar(present.period, ctx.now, zone)
    groups = await ctx.ports.ledger.spend(
        period.start, ctx.now, GroupBy.PROVIDER, zone=zone_name(zone)
    )
    spent = total_of(groups)
    return decide(present, spent.cost_nano_usd, ctx.now, zone), spent


def _data(state: BudgetState) -> dict[str, object]:
    return {
        **budget_data(state.budget, state.spent_nano),
        "percent": percent_data(state.percent),
        "from": state.period.start,
        "to": state.period.end,
    }
