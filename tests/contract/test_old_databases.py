"""Databases of every release so far, with rows in all their tables, brought up to today's."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.storage import codec
from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.bill_log import DatabaseBillLog
from adapters.storage.budgets import DatabaseBudgets
from adapters.storage.chain_tests import DatabaseChainTests
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.connection import Connection
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.journal import DatabaseJournal
from adapters.storage.ledger.store import DatabaseLedger
from adapters.storage.migrate import REVISIONS, upgrade
from adapters.storage.upkeep import DatabaseUpkeep
from adapters.storage.url import parse_url
from bot.ports import GroupBy
from bot.ports.alerts import Notice, NoticeKind
from tests.support import old_release
from tests.support.databases import shape
from tests.support.fakes_ledger import NOON

Rows = dict[str, list[dict[str, Any]]]
# Columns that are a part of their table's key, whatever else has their names.
_KEYS = {
    ("memory", "key"),
    ("alert_posts", "key"),
    ("alert_notices", "key"),
    ("digests", "period"),
    ("model_lifecycles", "model"),
    ("document_state", "document"),
    ("spend_hourly", "model"),
    ("spend_hourly", "source"),
    ("spend_quarterly", "model"),
    ("spend_quarterly", "source"),
}
DAY = timedelta(days=1)
# What a column holds where its type alone does not say it.
_VALUES: dict[str, Any] = {
    "document": "/m.json",
    "action": '{"words":"model status"}',
    "touched": "[]",
    "view": "{}",
    "details": "{}",
    "data": "{}",
    "context": "{}",
    "gaps": "[]",
    "old": '"a/b"',
    "new": '"c/d"',
    "reverts": None,
    "price": None,
    "extras": None,
    "reported_cost_usd": None,
    "model": "p/m",
    "reason": "timeout",
    "source": "gateway",
    "period": "week",
    "then": None,
    "key": None,
}


def _value(table: str, name: str, kind: str, number: int) -> Any:
    if name == "state":
        return "done" if table == "changes" else "pending" if table == "reverts" else "open"
    if name in _VALUES and (table, name) not in _KEYS:
        return _VALUES[name]
    if kind == "boolean":
        return True
    if kind.startswith(("int", "bigint")):
        late = name in ("at", "hour", "quarter") or name.endswith(("_at", "until"))
        return codec.micros_of(NOON) + number * 3_600_000_000 if late else number
    if kind.startswith(("float", "double")):
        return 1.5
    if kind in ("blob", "bytea"):
        return b"{}"
    if kind == "date":
        return NOON.date() + number * DAY
    return f"{name[:8]}{number}"


def _tables(connection: Connection) -> dict[str, dict[str, str]]:
    """Return each table's columns with their types."""
    tables: dict[str, dict[str, str]] = {}
    for line in shape(connection):
        name, _, about = line.partition(" ")
        table, dot, column = name.partition(".")
        if dot and table != "alembic_version":
            tables.setdefault(table, {})[column] = about
    return tables


def _rows(connection: Connection) -> Rows:
    return {
        table: [dict(row) for row in connection.rows(f"SELECT * FROM {table}")]
        for table in _tables(connection)
    }


def make(url: str, revision: str, alone: Rows | None = None) -> Rows:
    """Make a database as an older release left it; return its rows.

    Three stand in each table, or those of `alone` and no others.
    """
    pool = Database(url)._open()
    try:
        with pool.transaction(writes=True) as connection:
            upgrade(connection, to=revision)
            for table, columns in _tables(connection).items():
                rows = [
                    {
                        name: _value(table, name, re.split(r"\W", kind)[0], number)
                        for name, kind in columns.items()
                    }
                    for number in (1, 2, 3)
                ]
                for row in rows if alone is None else alone.get(table, []):
                    connection.insert(table, row)
            return _rows(connection)
    finally:
        pool.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_row_of_an_older_release_is_still_there(
    kind: str, revision: str, new_database: Callable[[str], str]
) -> None:
    url = new_database(kind)
    old = await asyncio.to_thread(make, url, revision)
    assert all(len(rows) == 3 for rows in old.values())
    database = Database(url)
    try:
        new = await database.write(_rows)
        notices = old.pop("budget_notices", [])
        moved = {row["key"] for row in new["alert_notices"]}
        assert {_budget_key(row) for row in notices} <= moved
        digests = old.pop("digests", [])
        assert {f"digest:{row['period'][:10]}" for row in digests} <= moved
        if "since" not in old["cooldowns"][0]:
            # A whole key stood there for one model's trouble.
            del old["cooldowns"]
        for name, rows in old.items():
            kept = [{column: row[column] for column in rows[0]} for row in new[name]]
            assert kept[:3] == rows, name
        await _read(database, cooling="cooldowns" in old)
    finally:
        await database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_no_week_that_was_posted_is_posted_again(
    kind: str, new_database: Callable[[str], str]
) -> None:
    url = new_database(kind)
    week, at = "2026-02-23 to 2026-03-01", codec.micros_of(NOON)
    posted = {"surface": "slack", "message_channel": "C1", "message_id": "17.1"}
    nothing = dict.fromkeys(posted)
    rows = [
        {"kind": "weekly", "channel": channel, "period": week, "claimed_at": at, **message}
        for channel, message in (("slack", posted), ("discord", nothing))
    ]
    await asyncio.to_thread(make, url, "0010", {"digests": rows})
    database = Database(url)
    try:
        store = DatabaseAlertStore(database)
        monday = Notice("digest:2026-02-23", NoticeKind.DIGEST, NOON, {"monday": "2026-02-23"})
        assert await store.notice(monday.key) == monday
        assert not await store.add_notice(monday, ["slack", "discord"])
        assert list(await store.behind("slack")) == []
        # Cut short in the old release: the new one looks for it in the channel.
        [post] = await store.behind("discord")
        assert (post.key, post.claimed_at, post.message) == (monday.key, NOON, None)
    finally:
        await database.close()


def _budget_key(row: dict[str, Any]) -> str:
    """Return what the outbox calls a budget's notice of an older release."""
    start_s = row["period_start"] // 1_000_000
    return f"budget:{row['budget_id']}:{start_s}:{row['percent']}"


async def _read(database: Database, *, cooling: bool) -> None:
    """Read what is there as the program does."""
    journal, log, ledger = (
        DatabaseJournal(database),
        DatabaseFallbackLog(database),
        DatabaseLedger(database),
    )
    assert len(await journal.changes("/m.json", 9)) == 3
    assert len(await journal.reverts("/m.json")) == 3
    assert len(await log.events(NOON - DAY, 9)) == 3
    assert len(await log.incidents(open_only=False, limit=9)) == 3
    assert bool(await log.cooldowns(NOON)) is cooling
    await DatabaseAlertStore(database).queued(9)
    await ledger.attempts(NOON - DAY, NOON + DAY, 9)
    for by in GroupBy:
        await ledger.spend(NOON - DAY, NOON + DAY, by)
    await DatabaseUpkeep(database).mend_sums(NOON + DAY)


async def test_what_the_last_release_with_another_library_wrote_reads_back(
    new_database: Callable[[str], str],
) -> None:
    url = new_database("sqlite")
    raw = sqlite3.connect(str(parse_url(url).path))
    raw.executescript(old_release.DUMP.read_text(encoding="utf-8"))
    raw.close()
    database = Database(url)
    await old_release.read(_ports(database))
    await database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_is_written_reads_back(kind: str, new_database: Callable[[str], str]) -> None:
    database = Database(new_database(kind))
    await old_release.write(_ports(database))
    await old_release.read(_ports(database))
    await database.close()


def _ports(database: Database) -> SimpleNamespace:
    return SimpleNamespace(
        journal=DatabaseJournal(database),
        log=DatabaseFallbackLog(database),
        budgets=DatabaseBudgets(database),
        tests=DatabaseChainTests(database),
        bills=DatabaseBillLog(database),
        ledger=DatabaseLedger(database),
        alerts=DatabaseAlertStore(database),
        config=DatabaseConfigStore(database),
    )
