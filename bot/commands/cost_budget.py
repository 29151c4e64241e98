"""/cost budget, and the watch over it: notices at 50, 80 and 100 %, and the switch at 100 %."""

from __future__ import annotations

from dataclasses import replace

from bot.card import Card, Caution, Command, text
from bot.commands.change import Request, change, judge
from bot.commands.context import Context
from bot.commands.cost_data import budget_data, percent_data
from bot.commands.picture import Picture
from bot.commands.registry import Args
from bot.config.commit import Plan, Present, look
from bot.config.naming import resolve
from bot.config.plan import choice_for, plan_primary
from bot.costs.budget import BudgetState, BudgetStep, decide, parse_amount
from bot.costs.figures import total_of
from bot.costs.period import Span, calendar, zone_name
from bot.errors import ChangeoverError, UsageError
from bot.messages.cost_budget import (
    BudgetWords,
    budget_card,
    no_budget_card,
    notice_card,
    switch_notes,
    unwatched,
)
from bot.models import ModelRef
from bot.ports import Budget, BudgetPeriod, GroupBy, Spend

_HINT = text(
    "Write it like ",
    Command("cost budget 50 per day then cheap"),
    ", or ",
    Command("cost budget off"),
)


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
        raise UsageError("A budget is for a day, a week or a month.", _HINT)
    then = args.text("then")
    if then is not None:
        # Refused now rather than on the day it is needed.
        config = (await look(ctx.ports.store, ctx.ports.journal, ctx.now)).view
        then = resolve(then, config, ctx.catalog).word
    wish = Budget(nano, BudgetPeriod(period), then, ctx.actor.name, ctx.now)
    return await _show(ctx, await ctx.ports.budgets.set_budget(wish), changed=True)


async def _show(ctx: Context, present: Budget | None, *, changed: bool) -> Card:
    if present is None:
        return no_budget_card(False, ctx.actor, budget_data(None, None))
    state, spent = await _state(ctx, present, frozenset())
    alive = await ctx.ports.journal.last_beat("bot")
    words = BudgetWords(state, spent.unpriced, ctx.actor, changed, unwatched(alive, ctx.now))
    return budget_card(words, _data(state))


async def _lift(ctx: Context) -> Card:
    was = await ctx.ports.budgets.budget()
    await ctx.ports.budgets.set_budget(None)
    return no_budget_card(was is not None, ctx.actor, budget_data(None, None))


async def check_budget(ctx: Context) -> list[Card]:
    """Look whether a notice is due, take the right to tell it, switch if that was asked for.

    Call it every minute or so, in as many processes as there are: each notice comes once.

    Raises:
        StorageError: the database could not be asked; nothing was claimed.
    """
    present = await ctx.ports.budgets.budget()
    if present is None:
        return []
    period = calendar(present.period, ctx.now, ctx.settings.timezone)
    told = await ctx.ports.budgets.told(present.id, period.start)
    if BudgetStep.ALL.value in told:
        return []
    state, spent = await _state(ctx, present, told)
    if state.due is BudgetStep.NONE:
        return []
    if not await ctx.ports.budgets.claim(present.id, period.start, state.due.value):
        return []
    notice = notice_card(state, spent.unpriced, _data(state))
    if state.due is not BudgetStep.ALL or present.then is None:
        return [notice]
    return [await _switch(ctx, state, notice, present.then)]


async def _switch(ctx: Context, state: BudgetState, notice: Card, word: str) -> Card:
    """Switch the primary until the period ends, and tell it on the notice itself."""
    try:
        switched = await change(ctx, _request(ctx, word, state.period))
    except ChangeoverError as error:
        trouble = Caution(
            "not_switched", f"The switch to {word} failed: {error.message}", error.step
        )
        return replace(notice, warnings=(*notice.warnings, trouble))
    return replace(
        notice,
        body=(*notice.body, *switch_notes(switched, word)),
        warnings=(*notice.warnings, *switched.warnings),
        buttons=(*switched.buttons, *notice.buttons),
        data={**notice.data, "switch": dict(switched.data)},
    )


def _request(ctx: Context, word: str, period: Span) -> Request:
    def ref(seen: Picture | Present) -> ModelRef:
        return resolve(word, seen.view, ctx.catalog).ref

    def plan(present: Present) -> Plan:
        choice = choice_for(present.view, None)
        return Plan(
            plan_primary(present.view, ref(present), None), choice.primary, str(ref(present))
        )

    return Request(
        what="Primary",
        action="budget",
        planner=plan,
        reason="the budget is used up",
        priced=True,
        back_at=period.end,
        asks=False,
        warn=lambda picture: judge(ctx, picture, [ref(picture)]),
    )


async def _state(ctx: Context, present: Budget, told: frozenset[int]) -> tuple[BudgetState, Spend]:
    zone = ctx.settings.timezone
    period = calendar(present.period, ctx.now, zone)
    groups = await ctx.ports.ledger.spend(
        period.start, ctx.now, GroupBy.PROVIDER, zone=zone_name(zone)
    )
    spent = total_of(groups)
    return decide(present, spent.cost_nano_usd, told, ctx.now, zone), spent


def _data(state: BudgetState) -> dict[str, object]:
    return {
        **budget_data(state.budget, state.spent_nano),
        "percent": percent_data(state.percent),
        "from": state.period.start,
        "to": state.period.end,
    }
