"""Kill a timed switch at every write: its return comes, or people read why it does not.

    python -m tests.soak.kill_switch

Real processes, a real file and a real database. `/model local for 2h` dies by SIGKILL before and
after each write to either; then nobody, or somebody else, edits the file; then a service looks,
two hours later. The same for the return itself, a plan's window and an approval. At last the config
is locked, and the database refuses rows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.approvals import DatabaseApprovals
from adapters.storage.database import Database
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.filesystem import FileSystem
from adapters.storage.files.lock import writers_lock
from adapters.storage.journal import DatabaseJournal
from adapters.storage.plans import DatabasePlans
from bot.alerts.notices import StoredOutbox
from bot.errors import ChangeoverError
from tests.support.fakes_core import ANA, GUIDE, OWNER, Bench
from tests.support.fakes_storage import FakeClock

OPUS, LLAMA, OTHER = "anthropic/claude-opus-4-5", "ollama/llama3.3", "openai/gpt-6-luna"
BO = replace(ANA, id="U2", name="Bo")
AT = FakeClock().now()
DUE = timedelta(hours=2, seconds=1)
WRITES = {"begin", "confirm", "abandon", "recover", "observe", "close_revert", "move_revert"}
WRITES |= {"add", "keep_run", "drop_run", "decide", "finish", "set_posted", "amend_notice"}
WRITES |= {"add_notice", "write", "replace", "fsync", "truncate", "unlink"}


@dataclass
class Fate:
    """Counts writes, and kills the process before or after the one of that number."""

    at: int = 0
    after: bool = False
    count: int = 0

    def strikes(self) -> bool:
        self.count += 1
        return self.count == self.at

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """A port, or the file system, whose writes may be the last ones."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name not in WRITES:
            return method

        def befalls(*args: Any, **more: Any) -> Any:
            strikes = self._fate.strikes()
            if strikes and not self._fate.after:
                self._fate.die()
            result = method(*args, **more)
            if asyncio.iscoroutine(result):
                return self._then(result, strikes)
            if strikes:
                self._fate.die()
            return result

        return befalls

    async def _then(self, result: Awaitable[Any], strikes: bool) -> Any:
        value = await result
        if strikes:
            self._fate.die()
        return value


@dataclass(frozen=True)
class Site:
    """A folder with a config and a database."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "moltbot.json"

    @property
    def primary(self) -> str:
        return str(json.loads(self.config.read_text())["agents"]["defaults"]["model"]["primary"])

    def edit(self, change: Callable[[Any], None]) -> None:
        """Edit as another program does: without our lock and our journal."""
        data = json.loads(self.config.read_text())
        change(data)
        self.config.write_text(json.dumps(data, indent=1))

    def rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "changeover.db")) as connection:
            found = connection.execute(sql).fetchall()
            connection.commit()
            return found

    @property
    def notices(self) -> list[str]:
        return [key for (key,) in self.rows("SELECT key FROM alert_notices ORDER BY key")]

    @property
    def said(self) -> str:
        """All that history and the outbox say."""
        history = self.rows("SELECT actor_name, action, reason FROM changes WHERE state = 'done'")
        return f"{history} {self.rows('SELECT key, data FROM alert_notices')}"


def _bench() -> Bench:
    return Bench(GUIDE, operators="slack:U1,slack:U2", approval="all")


async def process(
    site: Site, work: Callable[[Bench, StoredOutbox], Awaitable[Any]], at: datetime, fate: Fate
) -> Any:
    """Do something as a process of its own would."""
    database, bench = Database(f"sqlite:///{site.folder}/changeover.db"), _bench()
    bench.clock.at = at
    files: Any = Mortal(FileSystem(), fate)
    bench.app.ports = replace(
        bench.app.ports,
        store=FileConfigStore(site.config, fs=files, lock_timeout_s=0.2),
        journal=Mortal(DatabaseJournal(database), fate),
        plans=Mortal(DatabasePlans(database), fate),
        approvals=Mortal(DatabaseApprovals(database), fate),
    )
    try:
        return await work(
            bench, StoredOutbox(Mortal(DatabaseAlertStore(database), fate), ["slack"])
        )
    finally:
        await database.close()


def forked(site: Site, work: Callable[..., Awaitable[Any]], at: datetime, fate: Fate) -> bool:
    """Run a process; return whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(process(site, work, at, fate))
            os._exit(0)
        finally:
            os._exit(3)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) and status:
        raise SystemExit("a process failed")
    return os.WIFSIGNALED(status)


async def switch(bench: Bench, _: Any) -> Any:
    await bench.app.begin()
    return await bench.say("/model local for 2h")


async def look(bench: Bench, outbox: StoredOutbox) -> None:
    await bench.app.run_due(outbox)


def new_site(folder: str) -> Site:
    site = Site(Path(folder))
    site.config.write_text(json.dumps(GUIDE, indent=2))
    asyncio.run(process(site, lambda bench, _: bench.app.begin(), AT, Fate()))
    return site


def elsewhere(data: Any) -> None:
    data["gateway"] = {"port": 18789}


def another(data: Any) -> None:
    data["agents"]["defaults"]["model"]["primary"] = OTHER


def killed_switch(edit: Callable[[Any], None] | None, fate: Fate) -> tuple[bool, str]:
    """Kill the switch, edit, look again later; return whether it was killed and what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        site = new_site(folder)
        killed = forked(site, switch, AT, fate)
        switched = site.primary == LLAMA
        if edit is not None:
            site.edit(edit)
        for later in (timedelta(seconds=2), DUE, DUE + timedelta(seconds=2)):
            forked(site, look, AT + later, Fate())
        if edit is another:
            told = not switched or OWNER.name in site.said
            return killed, "" if site.primary == OTHER and told else f"lost: {site.said}"
        wrong = "" if site.primary == OPUS else f"stays at {site.primary}: {site.said}"
        return killed, wrong or ("" if len(site.notices) == switched else f"said {site.said}")


def killed_return(fate: Fate) -> tuple[bool, str]:
    """Kill the return of a switch; return whether it was killed, and what is wrong then."""
    with tempfile.TemporaryDirectory() as folder:
        site = new_site(folder)
        forked(site, switch, AT, Fate())
        killed = forked(site, look, AT + DUE, fate)
        for seconds in (2, 4):
            forked(site, look, AT + DUE + timedelta(seconds=seconds), Fate())
        fine = site.primary == OPUS and len(site.notices) == 1 and '"why":""' in site.said
        return killed, "" if fine else f"{site.primary}: {site.said}"


def killed_plan(fate: Fate) -> tuple[bool, str]:
    """Kill a plan's switch; return whether it was killed, and what is wrong then."""
    with tempfile.TemporaryDirectory() as folder:
        site, begin, end = new_site(folder), timedelta(hours=2), timedelta(hours=4)
        forked(site, lambda b, _: b.say("/model plan local daily 11:00-13:00"), AT, Fate())
        killed = forked(site, look, AT + begin, fate)
        for seconds in (2, 4):
            forked(site, look, AT + begin + timedelta(seconds=seconds), Fate())
        actions = [action for (action,) in site.rows("SELECT action FROM changes")]
        if (site.primary, actions, len(site.notices)) != (LLAMA, ["plan"], 1):
            return killed, f"{site.primary}: {actions} {site.said}"
        for seconds in (0, 2):
            forked(site, look, AT + end + timedelta(seconds=seconds), Fate())
        return killed, "" if site.primary == OPUS else f"stays at {site.primary}: {site.said}"


async def approve(bench: Bench, outbox: StoredOutbox) -> None:
    await bench.say("/model approve 1", BO)
    await bench.app.run_due(outbox)


def killed_approval(fate: Fate) -> tuple[bool, str]:
    """Kill an approval; return whether it was killed, and what is wrong then."""
    with tempfile.TemporaryDirectory() as folder:
        site = new_site(folder)
        forked(site, lambda b, _: b.say("/model local", ANA), AT, Fate())
        killed = forked(site, approve, AT, fate)
        for seconds in (1, 62, 64):
            forked(site, look, AT + timedelta(seconds=seconds), Fate())
        if site.rows("SELECT state FROM approvals") == [("waiting",)]:
            if site.primary != OPUS or site.rows("SELECT 1 FROM changes"):
                return killed, f"half done: {site.primary} {site.said}"
            forked(site, approve, AT + timedelta(seconds=66), Fate())
        states = site.rows("SELECT state, posted, change_id FROM approvals")
        changes = site.rows("SELECT id FROM changes WHERE state = 'done'")
        fine = len(changes) == 1 and states == [("done", "done", changes[0][0])]
        fine = fine and site.primary == LLAMA and len(site.notices) == 1
        return killed, "" if fine else f"{site.primary}: {states} {changes} {site.said}"


async def barred(site: Site) -> str:
    """Lock the config, then let the database refuse rows; return what is wrong."""
    try:
        async with writers_lock(str(site.config), timeout_s=1):
            card = await process(site, switch, AT, Fate())
    except ChangeoverError as error:
        return f"locked: {error.message}"
    if card.error is None or site.primary != OPUS or site.rows("SELECT 1 FROM reverts"):
        return f"locked: {card}"
    for table in ("changes", "reverts"):
        site.rows(f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(FAIL, 'no'); END")
        card = await process(site, switch, AT, Fate())
        site.rows("DROP TRIGGER no")
        if card.error is None or site.primary != OPUS or site.rows("SELECT 1 FROM reverts"):
            return f"{table} refused: {card}"
    await process(site, switch, AT, Fate())
    async with writers_lock(str(site.config), timeout_s=1):
        await process(site, look, AT + DUE, Fate())
    if site.primary != LLAMA or site.notices:
        return f"locked at its end: {site.said}"
    # The return is made although history takes no row, and is told.
    site.rows("CREATE TRIGGER no BEFORE INSERT ON changes BEGIN SELECT RAISE(FAIL, 'no'); END")
    await process(site, look, AT + DUE, Fate())
    site.rows("DROP TRIGGER no")
    await process(site, look, AT + DUE + timedelta(seconds=2), Fate())
    fine = site.primary == OPUS and len(site.notices) == 1 and '"why":""' in site.said
    return "" if fine else f"unrecorded: {site.primary} {site.said}"


def main() -> int:
    """Strike everywhere, until there is nowhere left to strike; 1 when something went wrong."""
    deaths = bad = 0
    runs: dict[str, Callable[[Fate], tuple[bool, str]]] = {
        "switch": partial(killed_switch, None),
        "switch, then an edit elsewhere": partial(killed_switch, elsewhere),
        "switch, then another model": partial(killed_switch, another),
        "return": killed_return,
        "plan": killed_plan,
        "approval": killed_approval,
    }
    for name, run in runs.items():
        for after in (False, True):
            at, killed = 0, True
            while killed:
                at += 1
                killed, wrong = run(Fate(at, after))
                deaths += killed
                if wrong:
                    bad += 1
                    print(f"{name}, killed {'after' if after else 'before'} write {at}: {wrong}")
    with tempfile.TemporaryDirectory() as folder:
        site = new_site(folder)
        if wrong := asyncio.run(barred(site)):
            bad += 1
            print(wrong)
    print(f"{deaths} deaths: {bad} ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
