"""What a handler works with: the ports, the settings, who asks and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.access import Actor
from bot.card import Action
from bot.catalog import Catalog
from bot.commands.registry import Registry
from bot.ports import (
    ButtonStore,
    Clock,
    ConfigStore,
    FallbackLog,
    Journal,
    ModelLists,
    Prices,
    Upstream,
)
from bot.settings import Settings


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


@dataclass(frozen=True, slots=True)
class Context:
    """One call's surroundings; `action` is what a clicked button or `--yes` adds to it."""

    ports: Ports
    settings: Settings
    catalog: Catalog
    registry: Registry
    actor: Actor
    now: datetime
    action: Action

    def slash(self, command: str) -> str:
        """Write a command as it is typed here, the operator's prefix included."""
        return f"/{self.settings.prefix}{command}"
