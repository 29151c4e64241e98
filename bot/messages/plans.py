"""The cards of /model plan, and what the channel sees when a plan switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Span,
    Strong,
    Table,
    Text,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.messages.cautions import lives
from bot.messages.model import value
from bot.messages.words import counted
from bot.ports import Json
from bot.spans import Marker


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A plan in words: `state` is one of waiting, due, in_force, paused, blocked."""

    number: int
    model: str
    when: str
    state: str
    until: datetime | None
    next_at: datetime | None
    why: str
    set_by: str
    reason: str

    @property
    def name(self) -> str:
        """`Plan 1 (cheap, weekdays 22:00-07:00)`."""
        return f"Plan {self.number} ({self.model}, {self.when})"


def plan_line(one: PlanLine) -> Text:
    """Say what state a plan is in and when it switches next."""
    spans: list[Span] = [one.name]
    match one.state:
        case "in_force" if one.until:
            spans += [" applies until ", When(one.until, WhenStyle.DATE_TIME)]
        case "paused" if one.until:
            why = f": {one.why}" if one.why else ""
            spans += [" is paused until ", When(one.until, WhenStyle.DATE_TIME), why]
        case "due":
            spans.append(" is due now")
        case "blocked":
            return text(f"{one.name} cannot switch: {one.why}")
    if one.next_at and one.state != "due":
        lead = "; next: " if len(spans) > 1 else " switches at "
        spans += [lead, When(one.next_at, WhenStyle.DATE_TIME)]
    return (*spans, ".")


def plans_card(plans: Sequence[PlanLine], warnings: tuple[Caution, ...], data: Any) -> Card:
    """List the plans in force."""
    if not plans:
        return Card(
            title=text(Strong("No plans")),
            body=(
                text("A plan switches the primary at the same hours every week and back again."),
                text(
                    "For example: ",
                    Command("model plan cheap weekdays 22:00-07:00"),
                    " or ",
                    Command("model plan cheap off-peak"),
                ),
            ),
            data=data,
        )
    columns = (
        Column("plan", right=True),
        Column("model"),
        Column("when"),
        Column("state", priority=1),
        Column("next", priority=2),
        Column("set by", priority=3),
    )
    return Card(
        title=text(Strong(counted(len(plans), "plan"))),
        table=Table(columns, tuple(map(_row, plans))),
        body=tuple(plan_line(one) for one in plans if one.state in ("paused", "blocked")),
        warnings=warnings,
        footer=text("End a plan: ", Command("model plan off N", form=True)),
        data=data,
    )


def _row(one: PlanLine) -> tuple[Text, ...]:
    following = text(When(one.next_at, WhenStyle.DATE_TIME)) if one.next_at else text("-")
    return (
        text(str(one.number)),
        text(Code(one.model)),
        text(one.when),
        text(one.state.replace("_", " ")),
        following,
        text(one.set_by),
    )


def plan_set_card(
    one: PlanLine, primary: str, zone: str, warnings: tuple[Caution, ...], data: Any
) -> Card:
    """Say that a plan is set, what it does and when it begins."""
    body: list[Text] = []
    if one.state == "due" and one.until:
        body.append(text("Applies now, until ", When(one.until, WhenStyle.DATE_TIME), "."))
    elif one.next_at:
        body.append(text("First switch: ", When(one.next_at, WhenStyle.DATE_TIME), "."))
    if one.reason:
        body.append(text(f"Reason: {one.reason}"))
    hours = "The provider's low-price hours" if one.when == "off-peak" else f"Hours in {zone}"
    return Card(
        title=text(Strong(f"Plan {one.number}"), f": {one.model}, {one.when}"),
        tone=Tone.CHANGE,
        body=(
            *body,
            text(f"Outside these hours the primary is what it was before, now {primary}."),
            text("A switch by hand pauses the plan until its window ends."),
            text(f"By {one.set_by}."),
        ),
        warnings=warnings,
        buttons=(Button("End plan", Action(f"model plan off {one.number}")),),
        footer=text(f"{hours} · ", Command("model plan")),
        data=data,
    )


def plan_off_card(one: PlanLine, actor: str, back: tuple[datetime, str] | None, data: Any) -> Card:
    """Say that a plan ended, and what becomes of the switch it has made."""
    body: list[Text] = []
    if back is not None:
        body.append(
            text(
                "Its last switch still reverts to ",
                Code(back[1]),
                " at ",
                When(back[0], WhenStyle.DATE_TIME),
                ". To revert now: ",
                Command("model undo"),
            )
        )
    return Card(
        title=text(Strong(f"Plan {one.number} ended"), f": {one.model}, {one.when}"),
        tone=Tone.CHANGE,
        body=(*body, text(f"By {actor}.")),
        data=data,
    )


def paused_note(one: PlanLine) -> Text:
    """Say in the answer to a switch that it pauses a plan."""
    assert one.until is not None
    spans: list[Span] = [f"{one.name} is paused until ", When(one.until, WhenStyle.DATE_TIME)]
    if one.next_at:
        spans += ["; it switches again at ", When(one.next_at, WhenStyle.DATE_TIME)]
    return (*spans, ".")


def unrun(alive_at: datetime | None, now: datetime) -> tuple[Caution, ...]:
    """Say that nothing is running which could carry plans out."""
    if lives(alive_at, now):
        return ()
    said = "No plan will switch: no running Changeover uses this database."
    return (Caution("no_service", said, Command("bot", program=True)),)


@dataclass(frozen=True, slots=True)
class PlanFired:
    """What became of a plan's window: a change, or the error that keeps it from being made."""

    plan: int
    model: str
    when: str
    old: Json = None
    new: Json = None
    change_id: int | None = None
    until: datetime | None = None
    price: str = ""
    place: str = ""
    error: str = ""
    hint: str = ""


def plan_notice_card(words: PlanFired, mark: str) -> Card:
    """Say that a plan has switched the primary, or could not."""
    foot = text(Marker(f"{mark} "), Command("model plan"))
    if words.error:
        return Card(
            title=text(Strong(f"Plan {words.plan}"), f": the switch to {words.model} failed"),
            tone=Tone.BAD,
            body=(foot,),
            warnings=(Caution("not_switched", words.error, words.hint),),
            command="model plan",
            data={"plan": words.plan, "changed": False, "error": words.error},
        )
    undo = Action("model undo", change_id=words.change_id, once=True)
    body: list[Text] = [text(f"Plan {words.plan}: {words.model}, {words.when}.")]
    if words.price:
        body.append(text(f"Price: {words.price}."))
    if words.until:
        when = When(words.until, WhenStyle.DATE_TIME)
        body.append(text(f"Reverts to {value(words.old)} at ", when, "."))
    return Card(
        title=text(Strong("Primary"), f": {value(words.old)} → {value(words.new)}"),
        tone=Tone.CHANGE,
        body=(*body, foot),
        buttons=(Button("Undo", undo),) if words.change_id else (),
        footer=text(words.place),
        command="model plan",
        data={
            "plan": words.plan,
            "changed": True,
            "old": words.old,
            "new": words.new,
            "change_id": words.change_id,
            "revert_at": words.until,
        },
    )
