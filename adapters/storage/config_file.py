"""The config document as a file that other programs read and write too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from adapters.storage.file_backup import KEPT, backup_path
from adapters.storage.file_in_place import read_settled, recover
from adapters.storage.file_lock import writers_lock, writers_turn
from adapters.storage.file_watch import watch_file
from adapters.storage.file_write import MOST_BYTES, create_file, refused, replace_file
from adapters.storage.filesystem import FileSystem, explain, quoted, read_regular
from adapters.storage.included import read_included
from adapters.storage.openclaw_keys import key_files, read_keys
from bot.errors import ConfigConflictError, ConfigMissingError, ConfigUnreadableError
from bot.ports import ConfigSession, Document, KeptRevision, revision_of
from bot.spans import Command, text


class FileConfigStore:
    """A config file: read freely, written under a lock, at once and whole, with backups.

    Symbolic links are followed at every use, so that the link itself stays.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_s: float = 15.0,
        poll_s: float = 5.0,
        fs: FileSystem | None = None,
        state: Path | None = None,
    ) -> None:
        self._state = str(state) if state else None
        self._beside: tuple[str, ...] = ()
        self._path = os.path.abspath(path)
        self._location = os.path.realpath(self._path)
        self._lock_timeout_s = lock_timeout_s
        self._poll_s = poll_s
        self._fs = fs or FileSystem()

    @property
    def location(self) -> str:
        """The file's own absolute path, behind all links."""
        return self._location

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        return self._read()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        target = self._target()
        return writers_turn(target, timeout_s=self._lock_timeout_s, fs=self._fs)

    def exclusive(self) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock.

        Entering raises ConfigLockedError when it stays taken, ConfigMissingError when there is no
        file to lock, ConfigWriteError when its folder takes no lock file.
        """
        return self._exclusive()

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the file and its backups, the newest first."""
        target = self._target()
        found = [_kept(target, self._read().raw)]
        for number in range(1, KEPT + 1):
            with suppress(OSError, ValueError):
                path = backup_path(target, number)
                found.append(_kept(path, read_regular(path, MOST_BYTES)))
        return found

    async def create(self, raw: bytes) -> Document:
        """Write a first, private file; never over anything. Raises ConfigWriteError."""
        target = self._target()
        await _finish(asyncio.create_task(asyncio.to_thread(create_file, self._fs, target, raw)))
        return self._read()

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its state is another than `since`."""
        return watch_file(
            self._path, self._read, since=since, poll_s=self._poll_s, beside=lambda: self._beside
        )

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[ConfigSession]:
        target = self._target(must_exist=True)
        async with writers_lock(target, timeout_s=self._lock_timeout_s, fs=self._fs):
            try:
                recover(self._fs, target, MOST_BYTES)
            except OSError as error:
                raise refused(error, target) from error
            session = _FileSession(self, target)
            try:
                yield session
            finally:
                session.close()

    def _read(self) -> Document:
        target = self._target()
        try:
            raw = read_settled(target, MOST_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._missing(target) from error
        except OSError as error:
            refusal = explain(error, target)
            raise ConfigUnreadableError(
                f"{target} cannot be read: {refusal.why}.",
                f"Check its permissions: ls -l {quoted(target)}",
            ) from error
        except ValueError as error:
            raise ConfigUnreadableError(
                f"{target} {error}, so it cannot be the config.",
                "Set CHANGEOVER_CONFIG to the config file.",
            ) from error
        included, paths = read_included(raw, os.path.dirname(target), MOST_BYTES)
        self._beside = (*paths.values(), *key_files(target, self._state))
        return Document(raw, revision_of(raw), included, *read_keys(target, self._state))

    def _target(self, *, must_exist: bool = False) -> str:
        target = os.path.realpath(self._path)
        if must_exist and not os.path.lexists(target):
            raise self._missing(target)
        return target

    def _missing(self, target: str) -> ConfigMissingError:
        if os.path.islink(self._path):
            return ConfigMissingError(
                f"{self._path} links to {target}, which does not exist.",
                "Restore that file, or fix the link.",
            )
        return ConfigMissingError(
            f"Config file {target} does not exist.",
            text(
                "Run ",
                Command("init", program=True),
                ", or set CHANGEOVER_CONFIG to the config file.",
            ),
        )

    async def _write(self, target: str, raw: bytes, expected_revision: str) -> Document:
        if self._target() != target:
            raise ConfigConflictError(
                f"{self._path} now links to another file; nothing was written.",
                "Run the command again.",
            )
        write = asyncio.to_thread(replace_file, self._fs, target, raw, expected_revision)
        await _finish(asyncio.create_task(write))
        return self._read()


def _kept(path: str, raw: bytes) -> KeptRevision:
    at = datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
    return KeptRevision(at, revision_of(raw), raw)


class _FileSession:
    """The config file while its lock is held."""

    def __init__(self, store: FileConfigStore, target: str) -> None:
        self._store = store
        self._target = target
        self._open = True

    async def read(self) -> Document:
        """Read it afresh. Raises ConfigMissingError, ConfigUnreadableError."""
        return await self._store.read()

    async def write(self, raw: bytes, *, expected_revision: str) -> Document:
        """Replace the bytes. Raises ConfigConflictError, ConfigWriteError."""
        if not self._open:
            raise RuntimeError("the lock was given back: this session is over")
        return await self._store._write(self._target, raw, expected_revision)

    def close(self) -> None:
        """Refuse further writes."""
        self._open = False


async def _finish(task: asyncio.Task[None]) -> None:
    """Wait for a write to end even when cancelled: its lock must not be let go before it."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
