"""/model history and its export: changes, plans, trials, and requests with what became of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.card import Attachment, Card
from bot.commands.approval import approval_data
from bot.commands.context import Context
from bot.commands.data import change_data
from bot.commands.plan_views import plan_of
from bot.commands.registry import Args
from bot.commands.snapshot import load_snapshot
from bot.costs.export_csv import cell
from bot.errors import StorageError
from bot.messages import cautions
from bot.messages.history import HistoryRow, exported_card, history_card, row_of
from bot.messages.model import value
from bot.messages.trials import step_data
from bot.ports import Change
from bot.ports.approvals import Approval
from bot.ports.plans import SwitchPlan
from bot.ports.trials import TrialStep

DEFAULT_HISTORY = 10
MOST_ROWS = 20_000
COLUMNS = (
    "at",
    "kind",
    "id",
    "action",
    "state",
    "actor",
    "actor_key",
    "surface",
    "old",
    "new",
    "reason",
    "plan",
    "approval",
    "decided_by",
    "decided_key",
    "decided_at",
    "overridden",
    "note",
    "reverts",
    "revision_before",
    "revision",
)


@dataclass(frozen=True, slots=True)
class Trail:
    """What history is made of, each newest first."""

    changes: Sequence[Change]
    plans: Sequence[SwitchPlan] = ()
    approvals: Sequence[Approval] = ()
    trials: Sequence[TrialStep] = ()

    @property
    def by_change(self) -> dict[int, Approval]:
        """The request that became each change."""
        return {one.change_id: one for one in self.approvals if one.change_id is not None}


async def history(ctx: Context, args: Args) -> Card:
    """Show who changed, planned, requested and approved what, when and why; or export all of it."""
    if args.text("export"):
        return await _export(ctx)
    limit = args.count("amount") or DEFAULT_HISTORY
    snapshot = await load_snapshot(ctx)
    trail = await _beside(ctx, snapshot.known.changes, limit)
    rows = sorted(_rows(trail), key=lambda row: row.at, reverse=True)[:limit]
    changes = [one for one in trail.changes if any(row.change is one for row in rows)]
    warnings = tuple(cautions.journal_away(snapshot.known.error))
    since = rows[-1].at if rows else ctx.now
    data = _data(replace(trail, changes=changes), since)
    return history_card(rows, data, warnings)


async def _beside(ctx: Context, changes: Sequence[Change], limit: int) -> Trail:
    """Add the plans and requests; without the database there are none."""
    location = ctx.ports.store.location
    try:
        plans = await ctx.ports.plans.plans(location, ended=True)
        approvals = await ctx.ports.approvals.recent(location, max(limit, len(changes)))
        trials = await ctx.ports.trials.steps(location, limit)
    except StorageError:
        return Trail(changes)
    return Trail(changes, plans[::-1], approvals, trials)


def _rows(trail: Trail) -> Iterable[HistoryRow]:
    for change in trail.changes:
        yield row_of(change, trail.by_change.get(change.id))
    for plan in trail.plans:
        yield row_of(plan)
        if plan.ended_at is not None:
            yield row_of(plan, ended=True)
    for one in trail.approvals:
        if one.change_id is None:
            yield row_of(one)
    yield from map(row_of, trail.trials)


def _data(trail: Trail, since: datetime) -> dict[str, Any]:
    approvals = trail.by_change
    return {
        "changes": [
            {
                **change_data(one),
                "plan": plan_of(one),
                "approval": approvals[one.id].id if one.id in approvals else None,
                "approved_by": approvals[one.id].decided_by if one.id in approvals else None,
                "overridden": one.id in approvals and approvals[one.id].overridden,
            }
            for one in trail.changes
        ],
        "plans": [
            {
                "plan": one.number,
                "model": one.model,
                "when": one.when,
                "reason": one.reason or None,
                "set_by": one.set_by,
                "set_at": one.set_at,
                "ended_by": one.ended_by,
                "ended_at": one.ended_at,
            }
            for one in trail.plans
            if (one.ended_at or one.set_at) >= since or one.ended_at is None
        ],
        "approvals": [approval_data(one) for one in trail.approvals if one.at >= since],
        "trials": [step_data(one) for one in trail.trials if one.at >= since],
    }


async def _export(ctx: Context) -> Card:
    """Write all of history as CSV."""
    location = ctx.ports.store.location
    changes = await ctx.ports.journal.changes(location, MOST_ROWS)
    plans = await ctx.ports.plans.plans(location, ended=True)
    approvals = await ctx.ports.approvals.recent(location, MOST_ROWS)
    trials = await ctx.ports.trials.steps(location, MOST_ROWS)
    rows = _records(Trail(changes, plans, approvals, trials))
    filename = f"changeover-history-{ctx.now.astimezone(ctx.settings.timezone).date()}.csv"
    data = {"rows": len(rows), "filename": filename}
    card = exported_card(len(rows), filename, len(changes) == MOST_ROWS, data)
    return replace(card, attachment=Attachment(filename, "text/csv", _csv(rows))) if rows else card


def _records(trail: Trail) -> list[dict[str, Any]]:
    approvals = trail.by_change
    records = [_change_record(one, approvals.get(one.id)) for one in trail.changes]
    for plan in trail.plans:
        record = {
            "kind": "plan",
            "id": plan.number,
            "plan": plan.number,
            "new": f"{plan.model}, {plan.when}",
            "reason": plan.reason,
        }
        by = {"actor": plan.set_by, "actor_key": plan.set_by_key, "surface": plan.surface}
        records.append({**record, **by, "at": plan.set_at, "action": "set"})
        if plan.ended_at is not None:
            records.append(
                {**record, "at": plan.ended_at, "action": "ended", "actor": plan.ended_by}
            )
    records += [
        {
            "at": one.at,
            "kind": "approval",
            "id": one.id,
            "action": "requested",
            "actor": one.by.name,
            "actor_key": one.by.key,
            "surface": one.by.surface,
            "old": value(one.shown["old"]),
            "new": value(one.shown["new"]),
            "reason": one.reason,
            **_decision(one),
        }
        for one in trail.approvals
    ]
    records += [
        {
            "at": step.at,
            "kind": "trial",
            "id": step.trial_id,
            "action": step.action,
            "actor": step.actor_name,
            "actor_key": step.actor_key,
            "surface": step.surface,
            "new": f"{step.candidate} on {step.share}%",
            "reason": step.reason,
        }
        for step in trail.trials
    ]
    return sorted(records, key=lambda record: record["at"], reverse=True)


def _change_record(change: Change, approval: Approval | None) -> dict[str, Any]:
    return {
        "at": change.at,
        "kind": "change",
        "id": change.id,
        "action": change.action,
        "actor": change.actor_name,
        "actor_key": change.actor_key,
        "surface": change.surface,
        "old": value(change.old),
        "new": value(change.new),
        "reason": change.reason,
        "plan": plan_of(change),
        "reverts": change.reverts,
        "revision_before": change.revision_before,
        "revision": change.revision,
        **(_decision(approval) if approval else {}),
    }


def _decision(one: Approval) -> dict[str, Any]:
    return {
        "approval": one.id,
        "state": one.state,
        "decided_by": one.decided_by,
        "decided_key": one.decided_key,
        "decided_at": one.decided_at,
        "overridden": "yes" if one.overridden else "no",
        "note": one.note,
    }


def _csv(records: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow([_cell(record.get(column)) for column in COLUMNS])
    return out.getvalue().encode("utf-8", "replace")


def _cell(found: Any) -> str:
    if isinstance(found, datetime):
        return found.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return cell("" if found is None else str(found))
