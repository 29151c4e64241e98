"""One change of the config from plan to history: read, plan, prove, note, write, confirm.

The note goes into the journal before the bytes go to the store and is confirmed after, so that a
crash in between is told apart on the next visit. Other programs do not take our lock, so the
write compares revisions and the whole walk is repeated a few times when it loses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bot.access import Actor
from bot.config.edit import Edit, Edited, edit_document, touched, unified_diff
from bot.config.pins import touched_of
from bot.config.places import Elsewhere
from bot.config.present import Present, notice_outside, present_of
from bot.config.schema import ConfigView
from bot.config.values import same
from bot.errors import ConfigConflictError, ConfigError, ErrorInfo, StorageError
from bot.models import ModelRef
from bot.ports import (
    ConfigStore,
    Document,
    Journal,
    Json,
    NewChange,
    Path,
    revision_of,
)
from bot.ports.reloads import PinChange, PinResult
from bot.spans import Text

ATTEMPTS = 8
_Given = TypeVar("_Given")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to edit, and the headline value before and after.

    `wants` are the models that it must be possible to call then, whether or not they are new.
    `raw` replaces the whole text. `pins` are to change in OpenClaw itself, after the file. `ask`
    leaves all as it is until somebody approves. `places` are the others with a model of their
    own, `follow` the paths of those that the edits set as well. `notes` are for the card.
    """

    edits: Sequence[Edit]
    old: Json
    new: Json
    reverts: int | None = None
    wants: tuple[ModelRef, ...] = ()
    raw: bytes | None = None
    pins: tuple[PinChange, ...] = ()
    ask: bool = False
    places: tuple[Elsewhere, ...] = ()
    follow: tuple[Path, ...] = ()
    notes: tuple[Text, ...] = ()


Planner = Callable[[Present], Plan]
"""Decides on the edits in our turn; may raise to refuse."""


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What is wanted, by whom and why; a new headline value reverts at `back_at`."""

    actor: Actor
    action: str
    reason: str
    planner: Planner
    back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a change; `file` is the included file that was edited, "" the config itself.

    `present` is the document as the plan found it. `change_id` is None when nothing had to change
    or the journal could not be written; in the latter case `unrecorded` says why. `pins` says
    what became of the plan's.
    """

    changed: bool
    plan: Plan
    present: Present
    after: ConfigView
    revision_before: str
    revision: str
    diff: str
    change_id: int | None = None
    unrecorded: ErrorInfo | None = None
    file: str = ""
    pins: tuple[PinResult, ...] = ()


async def apply_change(
    store: ConfigStore, journal: Journal, wanted: ConfigChange, now: datetime
) -> Applied:
    """Make one change in our turn; the lock is held for the comparison and the write alone.

    A plan that asks first comes back as it is, with nothing changed.

    Raises:
        ConfigError: the document cannot be read, edited or written; it is as it was.
        ChangeoverError: whatever the planner refuses with.
    """
    with suppress(StorageError):
        await journal.warm()
    async with store.turn():
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await _attempt(store, journal, wanted, now)
            except ConfigConflictError:
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("the loop returns or raises")


async def record_first(
    location: str, journal: Journal, wanted: ConfigChange, document: Document, now: datetime
) -> int | None:
    """Note who put a first document there; None where the journal could not be written."""
    view = present_of(document, location).view
    change = NewChange(
        document=location,
        at=now,
        actor=wanted.actor,
        action=wanted.action,
        reason=wanted.reason,
        old=None,
        new=view.default.written[0],
        touched=(),
        revision_before="",
        revision=document.fingerprint,
        diff="",
        view=view.snapshot(),
    )
    change_id, _ = await _recorded(journal.begin(change))
    if change_id is None:
        return None
    _, unrecorded = await _recorded(journal.confirm(change_id))
    return None if unrecorded else change_id


async def _attempt(
    store: ConfigStore, journal: Journal, wanted: ConfigChange, now: datetime
) -> Applied:
    location = store.location
    present = present_of(await store.read(), location)
    document = present.document
    await notice_outside(location, journal, present, now)
    _, unrecorded = await _recorded(journal.recover(location, document.fingerprint))
    plan = wanted.planner(present)
    if plan.ask:
        return _unchanged(plan, present)
    edited = edited_by(plan, document)
    writes = edited.raw != document.bytes_of(edited.file)
    if not writes and not plan.pins:
        return _unchanged(plan, present)
    after = present_of(edited.document, location)
    change = _change(location, wanted, plan, (present, edited, after), now)
    change_id, unrecorded = await _noted(journal, change, unrecorded)
    try:
        if writes:
            await _write(store, document, edited)
    except ConfigError:
        # Anything else, such as a cancellation, may have written: the next visit finds out.
        if change_id is not None:
            await journal.abandon(change_id)
        raise
    if change_id is not None:
        _, unrecorded = await _recorded(journal.confirm(change_id))
    return Applied(
        True,
        plan,
        present,
        after.view,
        document.fingerprint if edited.file else document.revision,
        after.document.fingerprint if edited.file else after.document.revision,
        change.diff,
        change_id,
        unrecorded,
        file=edited.file,
    )


async def _noted(
    journal: Journal, change: NewChange, unrecorded: ErrorInfo | None
) -> tuple[int | None, ErrorInfo | None]:
    """Note a change before it is written; return its id, else why it goes on without.

    Raises:
        StorageError: a timed switch, whose revert would not be known.
    """
    change_id: int | None = None
    if unrecorded is None:
        change_id, unrecorded = await _recorded(journal.begin(change))
    if unrecorded is not None and change.back_at is not None:
        raise StorageError(
            "Not switched: the database is down, so the switch could not revert on time. "
            f"{unrecorded.message}",
            "Leave out `for` to switch now, and switch back yourself.",
        )
    return change_id, unrecorded


def _unchanged(plan: Plan, present: Present) -> Applied:
    revision = present.document.revision
    return Applied(False, plan, present, present.view, revision, revision, "")


def _change(
    location: str,
    wanted: ConfigChange,
    plan: Plan,
    proved: tuple[Present, Edited, Present],
    now: datetime,
) -> NewChange:
    """Return what history keeps of a proved edit: the document before, the edit, and after it."""
    before, edited, after = proved
    raw, name = before.document.bytes_of(edited.file), edited.file or location.rpartition("/")[2]
    return NewChange(
        document=location,
        at=now,
        actor=wanted.actor,
        action=wanted.action,
        reason=wanted.reason,
        old=plan.old,
        new=plan.new,
        touched=(*touched(before.parsed, plan.edits, after.parsed), *touched_of(plan.pins)),
        revision_before=before.document.fingerprint,
        revision=after.document.fingerprint,
        diff=unified_diff(raw, edited.raw, name),
        view=after.view.snapshot(),
        reverts=plan.reverts,
        back_at=None if same(plan.old, plan.new) else wanted.back_at,
    )


async def _recorded(step: Awaitable[_Given]) -> tuple[_Given | None, ErrorInfo | None]:
    """Return what a step of the journal gives, else why the database did not take it."""
    try:
        return await step, None
    except StorageError as error:
        return None, error.info


def edited_by(plan: Plan, document: Document) -> Edited:
    """Return a document as a plan makes it. Raises ConfigError."""
    if plan.raw is not None:
        return Edited(document.having("", plan.raw))
    return edit_document(document, plan.edits)


async def _write(store: ConfigStore, document: Document, edited: Edited) -> None:
    into = edited.file or None
    async with store.exclusive(edited.raw, into) as session:
        if into is not None and (await session.read()).fingerprint != document.fingerprint:
            # The proof was of the whole, not of this file alone.
            raise ConfigConflictError(
                f"The files of {store.location} changed meanwhile; nothing was written.",
                "Run the command again.",
            )
        revision = revision_of(document.bytes_of(edited.file))
        await session.write(edited.raw, expected_revision=revision, into=into)
