"""What a gateway reports of itself to the commands: who stays with a fallback, what callers use."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

from bot.dialects.options import Used
from bot.errors import StorageError
from bot.ports import Clock, FallbackLog
from bot.routing.sticky import Conversations

REPORT_EVERY = timedelta(seconds=5)


class Reports:
    """Writes the reports of the gateway called `name`, at most every 5 s each."""

    def __init__(
        self, log: FallbackLog, clock: Clock, name: str, conversations: Conversations, used: Used
    ) -> None:
        self._log = log
        self._clock = clock
        self._name = name
        self._conversations = conversations
        self._used = used
        self._some_stay = False
        self._staying_at = self._used_at = datetime.min.replace(tzinfo=UTC)

    async def write(self) -> None:
        """Write what is new; while the database is away, it waits."""
        with contextlib.suppress(StorageError):
            await self._staying()
        with contextlib.suppress(StorageError):
            await self._what_is_used()

    async def _staying(self) -> None:
        """Report to `/fallback status` how many conversations stay with a fallback here."""
        now = self._clock.now()
        counts = self._conversations.counts(now)
        if (not counts and not self._some_stay) or now - self._staying_at < REPORT_EVERY:
            return
        await self._log.report_staying(self._name, now, counts)
        self._some_stay, self._staying_at = bool(counts), now

    async def _what_is_used(self) -> None:
        """Report to `/fallback test` in which dialects callers ask, and with which options."""
        used, now = self._used, self._clock.now()
        if not used.news or now - self._used_at < REPORT_EVERY:
            return
        # A row for each day of the week: what was seen before a restart stays.
        await self._log.report_used(f"{self._name} {now:%a}", used.days)
        used.news, self._used_at = False, now
