"""Whether a workspace takes Slack's own tables and charts, remembered from its last refusal.

The blocks came in 2025 and 2026, workspace by workspace; one that does not know them yet answers
`invalid_blocks` to the whole message.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from adapters.slack.api import log
from adapters.slack.render import Form
from bot.errors import StorageError

ASK_AGAIN_AFTER = timedelta(days=7)
REFUSALS = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments"})


class Memory(Protocol):
    """Remembers text by key over a restart. Raises StorageError."""

    async def get(self, key: str) -> str | None: ...

    async def put(self, key: str, value: str) -> None: ...


def utc_now() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


class Forms:
    """How cards are laid out for one workspace; without a memory until the process ends."""

    def __init__(
        self,
        memory: Memory | None = None,
        team: Callable[[], str] = str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._memory = memory
        self._team = team
        self._now = now
        self._classic_until: datetime | None = None
        self._recalled = memory is None

    async def best(self) -> Form:
        """Return the form to try first."""
        if not self._recalled:
            await self._recall()
        until = self._classic_until
        return Form.CLASSIC if until is not None and self._now() < until else Form.NATIVE

    async def refused(self) -> None:
        """Remember that the workspace refused what it takes in the classic form."""
        self._classic_until = until = self._now() + ASK_AGAIN_AFTER
        log.info("Slack refused tables and charts of its own; tried again on %s", until.date())
        if self._memory is None:
            return
        try:
            await self._memory.put(self._key, until.isoformat())
        except StorageError as error:
            log.warning("what Slack refused could not be saved: %s", error.message)

    async def _recall(self) -> None:
        assert self._memory is not None
        try:
            kept = await self._memory.get(self._key)
            self._classic_until = datetime.fromisoformat(kept) if kept else None
            self._recalled = True
        except StorageError as error:
            log.warning("what Slack refused could not be read: %s", error.message)

    @property
    def _key(self) -> str:
        return f"slack.classic_until.{self._team()}"
