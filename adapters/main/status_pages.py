"""Status pages in a running service, and what the doctor says of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from adapters.main.wiring import Wired
from adapters.status_pages import HttpxStatusPages, PageError
from bot.alerts.pipeline import AlertPorts
from bot.alerts.status_pages import PageState, StatusPages
from bot.catalog import StatusPage
from bot.commands.doctor import Check, Level
from bot.dialects.status_page import UnreadablePageError, open_reports
from bot.errors import StorageError
from bot.messages.doctor import status_page_line
from bot.models import Provider

_log = logging.getLogger("changeover")


def pages_of(wired: Wired) -> dict[str, StatusPage]:
    """Return the pages of the providers that have a key here and are asked at their own host."""
    if not wired.service.status_pages:
        return {}
    catalog, env = wired.app.catalog, wired.settings.env
    return {
        id_: page
        for id_, page in catalog.status_pages.items()
        if _asked(catalog.providers[id_], env)
    }


def _asked(provider: Provider, env: Mapping[str, str]) -> bool:
    key, base_url = provider.key_env, provider.base_url_env
    return bool(key and env.get(key)) and not (base_url and env.get(base_url))


class StatusPageWatch:
    """Reads `pages` in the process that leads; `run` may be called as often as one likes."""

    def __init__(self, wired: Wired, ports: AlertPorts, pages: Mapping[str, StatusPage]) -> None:
        self._wired = wired
        self._leader = ports.leader
        self._pages = pages
        self._states = StatusPages(ports.store, self._pages)
        self._http = HttpxStatusPages()

    async def run(self) -> None:
        """Read every page whose time has come. Raises StorageError."""
        if not self._pages or not await self._leader.leads():
            return
        open_ones = await self._wired.app.ports.log.incidents(open_only=True, limit=1)
        await asyncio.gather(
            *(self._look(id_, page, busy=bool(open_ones)) for id_, page in self._pages.items())
        )

    async def _look(self, provider: str, page: StatusPage, *, busy: bool) -> None:
        now = self._wired.clock.now()
        state = await self._states.state(provider)
        if state is not None and not state.due(now, open_incident=busy):
            return
        state = state or PageState(now)
        try:
            found = open_reports(page, await self._http.read(page), now)
        except (PageError, UnreadablePageError) as error:
            _log.debug("status page of %s: %s", provider, error)
            await self._states.keep(provider, state.failed(str(error), now))
        else:
            await self._states.keep(provider, state.after(found, now))


async def page_checks(wired: Wired) -> list[Check]:
    """Say of each page what was read, or why it is unknown."""
    from adapters.storage.alerts import DatabaseAlertStore

    states = StatusPages(DatabaseAlertStore(wired.database), ())
    found = []
    for id_, page in pages_of(wired).items():
        try:
            state = await states.state(id_)
        except StorageError:
            return []
        state = state or PageState(wired.clock.now())
        reports = state.reports if state.known(wired.clock.now()) else None
        words = status_page_line(page.provider, reports, state.error)
        found.append(Check(f"status_page_{id_}", True, Level.INFO, words))
    return found
