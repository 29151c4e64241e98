"""What chats have in common: deliveries that come twice, and characters they cannot carry."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_HALF = re.compile("[\ud800-\udfff]")


class Seen:
    """The last ids that came by: a chat may deliver a thing twice."""

    def __init__(self, most: int = 2000) -> None:
        self._ids: dict[str | int, None] = {}
        self._most = most

    def first(self, id_: str | int) -> bool:
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


def size(words: str) -> int:
    """Count characters as JavaScript does, which is never fewer than a chat counts."""
    return len(words) if words.isascii() else len(words.encode("utf-16-le", "surrogatepass")) // 2


def visible(words: str) -> str:
    """Take out what cannot be seen or sent: control and direction marks, half characters."""
    if words.isprintable():
        return words
    return _HALF.sub("\ufffd", _HIDDEN.sub("", words))
