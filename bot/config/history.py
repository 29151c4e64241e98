"""What history allows: undo, and going back when a timed switch is due.

A value belongs to the last change that touched it, changes that were taken back not counted. A
timed switch goes back only while its value is still its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.access import Surface
from bot.config.commit import Plan, Planner
from bot.config.naming import written
from bot.config.notes import model_path, owner
from bot.config.pins import in_file, pins_back
from bot.config.present import Present
from bot.config.values import Edit, Remove, SetValue, dotted, get, restore, same
from bot.errors import MovedOnError, NothingToDoError, RefusedError
from bot.ports import ABSENT, Absent, Change, Json, Path, Touched
from bot.spans import Command

WHOLE = frozenset({"import", "restore"})
"""Actions that replace the whole text: what they touched is not kept part by part."""


def to_undo(changes: Sequence[Change], change_id: int | None) -> Change:
    """Choose what `/model undo` takes back: the change asked for, else the last of ours.

    Raises:
        NothingToDoError: history holds none.
        MovedOnError: the change was taken back already.
        RefusedError: it replaced the whole config.
    """
    ours = [change for change in changes if change.surface != Surface.OUTSIDE]
    if change_id is not None:
        ours = [change for change in ours if change.id == change_id]
    if not ours:
        which = "change" if change_id is None else f"change {change_id}"
        raise NothingToDoError(f"No {which} of this config to undo.", Command("model history"))
    chosen = ours[0]
    taken_back = next((c for c in changes if c.reverts == chosen.id), None)
    if taken_back is not None and change_id is not None:
        raise MovedOnError(
            f"{taken_back.actor_name} already undid that change.",
            Command("model status"),
        )
    if chosen.action in WHOLE:
        raise RefusedError(
            f"Change {chosen.id} replaced the whole config, which undo does not restore.",
            Command(f"config restore {chosen.revision_before[:12]}", program=True)
            if chosen.revision_before
            else Command("model history"),
        )
    return chosen


def undo(change: Change) -> Planner:
    """Plan restoring every value the change touched; refuse when one has moved on since."""

    def plan(present: Present) -> Plan:
        here = [t for t in change.touched if in_file(t)]
        moved = [t for t in here if not _stands(present, t)]
        if moved:
            raise MovedOnError(
                f"{dotted(moved[0].path)} was changed since; undo would revert that too.",
                Command("model history"),
            )
        edits = _take_back(present, here)
        return _back(change, present, edits)

    return plan


def go_back(change: Change, changes: Sequence[Change]) -> Planner:
    """Plan the end of a timed switch: its primary must be its own, the rest goes if it can.

    The plan raises MovedOnError when the primary has been changed since.
    """

    def plan(present: Present) -> Plan:
        model = model_path(change)
        standing = owner(changes, model) if model else None
        choice = get(present.parsed, model) if model else ABSENT
        now = next((c.primary for c in present.view.choices if c.path == model), None)
        if model is None or standing is None or standing.id != change.id or now != change.new:
            raise MovedOnError("The primary was changed since.", Command("model history"))
        back = [t for t in change.touched if _stands(present, t)]
        edits = take_back_parts(present, back)
        if isinstance(choice, dict) and model in {t.path for t in change.touched} - {
            t.path for t in back
        }:
            # The string it was has become an object since, which holds the same primary.
            edits.append(_primary_edit((*model, "primary"), change.old))
        return _back(change, present, edits)

    return plan


def _back(change: Change, present: Present, edits: Sequence[Edit]) -> Plan:
    words = change.old if isinstance(change.old, list) else [change.old]
    refs = [written(word, present.view) for word in words if isinstance(word, str)]
    return Plan(
        edits,
        change.new,
        change.old,
        reverts=change.id,
        wants=tuple(ref for ref in refs if ref is not None),
        pins=pins_back(change.touched),
    )


def _primary_edit(path: Path, old: Json) -> Edit:
    return SetValue(path, old) if isinstance(old, str) else Remove(path)


def _stands(present: Present, touched: Touched) -> bool:
    return _holds(get(present.parsed, touched.path), touched)


def _holds(now: Json | Absent, touched: Touched) -> bool:
    """Return whether a value is as a change left it; what it made may have grown since."""
    if touched.before is ABSENT and isinstance(now, dict) and isinstance(touched.after, dict):
        return all(
            _holds(now.get(key, ABSENT), Touched((), ABSENT, held))
            for key, held in touched.after.items()
        )
    return same(now, touched.after)


def take_back_parts(present: Present, parts: Sequence[Touched]) -> list[Edit]:
    """Plan restoring those of a change's values that still stand."""
    return _take_back(present, [one for one in parts if _stands(present, one)])


def _take_back(present: Present, changes: Sequence[Touched]) -> list[Edit]:
    """Plan the edits; of an object the change made, only what others put in since stays."""
    exact: list[Touched] = []
    for one in changes:
        exact += _exact(get(present.parsed, one.path), one)
    return restore(exact)


def _exact(now: Json | Absent, touched: Touched) -> list[Touched]:
    if same(now, touched.after) or not (isinstance(now, dict) and isinstance(touched.after, dict)):
        return [touched]
    parts = [Touched((*touched.path, key), ABSENT, held) for key, held in touched.after.items()]
    return [exact for part in parts for exact in _exact(now.get(part.path[-1], ABSENT), part)]
