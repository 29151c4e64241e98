"""What history allows: undo, and going back when a timed switch is due.

A value belongs to the last change that touched it, changes that were taken back not counted. A
timed switch goes back only while its value is still its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.access import Surface
from bot.config.commit import Plan, Planner, Present
from bot.config.edit import get, restore
from bot.errors import MovedOnError, NothingToDoError
from bot.ports import Change, Path, Touched


def overlap(one: Path, other: Path) -> bool:
    """Decide whether one path is the other or leads to it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def owner(changes: Sequence[Change], path: Path) -> Change | None:
    """Return the change whose value stands at `path` now; `changes` are newest first."""
    stack: list[Change] = []
    for change in reversed(changes):
        if not any(overlap(t.path, path) for t in change.touched):
            continue
        if stack and change.reverts == stack[-1].id:
            stack.pop()
        else:
            stack.append(change)
    return stack[-1] if stack else None


def to_undo(changes: Sequence[Change], change_id: int | None) -> Change:
    """Choose what `/model undo` takes back: the change asked for, else the last of ours.

    Raises:
        NothingToDoError: history holds none.
        MovedOnError: the change was taken back already.
    """
    ours = [change for change in changes if change.surface != Surface.OUTSIDE]
    if change_id is not None:
        ours = [change for change in ours if change.id == change_id]
    if not ours:
        raise NothingToDoError(
            "There is no change of this config to undo.", "/model history shows what happened."
        )
    chosen = ours[0]
    taken_back = next((c for c in changes if c.reverts == chosen.id), None)
    if taken_back is not None and change_id is not None:
        raise MovedOnError(
            f"That change was taken back already by {taken_back.actor_name}.",
            "/model status shows what stands now.",
        )
    return chosen


def undo(change: Change) -> Planner:
    """Plan restoring every value the change touched; refuse when one has moved on since."""

    def plan(present: Present) -> Plan:
        moved = [t for t in change.touched if get(present.parsed, t.path) != t.after]
        if moved:
            raise MovedOnError(
                f"{dotted(moved[0].path)} has been changed since, so undo would undo that too.",
                "/model history shows by whom; set what you want with /model use MODEL.",
            )
        return Plan(restore(change.touched), change.new, change.old, reverts=change.id)

    return plan


def go_back(change: Change, changes: Sequence[Change]) -> Planner:
    """Plan the end of a timed switch: its primary must be its own, the rest goes if it can.

    The plan raises MovedOnError when the primary has been changed since.
    """

    def plan(present: Present) -> Plan:
        first = change.touched[0]
        standing = owner(changes, first.path)
        if standing is None or standing.id != change.id or not _stands(present, first):
            raise MovedOnError(
                f"{dotted(first.path)} was changed since.", "/model history shows by whom."
            )
        back = [t for t in change.touched if _stands(present, t)]
        return Plan(restore(back), change.new, change.old, reverts=change.id)

    return plan


def _stands(present: Present, touched: Touched) -> bool:
    return bool(get(present.parsed, touched.path) == touched.after)


def dotted(path: Path) -> str:
    """Write a path as people say it: `agents.list[0].model`."""
    words = ""
    for step in path:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else step
    return words
