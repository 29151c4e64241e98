"""The cards of /model history."""

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
    Column,
    Command,
    Strong,
    Table,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.messages.model import ACTIONS, value
from bot.messages.trials import STEPS
from bot.messages.words import counted
from bot.ports import Change
from bot.ports.approvals import Approval, ApprovalState
from bot.ports.plans import SwitchPlan
from bot.ports.trials import TrialStep

_STATES = {
    ApprovalState.WAITING: "requested a change",
    ApprovalState.APPROVED: "requested, approved",
    ApprovalState.DONE: "requested, approved",
    ApprovalState.REJECTED: "requested, rejected",
    ApprovalState.EXPIRED: "requested, expired",
    ApprovalState.VOID: "requested, not made",
}


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One line of history; `change` is what it is about, where it is a change of the config."""

    at: datetime
    id: str
    who: str
    action: str
    what: str
    reason: str
    change: Change | None = None


def row_of(
    one: Change | SwitchPlan | Approval | TrialStep,
    approval: Approval | None = None,
    *,
    ended: bool = False,
) -> HistoryRow:
    """Return a change with the request that it was, a plan's begin or end, a trial's step."""
    if isinstance(one, TrialStep):
        share = f" on {one.share}%" if one.action in ("start", "share") else ""
        who, action = f"{one.actor_name} ({one.surface})", f"{STEPS[one.action]} {one.trial_id}"
        what = f"{one.candidate}{share}"
        return HistoryRow(one.at, f"trial {one.trial_id}", who, action, what, one.reason)
    if isinstance(one, SwitchPlan):
        at, who = one.set_at, f"{one.set_by} ({one.surface})"
        if ended:
            at, who = one.ended_at or one.set_at, one.ended_by or ""
        action = "ended a plan" if ended else "set a plan"
        return HistoryRow(
            at, f"plan {one.number}", who, action, f"{one.model}, {one.when}", one.reason
        )
    if isinstance(one, Approval):
        by = f"{one.by.name} ({one.by.surface})"
        if one.decided_by and one.state is not ApprovalState.EXPIRED:
            by = f"{by}, decided by {one.decided_by}"
        what = f"{value(one.shown['old'])} → {value(one.shown['new'])}"
        number = f"request {one.id}"
        return HistoryRow(one.at, number, by, _STATES[one.state], what, one.note or one.reason)
    who = f"{one.actor_name} ({one.surface})"
    if approval is not None:
        verb = "overridden" if approval.overridden else "approved"
        who = f"{who}, {verb} by {approval.decided_by}"
    action = ACTIONS.get(one.action, one.action)
    what = f"{value(one.old)} → {value(one.new)}"
    return HistoryRow(one.at, str(one.id), who, action, what, one.reason, one)


def history_card(
    rows: Sequence[HistoryRow], data: dict[str, Any], warnings: tuple[Caution, ...]
) -> Card:
    """Show who changed what, when, why, from where; newest first."""
    cells = tuple(
        (
            text(row.id),
            text(When(row.at, WhenStyle.DATE_TIME)),
            text(row.who),
            text(row.action),
            text(row.what),
            text(row.reason or "-"),
        )
        for row in rows
    )
    columns = (
        Column("id", right=True),
        Column("when"),
        Column("who", priority=1),
        Column("action", priority=2),
        Column("change", priority=3),
        Column("reason", priority=4),
    )
    last = next((row.change for row in rows if row.change), None)
    undo = last is not None and last.surface != "outside"
    name = "change" if all(row.change for row in rows) else "entry"
    many = None if name == "change" else "entries"
    return Card(
        title=text(Strong(counted(len(rows), name, many) if rows else "No changes yet")),
        table=Table(columns, cells, sortable=True) if rows else None,
        body=() if rows else (text("Changes made here or in the file will be listed here."),),
        warnings=warnings,
        buttons=(Button("Undo", Action("model undo", change_id=last.id, once=True)),)
        if undo and last
        else (),
        data=data,
    )


def exported_card(rows: int, filename: str, cut: bool, data: dict[str, Any]) -> Card:
    """Say what the file holds."""
    if not rows:
        return Card(
            title=text(Strong("No history to export")),
            body=(text("Nothing has been changed, planned or requested yet."),),
            data=data,
        )
    warning = Caution("cut", "Only the newest changes fit; older ones are in the database.")
    return Card(
        title=text(Strong(counted(rows, "entry", "entries")), f" in {filename}"),
        tone=Tone.GOOD,
        body=(text("Changes, plans and approvals, newest first. Times are UTC."),),
        warnings=(warning,) if cut else (),
        footer=text("In chat: ", Command("model history")),
        data=data,
    )
