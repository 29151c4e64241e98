"""genai-prices' own background update: a newer list where the network allows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.update_prices import UpdatePrices

EVERY_S = 6 * 3600.0


class PriceFeed:
    """The package's daemon thread, which fetches its list every few hours.

    Starting it imports the package and an HTTP library, which belongs off the event loop.
    """

    def __init__(self, url: str | None = None, every_s: float = EVERY_S) -> None:
        self._url = url
        self._every_s = every_s
        self._updates: UpdatePrices | None = None

    def start(self) -> None:
        """Begin to fetch."""
        from genai_prices.update_prices import DEFAULT_UPDATE_URL, UpdatePrices

        # A machine without a way out is no error; the doctor tells of it.
        logging.getLogger("genai-prices").setLevel(logging.CRITICAL)
        self._updates = UpdatePrices(self._every_s, self._url or DEFAULT_UPDATE_URL)
        self._updates.start()

    def stop(self) -> None:
        """Fetch no more; what is under way dies with the process."""
        if self._updates is not None:
            end: Callable[[], None] = self._updates.stop
            end()

    def look(self) -> tuple[DataSnapshot | None, str]:
        """Return the list that was fetched last, if any, and why the last fetch failed."""
        from genai_prices.data_snapshot import get_snapshot

        trouble = ""
        if self._updates is not None:
            try:
                self._updates.wait(0)
            except Exception as error:  # noqa: BLE001 - it raises whatever the fetch did
                trouble = type(error).__name__
        snapshot = get_snapshot()
        return (snapshot if snapshot.from_auto_update else None), trouble
