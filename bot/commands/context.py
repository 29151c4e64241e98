"""What a handler works with: the ports, the settings, who asks and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from bot.ports.lifecycles import Lifecycles, NoLifecycles
from bot.ports.reloads import NoReloads, Reloads

if TYPE_CHECKING:
    from bot.access import Actor
    from bot.card import Action, Text
    from bot.catalog import Catalog
    from bot.commands.registry import Registry
    from bot.ports import (
        BillLog,
        BillSource,
        Budgets,
        ButtonStore,
        ChainTests,
        Clock,
        ConfigStore,
        Corrections,
        FallbackLog,
        Journal,
        Ledger,
        ModelLists,
        Prices,
        Upstream,
    )
    from bot.ports.alerts import AlertDesk
    from bot.ports.approvals import Approval, Approvals
    from bot.ports.plans import Plans
    from bot.ports.trials import Trials
    from bot.settings import Settings

Progress = Callable[["Text"], None]
"""Takes what a long command has come to, for a person who waits at a terminal."""


def no_progress(words: Text) -> None:
    """Say nothing: who asks in a chat gets the answer alone."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as the core reaches it."""

    clock: Clock
    store: ConfigStore
    journal: Journal
    log: FallbackLog
    upstream: Upstream
    lists: ModelLists
    prices: Prices
    buttons: ButtonStore
    ledger: Ledger
    budgets: Budgets
    chain_tests: ChainTests
    bill_log: BillLog
    corrections: Corrections
    alerts: AlertDesk
    plans: Plans
    trials: Trials
    approvals: Approvals
    reloads: Reloads = field(default_factory=NoReloads)
    lifecycles: Lifecycles = field(default_factory=NoLifecycles)
    bills: Sequence[BillSource] = ()
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True)
class Context:
    """One call's surroundings.

    `action` is what a clicked button or `--yes` adds to it. `approved` is the request that a
    second operator approved, when it is carried out.
    """

    ports: Ports
    settings: Settings
    catalog: Catalog
    registry: Registry
    actor: Actor
    now: datetime
    action: Action
    approved: Approval | None = None
