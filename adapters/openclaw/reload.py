"""Did the running gateway take the edited config? Its own log says so within a second or two."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.openclaw.find import Attachable, gather
from adapters.openclaw.pinned import pinned_in
from adapters.openclaw.tail import LogTail
from bot.config.include import resolve_includes
from bot.errors import ChangeoverError
from bot.openclaw.log_lines import Reload, ReloadNote, read_line
from bot.openclaw.place import Place, decide
from bot.ports import ConfigStore
from bot.ports.reloads import Confirmation, Pinned, Taken

_POLL_S = 0.1
_NUDGE_EVERY_S = 1.5
# A running gateway writes something far more often; one that is stopped is not waited for.
_SILENT_S = 24 * 3600.0


class OpenClawReloads:
    """The Moltbot or OpenClaw that runs on the config, if one does."""

    def __init__(self, settings: Attachable, store: ConfigStore, timeout_s: float = 5.0) -> None:
        self._settings = settings
        self._store = store
        self._timeout_s = timeout_s

    async def begin(self) -> ReloadWatch | None:
        """Look at where its log stands before a write; None when there is nothing to follow."""
        place = await self._place()
        if not place.attached:
            return None
        file = None if self._store.location == "db:" else Path(self._store.location)
        watch = ReloadWatch([Path(path) for path in place.logs], self._timeout_s, file)
        await watch.mark()
        return watch

    async def pinned(self) -> Sequence[Pinned]:
        """Return the sessions that do not follow the config."""
        state = (await self._place()).state
        return await asyncio.to_thread(pinned_in, Path(state)) if state else ()

    async def _place(self) -> Place:
        try:
            config = resolve_includes(await self._store.read())
        except ChangeoverError:
            config = {}
        return await asyncio.to_thread(
            lambda: decide(gather(self._settings, self._store.location, config))
        )


class ReloadWatch:
    """Begins at the end of the log: mark it before the write, ask it after.

    In a silence the file's time is set anew now and then: both generations miss a replaced file
    once in a while, above all one that follows another within a second.
    """

    def __init__(
        self, logs: Sequence[Path], timeout_s: float = 5.0, file: Path | None = None
    ) -> None:
        self._tail = LogTail(logs)
        self._timeout_s = timeout_s
        self._file = file

    async def mark(self) -> None:
        """Pass over what the log says already."""
        await asyncio.to_thread(self._tail.to_end)
        silent_s = time.time() - await asyncio.to_thread(self._tail.last_written)
        if silent_s > _SILENT_S:
            self._timeout_s = 0.0

    async def confirm(self) -> Confirmation:
        """Wait for the log to tell; NOT_SEEN when it does not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        nudge_at = loop.time() + _NUDGE_EVERY_S
        while True:
            part = await asyncio.to_thread(self._tail.read)
            self._tail.accept(part)
            verdict = verdict_of(part.lines)
            if verdict is not None:
                return verdict
            if loop.time() >= deadline:
                return Confirmation(Taken.NOT_SEEN)
            if loop.time() >= nudge_at:
                nudge_at += _NUDGE_EVERY_S
                await asyncio.to_thread(self._nudge)
            if not part.more:
                await asyncio.sleep(_POLL_S)

    def _nudge(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.utime(self._file)


def verdict_of(lines: Sequence[bytes]) -> Confirmation | None:
    """Return what the last line about the config says."""
    verdicts = {
        Reload.APPLIED: Taken.IN_FORCE,
        Reload.REJECTED: Taken.REJECTED,
        Reload.RESTART: Taken.NEEDS_RESTART,
    }
    for raw in reversed(lines):
        note = read_line(raw)
        if isinstance(note, ReloadNote):
            return Confirmation(verdicts[note.reload], note.detail)
    return None
