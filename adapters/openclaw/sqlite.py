"""Reads 9.x transcripts, `<state>/agents/<id>/agent/openclaw-agent.sqlite`, never writing there.

Rows are read in the order of their rowid. When the row that was read last is no longer there (a
session was reset, the file was vacuumed) the last hour is read anew, which counts nothing twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from adapters.openclaw.batch import Batch, agents_in
from adapters.openclaw.find import FILE
from bot.openclaw.fallback_tracker import FallbackTracker
from bot.openclaw.session_reader import SessionReader
from bot.openclaw.transcript import Rubbish, read_entry

_ROWS = 2000
_AGAIN_MS = 3_600_000
_MOST_EVENT_BYTES = 4 * 1024 * 1024
_MOST_TURNS = 1000
_NEXT = (
    "SELECT rowid, session_id, seq, created_at, event_json, event_zstd "
    "FROM transcript_events WHERE rowid > ? ORDER BY rowid LIMIT ?"
)
_LAST = "SELECT session_id, seq FROM transcript_events WHERE rowid = ?"
_BACK = "SELECT min(rowid) FROM transcript_events WHERE created_at >= ?"


@dataclass(slots=True)
class _Cursor:
    """How far one database was read: the row, and what it was."""

    row: int = 0
    session: str = ""
    seq: int = -1
    created_ms: int = 0


class Databases:
    """Follows all agents' databases; nothing older than `since` counts."""

    def __init__(
        self,
        state: Path,
        since: datetime,
        kept: Mapping[str, str],
        runs: FallbackTracker | None = None,
    ) -> None:
        self._state = state
        self._since = since
        self._runs = FallbackTracker() if runs is None else runs
        self._kept = {agent: _read_cursor(text) for agent, text in kept.items()}
        self._read: dict[str, _Cursor] = {}
        self._turns: OrderedDict[tuple[str, str], SessionReader] = OrderedDict()
        self._looks: dict[str, tuple[int, ...]] = {}
        self.locked = 0

    @property
    def files(self) -> int:
        """How many databases are followed."""
        return len(self._read)

    def read(self, now: datetime) -> Batch:
        """Read what is new, and give up what nobody answered."""
        batch = Batch()
        try:
            agents = [agent for agent in agents_in(self._state) if (agent / FILE).exists()]
        except OSError as error:
            batch.troubles["agents"] = error.strerror or "cannot be read"
            return batch
        for agent in agents:
            if batch.full:
                batch.more = True
                break
            try:
                self._read_agent(agent, batch)
            except sqlite3.Error as error:
                self.locked += "locked" in str(error) or "busy" in str(error)
                batch.troubles[str(agent / FILE)] = str(error)
            except OSError as error:
                batch.troubles[str(agent / FILE)] = error.strerror or "cannot be read"
        # While there is more to read, what an open request waits for may be in it.
        for (name, _), turns in () if batch.more else self._turns.items():
            found = turns.settle(now)
            if found.attempts:
                batch.add(found)
                batch.moved.add(name)
        return batch

    def accept(self, batch: Batch) -> dict[str, str]:
        """Keep what was read as read; return what is to be remembered, by agent."""
        kept = {}
        for name in batch.moved:
            cursor = self._read[name]
            open_ = [t.resume_at for (agent, _), t in self._turns.items() if agent == name]
            first = min((at for at in open_ if at is not None), default=None)
            if first is not None:
                # The row before it is not known by name, so only its number counts.
                cursor = _Cursor(first - 1)
            self._kept[name] = cursor
            kept[name] = json.dumps(
                [cursor.row, cursor.session, cursor.seq, cursor.created_ms], separators=(",", ":")
            )
        while len(self._turns) > _MOST_TURNS:
            self._turns.popitem(last=False)
        return kept

    def reject(self, batch: Batch) -> None:
        """Forget what was read, since it could not be written down: it is read again."""
        for name in batch.moved:
            self._read.pop(name, None)
            self._looks.pop(name, None)
            for key in [key for key in self._turns if key[0] == name]:
                del self._turns[key]

    def _read_agent(self, agent: Path, batch: Batch) -> None:
        path, name = agent / FILE, agent.name
        look = _look(path)
        if self._looks.get(name) == look:
            return
        cursor = self._read.get(name) or self._kept.get(name) or _Cursor()
        uri = f"file:{quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.25)) as base:
            cursor = _still_there(base, cursor, batch)
            rows = base.execute(_NEXT, (cursor.row, _ROWS)).fetchall()
        for row in rows:
            self._feed(name, row, batch)
            cursor = _Cursor(row[0], row[1], row[2], row[3])
        self._read[name] = cursor
        if rows:
            batch.moved.add(name)
        if len(rows) == _ROWS:
            batch.more = True
        else:
            self._looks[name] = look

    def _feed(self, agent: str, row: tuple[int, str, int, int, str, bytes], batch: Batch) -> None:
        rowid, session, _, _, text, packed = row
        raw = _unpack(packed) if text is None else text.encode("utf-8", "replace")
        batch.read_bytes += len(raw)
        if raw and b'"role"' not in raw:
            return
        said = read_entry(raw)
        if isinstance(said, Rubbish):
            batch.skipped += 1
        elif said is not None and said.at >= self._since:
            key = (agent, session)
            if key not in self._turns:
                self._turns[key] = SessionReader(agent, session, self._runs)
            self._turns.move_to_end(key)
            batch.add(self._turns[key].feed(said, rowid))


def _still_there(base: sqlite3.Connection, cursor: _Cursor, batch: Batch) -> _Cursor:
    if not cursor.session:
        return cursor
    if base.execute(_LAST, (cursor.row,)).fetchone() == (cursor.session, cursor.seq):
        return cursor
    batch.rewritten += 1
    found = base.execute(_BACK, (cursor.created_ms - _AGAIN_MS,)).fetchone()
    return _Cursor((found[0] or 1) - 1)


def _look(path: Path) -> tuple[int, ...]:
    """Return what changes when anybody writes: the file's and the write-ahead log's times."""
    found = path.stat()
    looks = [found.st_mtime_ns, found.st_size]
    try:
        wal = path.with_name(path.name + "-wal").stat()
    except FileNotFoundError:
        return tuple(looks)
    return (*looks, wal.st_mtime_ns, wal.st_size)


def _unpack(packed: bytes | None) -> bytes:
    """Unpack a compressed event; what cannot be unpacked is empty, and so is rubbish."""
    import zstandard

    try:
        unpacker = zstandard.ZstdDecompressor()
        return unpacker.decompress(packed or b"", max_output_size=_MOST_EVENT_BYTES)
    except (zstandard.ZstdError, MemoryError):
        return b""


def _read_cursor(text: str) -> _Cursor:
    try:
        row, session, seq, created_ms = json.loads(text)
        return _Cursor(int(row), str(session), int(seq), int(created_ms))
    except (ValueError, TypeError):
        return _Cursor()
