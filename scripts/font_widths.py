"""How wide words are in a TrueType font, read from the file itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


class Font:
    """A font's widths: its `cmap` and `hmtx` tables."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        count = struct.unpack_from(">H", self._data, 4)[0]
        rows = (struct.unpack_from(">4sIII", self._data, 12 + 16 * i) for i in range(count))
        self._at = {tag.decode(): offset for tag, _, offset, _ in rows}
        self._units = struct.unpack_from(">H", self._data, self._at["head"] + 18)[0]
        self._wide = struct.unpack_from(">H", self._data, self._at["hhea"] + 34)[0]
        self._glyphs = dict(self._cmap())

    def _cmap(self) -> Iterator[tuple[int, int]]:
        start = self._at["cmap"]
        for i in range(struct.unpack_from(">H", self._data, start + 2)[0]):
            table = start + struct.unpack_from(">HHI", self._data, start + 4 + 8 * i)[2]
            if struct.unpack_from(">H", self._data, table)[0] == 4:
                yield from self._segments(table)

    def _segments(self, table: int) -> Iterator[tuple[int, int]]:
        """Read a table of format 4. Source: the OpenType specification, `cmap`."""
        twice = struct.unpack_from(">H", self._data, table + 6)[0]
        for i in range(0, twice, 2):
            ends, starts = table + 14 + i, table + 16 + twice + i
            last, first = (struct.unpack_from(">H", self._data, at)[0] for at in (ends, starts))
            delta = struct.unpack_from(">h", self._data, starts + twice)[0]
            offset = struct.unpack_from(">H", self._data, starts + 2 * twice)[0]
            for c in range(first, min(last, 0xFFFE) + 1):
                at = starts + 2 * twice + offset + 2 * (c - first)
                glyph = struct.unpack_from(">H", self._data, at)[0] if offset else c
                yield c, (glyph + delta) % 65536 if glyph or not offset else 0

    def width(self, words: str, size: float) -> float:
        """Return the width in pixels."""
        table = self._at["hmtx"]
        advances = (min(self._glyphs.get(ord(c), 0), self._wide - 1) for c in words)
        total = sum(struct.unpack_from(">H", self._data, table + 4 * g)[0] for g in advances)
        return float(total * size / self._units)
