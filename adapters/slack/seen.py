"""What was delivered already: Slack sends some things twice."""

from __future__ import annotations

from typing import Protocol


class Triggers(Protocol):
    """Remembers which commands and clicks were acted on."""

    async def claim(self, trigger: str) -> bool:
        """Note a trigger; False when it was noted before. Raises StorageError."""
        ...


class Seen:
    """The last ids that came by."""

    def __init__(self, most: int = 2000) -> None:
        self._ids: dict[str, None] = {}
        self._most = most

    def first(self, id_: str) -> bool:
        """Note an id; False when it was noted before."""
        if id_ in self._ids:
            return False
        self._ids[id_] = None
        if len(self._ids) > self._most:
            del self._ids[next(iter(self._ids))]
        return True

    async def claim(self, trigger: str) -> bool:
        """Note a trigger for as long as this process lives."""
        return self.first(trigger)
