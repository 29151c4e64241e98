"""What a running service does by the clock: bills, budgets, the digest, retirements."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from adapters.main.prices import watch_prices
from adapters.main.wiring import Wired
from adapters.schedule.cron import last_fire
from bot.access import SERVICE
from bot.commands.cost_bills import read_bills
from bot.commands.cost_budget import check_budget
from bot.commands.cost_posting import put_due_digest
from bot.commands.retirement_watch import look_at_lists, put_retirement_notices
from bot.commands.trial_watch import watch_trial
from bot.ports.alerts import Outbox

_log = logging.getLogger("changeover")


class Jobs:
    """The scheduled work of one service; each job may be run again at any time."""

    def __init__(self, wired: Wired, outbox: Outbox) -> None:
        self._wired = wired
        self._outbox = outbox
        self._started_at: datetime = wired.clock.now()

    async def bills(self) -> None:
        """Ask providers what they billed, those whose turn it is."""
        for answer in await read_bills(self._wired.app.context(SERVICE)):
            if answer.trouble:
                _log.warning("%s's bill: %s %s", answer.provider, answer.trouble, answer.hint)

    async def budget(self) -> None:
        """Tell when a budget's share is used up, and switch where that was asked for."""
        await check_budget(self._wired.app.context(SERVICE), self._outbox)

    async def trial(self) -> None:
        """Keep the trial's card up to date, and end the trial where that is due."""
        await watch_trial(self._wired.app.context(SERVICE), self._outbox)

    async def prices(self) -> None:
        """Tell when the price of a model in use has changed."""
        await watch_prices(self._wired, self._outbox)

    async def retirements(self) -> None:
        """Read each provider's model list once a day, and tell of models in use that end."""
        app = self._wired.app
        await app.learn(afresh=True)
        await look_at_lists(app.context(SERVICE))
        await app.learn(afresh=True)
        await put_retirement_notices(app.context(SERVICE), self._outbox)

    async def digest(self) -> None:
        """Put the digest that is due into the outbox, unless it was."""
        line = self._wired.service.schedule.digest_cron
        if line is None:
            return
        zone, now = self._wired.settings.timezone, self._wired.clock.now()
        due_at = last_fire("CHANGEOVER_DIGEST", line, zone, now)
        if due_at is None:
            return
        await self._wired.app.learn()
        context = self._wired.app.context(SERVICE)
        await put_due_digest(context, self._outbox, due_at, started_at=self._started_at)


def with_bills(wired: Wired) -> None:
    """Let a service read bills; one-shot commands do without that library."""
    from adapters.providers.bills import bill_sources

    app = wired.app
    app.ports = replace(app.ports, bills=bill_sources(wired.settings.env, app.catalog))
