"""Cuts a byte stream into whole events, wherever the network happened to cut it."""

from __future__ import annotations

import re

MOST_BYTES = 32 << 20
"""The largest event that is read: one may hold a whole answer."""

_BLANK_LINE = b"\n\n"
_ANY_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_BLANK_LINE = 4


class Frames:
    """Collects chunks and hands out events with their separator, byte for byte as they came.

    Server-sent events end with a blank line, in any of the three line endings; NDJSON's with a
    line feed. The same bytes give the same events however they are cut.
    """

    __slots__ = ("_lines", "_most", "_rest", "_returns", "_scanned", "overflowed")

    def __init__(self, *, lines: bool = False, most_bytes: int = MOST_BYTES) -> None:
        self._lines = lines
        self._most = most_bytes
        self._rest = bytearray()
        self._scanned = 0
        self._returns = False
        self.overflowed = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the events that are now whole; none any more once one was too large."""
        if self.overflowed:
            return []
        self._returns = self._returns or (not self._lines and b"\r" in chunk)
        if not self._rest:
            if self._one_event(chunk):
                return [chunk]
            return self._cut(chunk, final=False)
        self._rest += chunk
        return self._cut(self._rest, final=False)

    def _one_event(self, chunk: bytes) -> bool:
        """Return whether a chunk is just one whole event, the most frequent case."""
        separator = b"\n" if self._lines else _BLANK_LINE
        return (
            chunk.endswith(separator)
            and chunk.find(separator) == len(chunk) - len(separator)
            and len(chunk) <= self._most
            and not self._returns
        )

    def close(self) -> list[bytes]:
        """Return what is left at the end: perhaps an event that nothing has ended."""
        if self.overflowed:
            return []
        frames = self._cut(self._rest, final=True)
        if self._rest:
            frames.append(bytes(self._rest))
            self._rest = bytearray()
        return frames

    def _cut(self, data: bytes | bytearray, *, final: bool) -> list[bytes]:
        ends = self._ends(data, final)
        frames: list[bytes] = []
        start = 0
        for end in ends:
            if end - start > self._most:
                self.overflowed = True
                break
            frames.append(bytes(data[start:end]))
            start = end
        if len(data) - start > self._most:
            self.overflowed = True
        if self.overflowed:
            self._rest = bytearray()
        elif start or data is not self._rest:
            self._rest = bytearray(data[start:])
        self._scanned = max(0, len(self._rest) - _LONGEST_BLANK_LINE + 1)
        return frames

    def _ends(self, data: bytes | bytearray, final: bool) -> list[int]:
        if self._returns:
            size = len(data)
            return [
                found.end()
                for found in _ANY_BLANK_LINE.finditer(data, self._scanned)
                # A carriage return at the very end may be the first half of a line ending.
                if final or found.end() < size or data[size - 1] != 0x0D
            ]
        separator = b"\n" if self._lines else _BLANK_LINE
        ends: list[int] = []
        position = self._scanned
        while (position := data.find(separator, position)) >= 0:
            position += len(separator)
            ends.append(position)
        return ends
