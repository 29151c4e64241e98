"""A first look at the ledger and the config in a database loads no database library."""

from __future__ import annotations

from pathlib import Path

from tests.fakes_files import run

COLD = """
import asyncio, datetime, sys
from adapters.storage.lazy import LazyDatabase
from adapters.storage.lazy_config import LazyConfigStore
from adapters.storage.lazy_ledger import LazyCorrections, LazyLedger
from adapters.storage.ledger_queue import LedgerQueue
from adapters.storage.sync_memory import LazyMemory
from bot.errors import ConfigMissingError
from bot.ports import GroupBy

async def missing(store):
    try:
        await store.read()
    except ConfigMissingError:
        pass
    try:
        async with store.exclusive():
            return False
    except ConfigMissingError as error:
        return bool(error.hint)

async def main(folder):
    database = LazyDatabase(f"sqlite:///{folder}/changeover.db")
    ledger, memory = LazyLedger(database), LazyMemory(database)
    corrections, store = LazyCorrections(database), LazyConfigStore(database)
    now = datetime.datetime.now(datetime.timezone.utc)
    day = now.date()
    assert not await ledger.spend(now, now, GroupBy.DAY) and await ledger.first_at() is None
    assert not await ledger.attempts(now, now, 9) and not await ledger.bills(day, day)
    await ledger.add([])
    assert (await corrections.rows(now, now, 0, 9)).last is None
    assert await memory.get("x") is None and await missing(store) and store.location == "db:"
    print(sorted({"sqlalchemy", "alembic", "psycopg", "sqlite3"} & set(sys.modules)))
    await memory.put("x", "y")
    print(await memory.get("x"), await ledger.first_at(), "psycopg" in sys.modules)
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_first_look_loads_no_database_library(tmp_path: Path) -> None:
    done = await run("-c", COLD, str(tmp_path))
    assert done.stdout.splitlines() == ["[]", "y None False"], done.stderr
