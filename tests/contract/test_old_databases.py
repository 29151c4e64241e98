"""Databases of every release so far, with rows in all their tables, brought up to today's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, create_engine, insert, select

from adapters.storage import codec
from adapters.storage.alerts import SqlAlertStore
from adapters.storage.database import Database
from adapters.storage.fallback_log import SqlFallbackLog
from adapters.storage.journal import SqlJournal
from adapters.storage.ledger import SqlLedger
from adapters.storage.migrate import upgrade
from adapters.storage.upkeep import SqlUpkeep
from adapters.storage.url import parse_url
from bot.ports import GroupBy
from bot.ports.alerts import Notice, NoticeKind
from tests.fakes_ledger import NOON

Rows = dict[str, list[dict[str, Any]]]
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


def _value(table: str, column: Any, number: int) -> Any:
    if column.name == "state":
        return "done" if table == "changes" else "pending" if table == "reverts" else "open"
    if column.name in _VALUES and not column.primary_key:
        return _VALUES[column.name]
    kind = column.type.python_type
    if kind is bool:
        return True
    if kind is int:
        late = column.name in ("at", "hour", "quarter") or column.name.endswith(("_at", "until"))
        return codec.micros_of(NOON) + number * 3_600_000_000 if late else number
    if kind is float:
        return 1.5
    if kind is bytes:
        return b"{}"
    if kind is str:
        return f"{column.name[:8]}{number}"
    return NOON.date() + number * DAY


def _rows(connection: Connection) -> Rows:
    tables = MetaData()
    tables.reflect(connection)
    return {
        name: [dict(row) for row in connection.execute(select(table)).mappings()]
        for name, table in tables.tables.items()
        if name != "alembic_version"
    }


def make(url: str, revision: str, alone: Rows | None = None) -> Rows:
    """Make a database as an older release left it; return its rows.

    Three stand in each table, or those of `alone` and no others.
    """
    at = parse_url(url)
    engine = create_engine(f"sqlite:///{at.path}" if at.path else at.text)
    try:
        with engine.begin() as connection:
            upgrade(connection, revision)
        with engine.begin() as connection:
            tables = MetaData()
            tables.reflect(connection)
            for name, table in tables.tables.items():
                rows = [
                    {column.name: _value(name, column, number) for column in table.columns}
                    for number in (1, 2, 3)
                ]
                if alone is not None:
                    rows = alone.get(name, [])
                if name != "alembic_version" and rows:
                    connection.execute(insert(table), rows)
            return _rows(connection)
    finally:
        engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", codec.REVISIONS)
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
        store = SqlAlertStore(database)
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
    journal, log, ledger = SqlJournal(database), SqlFallbackLog(database), SqlLedger(database)
    assert len(await journal.changes("/m.json", 9)) == 3
    assert len(await journal.reverts("/m.json")) == 3
    assert len(await log.events(NOON - DAY, 9)) == 3
    assert len(await log.incidents(open_only=False, limit=9)) == 3
    assert bool(await log.cooldowns(NOON)) is cooling
    await SqlAlertStore(database).queued(9)
    await ledger.attempts(NOON - DAY, NOON + DAY, 9)
    for by in GroupBy:
        await ledger.spend(NOON - DAY, NOON + DAY, by)
    await SqlUpkeep(database).mend_sums(NOON + DAY)
