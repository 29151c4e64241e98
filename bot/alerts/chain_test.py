"""The scheduled chain test: reported when it fails or its result differs from the last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.alerts.mute import QuietHours, hold
from bot.alerts.notices import StoredOutbox, chain_test_notice
from bot.errors import ErrorInfo
from bot.messages.alert_notes import HopNews
from bot.outage import AlertReason
from bot.ports import FallbackLog
from bot.ports.alerts import AlertStore, Notice
from bot.spans import kept

LAST_TEST = "alerts.chain_test"
HELD_TEST = "alerts.held_test"


class News(StrEnum):
    """How a test differs from the one before."""

    SAME = "same"
    FIRST = "first"
    CHANGED = "changed"
    FAILED = "failed"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What a test of the whole chain found: each hop's verdict, in order, and what fixes it.

    `trouble` says why the test could not run, and what helps.
    """

    verdicts: tuple[tuple[str, str], ...]
    would_serve: str | None
    hints: tuple[str, ...] = ()
    trouble: tuple[str, str] | None = None

    @property
    def chain_ok(self) -> bool:
        """True when there is a chain and every hop of it answered."""
        return bool(self.verdicts) and all(verdict == "ok" for _, verdict in self.verdicts)

    @classmethod
    def failed(cls, error: ErrorInfo) -> ChainResult:
        """Return the result of a test that could not run."""
        return cls((), None, trouble=(error.message, kept(error.step)))


def compare(before: ChainResult | None, after: ChainResult) -> News:
    """Return what is new in a test."""
    if not after.chain_ok:
        return News.FAILED
    if before is None:
        return News.FIRST
    if not before.chain_ok:
        return News.MENDED
    return News.SAME if before.verdicts == after.verdicts else News.CHANGED


class ChainTestReports:
    """Reports a test unless nothing is new in it; while alerts are held back, the newest waits."""

    def __init__(
        self, store: AlertStore, outbox: StoredOutbox, log: FallbackLog, quiet: QuietHours | None
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._log = log
        self._quiet = quiet

    async def report(self, result: ChainResult, now: datetime) -> News:
        """Ask for a message about a test, and keep it for the next.

        While alerts are muted and in quiet hours it waits, unless no model would answer.

        Raises:
            StorageError: it could not be kept; the next test says it.
        """
        written = await self._store.recall(LAST_TEST)
        before = _read(written) if written else None
        news = compare(before, result)
        if news not in (News.SAME, News.FIRST):
            notice = _notice(before, result, now)
            dead = result.would_serve is None and result.trouble is None
            waits = not dead and self._held(now, await self._log.muted_until())
            await self._store.add_notice(notice, [] if waits else self._outbox.surfaces)
            await self._store.remember(HELD_TEST, notice.key if waits else "")
        if result.trouble is None:
            await self._store.remember(LAST_TEST, _write(result))
        return news

    async def run(self, now: datetime, muted_until: datetime | None) -> None:
        """Report the test that was held back, once alerts may be posted again."""
        key = await self._store.recall(HELD_TEST)
        if not key or self._held(now, muted_until):
            return
        notice = await self._outbox.find(key)
        if notice is not None:
            await self._outbox.amend(notice)
        await self._store.remember(HELD_TEST, "")

    def _held(self, now: datetime, muted_until: datetime | None) -> bool:
        return hold(AlertReason.RATE_LIMIT, now, muted_until, self._quiet) is not None


def _notice(before: ChainResult | None, result: ChainResult, now: datetime) -> Notice:
    known = dict(before.verdicts) if before else {}
    hops = [
        HopNews(model, verdict, known.get(model) if before else "", hint)
        for (model, verdict), hint in zip(result.verdicts, result.hints, strict=True)
    ]
    present = {model for model, _ in result.verdicts}
    gone = [] if result.trouble else [model for model in known if model not in present]
    return chain_test_notice(hops, result.would_serve, gone, result.trouble, now)


def _write(result: ChainResult) -> str:
    return json.dumps(
        {"verdicts": [list(pair) for pair in result.verdicts], "would_serve": result.would_serve}
    )


def _read(written: str) -> ChainResult:
    data = json.loads(written)
    return ChainResult(tuple((m, v) for m, v in data["verdicts"]), data["would_serve"])
