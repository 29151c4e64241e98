"""Follows log files: across rotation, truncation, a change of day, and our own restarts.

A file is known again by its inode and the hash of its beginning, whatever its name has become.
Nothing is remembered before it was taken: `accept` moves the marks, `state` writes them down. A
last line without its line break waits until it is whole. Nothing here keeps a line in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from bot.openclaw.log_lines import NEEDLES

CHUNK_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 8 * CHUNK_BYTES
_HEAD_BYTES = 1024
_HEAD_SAYS_ENOUGH_BYTES = 128
_MOST_FILES = 128


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read; `inside` is the middle of a line too long to be read.

    `changed_ns` is when it was written last, as of the last look.
    """

    name: str
    device: int
    inode: int
    head: str = ""
    head_bytes: int = 0
    offset: int = 0
    inside: bool = False
    changed_ns: int = 0


@dataclass(slots=True)
class Slice:
    """Some lines worth reading, and the marks that say they were read."""

    lines: list[bytes] = field(default_factory=list)
    marks: dict[tuple[int, int], Mark] = field(default_factory=dict)
    read_bytes: int = 0
    too_long: int = 0
    truncated: int = 0
    more: bool = False
    troubles: dict[str, str] = field(default_factory=dict)


class LogTail:
    """Reads new lines of log files; `places` are files, or folders of them.

    `from_end` begins at the end of what is there now. `not_before` leaves files alone that
    nobody has written since that time (seconds since the epoch).
    """

    def __init__(
        self, places: Sequence[Path], kept: str | None = None, *, not_before: float = 0.0
    ) -> None:
        self._places = tuple(places)
        self._not_before = not_before
        self._marks = _read_marks(kept)

    def state(self) -> str:
        """Write down where the files were left."""
        rows = [
            [m.name, m.device, m.inode, m.head, m.head_bytes, m.offset, m.inside, m.changed_ns]
            for m in self._marks.values()
        ]
        return json.dumps(rows, separators=(",", ":"))

    def to_end(self) -> None:
        """Pass over everything that is there now."""
        for path, found in self._files({}):
            try:
                with path.open("rb") as file:
                    mark = _with_head(file, Mark(path.name, found.st_dev, found.st_ino), found)
                    size = os.fstat(file.fileno()).st_size
            except OSError:
                continue
            self._marks[found.st_dev, found.st_ino] = replace(mark, offset=size)

    def last_written(self) -> float:
        """Return when the newest file was written, in seconds since the epoch; 0 without one."""
        files = self._files({})
        return files[-1][1].st_mtime if files else 0.0

    def read(self, most_bytes: int = 4 * CHUNK_BYTES) -> Slice:
        """Read what is new, at most so much; marks stay until `accept`."""
        part = Slice(marks=dict(self._marks))
        for path, found in self._files(part.troubles):
            if part.read_bytes >= most_bytes:
                part.more = True
                break
            try:
                self._read_file(path, found, part, most_bytes)
            except OSError as error:
                part.troubles[str(path)] = error.strerror or "cannot be read"
        return part

    def accept(self, part: Slice) -> bool:
        """Move the marks; False when nothing has moved."""
        marks = part.marks
        while len(marks) > _MOST_FILES:
            marks.pop(next(iter(marks)))
        moved = marks != self._marks
        self._marks = marks
        return moved

    def _files(self, troubles: dict[str, str]) -> list[tuple[Path, os.stat_result]]:
        """List the files there are, the one written last last."""
        seen: dict[tuple[int, int], tuple[Path, os.stat_result]] = {}
        for place in self._places:
            try:
                for path, found in self._at(place):
                    seen.setdefault((found.st_dev, found.st_ino), (path, found))
            except OSError as error:
                troubles[str(place)] = error.strerror or "cannot be read"
        return sorted(seen.values(), key=lambda row: (row[1].st_mtime_ns, row[0].name))

    def _at(self, place: Path) -> Iterator[tuple[Path, os.stat_result]]:
        if place.is_dir():
            yield from self._listed(place, "")
            return
        # A log that was renamed a moment ago may still have lines that nobody has read.
        if self._marks and place.parent.is_dir():
            for path, found in self._listed(place.parent, place.name.partition(".")[0]):
                if path == place or (found.st_dev, found.st_ino) in self._marks:
                    yield path, found
        else:
            yield place, place.stat()

    def _listed(self, folder: Path, stem: str) -> Iterator[tuple[Path, os.stat_result]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(stem) or not _is_log(entry.name):
                    continue
                try:
                    found = entry.stat()
                except OSError:
                    continue
                known = (found.st_dev, found.st_ino) in self._marks
                if entry.is_file() and (known or found.st_mtime >= self._not_before):
                    yield folder / entry.name, found

    def _read_file(self, path: Path, found: os.stat_result, part: Slice, most: int) -> None:
        key = (found.st_dev, found.st_ino)
        known = part.marks.get(key)
        # A file cut off and written anew may have the very same size, so its time counts too.
        there = (path.name, found.st_size, found.st_mtime_ns)
        if known is not None and (known.name, known.offset, known.changed_ns) == there:
            return
        with path.open("rb") as file:
            mark = self._mark(file, path, found, part)
            while part.read_bytes < most:
                mark, whole = _read_chunk(file, mark, part)
                if whole:
                    break
            else:
                part.more = True
            part.marks.pop(key, None)
            part.marks[key] = replace(mark, changed_ns=found.st_mtime_ns)

    def _mark(self, file: BinaryIO, path: Path, found: os.stat_result, part: Slice) -> Mark:
        """Find out how far this file was read, under whatever name."""
        size = os.fstat(file.fileno()).st_size
        known = part.marks.get((found.st_dev, found.st_ino))
        fresh = Mark(path.name, found.st_dev, found.st_ino)
        if known is not None and _same_head(file, known):
            if known.offset > size:
                part.truncated += 1
                return _with_head(file, fresh, found)
            return _with_head(file, replace(known, name=path.name), found)
        if known is not None:
            part.truncated += 1
        for other in part.marks.values():
            if other.head_bytes >= _HEAD_SAYS_ENOUGH_BYTES and _same_head(file, other):
                moved = replace(other, name=path.name, device=found.st_dev, inode=found.st_ino)
                return replace(moved, offset=min(other.offset, size))
        return _with_head(file, fresh, found)


def worth_reading(block: bytes) -> list[bytes]:
    """Return the lines of a block that hold one of the needles, in their order."""
    starts: dict[int, int] = {}
    for needle in NEEDLES:
        at = block.find(needle)
        while at >= 0:
            start, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at)
            end = len(block) if end < 0 else end
            starts[start] = end
            at = block.find(needle, end)
    return [block[start : starts[start]] for start in sorted(starts)]


def _read_chunk(file: BinaryIO, mark: Mark, part: Slice) -> tuple[Mark, bool]:
    """Read on from a mark; True when there is no whole line left."""
    file.seek(mark.offset)
    data = file.read(CHUNK_BYTES)
    if data and len(data) == CHUNK_BYTES and b"\n" not in data and not mark.inside:
        data += file.read(LONGEST_LINE_BYTES - CHUNK_BYTES)
    if not data:
        return mark, True
    end = data.rfind(b"\n") + 1
    if not end:
        if not mark.inside and len(data) < LONGEST_LINE_BYTES:
            return mark, True
        part.too_long += not mark.inside
        part.read_bytes += len(data)
        return replace(mark, offset=mark.offset + len(data), inside=True), False
    begin = data.find(b"\n") + 1 if mark.inside else 0
    part.lines += worth_reading(data[begin:end])
    part.read_bytes += end
    return replace(mark, offset=mark.offset + end, inside=False), False


def _same_head(file: BinaryIO, mark: Mark) -> bool:
    file.seek(0)
    return _hash(file.read(mark.head_bytes)) == mark.head if mark.head_bytes else True


def _with_head(file: BinaryIO, mark: Mark, found: os.stat_result) -> Mark:
    """Take as much of the beginning into the mark as there is by now."""
    if mark.head_bytes >= _HEAD_BYTES or mark.head_bytes >= found.st_size:
        return mark
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    return replace(mark, head=_hash(head), head_bytes=len(head))


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _is_log(name: str) -> bool:
    return (".log" in name or name.endswith(".jsonl")) and not name.endswith((".gz", ".zst", ".xz"))


def _read_marks(kept: str | None) -> dict[tuple[int, int], Mark]:
    try:
        marks = [Mark(*row) for row in json.loads(kept or "[]")]
        return {(mark.device, mark.inode): mark for mark in marks}
    except (ValueError, TypeError):
        return {}
