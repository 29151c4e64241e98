"""Did the running gateway take the edited config? Its own log says so within a second or two.

The log is read from its file, or through the gateway's RPC where OPENCLAW_GATEWAY_URL is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from adapters.openclaw.find import Reachable
from adapters.openclaw.neighbour import neighbour_of, pinned_of, place_of, repin
from adapters.openclaw.tail import LogTail
from bot.errors import ChangeoverError
from bot.models import Secret
from bot.openclaw.log_lines import Reload, ReloadNote, UnknownModel, read_line
from bot.ports import ConfigStore
from bot.ports.reloads import Confirmation, Neighbour, PinChange, PinResult, Pins, ReloadOutcome

_log = logging.getLogger("openclaw")
_POLL_S = 0.1
_NUDGE_EVERY_S = 1.5
# A running gateway writes something far more often; one that is stopped is not waited for.
_SILENT_S = 24 * 3600.0


class Lines(Protocol):
    """Where the log's new lines come from."""

    async def mark(self) -> bool:
        """Pass over what is there; False when nobody can be expected to write more."""
        ...

    async def read(self) -> tuple[Sequence[bytes], bool]:
        """Return what is new, and whether there is more at once."""
        ...


class FileLines:
    """Log files."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._tail = LogTail(logs)

    async def mark(self) -> bool:
        """Pass over what the log says already."""
        await asyncio.to_thread(self._tail.to_end)
        return time.time() - await asyncio.to_thread(self._tail.last_written) < _SILENT_S

    async def read(self) -> tuple[Sequence[bytes], bool]:
        """Return whole new lines."""
        part = await asyncio.to_thread(self._tail.read)
        self._tail.accept(part)
        return part.lines, part.more


class RpcLines:
    """The gateway's RPC `logs.tail`, a connection for each look."""

    def __init__(self, url: str, token: Secret | None) -> None:
        self._url, self._token = url, token
        self._cursor: int | None = None

    async def mark(self) -> bool:
        """Remember where the log ends. Raises RpcError."""
        await self.read()
        return self._cursor is not None

    async def read(self) -> tuple[Sequence[bytes], bool]:
        """Return new lines; none while the gateway cannot be asked after all. Raises RpcError."""
        from adapters.openclaw.rpc import connected

        async with connected(self._url, self._token) as rpc:
            part = await rpc.log_tail(self._cursor)
        first = self._cursor is None
        self._cursor = part.cursor
        return ((), False) if first else (part.lines, False)


class OpenClawReloads:
    """The Moltbot or OpenClaw that runs on the config, if one does."""

    def __init__(self, settings: Reachable, store: ConfigStore, timeout_s: float = 5.0) -> None:
        self._settings = settings
        self._store = store
        self._timeout_s = timeout_s

    async def begin(self) -> ReloadWatch | None:
        """Look at where its log is before a write; None when there is nothing to follow."""
        url = self._settings.gateway_url
        if url:
            try:
                return await self._watch(RpcLines(url, self._settings.gateway_token))
            except ChangeoverError as error:
                _log.warning("%s %s", error.message, error.hint)
        place = await place_of(self._settings, self._store)
        if not place.attached:
            return None
        return await self._watch(FileLines([Path(path) for path in place.logs]))

    async def pinned(self) -> Pins:
        """Return the sessions and cron jobs that do not follow the config."""
        return await pinned_of(self._settings, self._store)

    async def repin(self, changes: Sequence[PinChange]) -> Sequence[PinResult]:
        """Give each its new model where it still has the one before; never raises."""
        return await repin(self._settings, self._store, changes)

    async def neighbour(self) -> Neighbour:
        """Return whether one is attached, and to which providers it has signed in by itself."""
        return await neighbour_of(self._settings, self._store)

    async def _watch(self, lines: Lines) -> ReloadWatch:
        file = None if self._store.location == "db:" else Path(self._store.location)
        watch = ReloadWatch(lines, self._timeout_s, file)
        await watch.mark()
        return watch


class ReloadWatch:
    """Begins at the end of the log: mark it before the write, ask it after.

    In a silence the file's time is set anew now and then, for a watcher that missed the change.
    """

    def __init__(self, lines: Lines, timeout_s: float = 5.0, file: Path | None = None) -> None:
        self._lines = lines
        self._timeout_s = timeout_s
        self._file = file

    async def mark(self) -> None:
        """Pass over what the log says already."""
        if not await self._lines.mark():
            self._timeout_s = 0.0

    async def confirm(self, models: Collection[str] = ()) -> Confirmation:
        """Wait for the log to tell; NOT_SEEN when it does not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        nudge_at = loop.time() + _NUDGE_EVERY_S
        while True:
            more = False
            with contextlib.suppress(ChangeoverError):
                lines, more = await self._lines.read()
                verdict = verdict_of(lines, models)
                if verdict is not None:
                    return verdict
            if loop.time() >= deadline:
                return Confirmation(ReloadOutcome.NOT_SEEN)
            if loop.time() >= nudge_at:
                nudge_at += _NUDGE_EVERY_S
                await asyncio.to_thread(self._nudge)
            if not more:
                await asyncio.sleep(_POLL_S)

    def _nudge(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.utime(self._file)


def verdict_of(lines: Sequence[bytes], models: Collection[str] = ()) -> Confirmation | None:
    """Return what the last line about the config, or about one of its new models, says."""
    verdicts = {
        Reload.APPLIED: ReloadOutcome.IN_FORCE,
        Reload.REJECTED: ReloadOutcome.REJECTED,
        Reload.RESTART: ReloadOutcome.NEEDS_RESTART,
    }
    for raw in reversed(lines):
        note = read_line(raw)
        if isinstance(note, ReloadNote):
            return Confirmation(verdicts[note.reload], note.detail)
        if isinstance(note, UnknownModel) and note.model in models:
            return Confirmation(ReloadOutcome.UNKNOWN_MODEL, note.model)
    return None
