"""The config as it is now, and what the journal knows of it: edits from outside become history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.access import Actor, Surface
from bot.config.include import resolve
from bot.config.notes import recover
from bot.config.schema import ALLOW_PATH, MODEL_PATH, MODELS_PATH, ConfigView, view_in
from bot.errors import StorageError
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
)

OUTSIDE = Actor(Surface.OUTSIDE, "outside", "outside")


@dataclass(frozen=True, slots=True)
class Present:
    """The document as a planner sees it: its bytes, what they and the includes say, the view."""

    document: Document
    parsed: Json
    view: ConfigView


async def read_config(store: ConfigStore, journal: Journal, now: datetime) -> Present:
    """Read the document and note an edit from outside, if there was one."""
    present = present_of(await store.read(), store.location)
    await notice_outside(store.location, journal, present, now)
    return present


def present_of(document: Document, location: str) -> Present:
    """Parse a document and check its shape. Raises ConfigError, which names the location."""
    resolved = resolve(document, location)
    return Present(document, resolved.value, view_in(document, resolved))


async def begin_history(store: ConfigStore, journal: Journal, now: datetime) -> None:
    """Note how the document stands, so that the first edit from outside is told apart.

    Raises:
        ConfigError, StorageError: it could not be read or noted.
    """
    present = present_of(await store.read(), store.location)
    if await journal.known(store.location) is None:
        await journal.observe(_outside(store.location, None, present, now), None)


async def notice_outside(
    location: str, journal: Journal, present: Present, now: datetime
) -> NewChange | None:
    """Put an edit from outside into history, once; return it when this call was the one."""
    try:
        known = await journal.known(location)
        if known is not None and known.revision == present.document.fingerprint:
            return None
        # Maybe it is no edit from outside: a writer of ours died before it could say so.
        revision = present.document.fingerprint
        reason = await recover(journal, location, revision, present.view, now)
        known = await journal.known(location)
        if known is None or known.revision == present.document.fingerprint:
            return None
        change = replace(_outside(location, known, present, now), reason=reason)
        if change.touched and await journal.observe(change, known.revision):
            return change
    except StorageError:
        # A status must be readable while the database is down; history says so itself.
        return None
    return None


async def notice_moved(location: str, journal: Journal, present: Present, now: datetime) -> None:
    """Note how a document stands whose history has just come from elsewhere; no switch is in that.

    Raises:
        StorageError: it could not be noted.
    """
    known = await journal.known(location)
    if known is not None and known.revision != present.document.fingerprint:
        change = replace(_outside(location, known, present, now), touched=())
        await journal.observe(change, known.revision)


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
