"""Real time plus whatever was jumped over: the clock of the demo and its providers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """Tells real time shifted ahead, so that hours pass when somebody says so."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the present as aware UTC."""
        return datetime.now(UTC) + self._ahead

    def jump(self, by: timedelta) -> datetime:
        """Move ahead and return the new present.

        Raises:
            ValueError: `by` is negative; time that was seen cannot be taken back.
        """
        if by < timedelta():
            raise ValueError("the simulated clock only moves ahead")
        self._ahead += by
        return self.now()
