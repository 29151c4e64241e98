"""Every command of /cost, declared once."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.registry import Command, Danger, Kind, Param, late
from bot.models import BudgetPeriod, GroupBy

_BY = Param(
    "by",
    Kind.CHOICE,
    "The grouping: model, provider, day or key",
    keyword=True,
    choices=tuple(by.value for by in GroupBy),
)


COST = (
    Command(
        "cost",
        "today",
        "Show what was spent since midnight",
        Permission.READ,
        late("cost", "show_today"),
        (_BY,),
        examples=("/cost today by key",),
    ),
    Command(
        "cost",
        "week",
        "Show what the last 7 days cost",
        Permission.READ,
        late("cost", "show_week"),
        (_BY,),
        default=True,
        examples=("/cost week by day",),
    ),
    Command(
        "cost",
        "month",
        "Show what the last 30 days cost",
        Permission.READ,
        late("cost", "show_month"),
        (_BY,),
        examples=("/cost month by provider",),
    ),
    Command(
        "cost",
        "since",
        "Show what the last hours or days cost; since is optional",
        Permission.READ,
        late("cost", "show_since"),
        (Param("duration", Kind.DEADLINE, "A duration: 2h, 3d, 2w", required=True), _BY),
        bare=True,
        examples=("/cost 12h by model",),
    ),
    Command(
        "cost",
        "digest",
        "Post the weekly digest now, outside the schedule",
        Permission.CHANGE,
        late("cost_digest", "digest"),
        examples=("/cost digest",),
    ),
    Command(
        "cost",
        "compare",
        "Show what the same traffic would cost on other models",
        Permission.READ,
        late("cost_compare", "compare"),
        (
            Param("models", Kind.MODELS, "Presets or models (default: all presets)"),
            Param(
                "duration",
                Kind.DEADLINE,
                "A duration (default: 7 days)",
                keyword=True,
                words=("since",),
            ),
        ),
        examples=("/cost compare cheap fast",),
    ),
    Command(
        "cost",
        "budget",
        "Show, set or remove (off) the budget: notices at 50, 80 and 100%, optional switch",
        Permission.ADMIN,
        late("cost_budget", "budget"),
        (
            Param("amount", Kind.AMOUNT, "An amount in USD per period, or off"),
            Param(
                "period",
                Kind.CHOICE,
                "The period of the budget",
                keyword=True,
                choices=tuple(period.value for period in BudgetPeriod),
                words=("per",),
            ),
            Param(
                "then",
                Kind.MODEL,
                "Model to switch to at 100% until the period ends",
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
        late("cost_export", "export"),
        (Param("duration", Kind.DEADLINE, "A duration (default: 30 days)"),),
        examples=("/cost export 7d",),
    ),
    Command(
        "cost",
        "reprice",
        "Reprice the ledger's rows, keeping the old figures",
        Permission.ADMIN,
        late("cost_reprice", "reprice"),
        (Param("from", Kind.DATE, "The first day", keyword=True, words=("--from",)),),
        Danger.CHANGES,
        hidden=True,
        examples=("changeover cost reprice --from 2026-03-01",),
    ),
)
