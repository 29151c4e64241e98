"""From the lines of a log to fallback events: one for each request, however often it is told."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from bot.models import FailureReason
from bot.openclaw.log_lines import Decided, Decision, LogLine
from bot.openclaw.reasons import reason_for
from bot.ports import FallbackEvent

SOURCE = "openclaw"
HISTORY = "openclaw-history"
"""The source of what OpenClaw did before it was attached: told on demand, no alert."""
_MOST_RUNS = 512
_MOST_REMEMBERED = 4096


class FallbackTracker:
    """Remembers, for each request under way, why its first candidate failed.

    `decides` says that the log is the witness of fallbacks, so that transcripts, which releases
    of 2026.3 and later write as well, tell none a second time.
    """

    def __init__(self, *, decides: bool = False) -> None:
        self.decides = decides
        self._first: OrderedDict[str, tuple[FailureReason | None, str]] = OrderedDict()
        self._fell_back: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, run: object) -> bool:
        """Return whether a run is known to have been answered by a fallback."""
        return run in self._fell_back

    def feed(self, line: Decision | LogLine, now: datetime) -> FallbackEvent | None:
        """Take a line; return the event that it completes.

        `now` stands in where the line has no time. The same request told again gives an event
        of the same name, which the log of events counts once.
        """
        if isinstance(line, LogLine):
            return _told(line, now)
        self.decides = True
        key = line.run or str(line.requested)
        if line.decided is Decided.SUCCEEDED:
            return self._succeeded(line, key, now)
        reason = reason_for(line.reason, line.status, line.detail)
        if key not in self._first:
            self._first[key] = (reason, line.detail)
            if len(self._first) > _MOST_RUNS:
                self._first.popitem(last=False)
        if line.next is not None:
            return None
        reason, detail = self._first.pop(key)
        if reason is None:
            return None
        return FallbackEvent(
            line.at or now, _name(line), str(line.requested), None, reason, SOURCE, detail
        )

    def _succeeded(self, line: Decision, key: str, now: datetime) -> FallbackEvent | None:
        known = self._first.pop(key, None)
        if line.candidate == line.requested:
            return None
        if line.run:
            self._fell_back[line.run] = None
            if len(self._fell_back) > _MOST_REMEMBERED:
                self._fell_back.popitem(last=False)
        reason, detail = known or (None, "")
        if line.first_reason:
            reason = reason_for(line.first_reason, None, line.first_detail)
            detail = line.first_detail or detail
        return FallbackEvent(
            line.at or now,
            _name(line),
            str(line.requested),
            str(line.candidate),
            reason or FailureReason.BAD_RESPONSE,
            SOURCE,
            detail,
        )


def _told(line: LogLine, now: datetime) -> FallbackEvent:
    reason = reason_for(line.reason) or FailureReason.BAD_RESPONSE
    return FallbackEvent(
        line.at or now, f"openclaw:line:{line.mark}", line.from_model, line.to_model, reason, SOURCE
    )


def _name(line: Decision) -> str:
    return f"openclaw:run:{line.run}" if line.run else f"openclaw:line:{line.mark}"
