"""One change of the config from wish to history: read, plan, splice, prove, note, write, confirm.

The note goes into the journal before the bytes go to the store and is confirmed after, so that a
crash in between is told apart on the next visit. Other programs do not take our lock, so the
write compares revisions and the whole walk is repeated a few times when it loses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from bot.access import Actor, Surface
from bot.config.edit import Edit, SetValue, apply_edits, get, load, touched, unified_diff
from bot.config.include import resolve_includes
from bot.config.schema import ALLOW_PATH, MODEL_PATH, MODELS_PATH, ConfigView, view_of
from bot.config.values import dotted, same
from bot.errors import (
    ConfigConflictError,
    ConfigError,
    ConfigUneditableError,
    StorageError,
)
from bot.models import ModelRef
from bot.ports import (
    ABSENT,
    ConfigStore,
    Document,
    Journal,
    Json,
    KnownState,
    NewChange,
    Path,
    Touched,
    revision_of,
)

ATTEMPTS = 8
OUTSIDE = Actor(Surface.OUTSIDE, "outside", "outside")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to edit, and the headline value before and after.

    `wants` are the models that it must be possible to call then, whether or not they are new.
    `raw` replaces the whole text.
    """

    edits: Sequence[Edit]
    old: Json
    new: Json
    reverts: int | None = None
    wants: tuple[ModelRef, ...] = ()
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """The document as a planner sees it: the bytes, the bare parse, the checked view."""

    document: Document
    parsed: Json
    view: ConfigView


Planner = Callable[[Present], Plan]
"""Decides on the edits in our turn; may raise to refuse."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants what, and why; a new headline value goes back at `back_at`."""

    actor: Actor
    action: str
    reason: str
    planner: Planner
    back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a wish.

    `change_id` is None when nothing had to change or the journal could not be written; in the
    latter case `unrecorded` says why.
    """

    changed: bool
    plan: Plan
    before: ConfigView
    after: ConfigView
    revision_before: str
    revision: str
    diff: str
    change_id: int | None = None
    unrecorded: StorageError | None = None


async def carry_out(store: ConfigStore, journal: Journal, wish: Wish, now: datetime) -> Applied:
    """Make one change in our turn; the lock is held for the comparison and the write alone.

    Raises:
        ConfigError: the document cannot be read, edited or written; it is as it was.
        ChangeoverError: whatever the planner refuses with.
    """
    with suppress(StorageError):
        await journal.warm()
    async with store.turn():
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await _attempt(store, journal, wish, now)
            except ConfigConflictError:
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("the loop returns or raises")


async def look(store: ConfigStore, journal: Journal, now: datetime) -> Present:
    """Read the document and note an edit from outside, if there was one."""
    present = present_of(await store.read(), store.location)
    await notice_outside(store.location, journal, present, now)
    return present


async def begin_history(store: ConfigStore, journal: Journal, now: datetime) -> None:
    """Note how the document stands, so that the first edit from outside is told apart.

    Raises:
        ConfigError, StorageError: it could not be read or noted.
    """
    present = present_of(await store.read(), store.location)
    if await journal.known(store.location) is None:
        await journal.observe(_outside(store.location, None, present, now), None)


async def record_first(
    location: str, journal: Journal, wish: Wish, document: Document, now: datetime
) -> int | None:
    """Note who put a first document there; None where the journal could not be written."""
    view = present_of(document, location).view
    change = NewChange(
        document=location,
        at=now,
        actor=wish.actor,
        action=wish.action,
        reason=wish.reason,
        old=None,
        new=view.default.written[0],
        touched=(),
        revision_before="",
        revision=document.fingerprint,
        diff="",
        view=view.snapshot(),
    )
    change_id, trouble = await _begin(journal, change)
    if change_id is None or trouble is not None:
        return None
    return None if await _confirm(journal, change_id) else change_id


async def notice_outside(
    location: str, journal: Journal, present: Present, now: datetime
) -> NewChange | None:
    """Put an edit from outside into history, once; return it when this call was the one."""
    try:
        known = await journal.known(location)
        if known is not None and known.revision == present.document.fingerprint:
            return None
        # Maybe it is no edit from outside: a writer of ours died before it could say so.
        await journal.settle(location, present.document.fingerprint, forget=False)
        known = await journal.known(location)
        if known is None or known.revision == present.document.fingerprint:
            return None
        change = _outside(location, known, present, now)
        if change.touched and await journal.observe(change, known.revision):
            return change
    except StorageError:
        # A status must be readable while the database is down; history says so itself.
        return None
    return None


async def _attempt(store: ConfigStore, journal: Journal, wish: Wish, now: datetime) -> Applied:
    location = store.location
    document = await store.read()
    present = present_of(document, location)
    unrecorded = await _settle(location, journal, present, now)
    plan = wish.planner(present)
    raw = apply_edits(document.raw, plan.edits) if plan.raw is None else plan.raw
    if raw == document.raw:
        return Applied(
            False, plan, present.view, present.view, document.revision, document.revision, ""
        )
    edited = replace(document, raw=raw, revision=revision_of(raw))
    after = present_of(edited, location)
    if document.included:
        _check_included(after.document, plan.edits)
    diff = unified_diff(document.raw, raw, location.rpartition("/")[2])
    change = NewChange(
        document=location,
        at=now,
        actor=wish.actor,
        action=wish.action,
        reason=wish.reason,
        old=plan.old,
        new=plan.new,
        touched=touched(present.parsed, plan.edits, after.parsed),
        revision_before=document.fingerprint,
        revision=after.document.fingerprint,
        diff=diff,
        view=after.view.snapshot(),
        reverts=plan.reverts,
        back_at=None if same(plan.old, plan.new) else wish.back_at,
    )
    change_id: int | None = None
    if unrecorded is None:
        change_id, unrecorded = await _begin(journal, change)
    if unrecorded is not None and change.back_at is not None:
        raise StorageError(
            "Not switched: the database is down, so the switch could not revert on time. "
            f"{unrecorded.message}",
            "Leave out `for` to switch now, and switch back yourself.",
        ) from unrecorded
    try:
        async with store.exclusive() as session:
            await session.write(raw, expected_revision=document.revision)
    except ConfigError:
        # Anything else, such as a cancellation, may have written: the next visit settles that.
        if change_id is not None:
            await journal.abandon(change_id)
        raise
    if change_id is not None:
        unrecorded = await _confirm(journal, change_id)
    return Applied(
        True,
        plan,
        present.view,
        after.view,
        document.revision,
        after.document.revision,
        diff,
        change_id,
        unrecorded,
    )


def _check_included(document: Document, edits: Sequence[Edit]) -> None:
    """Refuse an edit whose value an included file adds to."""
    resolved = resolve_includes(document)
    for edit in edits:
        if isinstance(edit, SetValue) and not same(get(resolved, edit.path), edit.value):
            raise ConfigUneditableError(
                f"{dotted(edit.path)} combines this file and an $include, so the "
                "edit would not have the intended result.",
                f"Edit the included file: {', '.join(document.included)}.",
            )


def present_of(document: Document, location: str) -> Present:
    """Parse a document and check its shape. Raises ConfigError, which names the location."""
    return Present(document, load(document.raw, location), view_of(document))


async def _settle(
    location: str, journal: Journal, present: Present, now: datetime
) -> StorageError | None:
    try:
        await journal.settle(location, present.document.fingerprint)
    except StorageError as error:
        return error
    await notice_outside(location, journal, present, now)
    return None


async def _begin(journal: Journal, change: NewChange) -> tuple[int | None, StorageError | None]:
    try:
        return await journal.begin(change), None
    except StorageError as error:
        return None, error


async def _confirm(journal: Journal, change_id: int) -> StorageError | None:
    try:
        await journal.confirm(change_id)
    except StorageError as error:
        return error
    return None


def _outside(location: str, known: KnownState | None, present: Present, now: datetime) -> NewChange:
    view = present.view.snapshot()
    old = known.view if known else view
    parts: dict[str, Path] = {
        "primary": (*MODEL_PATH, "primary"),
        "fallbacks": (*MODEL_PATH, "fallbacks"),
        "models": MODELS_PATH,
        "allow": ALLOW_PATH,
        "agents": ("agents", "list"),
    }
    differing = [part for part in parts if old.get(part) != view[part]]
    headline = differing[0] if differing else "primary"
    return NewChange(
        document=location,
        at=now,
        actor=OUTSIDE,
        action="edit",
        reason="",
        old=old.get(headline),
        new=view[headline],
        touched=tuple(
            Touched(parts[part], old.get(part, ABSENT), view[part]) for part in differing
        ),
        revision_before=known.revision if known else present.document.fingerprint,
        revision=present.document.fingerprint,
        diff="",
        view=view,
    )
