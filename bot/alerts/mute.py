"""When alerts are held back: a mute, and quiet hours in the team's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from bot.durations import in_force
from bot.outage import AlertReason

_DAY = timedelta(days=1)


class Hold(StrEnum):
    """Why a first word waits."""

    MUTED = "muted"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Night:
    """One stretch of quiet hours, named by the local day it began on."""

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` of the clock in `zone`, over midnight where `end` is the earlier.

    A night is a stretch between two instants: where clocks are put back within it, the hour that
    comes twice does not end it twice; where they are put forward, it ends when they have passed.
    """

    start: time
    end: time
    zone: tzinfo

    def at(self, now: datetime) -> Night | None:
        """Return the night that `now` is in."""
        night = self.latest(now)
        return night if now < night.end else None

    def latest(self, now: datetime) -> Night:
        """Return the night that began last."""
        today = now.astimezone(self.zone).date()
        nights = (self._from(today + n * _DAY) for n in (1, 0, -1, -2))
        return next(night for night in nights if night.start <= now)

    def _from(self, day: date) -> Night:
        last = day if self.start < self.end else day + _DAY
        return Night(day.isoformat(), self._instant(day, self.start), self._instant(last, self.end))

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def hold(
    reason: AlertReason, now: datetime, muted_until: datetime | None, quiet: QuietHours | None
) -> tuple[Hold, datetime] | None:
    """Return whether a first word has to wait, why, and until when.

    A chain with no model left to answer breaks through everything, what is loud through the night.
    """
    if reason is AlertReason.CHAIN_EXHAUSTED:
        return None
    if (muted := in_force(muted_until, now)) is not None:
        return Hold.MUTED, muted
    night = quiet.at(now) if quiet else None
    if night is not None and not reason.loud:
        return Hold.QUIET, night.end
    return None
