"""Follows a running Moltbot or OpenClaw: its fallbacks and its usage go where the gateway's go."""

from __future__ import annotations

import logging

from adapters.main.wiring import Wired
from adapters.openclaw.pricing import OpenClawPricer
from adapters.openclaw.watcher import OpenClawWatcher, Sinks
from adapters.storage.key_values import KeyValueStore
from bot.config.schema import ConfigView, view, view_of
from bot.errors import ChangeoverError
from bot.ports import Document
from bot.ports.alerts import Outbox

_log = logging.getLogger("openclaw")


class OpenClaw:
    """A watcher with its sinks, priced by the config as it is now."""

    def __init__(self, wired: Wired, outbox: Outbox) -> None:
        self._app, self._outbox = wired.app, outbox
        ports = wired.app.ports
        self._view = view({})
        self._watcher = OpenClawWatcher(
            wired.service.openclaw,
            ports.store,
            Sinks(
                ports.ledger.add,
                ports.log.add_events,
                KeyValueStore(wired.database),
                OpenClawPricer(ports.prices, wired.app.catalog, self._current, wired.settings.env),
                self._unknown,
            ),
            wired.clock,
        )

    async def start(self) -> None:
        """Begin to follow; where nothing is attached, look again now and then."""
        await self._watcher.start()

    async def stop(self) -> None:
        """End; what was not taken yet is read again at the next start."""
        await self._watcher.stop()

    def config_changed(self, document: Document) -> None:
        """Price by a changed config from now on; by the last good one where it cannot be read."""
        try:
            self._view = view_of(document)
        except ChangeoverError as error:
            _log.warning("%s %s", error.message, error.hint)

    async def _unknown(self, model: str) -> None:
        try:
            await self._app.unknown_model(model, self._outbox)
        except ChangeoverError as error:
            _log.warning("OpenClaw does not know %s: %s %s", model, error.message, error.hint)

    def _current(self) -> ConfigView:
        return self._view
