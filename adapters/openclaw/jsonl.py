"""Reads 1.x transcripts, `<state>/agents/<id>/sessions/<session>.jsonl`, as they grow.

A file is read on from where it was left; one that was rewritten or edited by hand is read anew,
which counts nothing twice, since every attempt is named by its message.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from adapters.openclaw.batch import Batch, agents_in
from bot.openclaw.fallback_tracker import FallbackTracker
from bot.openclaw.session_reader import SessionReader
from bot.openclaw.transcript import Rubbish, read_entry

SHARDS = 64
_CHUNK_BYTES = 1024 * 1024
_LONGEST_LINE_BYTES = 64 * _CHUNK_BYTES
_TAIL_BYTES = 64
_TOOL, _TOOL_WITHIN = b'"role":"toolResult"', 300
_MOST_TURNS = 1000


@dataclass(slots=True)
class _File:
    """One transcript: where to begin after a restart, how far it was read, how it looked then."""

    resume_at: int = 0
    resume_tail: str = ""
    read_to: int = 0
    tail: str = ""
    size: int = -1
    changed_ns: int = -1


class Sessions:
    """Follows all sessions below a state folder; nothing older than `since` counts."""

    def __init__(
        self,
        state: Path,
        since: datetime,
        kept: Mapping[str, str],
        runs: FallbackTracker | None = None,
    ) -> None:
        self._state = state
        self._runs = runs
        self._since = since
        self._files: dict[str, _File] = {}
        self._turns: OrderedDict[str, SessionReader] = OrderedDict()
        self._todo: deque[str] = deque()
        for text in kept.values():
            self._load(text)

    @property
    def files(self) -> int:
        """How many transcripts are followed."""
        return len(self._files)

    def read(self, now: datetime, most_bytes: int = 4 * _CHUNK_BYTES) -> Batch:
        """Read what is new, and give up what nobody answered."""
        batch = Batch()
        if not self._todo:
            self._look(batch)
            self._settle(now, batch)
        while self._todo and batch.read_bytes < most_bytes and not batch.full:
            name = self._todo.popleft()
            try:
                with (self._state / name).open("rb") as file:
                    self._read_file(file, name, batch, most_bytes)
            except FileNotFoundError:
                self._forget(name, batch)
            except OSError as error:
                batch.troubles[name] = error.strerror or "cannot be read"
        batch.more = bool(self._todo)
        return batch

    def accept(self, batch: Batch) -> dict[str, str]:
        """Keep what was read as read; return what is to be remembered, by shard."""
        for name in batch.moved & self._files.keys():
            file, turns = self._files[name], self._turns.get(name)
            open_at = turns.resume_at if turns else None
            file.resume_at = file.read_to if open_at is None else open_at
            file.resume_tail = file.tail if open_at is None else ""
        while len(self._turns) > _MOST_TURNS:
            oldest = next((n for n, t in self._turns.items() if t.resume_at is None), None)
            if oldest is None:
                break
            del self._turns[oldest]
        return self._shards({_shard_of(name) for name in batch.moved})

    def reject(self, batch: Batch) -> None:
        """Forget what was read, since it could not be written down: it is read again."""
        for name in batch.moved & self._files.keys():
            file = self._files[name]
            file.read_to, file.tail, file.size = file.resume_at, file.resume_tail, -1
            self._turns.pop(name, None)
        self._todo.clear()

    def _look(self, batch: Batch) -> None:
        """Queue the files that have changed, those of one shard together, the oldest first."""
        changed: list[tuple[str, int, str]] = []
        seen: set[str] = set()
        try:
            for agent in agents_in(self._state):
                changed += self._in_agent(agent, seen, batch)
        except OSError as error:
            batch.troubles["agents"] = error.strerror or "cannot be read"
            return
        for name in self._files.keys() - seen:
            self._forget(name, batch)
        self._todo.extend(name for _, _, name in sorted(changed))

    def _in_agent(self, agent: Path, seen: set[str], batch: Batch) -> list[tuple[str, int, str]]:
        changed = []
        try:
            with os.scandir(agent / "sessions") as entries:
                for entry in entries:
                    if not entry.name.endswith(".jsonl") or not entry.is_file():
                        continue
                    found = entry.stat()
                    if found.st_mtime < self._since.timestamp():
                        continue
                    name = f"agents/{agent.name}/sessions/{entry.name}"
                    seen.add(name)
                    file = self._files.get(name)
                    if file and (file.size, file.changed_ns) == (found.st_size, found.st_mtime_ns):
                        continue
                    changed.append((_shard_of(name), found.st_mtime_ns, name))
        except FileNotFoundError:
            pass
        except OSError as error:
            batch.troubles[f"agents/{agent.name}/sessions"] = error.strerror or "cannot be read"
        return changed

    def _read_file(self, file: BinaryIO, name: str, batch: Batch, most_bytes: int) -> None:
        known = self._files.setdefault(name, _File())
        found = os.fstat(file.fileno())
        if known.read_to > found.st_size or not _tail_is(file, known.read_to, known.tail):
            batch.rewritten += 1
            known.read_to = 0
            self._turns.pop(name, None)
        turns = self._turns.get(name) or SessionReader(
            name.split("/")[1], Path(name).stem, self._runs
        )
        self._turns[name] = turns
        self._turns.move_to_end(name)
        batch.moved.add(name)
        file.seek(known.read_to)
        while batch.read_bytes < most_bytes:
            data = file.read(_CHUNK_BYTES)
            while data and b"\n" not in data and len(data) < _LONGEST_LINE_BYTES:
                more = file.read(_CHUNK_BYTES)
                if not more:
                    break
                data += more
            end = data.rfind(b"\n") + 1
            if not end:
                known.size, known.changed_ns = found.st_size, found.st_mtime_ns
                break
            self._feed(turns, data[:end], known.read_to, batch)
            known.read_to += end
            batch.read_bytes += end
            file.seek(known.read_to)
        else:
            self._todo.append(name)
        known.tail = _tail(file, known.read_to)

    def _feed(self, turns: SessionReader, block: bytes, position: int, batch: Batch) -> None:
        for line in block.splitlines(keepends=True):
            # Most of a transcript is tool output: only messages of people and models are parsed.
            whole = line.startswith(b"{") and line.rstrip().endswith(b"}")
            if not whole or (b'"role"' in line and line.find(_TOOL, 0, _TOOL_WITHIN) < 0):
                said = read_entry(line)
                if isinstance(said, Rubbish):
                    batch.skipped += bool(line.strip())
                elif said is not None and said.at >= self._since:
                    batch.add(turns.feed(said, position))
            position += len(line)

    def _settle(self, now: datetime, batch: Batch) -> None:
        for name, turns in self._turns.items():
            found = turns.settle(now)
            if found.attempts:
                batch.add(found)
                batch.moved.add(name)

    def _forget(self, name: str, batch: Batch) -> None:
        if self._files.pop(name, None) is not None:
            batch.moved.add(name)
        self._turns.pop(name, None)

    def _shards(self, wanted: set[str]) -> dict[str, str]:
        rows: dict[str, dict[str, list[int | str]]] = {shard: {} for shard in wanted}
        for name, file in self._files.items() if wanted else ():
            if (shard := _shard_of(name)) in wanted:
                rows[shard][name] = (
                    [file.resume_at, file.resume_tail, file.size, file.changed_ns]
                    if file.resume_at == file.read_to
                    else [file.resume_at, "", -1, -1]
                )
        return {shard: json.dumps(one, separators=(",", ":")) for shard, one in rows.items()}

    def _load(self, text: str) -> None:
        try:
            for name, (at, tail, size, changed_ns) in json.loads(text).items():
                self._files[name] = _File(at, tail, at, tail, size, changed_ns)
        except (ValueError, TypeError, AttributeError):
            return


def shard_names() -> list[str]:
    """Return the names that `accept` uses."""
    return [f"{number:02x}" for number in range(SHARDS)]


@lru_cache(maxsize=65536)
def _shard_of(name: str) -> str:
    return f"{zlib.crc32(name.encode('utf-8', 'surrogateescape')) % SHARDS:02x}"


def _tail(file: BinaryIO, at: int) -> str:
    """Name the bytes before a position."""
    file.seek(max(0, at - _TAIL_BYTES))
    data = file.read(min(at, _TAIL_BYTES))
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _tail_is(file: BinaryIO, at: int, tail: str) -> bool:
    return not at or not tail or _tail(file, at) == tail
