"""Let many processes make the tables and write history at once: nothing lost, nothing twice.

python -m tests.soak.race_journal 64 5 [DATABASE_URL]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from datetime import UTC, datetime

from adapters.storage.database import Database
from adapters.storage.journal import DatabaseJournal
from bot.access import Actor, Surface
from bot.ports import NewChange

DOCUMENT = "/srv/moltbot.json"


def main(processes: int, changes: int, url: str | None) -> int:
    """Run the race and print the figures; 1 when a row is missing or there twice."""
    with tempfile.TemporaryDirectory() as folder:
        address = url or f"sqlite:///{folder}/changeover.db"
        started = time.monotonic()
        children = [_start(address, number, changes) for number in range(processes)]
        failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        seconds = time.monotonic() - started
        found, told = asyncio.run(_result(address, processes * changes * 2))
    missing = processes * changes - len(set(found))
    twice = len(found) - len(set(found))
    print(
        f"processes {processes}, changes each {changes}, missing {missing}, twice {twice}, "
        f"edits from outside told {told}, failed processes {failed}, seconds {seconds:.1f}"
    )
    return 1 if missing or twice or failed or told != 1 else 0


def _start(url: str, number: int, changes: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        asyncio.run(_write(url, number, changes))
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - said, and counted as a failed process
        print(f"process {number}: {error!r}", file=sys.stderr)
    finally:
        os._exit(3)


async def _write(url: str, number: int, changes: int) -> None:
    database = Database(url)
    journal = DatabaseJournal(database)
    for turn in range(changes):
        await journal.confirm(await journal.begin(_change(DOCUMENT, f"{number}-{turn}")))
    # One of all processes tells this edit from outside.
    await journal.observe(_change("/other.json", "seen"), None)
    await journal.observe(_change("/other.json", "edited"), "seen")
    await database.close()


async def _result(url: str, limit: int) -> tuple[list[str], int]:
    database = Database(url)
    journal = DatabaseJournal(database)
    found = [change.revision for change in await journal.changes(DOCUMENT, limit)]
    told = len(await journal.changes("/other.json", limit))
    await database.close()
    return found, told


def _change(document: str, revision: str) -> NewChange:
    return NewChange(
        document=document,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        actor=Actor(Surface.CLI, "root", "root"),
        action="use",
        reason="",
        old="a/one",
        new="b/two",
        touched=(),
        revision_before="",
        revision=revision,
        diff="",
        view={},
    )


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()] or [64, 5]
    addresses = [word for word in sys.argv[1:] if "://" in word]
    sys.exit(main(numbers[0], numbers[1], addresses[0] if addresses else None))
