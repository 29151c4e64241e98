"""A stand-in until a change asks: commands that only look never load the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.ports import ConfigStore
from bot.ports.reloads import Neighbour, PinChange, PinResult, Pins, Reload

if TYPE_CHECKING:
    from adapters.openclaw.find import Reachable
    from adapters.openclaw.reload import OpenClawReloads


class LazyReloads:
    """Follows changes as `OpenClawReloads` does."""

    def __init__(self, settings: Reachable, store: ConfigStore) -> None:
        self._settings = settings
        self._store = store
        self._made: OpenClawReloads | None = None

    async def begin(self) -> Reload | None:
        """Look at where its log is before a write; None when there is nothing to follow."""
        if not self._settings.gateway_url and not (await self.neighbour()).attached:
            return None
        return await self._real().begin()

    async def pinned(self) -> Pins:
        """Return the sessions and cron jobs that do not follow the config."""
        from adapters.openclaw.neighbour import pinned_of

        return await pinned_of(self._settings, self._store)

    async def repin(self, changes: Sequence[PinChange]) -> Sequence[PinResult]:
        """Give each its new model where it still has the one before."""
        return await self._real().repin(changes)

    async def neighbour(self) -> Neighbour:
        """Return what is known of the program itself."""
        from adapters.openclaw.neighbour import neighbour_of

        return await neighbour_of(self._settings, self._store)

    def _real(self) -> OpenClawReloads:
        if self._made is None:
            from adapters.openclaw.reload import OpenClawReloads

            self._made = OpenClawReloads(self._settings, self._store)
        return self._made
