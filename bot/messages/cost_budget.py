"""The cards of /cost budget, and its notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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
from bot.costs.budget import BudgetState, BudgetStep, runs_out_at
from bot.costs.pricing import usd
from bot.messages.cautions import lives
from bot.messages.words import counted, money, percent
from bot.ports import BudgetPeriod
from bot.spans import Marker

_NAMES = {
    BudgetPeriod.DAY: "today",
    BudgetPeriod.WEEK: "this week",
    BudgetPeriod.MONTH: "this month",
}


def budget_card(
    state: BudgetState,
    unpriced: int,
    data: dict[str, Any],
    *,
    changed_by: Actor | None,
    warnings: tuple[Caution, ...],
) -> Card:
    """Show the budget and how much of it is spent; `unpriced` attempts are in no figure."""
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
        text(f"By {changed_by.name}.")
        if changed_by
        else text(f"Set by {present.set_by} on ", When(present.set_at, WhenStyle.DATE_TIME), ".")
    )
    return Card(
        title=text(
            Strong("Budget"), f": {money(usd(present.amount_nano_usd))} per {present.period}"
        ),
        tone=Tone.CHANGE if changed_by else _tone(state.passed),
        body=(*body, text("Notices at 50, 80 and 100%, each once per period.")),
        warnings=(*_unpriced(unpriced), *warnings),
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


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """What a budget's notice says: how much of `amount_nano` was spent `at` that moment."""

    amount_nano: int
    period: str
    spent_nano: int
    reached: int
    start: datetime
    end: datetime
    at: datetime
    unpriced: int = 0
    then: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetSwitch:
    """What became of the switch at 100 %: a change, or the error that keeps it from being made.

    `changed` is False where the primary was the wanted one already.
    """

    word: str
    back_at: datetime
    changed: bool = True
    old: str | None = None
    new: str | None = None
    change_id: int | None = None
    error: str = ""
    hint: str = ""


def budget_notice_card(words: BudgetSpent, mark: str) -> Card:
    """Return the notice that a step of the budget is reached."""
    amount = money(usd(words.amount_nano))
    share = Decimal(words.spent_nano) * 100 / words.amount_nano
    full = BudgetStep.ALL.value
    head = "Budget used up" if words.reached == full else f"Budget {words.reached}% used"
    then: Text = ()
    if words.then and words.reached >= full:
        then = text("The primary switches to ", Code(words.then), " until then.")
    spent = money(usd(words.spent_nano))
    name = _NAMES[BudgetPeriod(words.period)]
    lines = (
        text(f"{spent} spent {name} ({percent(share)})."),
        _runs_out(words),
        text(f"The {words.period} ends at ", When(words.end, WhenStyle.DATE_TIME), "."),
        then,
        text(Marker(f"{mark} "), Command("cost budget")),
    )
    most = BudgetStep.MOST.value
    return Card(
        title=text(Strong(head), f": {amount} per {words.period}"),
        tone=Tone.BAD
        if words.reached >= full
        else Tone.WARNING
        if words.reached >= most
        else Tone.NEUTRAL,
        body=tuple(line for line in lines if line),
        warnings=_unpriced(words.unpriced),
        buttons=(Button("Compare", Action("cost compare")), Button("Spend", Action("cost today"))),
        command="cost budget",
        data={
            "amount_usd": usd(words.amount_nano),
            "period": words.period,
            "spent_usd": usd(words.spent_nano),
            "then": words.then,
            "percent": words.reached,
            "from": words.start,
            "to": words.end,
        },
    )


def _runs_out(words: BudgetSpent) -> Text:
    """Name the moment at which the budget is used up at the pace so far, if it is in the period."""
    at = runs_out_at(words.amount_nano, words.spent_nano, words.start, words.end, words.at)
    return text("At this pace it runs out on ", When(at, WhenStyle.DATE_TIME), ".") if at else ()


def budget_switch_card(words: BudgetSwitch, mark: str) -> Card:
    """Say what became of the switch that a used-up budget asked for."""
    foot = text(Marker(f"{mark} "), Command("cost budget"))
    if words.error:
        return Card(
            title=text(Strong("Budget used up"), f": the switch to {words.word} failed"),
            tone=Tone.BAD,
            body=(text(words.error), text("It is retried every minute."), foot),
            warnings=(Caution("not_switched", words.error, words.hint),),
            command="cost budget",
            data={"switch": {"changed": False, "error": words.error}},
        )
    data = {"changed": words.changed, "old": words.old, "new": words.new}
    if not words.changed:
        return Card(
            title=text(Strong("Budget used up"), f": the primary is already {words.word}"),
            body=(text("Nothing was switched."), foot),
            command="cost budget",
            data={"switch": data},
        )
    undo = Action("model undo", change_id=words.change_id, once=True)
    return Card(
        title=text(Strong("Primary"), f": {words.old} → {words.new}"),
        tone=Tone.CHANGE,
        body=(
            text("The budget is used up."),
            text(f"Reverts to {words.old} at ", When(words.back_at, WhenStyle.DATE_TIME), "."),
            foot,
        ),
        buttons=(Button("Undo", undo),) if words.change_id else (),
        command="cost budget",
        data={"switch": data | {"revert_at": words.back_at, "change_id": words.change_id}},
    )


def budget_line(state: BudgetState, now: datetime) -> Text:
    """Say in a line how far a budget is spent."""
    amount, period = money(usd(state.budget.amount_nano_usd)), state.period
    spent = f"{money(usd(state.spent_nano))} ({percent(state.percent)})"
    words = f"Budget: {spent} of {amount} per {state.budget.period}"
    at = runs_out_at(state.budget.amount_nano_usd, state.spent_nano, period.start, period.end, now)
    if at is None:
        return text(f"{words}.")
    return text(f"{words}; at this pace used up on ", When(at, WhenStyle.DATE_TIME), ".")


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
