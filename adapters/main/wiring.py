"""From the environment to a core with its ports: every command begins here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.clock import SystemClock
from adapters.environment import (
    DATABASE,
    ServiceSettings,
    find_config,
    read_environment,
    read_service_settings,
    read_settings,
)
from adapters.gateway.lazy import LazyUpstream
from adapters.main.late import late
from adapters.main.learning import LearningStore
from adapters.openclaw.lazy import LazyReloads
from adapters.prices import ListedPrices, read_operator_prices
from adapters.providers.lazy import LazyModelLists
from adapters.storage.database import Database
from adapters.storage.fallback_log import DatabaseFallbackLog
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.journal import DatabaseJournal
from adapters.storage.lifecycles import DatabaseLifecycles
from adapters.storage.plans import DatabasePlans
from adapters.storage.trials import DatabaseTrials
from adapters.terminal.answer import Look
from adapters.terminal.called import at_prompt, in_shell, program_name
from adapters.terminal.cli import Invocation
from bot.app import App
from bot.card import Text
from bot.catalog import shipped
from bot.commands.context import Ports, no_progress
from bot.ports import Clock, ConfigStore
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.ports import BillLog, Budgets, ButtonStore, ChainTests, Corrections, Ledger
    from bot.ports.alerts import AlertDesk
    from bot.ports.approvals import Approvals


@dataclass(slots=True)
class Wired:
    """A core, and what has to be closed when it is no longer needed."""

    app: App
    settings: Settings
    service: ServiceSettings
    database: Database
    upstream: LazyUpstream
    clock: Clock

    async def close(self) -> None:
        """Close what was opened."""
        await self.upstream.aclose()
        await self.database.close()

    def look(self, *, json: bool, prompt: bool = False) -> Look:
        """Return how answers look to a person at this terminal, in a shell or at our prompt."""
        shell = in_shell(program_name(os.environ))
        speller = at_prompt(shell) if prompt else shell
        return Look(self.settings.timezone, self.clock.now, os.environ, json, speller)


def environment(invocation: Invocation) -> Mapping[str, str]:
    """Read `.env` and the real environment. Raises SettingsError."""
    return read_environment(invocation.env_file, os.environ)


def wire(
    env: Mapping[str, str],
    *,
    config: str | None = None,
    clock: Clock | None = None,
    cwd: Path | None = None,
    progress: Callable[[Text], None] = no_progress,
) -> Wired:
    """Build the core of an environment; nothing is opened before it is needed.

    Raises:
        SettingsError: a variable has a value that cannot be used.
        ConfigMissingError: no config file is named or found.
    """
    settings = read_settings(env)
    service = read_service_settings(env)
    database = Database(service.database_url, clean=settings.blackout.clean)
    upstream = LazyUpstream()
    ticking = clock or SystemClock()
    file = _store(env, config, cwd or Path.cwd(), database, service.openclaw.state_dir)
    store = LearningStore(file, settings.blackout, env)
    ports = Ports(
        clock=ticking,
        store=store,
        journal=DatabaseJournal(database),
        log=DatabaseFallbackLog(database),
        upstream=upstream,
        lists=LazyModelLists(),
        prices=ListedPrices(
            shipped(), read_operator_prices(service.prices) if service.prices else {}
        ),
        buttons=late(partial(_buttons, database)),
        ledger=late(partial(_ledger, database)),
        budgets=late(partial(_budgets, database)),
        chain_tests=late(partial(_chain_tests, database)),
        bill_log=late(partial(_bill_log, database)),
        corrections=late(partial(_corrections, database)),
        alerts=late(partial(_alerts, database)),
        plans=DatabasePlans(database),
        trials=DatabaseTrials(database),
        approvals=late(partial(_approvals, database)),
        lifecycles=DatabaseLifecycles(database),
        reloads=LazyReloads(service.openclaw, store),
        progress=progress,
    )
    return Wired(App(ports, settings), settings, service, database, upstream, ticking)


def _buttons(database: Database) -> ButtonStore:
    from adapters.storage.buttons import DatabaseButtons

    return DatabaseButtons(database)


def _ledger(database: Database) -> Ledger:
    from adapters.storage.ledger.store import DatabaseLedger

    return DatabaseLedger(database)


def _budgets(database: Database) -> Budgets:
    from adapters.storage.budgets import DatabaseBudgets

    return DatabaseBudgets(database)


def _approvals(database: Database) -> Approvals:
    from adapters.storage.approvals import DatabaseApprovals

    return DatabaseApprovals(database)


def _chain_tests(database: Database) -> ChainTests:
    from adapters.storage.chain_tests import DatabaseChainTests

    return DatabaseChainTests(database)


def _bill_log(database: Database) -> BillLog:
    from adapters.storage.bill_log import DatabaseBillLog

    return DatabaseBillLog(database)


def _corrections(database: Database) -> Corrections:
    from adapters.storage.ledger.corrections import DatabaseCorrections

    return DatabaseCorrections(database)


def _alerts(database: Database) -> AlertDesk:
    from adapters.storage.alerts import DatabaseAlertStore

    return DatabaseAlertStore(database)


def _store(
    env: Mapping[str, str],
    config: str | None,
    cwd: Path,
    database: Database,
    state: Path | None,
) -> ConfigStore:
    place, _ = find_config(env, cwd, Path.home(), config)
    if place == DATABASE:
        from adapters.storage.config_db import DatabaseConfigStore

        return DatabaseConfigStore(database)
    return FileConfigStore(Path(place), state=state)


def run(work: Callable[[], Any], *, fast: bool = False) -> int:
    """Run a coroutine function to its end and return its exit code.

    `fast` takes uvloop where there is one, which pays for a service but not for one command.
    """
    import asyncio

    factory = None
    if fast:
        with contextlib.suppress(ImportError):
            import uvloop

            factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return int(runner.run(work()))
