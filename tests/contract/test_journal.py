"""What every Journal keeps to, on SQLite, on PostgreSQL, and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from adapters.storage.database import Database
from adapters.storage.journal import DatabaseJournal
from bot.access import Actor, Surface
from bot.errors import StorageError
from bot.ports import (
    ABSENT,
    Journal,
    KnownState,
    NewChange,
    RevertState,
    Touched,
)
from tests.support.fakes_storage import FakeJournal

DOC = "/srv/moltbot.json"
NOW = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
ANA = Actor(Surface.SLACK, "U1", "Ana")
HOUR = timedelta(hours=1)


def change(revision: str = "r1", before: str = "r0", **parts: Any) -> NewChange:
    standard = NewChange(
        document=DOC,
        at=NOW,
        actor=ANA,
        action="use",
        reason="release week",
        old="a/one",
        new="b/two",
        touched=(Touched(("agents", "defaults", "model"), "a/one", "b/two"),),
        revision_before=before,
        revision=revision,
        diff="-a/one\n+b/two\n",
        view={"primary": "b/two", "at": revision},
    )
    return replace(standard, **parts)


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
async def journals(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> AsyncIterator[Callable[[], Journal]]:
    """Return a way to open the same journal as another process would."""
    if request.param == "fake":
        fake = FakeJournal()
        yield lambda: fake
        return
    url = new_database(request.param)
    opened: list[Database] = []

    def open_journal() -> Journal:
        database = Database(url)
        opened.append(database)
        return DatabaseJournal(database)

    yield open_journal
    for one in opened:
        await one.close()


@pytest.fixture
def journal(journals: Callable[[], Journal]) -> Journal:
    return journals()


async def made(journal: Journal, new: NewChange) -> int:
    change_id = await journal.begin(new)
    await journal.confirm(change_id)
    return change_id


async def revisions(journal: Journal) -> list[str]:
    return [c.revision for c in await journal.changes(DOC, 100)]


# --- nothing yet ---------------------------------------------------------------------------------


async def test_an_empty_journal_knows_nothing(journal: Journal) -> None:
    assert await journal.known(DOC) is None
    assert list(await journal.changes(DOC, 10)) == []
    assert list(await journal.reverts(DOC)) == []
    assert await journal.last_beat("bot") is None


async def test_an_empty_journal_has_nothing_to_change(journal: Journal) -> None:
    await journal.recover(DOC, "r1")
    await journal.abandon(1)
    await journal.move_revert(1, NOW)
    assert await journal.close_revert(1, RevertState.DONE) is False
    assert await journal.observe(change(), "r0") is False
    assert list(await journal.changes(DOC, 10)) == []


# --- a change of ours ----------------------------------------------------------------------------


async def test_a_note_is_invisible_until_it_is_confirmed(journal: Journal) -> None:
    change_id = await journal.begin(change())
    assert await revisions(journal) == []
    assert await journal.known(DOC) is None
    await journal.confirm(change_id)
    assert await revisions(journal) == ["r1"]
    assert await journal.known(DOC) == KnownState("r1", {"primary": "b/two", "at": "r1"})


async def test_everything_comes_back_as_it_was_put_in(journal: Journal) -> None:
    values: Any = {"z": [1, 2.5, None, True], "a": "é\n\u2028\x00", "": {}}
    new = change(
        at=NOW.astimezone(timezone(timedelta(hours=2))),
        old=None,
        new=["b/two", "c/three"],
        reason="für die Ümläute 🚀",
        touched=(
            Touched(("a", 0, "b.c"), ABSENT, "__absent__"),
            Touched(("d",), "__absent__", ABSENT),
            Touched(("e",), None, values),
            Touched((), ABSENT, None),
        ),
        view=values,
        reverts=7,
    )
    change_id = await made(journal, new)
    [found] = await journal.changes(DOC, 10)
    assert (found.id, found.at, found.old, found.new) == (change_id, NOW, None, new.new)
    assert found.at.utcoffset() == timedelta(0) or found.at == NOW
    assert found.touched == new.touched
    assert [type(t.after) for t in found.touched[:2]] == [str, type(ABSENT)]
    assert list(found.touched[2].after) == ["z", "a", ""]
    assert (found.actor_key, found.actor_name, found.surface) == ("slack:U1", "Ana", "slack")
    assert (found.action, found.reason, found.reverts) == ("use", new.reason, 7)
    assert (found.revision_before, found.revision, found.diff) == ("r0", "r1", new.diff)
    assert await journal.known(DOC) == KnownState("r1", values)


@pytest.mark.parametrize("odd", ["a\x00b", "half \ud83d of a pair", "x" * 100_000])
async def test_text_that_databases_dislike_is_kept_readable(journal: Journal, odd: str) -> None:
    await made(journal, change(reason=odd, diff=odd, actor=replace(ANA, name=odd), old=odd))
    [found] = await journal.changes(DOC, 10)
    assert found.old == odd
    for text in (found.reason, found.diff, found.actor_name):
        assert len(text) == len(odd)
        assert text[0] == odd[0]


async def test_what_the_caller_does_to_its_values_later_is_not_kept(journal: Journal) -> None:
    view = {"primary": "b/two"}
    change_id = await journal.begin(change(view=view))
    view["primary"] = "changed"
    await journal.confirm(change_id)
    known = await journal.known(DOC)
    assert known is not None
    known.view["primary"] = "changed"
    assert await journal.known(DOC) == KnownState("r1", {"primary": "b/two"})


async def test_an_abandoned_note_is_forgotten(journal: Journal) -> None:
    change_id = await journal.begin(change())
    await journal.abandon(change_id)
    assert await revisions(journal) == []
    with pytest.raises(StorageError):
        await journal.confirm(change_id)
    assert await made(journal, change("r2")) > change_id


async def test_what_is_confirmed_cannot_be_abandoned(journal: Journal) -> None:
    await journal.abandon(await made(journal, change()))
    assert await revisions(journal) == ["r1"]


async def test_confirming_again_changes_nothing(journal: Journal) -> None:
    first = await made(journal, change("r1"))
    await made(journal, change("r2"))
    await journal.confirm(first)
    known = await journal.known(DOC)
    assert known is not None
    assert known.revision == "r2"
    assert await revisions(journal) == ["r2", "r1"]


async def test_confirming_what_was_never_begun_is_an_error(journal: Journal) -> None:
    with pytest.raises(StorageError) as caught:
        await journal.confirm(4711)
    assert caught.value.hint


async def test_the_newest_come_first_and_no_more_than_asked_for(journal: Journal) -> None:
    for number in range(5):
        await made(journal, change(f"r{number}"))
    assert [c.revision for c in await journal.changes(DOC, 3)] == ["r4", "r3", "r2"]


async def test_each_document_has_its_own_history(journal: Journal) -> None:
    await made(journal, change("r1"))
    await made(journal, change("s1", document="/other"))
    assert await revisions(journal) == ["r1"]
    assert [c.revision for c in await journal.changes("/other", 9)] == ["s1"]


# --- after a crash -------------------------------------------------------------------------------


async def test_a_document_that_moved_keeps_history_and_reverts(journal: Journal) -> None:
    await journal.warm()
    assert await journal.adopt(DOC, "db:") == 0
    await made(journal, change(back_at=NOW))
    assert await journal.adopt(DOC, "db:") == 1
    assert await revisions(journal) == []
    assert [c.revision for c in await journal.changes("db:", 9)] == ["r1"]
    assert [r.document for r in await journal.reverts("db:")] == ["db:"]
    known = await journal.known("db:")
    assert known is not None
    assert known.revision == "r1"


async def test_a_history_of_ones_own_is_kept(journal: Journal) -> None:
    await made(journal, change(back_at=NOW))
    await made(journal, change(document="db:"))
    assert await journal.adopt(DOC, "db:") == 0
    assert await journal.adopt(DOC, DOC) == 0
    assert len(await journal.reverts(DOC)) == 1


async def test_settle_confirms_the_note_whose_bytes_are_there(journal: Journal) -> None:
    await made(journal, change("r1"))
    await journal.begin(change("r2", "r1"))
    await journal.recover(DOC, "r2")
    assert await revisions(journal) == ["r2", "r1"]
    known = await journal.known(DOC)
    assert known is not None
    assert (known.revision, known.view["at"]) == ("r2", "r2")


async def test_settle_forgets_a_note_whose_bytes_never_came(journal: Journal) -> None:
    await made(journal, change("r1"))
    note = await journal.begin(change("r2", "r1"))
    await journal.recover(DOC, "r1")
    assert await revisions(journal) == ["r1"]
    with pytest.raises(StorageError):
        await journal.confirm(note)


async def test_settle_confirms_only_the_last_of_two_notes_alike(journal: Journal) -> None:
    await journal.begin(change("r2"))
    last = await journal.begin(change("r2"))
    await journal.recover(DOC, "r2")
    assert [c.id for c in await journal.changes(DOC, 9)] == [last]


async def test_settle_does_not_tell_twice_what_a_later_row_told(journal: Journal) -> None:
    await made(journal, change("r1"))
    await journal.begin(change("r2", "r1"))
    await made(journal, change("r3", "r1"))
    await made(journal, change("r2", "r3"))
    await journal.recover(DOC, "r2")
    assert await revisions(journal) == ["r2", "r3", "r1"]


async def test_settle_confirms_when_the_first_look_came_after_the_write(journal: Journal) -> None:
    await journal.begin(change("r1"))
    assert await journal.observe(change("r1"), None)
    await journal.recover(DOC, "r1")
    assert await revisions(journal) == ["r1"]


async def test_the_notes_are_what_is_neither_confirmed_nor_abandoned(journal: Journal) -> None:
    assert list(await journal.notes(DOC)) == []
    await made(journal, change("r1"))
    first = await journal.begin(change("r2", "r1"))
    second = await journal.begin(change("r3", "r1"))
    await journal.begin(change("r2", document="/other"))
    assert [(n.id, n.revision, n.revision_before) for n in await journal.notes(DOC)] == [
        (first, "r2", "r1"),
        (second, "r3", "r1"),
    ]
    await journal.abandon(first)
    await journal.confirm(second)
    assert list(await journal.notes(DOC)) == []


async def test_settle_leaves_other_documents_alone(journal: Journal) -> None:
    other = await journal.begin(change("s1", document="/other"))
    await journal.recover(DOC, "r1")
    await journal.confirm(other)
    assert [c.revision for c in await journal.changes("/other", 9)] == ["s1"]


# --- edits from outside --------------------------------------------------------------------------


async def test_the_first_look_is_remembered_without_a_row(journal: Journal) -> None:
    assert await journal.observe(change("r1"), None)
    assert await journal.known(DOC) == KnownState("r1", {"primary": "b/two", "at": "r1"})
    assert await revisions(journal) == []
    assert not await journal.observe(change("r2"), None)
    known = await journal.known(DOC)
    assert known is not None
    assert known.revision == "r1"


async def test_an_edit_from_outside_is_told_once(journal: Journal) -> None:
    await journal.observe(change("r1"), None)
    assert await journal.observe(change("r2", "r1"), "r1")
    assert not await journal.observe(change("r2", "r1"), "r1")
    assert await revisions(journal) == ["r2"]
    known = await journal.known(DOC)
    assert known is not None
    assert (known.revision, known.view["at"]) == ("r2", "r2")


async def test_a_write_of_ours_under_way_is_no_edit_from_outside(journal: Journal) -> None:
    await made(journal, change("r1"))
    note = await journal.begin(change("r2", "r1"))
    assert not await journal.observe(change("r2", "r1"), "r1")
    await journal.confirm(note)
    assert await revisions(journal) == ["r2", "r1"]


async def test_many_watchers_tell_an_edit_once(journals: Callable[[], Journal]) -> None:
    await journals().observe(change("r1"), None)
    watchers = [journals() for _ in range(4)]
    told = await asyncio.gather(*(w.observe(change("r2", "r1"), "r1") for w in watchers * 2))
    assert sorted(told) == [False] * 7 + [True]
    assert await revisions(watchers[0]) == ["r2"]


async def test_many_first_looks_are_one(journals: Callable[[], Journal]) -> None:
    watchers = [journals() for _ in range(4)]
    told = await asyncio.gather(*(w.observe(change("r1"), None) for w in watchers * 2))
    assert sorted(told) == [False] * 7 + [True]


async def test_many_writers_at_once_lose_nothing(journals: Callable[[], Journal]) -> None:
    writers = [journals() for _ in range(4)]
    ids = await asyncio.gather(
        *(made(w, change(f"r{n}-{i}")) for n, w in enumerate(writers) for i in range(5))
    )
    assert len(set(ids)) == 20
    assert len(await revisions(writers[0])) == 20


# --- timed switches ------------------------------------------------------------------------------


async def test_pending_reverts_come_soonest_first(journal: Journal) -> None:
    change_id = await made(journal, change(back_at=NOW + 2 * HOUR))
    await made(journal, change("r2", back_at=NOW + HOUR))
    await made(journal, change("r3", document="/other", back_at=NOW))
    soon, late = await journal.reverts(DOC)
    assert soon.due_at == NOW + HOUR
    assert (late.document, late.change_id, late.due_at) == (DOC, change_id, NOW + 2 * HOUR)
    assert late.state is RevertState.PENDING


async def test_a_revert_can_be_put_off(journal: Journal) -> None:
    await made(journal, change(back_at=NOW))
    [revert] = await journal.reverts(DOC)
    await journal.move_revert(revert.id, NOW + HOUR)
    assert list(await journal.reverts(DOC)) == [replace(revert, due_at=NOW + HOUR)]


@pytest.mark.parametrize("state", [RevertState.DONE, RevertState.DROPPED])
async def test_a_revert_is_closed_by_the_first_alone(
    journals: Callable[[], Journal], state: RevertState
) -> None:
    journal = journals()
    await made(journal, change(back_at=NOW))
    [revert] = await journal.reverts(DOC)
    closers = [journals() for _ in range(4)]
    told = await asyncio.gather(*(c.close_revert(revert.id, state) for c in closers))
    assert sorted(told) == [False, False, False, True]
    assert list(await journal.reverts(DOC)) == []
    await journal.move_revert(revert.id, NOW + HOUR)
    assert list(await journal.reverts(DOC)) == []


async def test_a_revert_goes_with_the_note_it_belongs_to(journal: Journal) -> None:
    for drop in ("abandon", "recover"):
        note = await journal.begin(change(back_at=NOW))
        if drop == "abandon":
            await journal.abandon(note)
        else:
            await journal.recover(DOC, "elsewhere")
        assert list(await journal.reverts(DOC)) == []


async def test_a_revert_stays_with_a_change_that_happened(journal: Journal) -> None:
    note = await journal.begin(change("r1", back_at=NOW))
    assert list(await journal.reverts(DOC)) == []
    await journal.recover(DOC, "r1")
    await journal.abandon(note)
    assert [revert.change_id for revert in await journal.reverts(DOC)] == [note]


async def test_without_the_lock_nothing_is_forgotten(journal: Journal) -> None:
    note = await journal.begin(change("r1", back_at=NOW))
    await journal.recover(DOC, "r0", forget=False)
    await journal.confirm(note)
    assert [revert.change_id for revert in await journal.reverts(DOC)] == [note]


async def test_a_change_and_what_came_after_it(journal: Journal) -> None:
    first = await made(journal, change("r1"))
    second = await made(journal, change("r2", "r1"))
    await journal.begin(change("r3", "r2"))
    assert [one.id for one in await journal.changes_since(DOC, first)] == [second, first]
    assert [one.id for one in await journal.changes_since(DOC, second)] == [second]
    assert list(await journal.changes_since("/other", first)) == []


# --- the rest ------------------------------------------------------------------------------------


async def test_refusals_are_taken(journal: Journal) -> None:
    await journal.refused(NOW, ANA, "/model best \x00", "you are not in \ud83d")
    assert list(await journal.changes(DOC, 9)) == []


async def test_the_last_beat_counts(journals: Callable[[], Journal]) -> None:
    journal = journals()
    await journal.beat("bot", NOW)
    await journal.beat("bot", NOW + HOUR)
    await journal.beat("bot", NOW)
    await journal.beat("gateway", NOW)
    other = journals()
    # The clock was put back: what was noted before it lies in the future.
    assert await other.last_beat("bot") == NOW
    assert await other.last_beat("gateway") == NOW
    assert await other.last_beat("nobody") is None
