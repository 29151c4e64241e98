"""The scheduled chain test: told when it fails, and when it is not as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.alerts.notices import test_notice
from bot.messages.alert_notes import TestedHop
from bot.ports.alerts import AlertStore

LAST_TEST = "alerts.chain_test"


class News(StrEnum):
    """How a test differs from the one before."""

    SAME = "same"
    FIRST = "first"
    CHANGED = "changed"
    FAILED = "failed"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a test of the whole chain found: each hop's verdict, in order, and what mends it."""

    verdicts: tuple[tuple[str, str], ...]
    would_serve: str | None
    hints: tuple[str, ...] = ()

    @property
    def chain_ok(self) -> bool:
        """True when there is a chain and every hop of it answered."""
        return bool(self.verdicts) and all(verdict == "ok" for _, verdict in self.verdicts)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> TestResult:
        """Read the data of a `/fallback test` card; one that could not be made has no hops."""
        hops: Sequence[Mapping[str, Any]] = data.get("hops") or ()
        return cls(
            tuple((str(hop["model"]), str(hop["verdict"])) for hop in hops),
            data.get("would_serve"),
            tuple(hop.get("hint") or "" for hop in hops),
        )


def compare(before: TestResult | None, after: TestResult) -> News:
    """Decide what is new in a test."""
    if not after.chain_ok:
        return News.FAILED
    if before is None:
        return News.FIRST
    if not before.chain_ok:
        return News.MENDED
    return News.SAME if before.verdicts == after.verdicts else News.CHANGED


async def report(
    store: AlertStore, result: TestResult, surfaces: Sequence[str], now: datetime
) -> News:
    """Ask for a message about a test unless nothing is new in it, and keep it for the next.

    Raises:
        StorageError: it could not be kept; the next test says it.
    """
    kept = await store.recall(LAST_TEST)
    before = _read(kept) if kept else None
    news = compare(before, result)
    if news not in (News.SAME, News.FIRST):
        known = dict(before.verdicts) if before else {}
        hints = (*result.hints, *[""] * len(result.verdicts))
        hops = [
            TestedHop(model, verdict, known.get(model) if before else verdict, hint)
            for (model, verdict), hint in zip(result.verdicts, hints, strict=False)
        ]
        present = {model for model, _ in result.verdicts}
        gone = [model for model in known if model not in present]
        notice = test_notice(hops, result.would_serve, gone, now, first=before is None)
        await store.add_notice(notice, surfaces)
    await store.remember(LAST_TEST, _write(result))
    return news


def _write(result: TestResult) -> str:
    return json.dumps(
        {"verdicts": [list(pair) for pair in result.verdicts], "would_serve": result.would_serve}
    )


def _read(kept: str) -> TestResult:
    data = json.loads(kept)
    return TestResult(tuple((m, v) for m, v in data["verdicts"]), data["would_serve"])
