"""An outbox in memory: what would be said comes back as cards."""

from __future__ import annotations

import json
from dataclasses import replace

from bot.alerts.rendering import draft_of
from bot.app import App
from bot.card import Card
from bot.errors import StorageError
from bot.ports.alerts import Notice


class FakeOutbox:
    """Keeps notices as the database would; an error put into `fail` is raised by every method."""

    def __init__(self) -> None:
        self.fail: StorageError | None = None
        self.kept: dict[str, Notice] = {}
        self.fresh: list[str] = []

    async def find(self, key: str) -> Notice | None:
        self._check()
        return self.kept.get(key)

    async def put(self, notice: Notice) -> bool:
        self._check()
        if notice.key in self.kept:
            return False
        await self.amend(notice)
        return True

    async def amend(self, notice: Notice) -> None:
        self._check()
        self.kept[notice.key] = replace(notice, data=json.loads(json.dumps(notice.data)))
        self.fresh.append(notice.key)

    def cards(self) -> list[Card]:
        """Return what is new since the last call, as it would be posted."""
        fresh, self.fresh = self.fresh, []
        return [draft_of(self.kept[key]).card for key in fresh]

    async def run_due(self, app: App) -> list[Card]:
        """Carry out what is due, and return what would be said of it."""
        await app.run_due(self)
        return self.cards()

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail
