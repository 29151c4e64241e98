"""genai-prices' own background update: a newer list where the network allows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.update_prices import UpdatePrices

EVERY_S = 6 * 3600.0
WITHIN_S = 60.0
MOST_BYTES = 32 * 1024 * 1024
"""The list was 1.2 MB in November 2026; what is so much larger is none."""


class PriceFeed:
    """The package's daemon thread, which fetches its list every few hours.

    Starting it imports the package and an HTTP library, which belongs off the event loop.
    """

    def __init__(
        self, url: str | None = None, every_s: float = EVERY_S, within_s: float = WITHIN_S
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._within_s = within_s
        self._updates: UpdatePrices | None = None

    def start(self) -> None:
        """Begin to fetch."""
        from genai_prices.update_prices import DEFAULT_UPDATE_URL

        # A machine without a way out is no error; the doctor tells of it.
        logging.getLogger("genai-prices").setLevel(logging.CRITICAL)
        self._updates = _bounded(self._url or DEFAULT_UPDATE_URL, self._every_s, self._within_s)
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


def _bounded(url: str, every_s: float, within_s: float) -> UpdatePrices:
    """Return the package's updater, which by itself reads whatever comes for however long."""
    import httpx2
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw
    from genai_prices.update_prices import UpdatePrices

    class Bounded(UpdatePrices):
        def fetch(self) -> DataSnapshot:
            import json

            late, body = time.monotonic() + within_s, bytearray()
            patience = httpx2.Timeout(within_s)
            with httpx2.stream("GET", self.url, timeout=patience) as answer:
                answer.raise_for_status()
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise ValueError("the list is too large")
                    if time.monotonic() > late:
                        raise TimeoutError("the list took too long")
            listed = json.loads(bytes(body))
            if not isinstance(listed, list) or not listed:
                raise ValueError("that is no list of providers")
            return DataSnapshot(_providers_from_raw(listed), from_auto_update=True)

    return Bounded(update_interval=every_s, url=url)
