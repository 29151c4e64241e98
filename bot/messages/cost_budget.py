"""The cards of /cost budget, and its notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.access import Actor
from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Command,
    Strong,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.costs.budget import BudgetState, BudgetStep
from bot.costs.pricing import usd
from bot.messages.cautions import lives
from bot.messages.words import counted, money, percent
from bot.ports import BudgetPeriod

_NAMES = {
    BudgetPeriod.DAY: "today",
    BudgetPeriod.WEEK: "this week",
    BudgetPeriod.MONTH: "this month",
}


@dataclass(frozen=True, slots=True)
class BudgetWords:
    """What the card shows; `unpriced` counts attempts that are in no figure."""

    state: BudgetState
    unpriced: int
    actor: Actor
    changed: bool
    warnings: tuple[Caution, ...]


def budget_card(words: BudgetWords, data: dict[str, Any]) -> Card:
    """Show the budget and how much of it is spent."""
    state = words.state
    present = state.budget
    body = [_spent(state), _ends(state)]
    if present.then:
        body.append(
            text(
                "At 100% the primary switches to ",
                Code(present.then),
                " until the period ends.",
            )
        )
    body.append(
        text(f"By {words.actor.name}.")
        if words.changed
        else text(f"Set by {present.set_by} on ", When(present.set_at, WhenStyle.DATE_TIME), ".")
    )
    return Card(
        title=text(
            Strong("Budget"), f": {money(usd(present.amount_nano_usd))} per {present.period}"
        ),
        tone=Tone.CHANGE if words.changed else _tone(state.passed),
        body=(*body, text("Notices at 50, 80 and 100%, each once per period.")),
        warnings=(*_unpriced(words.unpriced), *words.warnings),
        buttons=(Button("Remove budget", Action("cost budget off")),),
        data=data,
    )


def no_budget_card(lifted: bool, actor: Actor, data: dict[str, Any]) -> Card:
    """Say that there is no budget, any more or at all."""
    how = text("Set one with ", Command("cost budget 50 per day then cheap"), ".")
    if not lifted:
        return Card(
            title=text(Strong("No budget"), " is set"),
            body=(how,),
            visibility=Visibility.PRIVATE,
            data=data,
        )
    return Card(
        title=text(Strong("Budget removed")),
        tone=Tone.CHANGE,
        body=(text(f"By {actor.name}."), how),
        data=data,
    )


def notice_card(state: BudgetState, unpriced: int, data: dict[str, Any]) -> Card:
    """Return the notice that a step of the budget is reached."""
    present = state.budget
    amount = money(usd(present.amount_nano_usd))
    reached = state.due.value
    title = (
        text(Strong("Budget used up"), f": {amount} per {present.period}")
        if state.due is BudgetStep.ALL
        else text(Strong(f"Budget {reached}% used"), f": {amount} per {present.period}")
    )
    return Card(
        title=title,
        tone=_tone((state.due,)),
        body=(_spent(state), _ends(state)),
        warnings=_unpriced(unpriced),
        buttons=(Button("Compare", Action("cost compare")), Button("Spend", Action("cost today"))),
        command="cost budget",
        data=data,
    )


def switch_notes(switched: Card, word: str) -> tuple[Text, ...]:
    """Repeat what the card of the switch that followed says."""
    if not switched.data.get("changed"):
        return (text("The primary is already ", Code(word), ", so nothing was switched."),)
    parts = [part for part in switched.body if not str(part[0]).startswith(("By ", "Reason: "))]
    return (switched.title, *parts)


def unwatched(alive_at: datetime | None, now: datetime) -> tuple[Caution, ...]:
    """Say that nothing is running which could send notices."""
    if lives(alive_at, now):
        return ()
    return (
        Caution(
            "no_service",
            "No notices will be sent: no running Changeover uses this database.",
            Command("bot", program=True),
        ),
    )


def _spent(state: BudgetState) -> Text:
    spent = money(usd(state.spent_nano))
    return text(f"{spent} spent {_NAMES[state.budget.period]} ({percent(state.percent)}).")


def _ends(state: BudgetState) -> Text:
    return text(
        f"The {state.budget.period} ends at ", When(state.period.end, WhenStyle.DATE_TIME), "."
    )


def _tone(passed: tuple[BudgetStep, ...]) -> Tone:
    if BudgetStep.ALL in passed:
        return Tone.BAD
    return Tone.WARNING if BudgetStep.MOST in passed else Tone.NEUTRAL


def _unpriced(count: int) -> tuple[Caution, ...]:
    if not count:
        return ()
    return (
        Caution(
            "unpriced",
            f"Not included (no price known): {counted(count, 'request')}.",
            Command("cost by model"),
        ),
    )
