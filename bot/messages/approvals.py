"""What people see of changes that wait for a second operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    ButtonStyle,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Strong,
    Table,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.durations import say_duration
from bot.messages.model import value
from bot.messages.words import change_in_price, counted, per_million
from bot.models import Price
from bot.ports.approvals import Approval, ApprovalState, Decision
from bot.spans import Marker

MOST_LINES = 12
_RULES = {
    "cloud": "a vendor's model comes in",
    "trial": "it starts a trial",
    "all": "every change is approved here",
}


def rule_words(rule: str) -> str:
    """Say why a change waits."""
    kind, _, rest = rule.partition(":")
    if kind == "dearer":
        return f"it costs more than {rest}× as much"
    if kind == "agent":
        return f"it changes agent {rest}"
    return _RULES.get(rule, rule)


def _change(shown: Any) -> str:
    return f"{value(shown['old'])} → {value(shown['new'])}"


def _price_line(prices: Sequence[list[str] | None]) -> tuple[Text, ...]:
    old, new = map(_price, prices)
    if not (old or new):
        return ()
    difference = change_in_price(old, new)
    free = (old and old.free) or (new and new.free)
    tail = f" ({difference})" if difference and not free else ""
    return (text(f"Price: {per_million(old)} → {per_million(new)}{tail}."),)


def _price(price: list[str] | None) -> Price | None:
    return Price(Decimal(price[0]), Decimal(price[1])) if price else None


def waiting_card(one: Approval, now: datetime, lonely: bool, data: dict[str, Any]) -> Card:
    """Answer a request: the change waits."""
    why = ", ".join(map(rule_words, one.rules))
    left = say_duration(one.expires_at - now)
    alone = Caution(
        "no_approver",
        "CHANGEOVER_OPERATORS names no other operator who could approve it.",
        "On the server, add one and restart Changeover.",
    )
    return Card(
        title=text(Strong(f"Waiting for approval {one.id}"), f": {_change(one.shown)}"),
        tone=Tone.QUESTION,
        body=(
            text(f"Another operator has to approve it: {why}."),
            text(f"Nothing has changed yet. The request is in the channel and expires in {left}."),
        ),
        warnings=(alone,) if lonely else (),
        buttons=(Button("Withdraw", Action(f"model reject {one.id}")),),
        footer=text("All requests: ", Command("model pending")),
        visibility=Visibility.PRIVATE,
        data=data,
    )


def pending_card(waiting: Sequence[Approval], now: datetime, data: dict[str, Any]) -> Card:
    """List the changes that wait."""
    if not waiting:
        return Card(
            title=text(Strong("Nothing waits for approval")),
            body=(text("CHANGEOVER_APPROVAL names the changes that do."),),
            data=data,
        )
    rows = tuple(
        (
            text(str(one.id)),
            text(one.by.name),
            text(_change(one.shown)),
            text(one.reason or "-"),
            text(When(one.expires_at)),
        )
        for one in waiting
    )
    columns = (
        Column("id", right=True),
        Column("by"),
        Column("change"),
        Column("reason", priority=2),
        Column("expires", priority=1),
    )
    first = waiting[0]
    return Card(
        title=text(Strong(counted(len(waiting), "change")), " waiting for approval"),
        table=Table(columns, rows),
        buttons=_buttons(first.id) if len(waiting) == 1 else (),
        footer=text("Approve: ", Command("model approve N", form=True)),
        data=data,
    )


def _buttons(number: int) -> tuple[Button, ...]:
    return (
        Button("Approve", Action(f"model approve {number}"), ButtonStyle.PRIMARY),
        Button("Reject", Action(f"model reject {number}"), ButtonStyle.DANGER),
    )


def approved_note(decision: Decision) -> Text:
    """Say in the change's card who approved it."""
    if decision.overridden:
        return text(f"Approval overridden by {decision.by}: {decision.note}")
    return text(f"Approved by {decision.by}.")


def rejected_card(one: Approval, data: dict[str, Any]) -> Card:
    """Say that a request was rejected, or withdrawn by who made it."""
    own = one.decided_key == one.by.key
    return Card(
        title=text(
            Strong(f"Request {one.id} {'withdrawn' if own else 'rejected'}"),
            f": {_change(one.shown)}",
        ),
        body=(
            *((text(f"Reason: {one.note}"),) if one.note else ()),
            text(f"By {one.decided_by}. Nothing changed."),
        ),
        data=data,
    )


def decided_words(one: Approval) -> str:
    """Say what became of a request that cannot be decided any more."""
    match one.state:
        case ApprovalState.APPROVED | ApprovalState.DONE:
            verb = "overrode" if one.overridden else "approved"
            return f"{one.decided_by} {verb} request {one.id} already."
        case ApprovalState.REJECTED:
            return f"{one.decided_by} rejected request {one.id} already."
        case ApprovalState.VOID:
            return f"Request {one.id} is void: {one.note}"
        case _:
            return f"Request {one.id} has expired. Nothing changed."


@dataclass(frozen=True, slots=True)
class RequestWords:
    """A request as its message in the channel shows it; `loud` is the message of an override."""

    id: int
    words: str
    by: str
    reason: str
    rules: Sequence[str]
    state: str
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    overridden: bool
    note: str
    change_id: int | None
    what: str
    old: Any
    new: Any
    prices: Sequence[list[str] | None]
    diff: str
    place: str
    loud: bool = False


_TITLES = {
    "waiting": "Approval needed",
    "approved": "Approved",
    "done": "Approved",
    "rejected": "Rejected",
    "expired": "Expired",
    "void": "Not made",
}


def request_card(words: RequestWords, mark: str, people: Text = ()) -> Card:
    """Show a request in the channel, with its buttons until it is decided."""
    change = f"{value(words.old)} → {value(words.new)}"
    data = {"approval": words.id, "state": words.state, "old": words.old, "new": words.new}
    foot = text(Marker(f"{mark} "), Command("model pending"))
    if words.loud:
        return Card(
            title=text(Strong("Approval overridden"), f": {change}"),
            tone=Tone.BAD,
            body=(
                *((people,) if people else ()),
                text(f"{words.decided_by} made it without approval: {words.note}"),
                text(f"Request {words.id} by {words.by}."),
                foot,
            ),
            command="model override",
            data=data | {"overridden": True},
        )
    waits = words.state == ApprovalState.WAITING
    why = ", ".join(map(rule_words, words.rules))
    body: list[Text] = [text(Code(f"/{words.words}"), f" by {words.by}.")]
    body += _price_line(words.prices)
    if words.reason:
        body.append(text(f"Reason: {words.reason}"))
    if waits:
        body.append(text(f"It waits for another operator: {why}."))
        body += _changed_lines(words.diff)
        body.append(text("Expires at ", When(words.expires_at), "."))
    else:
        body.append(_outcome(words))
    return Card(
        title=text(Strong(_title(words)), f": {change}"),
        tone=Tone.QUESTION if waits else _tone(words.state),
        body=(*body, foot),
        buttons=_buttons(words.id) if waits else (),
        footer=text(f"Request {words.id} · {words.place}"),
        command="model pending",
        data=data,
    )


def _title(words: RequestWords) -> str:
    done = words.state in (ApprovalState.APPROVED, ApprovalState.DONE)
    return "Overridden" if done and words.overridden else _TITLES[words.state]


def _outcome(words: RequestWords) -> Text:
    at = When(words.decided_at, WhenStyle.DATE_TIME) if words.decided_at else ""
    if words.state == ApprovalState.EXPIRED:
        return text("Not approved in time. Nothing changed.")
    if words.state == ApprovalState.VOID:
        return text(f"Approved by {words.decided_by} at ", at, f", but not made: {words.note}")
    if words.state == ApprovalState.REJECTED:
        why = f": {words.note}" if words.note else "."
        return text(f"Rejected by {words.decided_by} at ", at, why)
    verb = "Overridden" if words.overridden else "Approved"
    return text(f"{verb} by {words.decided_by} at ", at, ".")


def _tone(state: str) -> Tone:
    if state in (ApprovalState.APPROVED, ApprovalState.DONE):
        return Tone.GOOD
    return Tone.WARNING if state == ApprovalState.VOID else Tone.NEUTRAL


def _changed_lines(diff: str) -> list[Text]:
    """Write the lines that differ, each by itself: chats fold a longer piece of code."""
    lines = [line for line in diff.splitlines()[2:] if line[:1] in ("-", "+")]
    shown = [text(Code(f"{line[0]} {line[1:].strip()}")) for line in lines[:MOST_LINES]]
    more = len(lines) - len(shown)
    return [*shown, text(f"{counted(more, 'more line')} differ.")] if more else shown
