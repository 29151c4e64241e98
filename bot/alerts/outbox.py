"""Messages that are no incident's: a row each before anything is said, posted by the alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.ports.alerts import AlertStore, Notice


class Outbox(Protocol):
    """Takes what channels are to be told. Every method raises StorageError."""

    async def find(self, key: str) -> Notice | None:
        """Return a notice that was put."""
        ...

    async def put(self, notice: Notice) -> bool:
        """Keep a notice, to be posted once; False when its key is known already."""
        ...

    async def amend(self, notice: Notice) -> None:
        """Let a notice's message say something else from now on."""
        ...


@dataclass(frozen=True, slots=True)
class StoredOutbox:
    """The outbox of the database, for the surfaces that are configured."""

    store: AlertStore
    surfaces: Sequence[str]

    async def find(self, key: str) -> Notice | None:
        """Return a notice that was put."""
        return await self.store.notice(key)

    async def put(self, notice: Notice) -> bool:
        """Keep a notice, to be posted once; False when its key is known already."""
        return await self.store.add_notice(notice, self.surfaces)

    async def amend(self, notice: Notice) -> None:
        """Let a notice's message say something else from now on."""
        await self.store.amend_notice(notice, self.surfaces)
