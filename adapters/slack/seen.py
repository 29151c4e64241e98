"""What was delivered already: Slack sends some things twice."""

from __future__ import annotations


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
