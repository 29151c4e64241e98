"""Notes whose writer died before it could confirm them: what became of their writes.

Where the document is as the note left it, it was written. Where somebody edited it since, before
anybody looked, the primary that the note set tells: while it stands, the change happened, and a
timed switch must go back. Where it does not, nobody can tell, which history says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from bot.config.schema import ConfigView
from bot.config.values import get, same
from bot.ports import ABSENT, Absent, Change, Journal, Json, Path

BEHIND: Path = ("fallbacks", 0)
"""Where our own gateway is first in the file, what it asks first is the list's first."""

BELIEVED = timedelta(days=1)
"""After so long, a primary that stands was more likely set by a later edit of the document."""


class Written(Enum):
    """What became of a note's write."""

    YES = "yes"
    NO = "no"
    EDITED_SINCE = "edited_since"
    UNKNOWN = "unknown"


def was_written(note: Change, revision: str, view: ConfigView, now: datetime) -> Written:
    """Decide it by the document as it is now."""
    if note.revision == revision:
        return Written.YES
    if note.revision_before == revision:
        return Written.NO
    model = model_path(note)
    stands = model is not None and any(
        choice.path == model and choice.primary == note.new for choice in view.choices
    )
    believed = abs(now - note.at) < BELIEVED
    return Written.EDITED_SINCE if stands and believed else Written.UNKNOWN


async def recover(
    journal: Journal, location: str, revision: str, view: ConfigView, now: datetime
) -> str:
    """Confirm what was written; return what is to be said of a write that nobody can tell of.

    Raises:
        StorageError: the journal cannot be used.
    """
    told = await journal.changes(location, 1)
    notes = [n for n in await journal.notes(location) if not told or n.id > told[0].id]
    fates = {note.id: was_written(note, revision, view, now) for note in notes}
    await journal.recover(location, revision, forget=False)
    if Written.YES in fates.values():
        return ""
    edited = [id_ for id_, fate in fates.items() if fate is Written.EDITED_SINCE]
    if edited:
        await journal.confirm(max(edited))
        return ""
    lost = [note for note in notes if fates[note.id] is Written.UNKNOWN]
    return f"may overwrite an interrupted change by {lost[-1].actor_name}" if lost else ""


def model_path(change: Change) -> Path | None:
    """Return the `model` value whose primary a change set; None when it set none."""
    for one in change.touched:
        for path in ((*one.path, *rest) for rest in _leaves(one.after)):
            if path[-1] == "primary" and path[-2:-1] == ("model",):
                return path[:-1]
            if path[-2:] == BEHIND and path[-3:-2] == ("model",):
                return path[:-2]
            if path[-1] == "model":
                return path
    return None


def _leaves(value: Json | Absent) -> list[Path]:
    if not isinstance(value, dict):
        return [()]
    return [(key, *rest) for key, held in value.items() for rest in _leaves(held)]


def moves_primary(change: Change, model: Path) -> bool:
    """Return whether a change made the primary of the `model` value at a path another one."""
    return any(
        not same(_primary(one.before, one.path, model), _primary(one.after, one.path, model))
        for one in change.touched
        if _overlap(one.path, (*model, "primary")) or one.path == (*model, *BEHIND)
    )


def owner(changes: Sequence[Change], model: Path) -> Change | None:
    """Return the change whose primary is at a `model` path now; `changes` newest first."""
    stack: list[Change] = []
    for change in reversed(changes):
        if not moves_primary(change, model):
            continue
        if stack and change.reverts == stack[-1].id:
            stack.pop()
        else:
            stack.append(change)
    return stack[-1] if stack else None


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _primary(value: Json | Absent, at: Path, model: Path) -> Json | Absent:
    """Read the primary out of a value that is at, above or below a `model` path."""
    if len(at) > len(model):
        return value
    found = get(value, model[len(at) :])
    return found.get("primary", ABSENT) if isinstance(found, dict) else found
