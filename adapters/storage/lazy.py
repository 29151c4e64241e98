"""The journal, the fallback log and the buttons, without the database library until it is needed.

Importing it takes longer than most commands. While an SQLite file is not there yet, nothing is
known, and what could only change rows that do not exist has nothing to do. A file that is there is
read directly. The first write opens the database, and from then on everything goes through it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from adapters.storage.url import parse_url
from bot.access import Actor
from bot.card import Action
from bot.errors import NewerDatabaseError
from bot.ports import (
    Change,
    Claim,
    Cooldown,
    FallbackEvent,
    IncidentRow,
    KnownState,
    MadeId,
    NewChange,
    Revert,
    RevertState,
)

if TYPE_CHECKING:
    from adapters.storage.buttons import SqlButtons
    from adapters.storage.database import Database
    from adapters.storage.fallback_log import SqlFallbackLog
    from adapters.storage.journal import SqlJournal
    from adapters.storage.quick import QuickReads

T = TypeVar("T")


class LazyDatabase:
    """A database that is opened at the first call which needs one. Raises StorageError."""

    def __init__(self, url: str, clean: Callable[[str], str] | None = None) -> None:
        self._path = parse_url(url).path
        self._clean = clean
        self._url = url
        self._database: Database | None = None
        self._quick: QuickReads | None = None
        self.on_newer: Callable[[NewerDatabaseError], None] = lambda _: None

    @property
    def empty(self) -> bool:
        """True while there is no SQLite file, so that nothing can be known."""
        return self._database is None and self._path is not None and not os.path.exists(self._path)

    def look(self, read: Callable[[QuickReads], Sequence[T] | None]) -> Sequence[T] | None:
        """Read without the database library; None when only that can answer."""
        if self.empty:
            return ()
        if self._database is not None or self._path is None:
            return None
        if self._quick is None:
            from adapters.storage.quick import QuickReads

            self._quick = QuickReads(self._path)
        return read(self._quick)

    def open(self) -> Database:
        """Return the database, importing its library at the first call."""
        if self._database is None:
            from adapters.storage.database import Database

            self._database = Database(self._url, clean=self._clean)
            self._database.on_newer = self.on_newer
            self._close_quick()
        return self._database

    async def close(self) -> None:
        """Close what was opened."""
        self._close_quick()
        if self._database is not None:
            await self._database.close()

    def _close_quick(self) -> None:
        if self._quick is not None:
            self._quick.close()
            self._quick = None


class LazyJournal:
    """The Journal port; see the module's sentence."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._opened: SqlJournal | None = None

    async def warm(self) -> None:
        """Load the library and open the database."""
        await self._open().warm()

    async def begin(self, change: NewChange) -> int:
        """Note what is about to be written."""
        return await self._open().begin(change)

    async def confirm(self, change_id: int) -> None:
        """Make the note history."""
        await self._open().confirm(change_id)

    async def abandon(self, change_id: int) -> None:
        """Forget the note."""
        if not self._database.empty:
            await self._open().abandon(change_id)

    async def notes(self, document: str) -> Sequence[Change]:
        """Return what was begun and neither confirmed nor abandoned."""
        return () if self._database.empty else await self._open().notes(document)

    async def settle(self, document: str, revision: str, *, forget: bool = True) -> None:
        """Confirm the note whose bytes are there and forget the others."""
        if not self._database.empty:
            await self._open().settle(document, revision, forget=forget)

    async def known(self, document: str) -> KnownState | None:
        """Return the last known state."""
        seen = self._database.look(lambda quick: quick.known(document))
        return await self._open().known(document) if seen is None else _only(seen)

    async def observe(self, change: NewChange, known_revision: str | None) -> bool:
        """Record an edit from outside, once."""
        if known_revision is not None and self._database.empty:
            return False
        return await self._open().observe(change, known_revision)

    async def changes(self, document: str, limit: int) -> Sequence[Change]:
        """Return the newest changes first."""
        seen = self._database.look(lambda quick: quick.changes(document, limit))
        return await self._open().changes(document, limit) if seen is None else seen

    async def changes_since(self, document: str, change_id: int) -> Sequence[Change]:
        """Return a change and all that came after it, newest first."""
        return await self._open().changes_since(document, change_id)

    async def reverts(self, document: str) -> Sequence[Revert]:
        """Return what is pending, soonest first."""
        seen = self._database.look(lambda quick: quick.reverts(document))
        return await self._open().reverts(document) if seen is None else seen

    async def move_revert(self, revert_id: int, due_at: datetime) -> None:
        """Put a pending revert off or forward."""
        if not self._database.empty:
            await self._open().move_revert(revert_id, due_at)

    async def close_revert(self, revert_id: int, state: RevertState) -> bool:
        """End a pending revert; False when another process was first."""
        return not self._database.empty and await self._open().close_revert(revert_id, state)

    async def adopt(self, source: str, document: str) -> int:
        """Rename a document that moved, unless the new name is taken."""
        return 0 if self._database.empty else await self._open().adopt(source, document)

    async def refused(self, at: datetime, actor: Actor, command: str, why: str) -> None:
        """Keep a refusal in the audit trail."""
        await self._open().refused(at, actor, command, why)

    async def beat(self, service: str, at: datetime) -> None:
        """A running service says that it lives."""
        await self._open().beat(service, at)

    async def last_beat(self, service: str) -> datetime | None:
        """When a service of that name was last alive."""
        seen = self._database.look(lambda quick: quick.last_beat(service))
        return await self._open().last_beat(service) if seen is None else _only(seen)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def _open(self) -> SqlJournal:
        if self._opened is None:
            from adapters.storage.journal import SqlJournal

            self._opened = SqlJournal(self._database.open())
        return self._opened


class LazyFallbackLog:
    """The FallbackLog port; see the module's sentence."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._opened: SqlFallbackLog | None = None

    async def cooldowns(self, after: datetime) -> Sequence[Cooldown]:
        """Return those that end after an instant."""
        seen = self._database.look(lambda quick: quick.cooldowns(after))
        return await self._open().cooldowns(after) if seen is None else seen

    async def set_cooldown(self, *cooldowns: Cooldown) -> None:
        """Start, prolong or (by proof) end some."""
        await self._open().set_cooldown(*cooldowns)

    async def events(self, since: datetime, limit: int) -> Sequence[FallbackEvent]:
        """Return the newest first."""
        seen = self._database.look(lambda quick: quick.events(since, limit))
        return await self._open().events(since, limit) if seen is None else seen

    async def add_events(self, events: Sequence[FallbackEvent]) -> None:
        """Append."""
        if events:
            await self._open().add_events(events)

    async def incidents(self, *, open_only: bool, limit: int) -> Sequence[IncidentRow]:
        """Return the newest first."""
        seen = self._database.look(lambda quick: quick.incidents(open_only=open_only, limit=limit))
        if seen is None:
            return await self._open().incidents(open_only=open_only, limit=limit)
        return seen

    async def add_made(self, made: Sequence[MadeId]) -> None:
        """Keep who made what."""
        if made:
            await self._open().add_made(made)

    async def makers(self, digests: Sequence[str], since: datetime) -> Mapping[str, str]:
        """Return the model by digest."""
        return {} if self._database.empty else await self._open().makers(digests, since)

    async def staying(self, since: datetime) -> Mapping[str, int]:
        """Add up what gateways reported since."""
        seen = self._database.look(lambda quick: quick.staying(since))
        return await self._open().staying(since) if seen is None else _only(seen) or {}

    async def report_staying(self, service: str, at: datetime, counts: Mapping[str, int]) -> None:
        """Keep one gateway's count."""
        await self._open().report_staying(service, at, counts)

    async def used(self, since: date) -> Mapping[str, frozenset[str]]:
        """Put together what gateways reported."""
        return {} if self._database.empty else await self._open().used(since)

    async def report_used(self, service: str, used: Mapping[str, Mapping[str, date]]) -> None:
        """Keep one gateway's report."""
        await self._open().report_used(service, used)

    async def muted_until(self) -> datetime | None:
        """When the mute ends, if there is one."""
        seen = self._database.look(lambda quick: quick.muted_until())
        return await self._open().muted_until() if seen is None else _only(seen)

    async def mute(self, until: datetime | None) -> None:
        """Set or (None) lift the mute."""
        if until is not None or not self._database.empty:
            await self._open().mute(until)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def _open(self) -> SqlFallbackLog:
        if self._opened is None:
            from adapters.storage.fallback_log import SqlFallbackLog

            self._opened = SqlFallbackLog(self._database.open())
        return self._opened


class LazyButtons:
    """The ButtonStore port; see the module's sentence."""

    def __init__(self, database: LazyDatabase | str) -> None:
        self._database = LazyDatabase(database) if isinstance(database, str) else database
        self._opened: SqlButtons | None = None

    async def remember(self, action: Action, at: datetime) -> str:
        """Keep an action and return its id."""
        return await self._open().remember(action, at)

    async def recall(self, button_id: str) -> Action | None:
        """Return the action, or None for an id nobody knows any more."""
        return None if self._database.empty else await self._open().recall(button_id)

    async def claim(self, button_id: str, actor: Actor, at: datetime) -> Claim | None:
        """Take the one click a button has: None for the first, else who was first."""
        return await self._open().claim(button_id, actor, at)

    async def close(self) -> None:
        """Close the database."""
        await self._database.close()

    def _open(self) -> SqlButtons:
        if self._opened is None:
            from adapters.storage.buttons import SqlButtons

            self._opened = SqlButtons(self._database.open())
        return self._opened


def _only(found: Sequence[T]) -> T | None:
    return found[0] if found else None
