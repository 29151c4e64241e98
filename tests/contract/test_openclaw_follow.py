"""Real files as a Moltbot or OpenClaw leaves them: followed without loss, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

from adapters.openclaw import tail
from adapters.openclaw.tail import LogTail
from bot.errors import StorageError
from tests.support.fakes_openclaw import BEGAN, Desk, decision, entry, sample

LIMIT = "HTTP 429: Rate limit reached"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def runs(desk: Desk) -> list[str]:
    return sorted(event.request_id.rpartition(":")[2] for event in await desk.events())


# ---------------------------------------------------------------- the log


async def test_a_line_written_in_halves_counts_once_it_is_whole(desk: Desk) -> None:
    line = decision("r1")
    watcher = desk.watcher()
    desk.append(desk.log_file, line[:50])
    await desk.follow(watcher)
    assert await runs(desk) == []
    desk.append(desk.log_file, line[50:])
    await desk.follow(watcher)
    assert await runs(desk) == ["r1"]


@pytest.mark.parametrize("restart", [False, True])
async def test_rotation_in_mid_line_loses_nothing(desk: Desk, restart: bool) -> None:
    watcher = desk.watcher()
    line = decision("r2")
    desk.append(desk.log_file, decision("r1"), line[:40])
    await desk.follow(watcher)
    with desk.log_file.open("ab") as writer:
        desk.log_file.rename(desk.root / "openclaw.1.log")
        desk.append(desk.log_file, decision("r3"))
        writer.write(line[40:])
    await desk.follow(desk.watcher() if restart else watcher)
    assert await runs(desk) == ["r1", "r2", "r3"]


async def test_a_truncated_log_is_read_from_its_new_beginning(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.log_file, decision("r1"), decision("r2"))
    await desk.follow(watcher)
    desk.log_file.write_bytes(decision("r3"))
    await desk.follow(watcher)
    assert await runs(desk) == ["r1", "r2", "r3"]
    assert watcher.health().rewritten == 1


async def test_a_log_copied_away_and_truncated_counts_once(desk: Desk) -> None:
    folder = desk.root / "logs"
    one, copy = folder / "openclaw-2026-11-22.log", folder / "openclaw-2026-11-22.1.log"
    desk.append(one, decision("r1"))
    reader = LogTail([folder])
    part = reader.read()
    reader.accept(part)
    assert len(part.lines) == 1
    desk.append(one, decision("r2"))
    copy.write_bytes(one.read_bytes())
    one.write_bytes(decision("r3"))
    part = reader.read()
    assert sorted(json.loads(line)["1"]["runId"] for line in part.lines) == ["r2", "r3"]


async def test_a_new_inode_with_the_same_beginning_is_the_same_file(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.log_file, decision("r1"))
    await desk.follow(watcher)
    copy = desk.root / "copy"
    copy.write_bytes(desk.log_file.read_bytes() + decision("r2"))
    copy.replace(desk.log_file)
    handed = watcher.health().events
    await desk.follow(watcher)
    assert watcher.health().events == handed + 1
    assert await runs(desk) == ["r1", "r2"]


async def test_a_restart_goes_on_where_the_last_run_stopped(desk: Desk) -> None:
    desk.append(desk.log_file, decision("r1"))
    await desk.follow(desk.watcher())
    desk.append(desk.log_file, decision("r2"))
    again = desk.watcher()
    await desk.follow(again)
    assert again.health().events == 1
    assert await runs(desk) == ["r1", "r2"]


async def test_daily_files_are_all_followed_over_midnight(desk: Desk) -> None:
    folder = desk.root / "logs"
    desk.append(folder / "openclaw-2026-11-22.log", decision("r1"))
    desk.append(folder / "openclaw-2026-11-23.log", decision("r2"))
    desk.append(folder / "openclaw-2026-11-23.log.gz", decision("r9"))
    reader = LogTail([folder])
    part = reader.read()
    assert reader.accept(part)
    desk.append(folder / "openclaw-2026-11-22.log", decision("r3"))
    desk.append(folder / "openclaw-work-2026-11-24.log", decision("r4"))
    later = reader.read()
    found = [json.loads(line)["1"]["runId"] for line in part.lines + later.lines]
    assert sorted(found) == ["r1", "r2", "r3", "r4"]


async def test_a_sink_that_is_away_loses_nothing(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.log_file, decision("r1"))
    desk.append(desk.session(), entry(1, "assistant"))
    desk.fail = StorageError("The database is away.", "wait")
    for _ in range(2):
        with pytest.raises(StorageError):
            await watcher.step()
    desk.fail = None
    await desk.follow(watcher)
    assert await runs(desk) == ["r1"]
    assert len(desk.attempts) == 1


async def test_a_line_without_end_costs_no_memory_and_ends_at_its_break(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(tail, "LONGEST_LINE_BYTES", 4000)
    watcher = desk.watcher()
    desk.append(desk.log_file, decision("r1"), b"reload" * 5000, b"\n", decision("r2"))
    await desk.follow(watcher)
    assert await runs(desk) == ["r1", "r2"]
    assert watcher.health().lines_skipped == 1


async def test_half_records_are_counted_and_passed_over(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.log_file, decision("r1")[:60] + b"\n", b"\x00\xff reload\n", decision("r2"))
    await desk.follow(watcher)
    assert await runs(desk) == ["r2"]
    assert watcher.health().lines_skipped == 1


async def test_the_real_log_of_9x_gives_its_two_events(desk: Desk) -> None:
    desk.append(desk.log_file, b"\n".join(sample("log-9x.jsonl")) + b"\n")
    await desk.follow(desk.watcher())
    assert [event.reason for event in await desk.events()] == ["rate_limit", "auth"]


async def test_events_of_long_ago_are_not_told(desk: Desk) -> None:
    desk.append(desk.log_file, decision("old", at=BEGAN - timedelta(days=9)), decision("new"))
    await desk.follow(desk.watcher())
    assert await runs(desk) == ["new"]


async def test_what_happened_before_we_came_is_history(desk: Desk) -> None:
    came = desk.clock.now()
    desk.append(
        desk.log_file,
        decision("old", at=came - timedelta(minutes=11)),
        decision("late", at=came - timedelta(minutes=9)),
    )
    await desk.follow(desk.watcher())
    desk.clock.advance(timedelta(days=1))
    desk.append(desk.log_file, decision("new", at=desk.clock.now() - timedelta(hours=1)))
    await desk.follow(desk.watcher())
    told = {e.request_id.rpartition(":")[2]: e.source for e in await desk.events()}
    assert told == {"old": "openclaw-history", "late": "openclaw", "new": "openclaw"}


# ---------------------------------------------------------------- transcripts


async def test_a_session_is_read_on_as_it_grows(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.session(), *[line + b"\n" for line in sample("session-1x-fallback.jsonl")])
    await desk.follow(watcher)
    assert [event.reason for event in await desk.events()] == ["auth"]
    assert [a.fallback for a in desk.attempts] == [False, True]
    line = entry(7200, "assistant")
    desk.append(desk.session(), line[:30])
    await desk.follow(watcher)
    assert len(desk.attempts) == 2
    desk.append(desk.session(), line[30:])
    handed = desk.handed
    await desk.follow(watcher)
    assert len(desk.attempts) == 3
    assert desk.handed == handed + 1


async def test_a_restart_between_the_error_and_the_answer_still_sees_the_fallback(
    desk: Desk,
) -> None:
    desk.append(desk.session(), entry(1, "user"), entry(2, "assistant", error=LIMIT))
    await desk.follow(desk.watcher())
    desk.append(desk.session(), entry(3, "user"), entry(4, "assistant", model="beta/b"))
    await desk.follow(desk.watcher())
    (event,) = await desk.events()
    assert event.to_model == "beta/b"
    assert [(a.number, a.last) for a in desk.attempts] == [(1, False), (2, True)]


async def test_an_error_that_became_the_answer_is_told_once(desk: Desk) -> None:
    desk.clock.at = BEGAN
    watcher = desk.watcher()
    desk.append(desk.session(), entry(1, "user"), entry(2, "assistant", error="500 oops"))
    await desk.follow(watcher)
    assert await desk.events() == []
    desk.clock.advance(timedelta(minutes=10))
    for one in (watcher, desk.watcher()):
        await desk.follow(one)
    (event,) = await desk.events()
    assert (event.to_model, event.reason) == (None, "server_error")


async def test_a_transcript_edited_by_hand_counts_nothing_twice(desk: Desk) -> None:
    watcher = desk.watcher()
    lines = [entry(number, "assistant") for number in range(1, 4)]
    desk.append(desk.session(), *lines)
    await desk.follow(watcher)
    desk.session().write_bytes(b"{rubbish\n" + b"".join(lines[1:]) + entry(9, "assistant"))
    await desk.follow(watcher)
    assert len(desk.attempts) == 4
    assert watcher.health().lines_skipped == 1
    assert watcher.health().rewritten == 1
    desk.session().write_bytes(lines[0])
    await desk.follow(watcher)
    assert len(desk.attempts) == 4


async def test_a_transcript_that_went_away_is_forgotten(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(desk.session(), entry(1, "assistant"))
    await desk.follow(watcher)
    assert watcher.health().transcripts == 1
    desk.session().unlink()
    await desk.follow(watcher)
    assert watcher.health().transcripts == 0


async def test_only_the_last_days_count_at_first_start(desk: Desk) -> None:
    old = desk.session("old")
    desk.append(old, entry(1, "assistant", at=BEGAN - timedelta(days=20)))
    os.utime(old, ((BEGAN - timedelta(days=20)).timestamp(),) * 2)
    mixed = entry(2, "assistant", at=BEGAN - timedelta(days=8)), entry(3, "assistant")
    desk.append(desk.session("mixed"), *mixed)
    watcher = desk.watcher()
    await desk.follow(watcher)
    assert len(desk.attempts) == 1
    assert watcher.health().transcripts == 1


async def test_many_sessions_are_read_in_slices(desk: Desk) -> None:
    for number in range(1500):
        desk.append(desk.session(f"s{number}", f"a{number % 3}"), entry(number, "assistant"))
    watcher = desk.watcher()
    assert await watcher.step()
    assert len(desk.attempts) == 1000
    await desk.follow(watcher)
    assert len(desk.attempts) == 1500
    assert {a.agent for a in desk.attempts} == {"a0", "a1", "a2"}
    puts = desk.memory.puts
    await watcher.step()
    assert desk.memory.puts == puts


async def test_what_our_own_gateway_served_is_left_to_its_ledger(desk: Desk) -> None:
    watcher = desk.watcher()
    desk.append(
        desk.session(), entry(1, "assistant", model="changeover/auto"), entry(2, "assistant")
    )
    await desk.follow(watcher)
    assert [a.provider for a in desk.attempts] == ["alpha"]
    assert watcher.health().served_by_us == 1


# ---------------------------------------------------------------- SQLite


def rows_9x() -> list[dict[str, object]]:
    return [json.loads(line) for line in sample("transcript-events-9x.jsonl")]


async def test_the_real_events_of_9x_are_read_packed_or_not(desk: Desk) -> None:
    path = desk.database()
    rows = rows_9x()
    for row in rows[9:]:
        packed = zstandard.ZstdCompressor().compress(str(row["event_json"]).encode())
        row |= {"event_json": None, "event_zstd": packed}
    desk.insert(path, rows)
    watcher = desk.watcher()
    await desk.follow(watcher)
    assert [str(a.model) for a in desk.attempts] == ["alpha/alpha-model", "beta/beta-model"]
    assert watcher.health().databases == 1
    again = desk.watcher()
    await desk.follow(again)
    assert again.health().attempts == 0


async def test_a_locked_database_is_tried_again(desk: Desk) -> None:
    path = desk.database()
    desk.insert(path, rows_9x())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        watcher = desk.watcher()
        await desk.follow(watcher)
        assert desk.attempts == []
        assert watcher.health().locked == 1
        assert "locked" in "".join(watcher.health().troubles.values())
        other.execute("COMMIT")
    await desk.follow(watcher)
    assert len(desk.attempts) == 2
    assert str(path) not in watcher.health().troubles


async def test_rows_that_were_deleted_or_renumbered_hide_nothing(desk: Desk) -> None:
    path = desk.database()
    desk.insert(path, rows_9x())
    watcher = desk.watcher()
    await desk.follow(watcher)
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("DELETE FROM transcript_events WHERE seq >= 3")
    later = entry(3600, "assistant").decode()
    row = {"session_id": "s2", "seq": 0, "event_json": later, "created_at": 1795379691999}
    desk.insert(path, [row])
    await desk.follow(watcher)
    assert len(desk.attempts) == 3
    assert watcher.health().rewritten == 1


async def test_rubbish_in_a_database_is_counted(desk: Desk) -> None:
    path = desk.database()
    texts = ['{"role": broken', "[]", '{"type":"message","role"']
    rows = [
        {"session_id": "s", "seq": n, "event_json": t, "created_at": 1} for n, t in enumerate(texts)
    ]
    packed = {"session_id": "s", "seq": 9, "created_at": 1, "event_zstd": b"no zstd"}
    desk.insert(path, [*rows, packed])
    watcher = desk.watcher()
    await desk.follow(watcher)
    assert watcher.health().lines_skipped == 3
    desk.database("empty").write_bytes(b"this is not a database at all" * 100)
    await desk.follow(watcher)
    assert "not a database" in "".join(watcher.health().troubles.values())


async def test_an_open_request_in_a_database_survives_a_restart_and_a_sink_away(
    desk: Desk,
) -> None:
    path = desk.database()
    desk.clock.at = BEGAN

    def row(seq: int, text: bytes) -> dict[str, object]:
        return {"session_id": "s", "seq": seq, "event_json": text.decode(), "created_at": seq}

    desk.insert(path, [row(0, entry(1, "assistant")), row(1, entry(2, "assistant", error=LIMIT))])
    await desk.follow(desk.watcher())
    desk.insert(path, [row(2, entry(3, "assistant", model="beta/b"))])
    watcher = desk.watcher()
    desk.fail = StorageError("The database is away.", "wait")
    with pytest.raises(StorageError):
        await watcher.step()
    desk.fail = None
    await desk.follow(watcher)
    assert [(a.number, a.fallback) for a in desk.attempts] == [(1, False), (1, False), (2, True)]
    assert await desk.events() == []


# ---------------------------------------------------------------- as a service


async def test_a_killed_process_loses_nothing(desk: Desk, tmp_path: Path) -> None:
    """The writer is killed in mid-line; another goes on after a line break, as a restart does."""
    script = (
        "import sys, os\n"
        "f = open(sys.argv[1], 'ab', buffering=0)\n"
        "f.write(sys.stdin.buffer.read()); os.kill(os.getpid(), 9)\n"
    )
    line = decision("r1")
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(desk.log_file)],
        input=decision("r0") + line[:70], check=False,
    )  # fmt: skip
    watcher = desk.watcher()
    await desk.follow(watcher)
    desk.append(desk.log_file, b"\n", decision("r2"))
    await desk.follow(watcher)
    assert await runs(desk) == ["r0", "r2"]
    assert watcher.health().lines_skipped == 1


async def test_it_runs_until_it_is_stopped_and_starts_again(desk: Desk) -> None:
    watcher = desk.watcher()
    await watcher.start()
    await watcher.start()
    desk.append(desk.log_file, decision("r1"))
    while not await desk.events():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await watcher.stop()
    await watcher.stop()
    assert watcher.health().place is not None
    assert await runs(desk) == ["r1"]


async def test_permission_denied_is_said_and_the_rest_goes_on(desk: Desk) -> None:
    desk.append(desk.session("good"), entry(1, "assistant"))
    bad = desk.state / "agents" / "bad"
    bad.mkdir(parents=True)
    (bad / "sessions").write_bytes(b"a file where a folder should be")
    watcher = desk.watcher()
    desk.log_file.symlink_to(desk.log_file)
    await desk.follow(watcher)
    assert len(desk.attempts) == 1
    assert set(watcher.health().troubles) == {"agents/bad/sessions", str(desk.log_file)}


async def test_it_goes_into_the_real_tables_once(desk: Desk) -> None:
    from adapters.openclaw.watcher import OpenClawWatcher, Sinks
    from adapters.storage.database import Database
    from adapters.storage.fallback_log import DatabaseFallbackLog
    from adapters.storage.key_values import KeyValueStore
    from adapters.storage.ledger.store import DatabaseLedger
    from bot.ports import GroupBy
    from tests.support.fakes_openclaw import Named
    from tests.support.fakes_storage import FakeConfigStore

    desk.append(desk.session(), *[line + b"\n" for line in sample("session-1x-fallback.jsonl")])
    desk.append(desk.log_file, decision("r1"))
    database = Database(f"sqlite:///{desk.root}/changeover.db")
    other = Database(f"sqlite:///{desk.root}/other.db")
    ledger, log = DatabaseLedger(database), DatabaseFallbackLog(database)
    store = FakeConfigStore(b"{}", location=str(desk.root / "moltbot.json"))
    named = Named(desk.state, desk.log_file)
    # Even with all offsets lost, nothing counts twice.
    for memory in (KeyValueStore(database), KeyValueStore(other)):
        watcher = OpenClawWatcher(
            named, store, Sinks(ledger.add, log.add_events, memory), desk.clock, home=desk.root
        )
        await desk.follow(watcher)
        assert watcher.health().attempts == 2
    await other.close()
    (day,) = await ledger.spend(BEGAN, BEGAN + timedelta(days=1), GroupBy.DAY)
    assert (day.requests, day.attempts, day.fallback_requests, day.failed) == (1, 2, 1, 1)
    # The log's decision and the transcript are of one fallback: the log is believed.
    (event,) = await log.events(BEGAN - timedelta(days=1), 10)
    assert event.request_id.endswith(":r1")
    await database.close()


# ---------------------------------------------------------------- releases that write both


RELEASES = {"3x": "2026.3.13", "5x": "2026.5.28", "7x": "2026.7.35"}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("parts", [("log",), ("session",), ("log", "session"), ("session", "log")])
async def test_a_release_that_writes_log_and_transcript_has_its_fallback_told_once(
    desk: Desk, release: str, parts: tuple[str, ...]
) -> None:
    desk.clock.advance(timedelta(days=9))
    if "log" in parts:
        desk.config["meta"] = {"lastTouchedVersion": RELEASES[release]}
    lines = {
        "log": [line + b"\n" for line in sample(f"log-{release}.jsonl")],
        "session": [line + b"\n" for line in sample(f"session-{release}-fallback.jsonl")],
    }
    places = {"log": desk.log_file, "session": desk.session()}
    for part in parts:
        places[part].parent.mkdir(parents=True, exist_ok=True)
        places[part].touch()
    watcher = desk.watcher()
    for part in parts:
        desk.append(places[part], *lines[part])
        await desk.follow(watcher)
    told = [(str(e.from_model), str(e.to_model), e.reason) for e in await desk.events()]
    assert told == [("alpha/m", "beta/m", "auth")]
    if "session" in parts:
        assert [(str(a.model), a.fallback) for a in desk.attempts if a.answered] == [
            ("beta/m", True)
        ]
        assert [a.usage.output_tokens for a in desk.attempts if a.answered] == [50]
