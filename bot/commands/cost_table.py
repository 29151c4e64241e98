"""Every command of /cost, declared once.

What carries them out is loaded when it is needed: other commands start the sooner for it.
"""

from __future__ import annotations

from bot.access import Permission
from bot.card import Card
from bot.commands.context import Context
from bot.commands.registry import Args, Command, Danger, Kind, Param
from bot.ports import BudgetPeriod, GroupBy

_BY = Param(
    "by",
    Kind.CHOICE,
    "What to split the spend by",
    keyword=True,
    choices=tuple(by.value for by in GroupBy),
)


async def _today(ctx: Context, args: Args) -> Card:
    from bot.commands.cost import show_today

    return await show_today(ctx, args)


async def _week(ctx: Context, args: Args) -> Card:
    from bot.commands.cost import show_week

    return await show_week(ctx, args)


async def _month(ctx: Context, args: Args) -> Card:
    from bot.commands.cost import show_month

    return await show_month(ctx, args)


async def _since(ctx: Context, args: Args) -> Card:
    from bot.commands.cost import show_since

    return await show_since(ctx, args)


async def _digest(ctx: Context, args: Args) -> Card:
    from bot.commands.cost_digest import digest

    return await digest(ctx, args)


async def _compare(ctx: Context, args: Args) -> Card:
    from bot.commands.cost_compare import compare

    return await compare(ctx, args)


async def _budget(ctx: Context, args: Args) -> Card:
    from bot.commands.cost_budget import budget

    return await budget(ctx, args)


async def _export(ctx: Context, args: Args) -> Card:
    from bot.commands.cost_export import export

    return await export(ctx, args)


async def _reprice(ctx: Context, args: Args) -> Card:
    from bot.commands.cost_reprice import reprice

    return await reprice(ctx, args)


COST = (
    Command(
        "cost",
        "today",
        "Show what was spent since midnight",
        Permission.READ,
        _today,
        (_BY,),
        examples=("/cost today by key",),
    ),
    Command(
        "cost",
        "week",
        "Show what the last 7 days cost",
        Permission.READ,
        _week,
        (_BY,),
        default=True,
        examples=("/cost week by day",),
    ),
    Command(
        "cost",
        "month",
        "Show what the last 30 days cost",
        Permission.READ,
        _month,
        (_BY,),
        examples=("/cost month by provider",),
    ),
    Command(
        "cost",
        "since",
        "Show what the last hours or days cost; since may be left out",
        Permission.READ,
        _since,
        (Param("duration", Kind.DEADLINE, "How far back: 2h, 3d, 2w", required=True), _BY),
        bare=True,
        examples=("/cost 12h by model",),
    ),
    Command(
        "cost",
        "digest",
        "Post the weekly digest now, outside the schedule",
        Permission.CHANGE,
        _digest,
        examples=("/cost digest",),
    ),
    Command(
        "cost",
        "compare",
        "Price the same traffic on other models",
        Permission.READ,
        _compare,
        (
            Param("models", Kind.MODELS, "Presets or models, all presets unless told"),
            Param(
                "duration",
                Kind.DEADLINE,
                "How far back, 7 days unless told",
                keyword=True,
                words=("since",),
            ),
        ),
        examples=("/cost compare cheap fast",),
    ),
    Command(
        "cost",
        "budget",
        "Show, set or lift (off) the budget: warn at 50, 80, 100%, and switch",
        Permission.ADMIN,
        _budget,
        (
            Param("amount", Kind.AMOUNT, "USD for each period, or off"),
            Param(
                "period",
                Kind.CHOICE,
                "How long it has to last",
                keyword=True,
                choices=tuple(period.value for period in BudgetPeriod),
                words=("per",),
            ),
            Param(
                "then",
                Kind.MODEL,
                "What to switch to at 100% until the period ends",
                keyword=True,
            ),
        ),
        Danger.CHANGES,
        examples=("/cost budget 50 per day then cheap", "/cost budget off"),
    ),
    Command(
        "cost",
        "export",
        "Get the ledger's rows as a CSV file",
        Permission.READ,
        _export,
        (Param("duration", Kind.DEADLINE, "How far back, 30 days unless told"),),
        examples=("/cost export 7d",),
    ),
    Command(
        "cost",
        "reprice",
        "Price the ledger's rows anew, keeping the old figures",
        Permission.ADMIN,
        _reprice,
        (Param("from", Kind.DATE, "The first day", keyword=True, words=("--from",)),),
        Danger.CHANGES,
        hidden=True,
        examples=("changeover cost reprice --from 2026-03-01",),
    ),
)
